//! How long the body of an answer asks to wait.

use std::time::Duration;

use crate::provider::span;

/// What no provider means: a wait of more than a year is a mistake.
const ABSURD: Duration = Duration::from_secs(366 * 86_400);

/// Phrases that a wait follows in the text of an error, in lower case.
const BEFORE: &[&str] = &[
    "try again in",
    "retry in",
    "retry after",
    "retrying in",
    "retry-after:",
    "try again after",
    "please wait",
    "wait for",
    "available in",
    "resets in",
    "reset in",
    "reset after",
    "replenished in",
];

/// Words that may stand between such a phrase and the number.
const ABOUT: &[&str] = &["about ", "approximately ", "around ", "another ", "at least ", "~"];

/// Spans as words for people, each with its nanoseconds.
const WORDS: &[(&str, u64)] = &[
    ("millisecond", 1_000_000),
    ("milliseconds", 1_000_000),
    ("msec", 1_000_000),
    ("sec", SECOND),
    ("secs", SECOND),
    ("second", SECOND),
    ("seconds", SECOND),
    ("min", 60 * SECOND),
    ("mins", 60 * SECOND),
    ("minute", 60 * SECOND),
    ("minutes", 60 * SECOND),
    ("hr", 3_600 * SECOND),
    ("hrs", 3_600 * SECOND),
    ("hour", 3_600 * SECOND),
    ("hours", 3_600 * SECOND),
    ("day", 86_400 * SECOND),
    ("days", 86_400 * SECOND),
];

const SECOND: u64 = 1_000_000_000;

/// The whole text as a number of units of `nanos`, rounded up. A unit may follow it.
pub(super) fn number(text: &str, nanos: u64) -> Option<Duration> {
    let text = text.trim();
    let (whole, billionths, rest) = span::decimal(text)?;
    if !rest.is_empty() {
        return span::whole(text).and_then(meant);
    }
    let below_one = (u128::from(billionths) * u128::from(nanos)).div_ceil(1_000_000_000);
    let nanos = whole.checked_mul(nanos)?.checked_add(u64::try_from(below_one).ok()?)?;
    meant(Duration::from_nanos(nanos))
}

/// A wait that can be meant.
pub(super) fn meant(wait: Duration) -> Option<Duration> {
    (!wait.is_zero() && wait <= ABSURD).then_some(wait)
}

/// The first wait in the text of an error, which is given in lower case.
pub(super) fn in_text(text: &str) -> Option<Duration> {
    let mut found: Option<(usize, Duration)> = None;
    for phrase in BEFORE {
        for (at, _) in text.match_indices(phrase) {
            let Some(wait) = after(&text[at + phrase.len()..]) else { continue };
            if found.is_none_or(|(first, _)| at < first) {
                found = Some((at, wait));
            }
            break;
        }
    }
    found.and_then(|(_, wait)| meant(wait))
}

/// The wait at the beginning of `text`: "6m 11.52s.", "22 seconds", "1 hour 20 minutes", "07:12:30".
fn after(text: &str) -> Option<Duration> {
    let mut text = text.trim_start_matches([' ', ':']);
    for word in ABOUT {
        text = text.strip_prefix(word).unwrap_or(text);
    }
    clock(text).or_else(|| in_words(text)).or_else(|| {
        let (wait, rest) = span::leading(text)?;
        // "in 5 s" of a longer word would be another unit.
        (!rest.starts_with(|letter: char| letter.is_alphanumeric())).then_some(wait)
    })
}

/// `hours:minutes:seconds`, with days before a dot.
fn clock(text: &str) -> Option<Duration> {
    let end = text.find(|letter: char| !matches!(letter, '0'..='9' | ':' | '.')).unwrap_or(text.len());
    let (days, time) = match text[..end].trim_end_matches('.').split_once('.') {
        Some((days, time)) if time.contains(':') => (days.parse().ok()?, time),
        _ => (0_u64, text[..end].trim_end_matches('.')),
    };
    let mut parts = time.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<u64>().ok()?, parts.next()?.parse::<u64>().ok()?);
    let seconds = number(parts.next()?, SECOND).unwrap_or_default();
    let whole = days.checked_mul(24)?.checked_add(hours)?.checked_mul(60)?.checked_add(minutes)?;
    Duration::from_secs(whole.checked_mul(60)?).checked_add(seconds)
}

/// Parts of a number and a whole word, one after the other.
fn in_words(text: &str) -> Option<Duration> {
    let (mut sum, mut rest) = (None, text);
    while let Some((part, after)) = word(rest) {
        sum = Some(sum.unwrap_or(Duration::ZERO).checked_add(part)?);
        rest = after.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    sum
}

fn word(text: &str) -> Option<(Duration, &str)> {
    let (whole, billionths, rest) = span::decimal(text)?;
    let rest = rest.trim_start();
    let end = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
    let (_, nanos) = WORDS.iter().find(|(name, _)| *name == &rest[..end])?;
    let below_one = (u128::from(billionths) * u128::from(*nanos)).div_ceil(1_000_000_000);
    let nanos = whole.checked_mul(*nanos)?.checked_add(u64::try_from(below_one).ok()?)?;
    Some((Duration::from_nanos(nanos), &rest[end..]))
}
