//! What can go wrong, with the budget, the numbers and the wait.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::provider::AccountProblem;
use crate::provider::presets::UnknownPreset;
use crate::quota::{InvalidQuota, Quota};

/// Why a call was not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// Never: the call is larger than a quota's capacity. Waiting does not help; a smaller call does.
    #[error(transparent)]
    ExceedsQuota(Box<ExceedsQuota>),
    /// Never: the prompt is longer than the provider takes in one call. Waiting does not help; a shorter one does.
    #[error(transparent)]
    PromptTooLong(Box<PromptTooLong>),
    /// Never: the provider takes no calls from the account, until somebody acts or a date comes.
    #[error(transparent)]
    Stopped(Box<Stopped>),
    /// Not yet: the budget cannot pay now, or not soon enough. Waiting helps.
    #[error(transparent)]
    NotYet(Box<NotYet>),
    /// Not now: too many calls wait already. Trying later helps.
    #[error(transparent)]
    QueueFull(Box<QueueFull>),
    /// Never: no limits are configured for this model.
    #[error(transparent)]
    UnknownModel(#[from] UnknownModel),
}

impl From<ExceedsQuota> for AcquireError {
    fn from(error: ExceedsQuota) -> Self {
        AcquireError::ExceedsQuota(Box::new(error))
    }
}

impl From<PromptTooLong> for AcquireError {
    fn from(error: PromptTooLong) -> Self {
        AcquireError::PromptTooLong(Box::new(error))
    }
}

impl From<Stopped> for AcquireError {
    fn from(error: Stopped) -> Self {
        AcquireError::Stopped(Box::new(error))
    }
}

impl From<NotYet> for AcquireError {
    fn from(error: NotYet) -> Self {
        AcquireError::NotYet(Box::new(error))
    }
}

impl From<QueueFull> for AcquireError {
    fn from(error: QueueFull) -> Self {
        AcquireError::QueueFull(Box::new(error))
    }
}

/// A call that may not join the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{model}: the queue is full: {calls} calls with {tokens} tokens wait{}", Caps(.most_calls, .most_tokens))]
pub struct QueueFull {
    /// The name under which the model's limits were given.
    pub model: String,
    /// How many calls wait.
    pub calls: usize,
    /// The tokens that they are expected to cost.
    pub tokens: u64,
    /// How many calls may wait; `usize::MAX` where that is not limited.
    pub most_calls: usize,
    /// How many tokens may wait; `u64::MAX` where that is not limited.
    pub most_tokens: u64,
}

struct Caps<'a>(&'a usize, &'a u64);

impl fmt::Display for Caps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self.0 < usize::MAX {
            write!(f, ", of {} calls that may", self.0)?;
        }
        if *self.1 < u64::MAX {
            write!(f, ", of {} tokens that may", self.1)?;
        }
        Ok(())
    }
}

/// A call that no wait can admit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{model}: the call costs {cost} {}; {quota} admits {} at the most", .quota.unit(), .quota.capacity())]
pub struct ExceedsQuota {
    /// The name under which the model's limits were given.
    pub model: String,
    /// What the call costs, in the quota's unit.
    pub cost: u64,
    /// The quota that is too small for it.
    pub quota: Quota,
}

/// A call with a longer prompt than its model may have: see [`Limits::longest_prompt`](crate::Limits::longest_prompt).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{model}: the prompt holds {tokens} tokens; {longest} is the most for one call")]
pub struct PromptTooLong {
    /// The name under which the model's limits were given.
    pub model: String,
    /// The tokens of the call's prompt.
    pub tokens: u64,
    /// The most that a prompt may hold.
    pub longest: u64,
}

/// A call that is not sent, since the provider said that it takes none from the account. See
/// [`Limiter::resume`](crate::Limiter::resume).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{model}: the provider takes no calls from the account: {problem}")]
pub struct Stopped {
    /// The name under which the model's limits were given.
    pub model: String,
    /// What is wrong with the account.
    pub problem: AccountProblem,
    /// When access returns, where the provider said so.
    pub until: Option<SystemTime>,
}

/// A call that has to wait, and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYet {
    /// The name under which the model's limits were given.
    pub model: String,
    /// The budget that is the last to be able to pay; `None` where calls ahead in the queue are
    /// all there is to wait for.
    pub blocking: Option<Blocking>,
    /// How many calls wait ahead; of the same tenant and class, where it was in line itself.
    pub ahead: usize,
    /// How long the caller was willing to wait.
    pub within: Duration,
}

/// The budget a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocking {
    /// What the provider promises.
    pub quota: Quota,
    /// What the call costs, in the quota's unit.
    pub cost: u64,
    /// What is left of the budget; below zero is debt.
    pub remaining: i64,
    /// How long until it can pay for this call alone, if nothing comes back before; `None` where only a
    /// call in flight that ends can make room.
    pub wait: Option<Duration>,
    /// The provider refused a call for the sake of this budget: whatever is left of it, no call goes before
    /// `wait` is over; then one does, to see whether it is open again, and another one every 2 s until one is answered.
    pub closed: bool,
}

impl std::error::Error for NotYet {}

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.model)?;
        match &self.blocking {
            Some(Blocking { quota, wait: Some(wait), closed: true, .. }) => {
                write!(f, "{quota} is closed for {}, since the provider refused a call", rounded(*wait))?;
            }
            Some(Blocking { quota, wait: None, closed: true, .. }) => {
                write!(f, "{quota} is closed, since the provider refused a call")?;
            }
            Some(Blocking { quota, cost, remaining, wait, closed: false }) => {
                write!(f, "{quota} has {remaining} {} left of the {cost} needed", quota.unit())?;
                match wait {
                    Some(wait) => write!(f, ", and has them in {}", rounded(*wait))?,
                    None => f.write_str(", and has them when a call in flight ends")?,
                }
            }
            None => f.write_str("every budget could pay")?,
        }
        if self.ahead > 0 {
            write!(f, "; waiting ahead of it: {}", self.ahead)?;
        }
        if self.within > Duration::ZERO {
            write!(f, "; it was to wait {} at most", rounded(self.within))?;
        }
        Ok(())
    }
}

/// To the millisecond, upwards: a wait that is told is never too short.
pub(crate) fn rounded(wait: Duration) -> humantime::FormattedDuration {
    let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    humantime::format_duration(Duration::from_millis(millis))
}

/// A model without limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{model}: no limits for this model; configured: {}", if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
pub struct UnknownModel {
    /// The model asked for.
    pub model: String,
    /// Names and patterns that are configured, in alphabetical order.
    pub known: Vec<String>,
}

/// A limiter that could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A quota that cannot be kept.
    #[error("{scope}: {source}")]
    InvalidQuota {
        /// The model, group or tenant it was given for.
        scope: String,
        /// The field and what is wrong with it.
        source: InvalidQuota,
    },
    /// A name or pattern that stands for two things.
    #[error("{name}: given to both {first} and {second}")]
    Ambiguous {
        /// The name or pattern.
        name: String,
        /// The model that has it.
        first: String,
        /// The model that would have it, too.
        second: String,
    },
    /// A pattern with a star elsewhere than at its end.
    #[error("{pattern}: a pattern is a prefix and one star at its end")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// An alias or a fallback names a model that has no limits.
    #[error("{name}: stands for {model}, which has no limits")]
    Dangling {
        /// The alias, or `fallback`.
        name: String,
        /// The model that is missing.
        model: String,
    },
    /// A preset that is not there.
    #[error("preset: {0}")]
    UnknownPreset(UnknownPreset),
    /// A fallback beside a preset whose provider refuses every model that it does not name.
    #[error(
        "fallback: {preset} allows only the models that it names, and a fallback would let any other pass"
    )]
    FallbackPastAllowList {
        /// The preset.
        preset: &'static str,
    },
}
