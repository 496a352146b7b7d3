//! The limit that was hit and its numbers, from all that an answer says.

use std::time::Duration;

use super::told::{Told, Violation, cut};
use super::{DAY, Head, budget, number};
use crate::provider::headers::Headers;
use crate::provider::observation::Observation;
use crate::provider::verdict::Hit;
use crate::quota::Unit;

const MINUTE: Duration = Duration::from_secs(60);

/// Names that tell a unit, for texts that do not.
const UNITS: &[(Unit, &[&str])] = &[
    (Unit::Tokens, &["tokens", "tokensusagebased", "tokenquotaexceeded", "dynamictokenlimited"]),
    (Unit::InputTokens, &["inputtokens"]),
    (Unit::OutputTokens, &["outputtokens"]),
    (Unit::Requests, &["requests", "requestquotaexceeded", "dynamicrequestlimited", "1303", "1304"]),
    (Unit::InFlight, &["1302", "concurrencylimitexceeded", "concurrencylimit", "concurrency"]),
];

/// The budget that was hit, from Google's quotas or the text, then from the header, then from the names.
pub(super) fn named<H: Headers + ?Sized>(head: &Head<'_, H>, told: &Told) -> Hit {
    let headers = head.headers;
    let of_quota = |quota: &Violation| Hit { limit: quota.limit, ..budget::named(&quota.name) };
    // Of several, the one that takes longest to come back decides.
    let quota = told.quotas.iter().map(of_quota).max_by_key(|hit| hit.period);
    let mut hit = quota.unwrap_or_else(|| budget::named(&told.text));
    // GitHub names the class of the limit: "UserByModelByDay".
    if let Some(class) = headers.field("x-ratelimit-type") {
        let named = budget::named(cut(class, 128));
        hit.unit = hit.unit.or(named.unit);
        hit.period = hit.period.or(named.period);
    }
    let azure = headers.field("policy-id").and_then(azure_unit);
    hit.unit = hit.unit.or(azure);
    if hit.unit.is_none() && !told.says(&["images per", "audio"]) {
        hit.unit = UNITS.iter().find(|(_, names)| told.is_named(names)).map(|(unit, _)| *unit);
    }
    if hit.unit.is_none() {
        hit = exhausted(&head.seen).unwrap_or(hit);
    }
    let bedrock = bedrock_unit(told);
    hit.unit = hit.unit.or(bedrock);
    if hit.period.is_none() && !matches!(hit.unit, None | Some(Unit::InFlight)) {
        hit.period = usual_period(&head.seen, told, bedrock.or(azure).is_some());
    }
    hit
}

/// The only budget of which the header says that nothing is left. Its limit may be rounded.
fn exhausted(seen: &Observation) -> Option<Hit> {
    let mut empty =
        seen.readings().iter().filter(|reading| reading.remaining == Some(0) && !reading.upstream);
    let reading = empty.next().filter(|_| empty.next().is_none())?;
    Some(Hit { unit: reading.family.unit(), period: reading.window, ..Hit::default() })
}

/// Azure's kind of limit: "DeploymentRatelimit-Token".
fn azure_unit(policy: &str) -> Option<Unit> {
    let (_, kind) = policy.trim().rsplit_once('-')?;
    let units = [("Token", Unit::Tokens), ("Request", Unit::Requests), ("Call", Unit::Requests)];
    units.iter().find(|(name, _)| kind.starts_with(name)).map(|(_, unit)| *unit)
}

/// Bedrock's "Too many tokens, please wait before trying again." Without the end of the sentence, "too
/// many requests" is what everybody says.
fn bedrock_unit(told: &Told) -> Option<Unit> {
    let noun = told.low.strip_prefix("too many ")?;
    let units = [("tokens", Unit::Tokens), ("requests", Unit::Requests), ("connections", Unit::InFlight)];
    let said = units.iter().find(|(name, _)| noun.starts_with(name)).map(|(_, unit)| *unit);
    said.filter(|_| told.says(&["wait before trying again"]))
}

/// The period of providers that do not name it because they have one only: a minute of Azure's pricing
/// tiers (learn.microsoft.com/azure/ai-services/openai/quotas-limits) and of Bedrock
/// (docs.aws.amazon.com/bedrock/latest/userguide/quotas.html), both read November 2026. Cerebras
/// has three; where it says to wait a minute at the most, it is that. Z.ai's 1304 is its day.
fn usual_period(seen: &Observation, told: &Told, minute: bool) -> Option<Duration> {
    if told.is_named(&["1304"]) {
        return Some(DAY);
    }
    let cerebras = told.is_named(&["requestquotaexceeded", "tokenquotaexceeded"])
        && seen.retry_after().is_none_or(|wait| wait <= MINUTE);
    (minute || cerebras || told.says(&["pricing tier"])).then_some(MINUTE)
}

/// Whether the limit is zero. Google leaves a zero out of its quotas and keeps it in the text.
pub(super) fn is_zero(told: &Told) -> bool {
    let zero = |at: usize| !told.low[at..].starts_with(|next: char| next.is_ascii_digit() || next == '.');
    let phrase = "limit: 0";
    told.quotas.iter().any(|quota| quota.limit == Some(0))
        || told.low.match_indices(phrase).any(|(at, _)| zero(at + phrase.len()))
}

/// The numbers of a limit, wherever they stand: "Limit 30000, Used 29937, Requested 385".
pub(super) fn numbers(told: &Told, hit: &mut Hit) {
    if let Some(found) = actual_of_limit(told) {
        *hit = found;
        return;
    }
    let low = &told.low;
    let of_quota = hit.limit.filter(|_| !told.quotas.is_empty());
    let in_text = || number::after(low, "limit");
    hit.limit = of_quota.or_else(in_text).or(hit.limit).or_else(|| number::after(low, "limited to"));
    // Until 2023 OpenAI wrote "Current: 24010 / min".
    hit.used = number::after(low, "used").or_else(|| number::after(low, "current:"));
    hit.requested = number::after(low, "requested");
}

/// xAI's "Requests per Second (actual/limit): 2/2": of several, the first that is reached, else the first.
fn actual_of_limit(told: &Told) -> Option<Hit> {
    let mut first = None;
    let mut named_from = 0;
    for (at, phrase) in told.low.match_indices("(actual/limit)") {
        let name = &told.text[named_from..at];
        named_from = at + phrase.len();
        let rest = told.low[named_from..].trim_start_matches([':', ' ']);
        let limit = rest.split_once('/').and_then(|(_, limit)| number::leading(limit.trim_start()));
        let (Some(used), Some(_)) = (number::leading(rest), limit) else { continue };
        let hit = Hit { limit, used: Some(used), ..budget::named(name) };
        if hit.used >= hit.limit {
            return Some(hit);
        }
        first = first.or(Some(hit));
    }
    first
}

/// Phrases before the most that one call may have. The last stands in many sentences, so a number before
/// "maximum" is better.
const MOST: &[&str] = &[
    ">",
    "context length",
    "context limit",
    "context window",
    "prompt length",
    "limited to",
    "tokens allowed",
    "allowed number of input tokens",
    "cannot exceed",
    "must be <=",
    "at most",
    "max size",
];
const MOST_LAST: &[&str] = &["limit"];

/// Phrases before what the call has.
const HAS: &[&str] = &[
    "requested",
    "resulted in",
    "too long:",
    "token count",
    "contains",
    "received",
    "given:",
    "input length is",
    "is too large:",
];

/// The numbers of a call that is too large, for a model or for a limit.
pub(super) fn sizes(told: &Told, hit: &mut Hit) {
    let low = &told.low;
    let first = |phrases: &[&str]| phrases.iter().find_map(|phrase| number::after(low, phrase));
    let maximum = || number::before(&low[..low.find(" maximum")?]);
    hit.limit = first(MOST).or_else(maximum).or_else(|| first(MOST_LAST)).or(hit.limit);
    hit.requested = first(HAS);
    hit.used = None;
}
