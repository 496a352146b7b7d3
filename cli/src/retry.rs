//! When to try again, and when not.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use serde::Deserialize;

/// The longest wait between two tries that nobody asked for.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// A provider that asks for more than a day means something else.
const LONGEST_ASKED: Duration = Duration::from_secs(86_400);

/// How often, and after which waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Tries in all.
    pub(crate) tries: u32,
    /// The longest wait before the second try; it doubles with each further one.
    pub(crate) backoff: Duration,
}

impl Policy {
    /// How long to wait after try number `tried`; `None` if it was the last. What the provider asks
    /// for is waited in full, with jitter on top, so that not all come back at the same instant.
    pub(crate) fn wait_after(&self, tried: u32, asked: Option<Duration>) -> Option<Duration> {
        if tried >= self.tries {
            return None;
        }
        let doubled = self.backoff.saturating_mul(1_u32.checked_shl(tried - 1).unwrap_or(u32::MAX));
        let ceiling = if asked.is_some() { self.backoff } else { doubled.min(LONGEST_BACKOFF) };
        Some(asked.unwrap_or_default() + ceiling.mul_f64(fastrand::f64()))
    }
}

/// What an answer means for the request, and for the others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is the answer.
    Final,
    /// Another try may bring another answer.
    TryAgain,
    /// No request can succeed until someone acts: says who.
    Hopeless(&'static str),
}

/// Reads the status, and of a 429 what it says, since it may mean three different things.
pub(crate) fn meaning(status: u16, body: &str) -> Meaning {
    match status {
        401 => Meaning::Hopeless("the API key is not accepted"),
        408 | 500..600 => Meaning::TryAgain,
        429 if out_of_credit(body) => Meaning::Hopeless("the account is out of credit"),
        429 if too_large(body) => Meaning::Final,
        429 => Meaning::TryAgain,
        _ => Meaning::Final,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: RefusalError,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RefusalError {
    message: Option<String>,
    r#type: Option<String>,
    code: Option<serde_json::Value>,
}

fn refusal(body: &str) -> RefusalError {
    serde_json::from_str::<Refusal>(body).unwrap_or_default().error
}

/// OpenAI's 429 for an empty account: waiting does not fill it.
fn out_of_credit(body: &str) -> bool {
    let error = refusal(body);
    error.r#type.as_deref() == Some("insufficient_quota")
        || error.code.as_ref().and_then(|code| code.as_str()) == Some("insufficient_quota")
}

/// "Request too large for gpt-4o in organization ... Limit 30000, Requested 31538": same status, type and
/// code as a limit that passes.
pub(crate) fn too_large(body: &str) -> bool {
    refusal(body).message.is_some_and(|message| message.starts_with("Request too large"))
}

/// How long the provider asks to wait: `retry-after-ms`, else `Retry-After` in seconds or as a date.
pub(crate) fn asked_wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = text("retry-after-ms").and_then(|text| positive(text.parse().ok()?, 1_000.0));
    let seconds = || positive(text("retry-after")?.parse().ok()?, 1.0);
    let date = || {
        let date = httpdate::parse_http_date(text("retry-after")?).ok()?;
        // A date in the past means now.
        Some(date.duration_since(now).unwrap_or_default())
    };
    millis.or_else(seconds).or_else(date).filter(|wait| *wait <= LONGEST_ASKED)
}

fn positive(number: f64, per_second: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number / per_second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn asked(pairs: &[(&'static str, &str)]) -> Option<Duration> {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let noon = UNIX_EPOCH + Duration::from_secs(784_111_777);
        asked_wait(&pairs.collect::<HeaderMap>(), noon)
    }

    #[test]
    fn the_providers_wait_is_read_in_all_its_forms() {
        let millis = |wait| Some(Duration::from_millis(wait));
        assert_eq!(asked(&[]), None);
        assert_eq!(asked(&[("retry-after", "2")]), millis(2_000));
        assert_eq!(asked(&[("retry-after", "0.25")]), millis(250));
        assert_eq!(asked(&[("retry-after", "9"), ("retry-after-ms", "120")]), millis(120));
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT")]), millis(2_000));
        assert_eq!(asked(&[("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT")]), millis(0));
    }

    #[test]
    fn absurd_waits_are_not_waited() {
        for absurd in ["-3", "NaN", "inf", "1e300", "soon", "", "90000"] {
            assert_eq!(asked(&[("retry-after", absurd)]), None, "{absurd}");
        }
    }

    #[test]
    fn waits_double_up_to_the_last_try_and_are_never_shorter_than_asked() {
        let policy = Policy { tries: 5, backoff: Duration::from_millis(500) };
        for (tried, ceiling) in [(1, 500), (2, 1_000), (3, 2_000), (4, 4_000)] {
            assert!(policy.wait_after(tried, None).unwrap() <= Duration::from_millis(ceiling));
            assert!(policy.wait_after(tried, Some(LONGEST_ASKED)).unwrap() >= LONGEST_ASKED);
        }
        assert_eq!(policy.wait_after(5, None), None);
        let many = Policy { tries: 100, ..policy };
        assert!(many.wait_after(99, None).unwrap() <= LONGEST_BACKOFF);
    }

    #[test]
    fn an_empty_account_and_a_request_too_large_are_not_tried_again() {
        let broke =
            r#"{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}"#;
        assert!(matches!(meaning(429, broke), Meaning::Hopeless(_)));
        let large =
            r#"{"error": {"message": "Request too large for gpt-4o", "code": "rate_limit_exceeded"}}"#;
        assert_eq!(meaning(429, large), Meaning::Final);
        assert_eq!(meaning(429, "<html>"), Meaning::TryAgain);
        assert_eq!(meaning(400, ""), Meaning::Final);
        assert_eq!(meaning(503, ""), Meaning::TryAgain);
    }
}
