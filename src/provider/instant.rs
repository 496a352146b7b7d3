//! Points in time as providers write them, in milliseconds since 1970 (UTC).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 9 September 2001 and 20 November 2286: numbers of seconds with ten digits.
const SECONDS: std::ops::Range<u64> = 1_000_000_000..10_000_000_000;

/// An instant on the provider's clock, in milliseconds since 1970. Never before 2001: some answers
/// say 1970 for "nothing to reset" (Anthropic, openllmetry cassettes, read November 2026).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At(u64);

impl At {
    fn millis(millis: u64) -> Option<Self> {
        SECONDS.contains(&(millis / 1_000)).then_some(At(millis))
    }

    pub(super) fn of(time: SystemTime) -> Option<Self> {
        At::millis(u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?)
    }

    /// A count of seconds or of milliseconds since 1970, told apart by its size.
    pub(super) fn epoch(number: u64) -> Option<Self> {
        if SECONDS.contains(&number) { At::millis(number * 1_000) } else { At::millis(number) }
    }

    /// `2025-03-15T09:38:36Z` or an HTTP date.
    pub(super) fn date(text: &str) -> Option<Self> {
        rfc3339(text).or_else(|| At::http(text))
    }

    /// `Sat, 15 Mar 2025 09:38:37 GMT`, and the two older forms that HTTP allows.
    pub(super) fn http(text: &str) -> Option<Self> {
        At::of(httpdate::parse_http_date(text).ok()?)
    }

    /// The time from `earlier` to here; `None` if it lies before.
    pub(super) fn since(self, earlier: At) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }

    pub(super) fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

/// RFC 3339 in UTC, the one form that providers send. `humantime` reads it, which configuration needs
/// anyway; it knows no offsets, and none but zero was seen.
fn rfc3339(text: &str) -> Option<At> {
    let local = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix("+00:00"))?;
    At::of(humantime::parse_rfc3339_weak(local).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_instant_is_the_same_instant() {
        let expected = At::epoch(1_750_000_000_000);
        assert!(expected.is_some());
        for text in [
            "2025-06-15T15:06:40Z",
            "2025-06-15T15:06:40.000Z",
            "2025-06-15T15:06:40+00:00",
            "Sun, 15 Jun 2025 15:06:40 GMT",
            "Sunday, 15-Jun-25 15:06:40 GMT",
        ] {
            assert_eq!(At::date(text), expected, "{text}");
        }
        assert_eq!(At::epoch(1_750_000_000), expected);
        assert_eq!(expected.and_then(|at| At::of(at.time())), expected);
    }

    #[test]
    fn instants_that_cannot_be_are_none() {
        for text in ["", "1970-01-01T00:00:00Z", "2025-13-01T00:00:00Z", "2025-06-15T15:06:40", "Sun, 15 Jun"]
        {
            assert_eq!(At::date(text), None, "{text}");
        }
        for text in
            ["Thu, 01 Jan 1970 00:00:00 GMT", "Sun, 31 Feb 2025 00:00:00 GMT", "2025-06-15T15:06:40+02:00"]
        {
            assert_eq!(At::date(text), None, "{text}");
        }
        assert_eq!([0, 12, 999_999_999, u64::MAX].map(At::epoch), [None; 4]);
    }
}
