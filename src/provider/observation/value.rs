//! The values of header fields. What is absent, negative, absurd or no number is no information.

use std::time::{Duration, SystemTime};

use super::instant::At;
use super::names::Dialect;
use super::span;

/// No wait and no window is longer.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// The largest whole number that every JSON reader keeps exactly; no limit is larger.
const LARGEST: u64 = 1 << 53;

/// A limit, with its window where the same value says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) number: u64,
    pub(super) window: Option<Duration>,
}

/// When a budget is whole again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reset {
    /// So long after the answer, cut to a step.
    In {
        span: Duration,
        step: Duration,
    },
    At(At),
    /// Seconds or milliseconds.
    Unclear(u64),
}

impl Reset {
    pub(super) fn seconds(span: Duration) -> Self {
        Reset::In { span, step: Duration::from_secs(1) }
    }

    /// How long after `now` it is, and to which step that was cut (zero: not known); `None` for the past.
    pub(super) fn resolve(self, now: Option<At>) -> Option<(Duration, Duration)> {
        match self {
            Reset::In { span, step } => Some((span, step)),
            Reset::At(at) => at.since(now?).filter(|span| *span <= YEAR).map(|span| (span, Duration::ZERO)),
            Reset::Unclear(_) => None,
        }
    }

    /// The instant that the answer names, if it does, and not one in the past or absurdly far ahead.
    pub(super) fn at(self, now: Option<At>) -> Option<SystemTime> {
        let Reset::At(at) = self else { return None };
        (now.is_none() || self.resolve(now).is_some()).then(|| at.time())
    }
}

/// `120ms`, `7m12s`, `12`, `12.5`, seconds or milliseconds since 1970, RFC 3339, an HTTP date.
pub(super) fn reset(text: &str, dialect: Dialect) -> Option<Reset> {
    if let Some(span) = span::whole(text) {
        let span = sane_span(without_noise(span))?;
        return Some(Reset::In { span, step: Duration::from_millis(1) });
    }
    let Some((number, billionths)) = decimal(text) else { return At::date(text).map(Reset::At) };
    if let Some(at) = At::epoch(number) {
        return Some(Reset::At(at));
    }
    if dialect == Dialect::OpenAi && !text.contains('.') {
        return (u128::from(number) <= YEAR.as_millis()).then_some(Reset::Unclear(number));
    }
    let span = sane_span(without_noise(Duration::new(number, billionths)))?;
    let step = if text.contains('.') { Duration::from_millis(1) } else { Duration::from_secs(1) };
    Some(Reset::In { span, step })
}

/// A wait in seconds, whole or not, or the date until which to wait.
pub(super) fn retry_after(text: &str) -> Option<Reset> {
    reset(text, Dialect::Plain)
}

/// Milliseconds, whole or not.
pub(super) fn millis(text: &str) -> Option<Duration> {
    let (number, billionths) = decimal(text)?;
    let part = Duration::from_nanos(u64::from(billionths) / 1_000);
    sane_span(Duration::from_millis(number).checked_add(part)?)
}

/// A count that is not negative; a fraction is cut.
pub(super) fn number(text: &str) -> Option<u64> {
    decimal(text).and_then(|(number, _)| sane(number))
}

/// `100`; or `100, 10;w=1, 100;w=60`, as gateways and older versions of the IETF draft have it.
pub(super) fn count(text: &str) -> Option<Count> {
    // Without a window, a comma is one between thousands: nobody was seen to send that.
    let Some((first, _)) = text.split_once(';') else {
        return number(text).map(|number| Count { number, window: None });
    };
    let number = number(first.split(',').next()?.trim_end())?;
    let window = |policy: &str| {
        let mut parts = policy.split(';').map(str::trim);
        let same = parts.next()?.parse() == Ok(number);
        let window = parts.find_map(|part| part.strip_prefix("w="))?;
        period(window).filter(|_| same)
    };
    Some(Count { number, window: text.split(',').map(str::trim).find_map(window) })
}

/// A window in seconds.
pub(super) fn period(text: &str) -> Option<Duration> {
    decimal(text).and_then(|(number, _)| seconds(number)).filter(|window| !window.is_zero())
}

pub(super) fn flag(text: &str) -> Option<bool> {
    let is = |word| text.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

pub(super) fn sane(number: u64) -> Option<u64> {
    (number <= LARGEST).then_some(number)
}

pub(super) fn seconds(number: u64) -> Option<Duration> {
    sane_span(Duration::from_secs(number))
}

pub(super) fn sane_span(span: Duration) -> Option<Duration> {
    (span <= YEAR).then_some(span)
}

/// To the microsecond: some print what a float made of their numbers, `17.399999999s` for 17.4.
fn without_noise(span: Duration) -> Duration {
    let micros = span.subsec_nanos().saturating_add(500) / 1_000;
    Duration::from_secs(span.as_secs()).saturating_add(Duration::from_micros(u64::from(micros)))
}

fn decimal(text: &str) -> Option<(u64, u32)> {
    let (number, billionths, rest) = span::decimal(text)?;
    rest.is_empty().then_some((number, billionths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_cannot_be_are_no_information() {
        for text in ["", "-1", "+1", "1,000", "0x10", "1e3", "NaN", "∞", "9007199254740993", "12 34", "12."]
        {
            assert_eq!(number(text), None, "{text}");
        }
        for text in ["-1", "31708801", "1e9", "soon", "9999999999999999999", "-5s", "9000h"] {
            assert_eq!(reset(text, Dialect::Plain), None, "{text}");
        }
        assert_eq!(
            [number("0"), number("17.9"), number("9007199254740992")],
            [Some(0), Some(17), Some(1 << 53)]
        );
    }

    #[test]
    fn a_limit_may_say_its_window() {
        let read =
            |text| count(text).map(|count| (count.number, count.window.map(|window| window.as_secs())));
        assert_eq!(read("100"), Some((100, None)));
        assert_eq!(read("100, 10;w=1, 100;w=60"), Some((100, Some(60))));
        assert_eq!(read("100;w=30;name=\"a,b\""), Some((100, Some(30))));
        assert_eq!(read("100, 10;w=1"), Some((100, None)));
        assert_eq!(read("100;w=0"), Some((100, None)));
        assert_eq!(read("many;w=60"), None);
        assert_eq!(read("1,000"), None);
    }

    #[test]
    fn fractions_of_a_second_are_kept() {
        let span = |text| reset(text, Dialect::Plain).and_then(|reset| reset.resolve(None));
        assert_eq!(span("1.25").map(|(span, _)| span), Some(Duration::from_millis(1_250)));
        assert_eq!(span("4.0199999999s").map(|(span, _)| span), Some(Duration::from_millis(4_020)));
        assert_eq!(millis("12.5"), Some(Duration::from_micros(12_500)));
        assert_eq!(reset("12", Dialect::OpenAi), Some(Reset::Unclear(12)));
    }
}
