//! Which budget a text or a quota's name speaks of: "tokens per day", "RPM", "InputTokensPerModelPerMinute".

use std::time::Duration;

use super::number;
use crate::provider::verdict::Hit;
use crate::quota::Unit;

/// How many words may stand between a unit and its period ("tokens has exceeded your per-minute").
const NEAR: usize = 6;

/// Abbreviations that name both.
const SHORT: &[(&str, Unit, u64)] = &[
    ("rps", Unit::Requests, 1),
    ("rpm", Unit::Requests, 60),
    ("rph", Unit::Requests, 3_600),
    ("rpd", Unit::Requests, 86_400),
    ("tps", Unit::Tokens, 1),
    ("tpm", Unit::Tokens, 60),
    ("tph", Unit::Tokens, 3_600),
    ("tpd", Unit::Tokens, 86_400),
    ("itpm", Unit::InputTokens, 60),
    ("otpm", Unit::OutputTokens, 60),
];

const PERIODS: &[(&[&str], u64)] = &[
    (&["second", "seconds", "sec", "secs", "s"], 1),
    (&["minute", "minutes", "min", "mins"], 60),
    (&["hour", "hours", "hr"], 3_600),
    (&["day", "days"], 86_400),
    (&["week", "weeks"], 604_800),
    (&["month", "months"], 2_592_000),
];

const ADJECTIVES: &[(&str, u64)] =
    &[("hourly", 3_600), ("daily", 86_400), ("weekly", 604_800), ("monthly", 2_592_000)];

/// A word and where it begins.
struct Word<'t> {
    text: &'t str,
    at: usize,
}

impl Word<'_> {
    fn is(&self, any: &[&str]) -> bool {
        any.iter().any(|one| self.text.eq_ignore_ascii_case(one))
    }
}

/// Words of letters and digits, parted also where a capital follows a small letter; a slash is a word.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        let letter = byte.is_ascii_alphanumeric();
        let camel = before.is_ascii_lowercase() && byte.is_ascii_uppercase();
        if let Some(from) = start.filter(|_| !letter || camel) {
            words.push(Word { text: &text[from..at], at: from });
            start = None;
        }
        if letter && start.is_none() {
            start = Some(at);
        }
        if byte == b'/' {
            words.push(Word { text: "/", at });
        }
        before = byte;
    }
    words.extend(start.map(|from| Word { text: &text[from..], at: from }));
    words
}

/// What is counted: a unit, or something that no budget here counts (images, audio).
#[derive(Clone, Copy)]
struct Counted {
    unit: Option<Unit>,
    /// Index of the first word of it: "input" of "input tokens".
    first: usize,
    last: usize,
}

/// The unit whose name ends at word `i`.
fn counted(words: &[Word<'_>], i: usize) -> Option<Counted> {
    let word = &words[i];
    let before = |any: &[&str]| (1..=2).find(|back| i >= *back && words[i - back].is(any));
    if word.is(&["tokens", "token"]) {
        if let Some(back) = before(&["input", "prompt"]) {
            return Some(Counted { unit: Some(Unit::InputTokens), first: i - back, last: i });
        }
        if let Some(back) = before(&["output", "completion", "generated"]) {
            return Some(Counted { unit: Some(Unit::OutputTokens), first: i - back, last: i });
        }
        let first = i - before(&["total", "combined", "request"]).unwrap_or(0);
        return Some(Counted { unit: Some(Unit::Tokens), first, last: i });
    }
    if word.is(&["requests", "request", "calls", "call", "queries", "invocations"]) {
        if before(&["concurrent", "parallel", "simultaneous"]).is_some() {
            return Some(Counted { unit: Some(Unit::InFlight), first: i, last: i });
        }
        let first = i - before(&["api", "model"]).unwrap_or(0);
        return Some(Counted { unit: Some(Unit::Requests), first, last: i });
    }
    let other = ["images", "image", "audio", "pixels", "characters", "files", "megabytes"];
    word.is(&other).then_some(Counted { unit: None, first: i, last: i })
}

/// The period that is named from word `i` on, after a "per" or its like.
fn period(words: &[Word<'_>], i: usize) -> Option<u64> {
    let named = |word: &Word<'_>| PERIODS.iter().find(|(names, _)| word.is(names)).map(|(_, length)| *length);
    let word = words.get(i)?;
    let digits = word.text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return named(word);
    }
    let (count, unit) = word.text.split_at(digits);
    let length = if unit.is_empty() { named(words.get(i + 1)?) } else { named(&Word { text: unit, at: 0 }) };
    length?.checked_mul(count.parse().ok()?).filter(|length| *length > 0)
}

/// The budget that a text names, and its limit where that stands before it ("20,000 input tokens per
/// minute"). The first that has a unit and a period counts, else whatever is named.
pub(super) fn named(text: &str) -> Hit {
    let words = words(text);
    let mut last: Option<Counted> = None;
    let mut lone = Hit::default();
    for (i, word) in words.iter().enumerate() {
        if let Some((_, unit, length)) = SHORT.iter().find(|(name, ..)| word.is(&[name])) {
            let limit = number::before(&text[..word.at]);
            return Hit { unit: Some(*unit), limit, ..over(*length) };
        }
        if let Some(found) = counted(&words, i) {
            last = Some(found);
            if lone.unit.is_none() && limits(&words, i) {
                lone.unit = found.unit;
            }
        }
        if word.is(&["concurrent", "concurrency", "simultaneous", "simultaneously"]) {
            lone.unit = Some(Unit::InFlight);
        }
        let adjective = ADJECTIVES.iter().find(|(name, _)| word.is(&[name])).map(|(_, length)| *length);
        let length = match adjective {
            Some(length) => Some(length),
            None if word.is(&["per", "by", "every", "each", "/"]) => period(&words, i + 1),
            None => None,
        };
        let Some(length) = length else { continue };
        let mut ahead = (i + 1..words.len().min(i + 4)).filter_map(|j| counted(&words, j));
        let ahead = if adjective.is_some() { ahead.next() } else { None };
        let near = last.filter(|last| i - last.last <= NEAR);
        if let Some(found) = ahead.or(near) {
            let limit = number::before(&text[..words[found.first].at]);
            return Hit { unit: found.unit, limit, ..over(length) };
        }
        lone.period = lone.period.or(over(length).period);
        // OpenRouter counts calls of a class of models, GitHub those of a user.
        if i > 0 && words[i - 1].is(&["models", "model", "user"]) {
            lone.unit = Some(Unit::Requests);
        }
    }
    lone
}

/// Whether word `i` is a unit that is said to be limited: "token rate limit", "requests, limit: 5".
fn limits(words: &[Word<'_>], i: usize) -> bool {
    let next = |i: usize| words.get(i);
    let at = if next(i + 1).is_some_and(|word| word.is(&["count", "usage"])) { i + 2 } else { i + 1 };
    match next(at) {
        Some(word) if word.is(&["limit", "quota"]) => true,
        Some(word) if word.is(&["rate"]) => next(at + 1).is_some_and(|word| word.is(&["limit"])),
        _ => false,
    }
}

fn over(seconds: u64) -> Hit {
    Hit { period: Some(Duration::from_secs(seconds)), ..Hit::default() }
}
