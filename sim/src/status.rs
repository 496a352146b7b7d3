//! The HTTP statuses of answers, in the dialects of the providers.

use crate::config::HeaderFamily;
use crate::log::Outcome;
use crate::provider::Fault;
use crate::trouble::Trouble;

/// What a client reads; `None` where there is no answer, or none yet.
pub(crate) fn of(family: HeaderFamily, outcome: Outcome) -> Option<u16> {
    match outcome {
        Outcome::Admitted => Some(200),
        Outcome::Failed(Fault::ServerError) => Some(500),
        Outcome::Refused => Some(REFUSED),
        Outcome::TooLarge => Some(too_large(family)),
        Outcome::TurnedAway(trouble) => Some(turned_away(family, trouble)),
        Outcome::Failed(Fault::DroppedConnection)
        | Outcome::Finished
        | Outcome::Abandoned
        | Outcome::Broken(_) => None,
    }
}

pub(crate) const REFUSED: u16 = 429;

pub(crate) fn too_large(family: HeaderFamily) -> u16 {
    match family {
        HeaderFamily::Groq => 413,
        _ => 429,
    }
}

pub(crate) fn turned_away(family: HeaderFamily, trouble: Trouble) -> u16 {
    match (trouble, family) {
        (Trouble::Outage, HeaderFamily::Anthropic) => 529,
        (Trouble::Outage, _) => 503,
        (Trouble::AccountStop, HeaderFamily::Anthropic) => 400,
        (Trouble::Storm { .. } | Trouble::AccountStop, _) => 429,
    }
}
