//! What the name of a header field says: which budget it belongs to and which part of it.

use super::family::Family;
use super::span;

pub(super) const MINUTE: u64 = 60;
pub(super) const DAY: u64 = 86_400;
const MONTH: u64 = 30 * DAY;

/// A field that matters, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Date,
    RetryAfter,
    RetryAfterMillis,
    ShouldRetry,
    ProcessingMillis,
    /// The tokens that this call was charged (Mistral).
    Cost,
    /// A field that only Groq's answers have.
    Groq,
    /// Which window a refusal is about (GitHub Models).
    Kind,
    /// `RateLimit` of the IETF draft.
    Levels,
    /// `RateLimit-Policy` of the IETF draft.
    Policies,
    Budget(Key, Dialect, Part),
}

/// Tells budgets of one answer apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// `None` for what is not counted here.
    pub(super) family: Option<Family>,
    /// In seconds, where the name says it.
    pub(super) window: Option<u64>,
    /// The policy's name as a number, in the fields of the IETF draft; 0 elsewhere.
    pub(super) policy: u64,
}

impl Key {
    pub(super) fn of(family: Family) -> Self {
        Key { family: Some(family), window: None, policy: 0 }
    }
}

/// How a budget's values are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAI's names, which many speak: no window, and bare numbers of no known unit.
    OpenAi,
    /// Anthropic: all limits are per minute (docs.anthropic.com/en/api/rate-limits, read November 2026).
    Anthropic,
    /// Bare numbers are seconds; a window is known only where the name says it.
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Limit,
    Remaining,
    Reset,
    /// A reset that is sent with refusals only, in seconds: the wait.
    Wait,
    /// The length of the window, in seconds.
    Period,
    /// Whether a subscription is used up.
    Status,
}

/// The field of that name, and whether a relay repeats it from the answer of the provider behind it
/// (LiteLLM's prefix: its own fields stand beside; openllmetry cassettes, read November 2026).
pub(super) fn field(name: &str) -> Option<(bool, Field)> {
    // Most fields of an answer end here.
    if !matches!(name.as_bytes().first()?.to_ascii_lowercase(), b'a' | b'd' | b'l' | b'o' | b'r' | b'x') {
        return None;
    }
    if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return relayed(name);
    }
    let mut lower = [0; 64];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name.as_bytes());
    lower.make_ascii_lowercase();
    relayed(str::from_utf8(lower).ok()?)
}

fn relayed(name: &str) -> Option<(bool, Field)> {
    match name.strip_prefix("llm_provider-") {
        Some(name) => Some((true, own(name)?)),
        None => Some((false, own(name)?)),
    }
}

fn own(name: &str) -> Option<Field> {
    Some(match name {
        "date" => Field::Date,
        "retry-after" => Field::RetryAfter,
        "retry-after-ms" => Field::RetryAfterMillis,
        "x-should-retry" => Field::ShouldRetry,
        "openai-processing-ms" => Field::ProcessingMillis,
        "x-ratelimit-tokens-query-cost" | "ratelimitbysize-query-cost" => Field::Cost,
        "x-groq-region" => Field::Groq,
        "x-ratelimit-type" => Field::Kind,
        "x-ratelimit-timeremaining" => Field::Budget(Key::of(Family::Requests), Dialect::OpenAi, Part::Wait),
        "ratelimit" => Field::Levels,
        "ratelimit-policy" => Field::Policies,
        _ => budget(name)?,
    })
}

fn budget(name: &str) -> Option<Field> {
    if let Some(rest) = name.strip_prefix("x-ratelimit-") {
        open_ai(rest)
    } else if let Some(rest) = name.strip_prefix("anthropic-") {
        anthropic(rest)
    } else if let Some(rest) = name.strip_prefix("x-rate-limit-") {
        // Azure's old 429 (openai-python#937, read November 2026).
        match open_ai(rest)? {
            Field::Budget(key, dialect, Part::Reset) => Some(Field::Budget(key, dialect, Part::Wait)),
            other => Some(other),
        }
    } else if let Some(rest) = name.strip_prefix("ratelimit-") {
        let (part, word) = part(rest)?;
        word.is_empty().then_some(Field::Budget(Key::of(Family::Requests), Dialect::Plain, part))
    } else if let Some(rest) = name.strip_prefix("x-ratelimitbysize-") {
        by_size(rest)
    } else if let Some(rest) = name.strip_prefix("ratelimitbysize-") {
        by_size(rest)
    } else if let Some(rest) = name.strip_prefix("x-tokenlimit-") {
        // Together in 2024: per second (openllmetry cassettes, read November 2026).
        let (part, word) = part(rest)?;
        word.is_empty().then_some(plain(Family::Tokens, Some(1), part))
    } else {
        // Cohere's trial keys: calls a minute and a month, sent on success only (read November 2026).
        let calls = [("x-endpoint-monthly-call-", MONTH), ("x-trial-endpoint-call-", MINUTE)];
        let named = |(start, window)| Some((name.strip_prefix(start)?, window));
        let (rest, window) = calls.into_iter().find_map(named)?;
        let (part, word) = part(rest)?;
        word.is_empty().then_some(plain(Family::Requests, Some(window), part))
    }
}

fn plain(family: Family, window: Option<u64>, part: Part) -> Field {
    Field::Budget(Key { window, ..Key::of(family) }, Dialect::Plain, part)
}

/// `limit-requests`, `remaining-tokens-minute`, `limit-req-10-second`, `reset`.
fn open_ai(rest: &str) -> Option<Field> {
    let (part, word) = part(rest)?;
    let (word, window) = period(word);
    let family = Family::named(word)?;
    // Fireworks, which alone divides tokens so, counts them per second (docs.fireworks.ai, read
    // November 2026).
    let per_second = matches!(word, "tokens-prompt" | "tokens-generated" | "tokens-cache-adjusted-prompt");
    let window = window.or(per_second.then_some(1));
    if window.is_some() || word.is_empty() {
        return Some(plain(family, window, part));
    }
    Some(Field::Budget(Key::of(family), Dialect::OpenAi, part))
}

/// Mistral in early 2025: tokens of a fixed minute, unless another window is named (recorded answers,
/// read November 2026).
fn by_size(rest: &str) -> Option<Field> {
    let (part, word) = part(rest)?;
    let (word, window) = period(word);
    word.is_empty().then_some(plain(Family::Tokens, window.or(Some(MINUTE)), part))
}

/// `ratelimit-input-tokens-limit`, `priority-output-tokens-reset`, `ratelimit-unified-5h-reset`.
fn anthropic(rest: &str) -> Option<Field> {
    let (kind, rest) = rest.split_once('-')?;
    let (part, word) = part(rest)?;
    if let ("ratelimit", Some(claim)) = (kind, word.strip_prefix("unified")) {
        let window = match claim.strip_prefix('-') {
            Some(claim) => Some(span::whole(claim)?.as_secs()),
            None => claim.is_empty().then_some(None)?,
        };
        return Some(plain(Family::Subscription, window, part));
    }
    let family = match (kind, word) {
        ("ratelimit", "requests" | "tokens" | "input-tokens" | "output-tokens") => Family::named(word)?,
        ("priority", "input-tokens") => Family::PriorityInputTokens,
        ("priority", "output-tokens") => Family::PriorityOutputTokens,
        ("fast", "input-tokens") => Family::FastInputTokens,
        ("fast", "output-tokens") => Family::FastOutputTokens,
        _ => return None,
    };
    Some(Field::Budget(Key::of(family), Dialect::Anthropic, part))
}

/// Takes the word for the part off either end.
fn part(rest: &str) -> Option<(Part, &str)> {
    let parts = [
        ("limit", Part::Limit),
        ("remaining", Part::Remaining),
        ("reset", Part::Reset),
        ("renewalperiod", Part::Period),
        ("status", Part::Status),
    ];
    let cut = |(word, part): (&str, Part)| {
        let other = match (rest.strip_prefix(word), rest.strip_suffix(word)) {
            (Some(""), _) => Some(""),
            (Some(other), _) => other.strip_prefix('-'),
            (None, Some(other)) => other.strip_suffix('-'),
            (None, None) => None,
        };
        // A dash with nothing beyond it is no name of the kind.
        let whole = |other: &&str| !other.is_empty() || rest == word;
        other.filter(whole).map(|other| (part, other))
    };
    parts.into_iter().find_map(cut)
}

/// Takes a window off the end: `tokens-minute`, `req-10-second`; in seconds.
fn period(word: &str) -> (&str, Option<u64>) {
    let units = [("second", 1), ("minute", MINUTE), ("hour", 3_600), ("day", DAY), ("month", MONTH)];
    let cut = |(unit, seconds)| Some((last(word, unit)?, seconds));
    let Some((rest, seconds)) = units.into_iter().find_map(cut) else { return (word, None) };
    let rest = last(rest, "per").unwrap_or(rest);
    let (before, number) = rest.rsplit_once('-').unwrap_or(("", rest));
    match number.parse::<u16>() {
        Ok(number) if number > 0 => (before, Some(u64::from(number) * seconds)),
        _ => (rest, Some(seconds)),
    }
}

/// What stands before the last word of a name, if it is this one.
fn last<'a>(name: &'a str, word: &str) -> Option<&'a str> {
    let before = name.strip_suffix(word)?;
    if before.is_empty() { Some("") } else { before.strip_suffix('-') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> Option<(Family, Option<u64>, Part)> {
        match field(name)? {
            (false, Field::Budget(key, _, part)) => Some((key.family?, key.window, part)),
            _ => None,
        }
    }

    #[test]
    fn names_of_every_dialect_are_known() {
        use Family::*;
        use Part::*;
        for (name, expected) in [
            ("x-ratelimit-limit-requests", (Requests, None, Limit)),
            ("X-RateLimit-Remaining-Tokens", (Tokens, None, Remaining)),
            ("x-ratelimit-reset-tokens_usage_based", (UsageTokens, None, Reset)),
            ("x-ratelimit-limit-project-tokens", (ProjectTokens, None, Limit)),
            ("x-ratelimit-limit-input-images", (InputImages, None, Limit)),
            ("x-rate-limit-reset-tokens", (Tokens, None, Wait)),
            ("x-ratelimit-renewalperiod-tokens", (Tokens, None, Period)),
            ("x-ratelimit-timeremaining", (Requests, None, Wait)),
            ("anthropic-ratelimit-output-tokens-reset", (OutputTokens, None, Reset)),
            ("anthropic-priority-input-tokens-limit", (PriorityInputTokens, None, Limit)),
            ("anthropic-fast-output-tokens-remaining", (FastOutputTokens, None, Remaining)),
            ("anthropic-ratelimit-unified-reset", (Subscription, None, Reset)),
            ("anthropic-ratelimit-unified-7d-status", (Subscription, Some(7 * DAY), Status)),
            ("ratelimitbysize-reset", (Tokens, Some(60), Reset)),
            ("x-ratelimitbysize-limit-month", (Tokens, Some(MONTH), Limit)),
            ("x-ratelimit-remaining-req-10-second", (Requests, Some(10), Remaining)),
            ("x-ratelimit-limit-tokens-minute", (Tokens, Some(60), Limit)),
            ("x-ratelimit-limit-tokens-per-day", (Tokens, Some(DAY), Limit)),
            ("x-ratelimit-reset-requests-hour", (Requests, Some(3_600), Reset)),
            ("x-ratelimit-limit-day", (Requests, Some(DAY), Limit)),
            ("X-Ratelimit-Limit-Tokens-Cache-Adjusted-Prompt", (UncachedTokens, Some(1), Limit)),
            ("x-tokenlimit-remaining", (Tokens, Some(1), Remaining)),
            ("x-endpoint-monthly-call-limit", (Requests, Some(MONTH), Limit)),
            ("x-trial-endpoint-call-remaining", (Requests, Some(60), Remaining)),
            ("RateLimit-Reset", (Requests, None, Reset)),
        ] {
            assert_eq!(read(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn other_names_are_nothing() {
        for name in [
            "",
            "é",
            "x-ratelimit-",
            "x-ratelimit-limit-",
            "x-ratelimit-limit-bananas",
            "x-ratelimit-limit-dynamic",
            "x-ratelimit-key",
            "x-ratelimit-abusepenalty-active",
            "x-ratelimit-model_per_key-remaining-requests",
            "anthropic-ratelimit-unified-5h-utilization",
            "anthropic-ratelimit-unified-overage-reset",
            "anthropic-organization-id",
            "llm_provider-",
            "x-RATELIMIT-limit-requests-and-a-name-that-goes-on-and-on-and-on-and-on-and-on",
        ] {
            assert_eq!(field(name), None, "{name}");
        }
    }

    #[test]
    fn what_a_relay_repeats_is_kept_apart() {
        let (upstream, repeated) = field("LLM_provider-X-Ratelimit-Limit-Tokens").unwrap();
        assert_eq!((false, repeated), field("x-ratelimit-limit-tokens").unwrap());
        assert!(upstream);
    }
}
