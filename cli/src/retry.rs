//! How often to try, and how long to wait where the provider told nothing.

use std::time::Duration;

use tollgate::{Retry, Verdict};

/// The longest wait between two tries that nobody asked for.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// How often, and after which waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Tries in all.
    pub(crate) tries: u32,
    /// The longest wait before the second try; it doubles with each further one.
    pub(crate) backoff: Duration,
}

impl Policy {
    /// Whether there is another try after number `tried`.
    pub(crate) fn has_more(&self, tried: u32) -> bool {
        tried < self.tries
    }

    /// A wait of one's own choice after try number `tried`.
    pub(crate) fn back_off(&self, tried: u32) -> Duration {
        let doubled = self.backoff.saturating_mul(1_u32.checked_shl(tried - 1).unwrap_or(u32::MAX));
        drawn(doubled.min(LONGEST_BACKOFF))
    }

    /// What is added to a wait that the provider told many, so that not all come back at the same instant.
    pub(crate) fn jitter(&self) -> Duration {
        drawn(self.backoff)
    }
}

fn drawn(ceiling: Duration) -> Duration {
    ceiling.mul_f64(fastrand::f64())
}

/// What a refusal means for its request, and for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is what became of the request.
    Final,
    /// Another try may bring another answer: after this wait, or after one of one's own choice.
    TryAgain(Option<Duration>),
    /// Not within this run: the limit comes back at some later time.
    Futile,
    /// No request can succeed until someone acts, or until a date.
    Hopeless,
}

impl Meaning {
    pub(crate) fn of(verdict: &Verdict) -> Meaning {
        match (verdict, verdict.retry()) {
            (_, Retry::After(wait)) => Meaning::TryAgain(Some(wait)),
            (_, Retry::BackOff) => Meaning::TryAgain(None),
            (Verdict::Account { .. }, _) => Meaning::Hopeless,
            // It told a wait of a day and more, and the gate is shut for as long.
            (Verdict::RateLimited { retry_after: Some(_), futile: false, .. }, _)
            | (Verdict::Overloaded { .. }, _) => Meaning::Hopeless,
            (Verdict::RateLimited { .. }, _) => Meaning::Futile,
            _ => Meaning::Final,
        }
    }

    /// What the status of an earlier run's answer means now.
    pub(crate) fn of_status(status: u16) -> Meaning {
        Verdict::from_status(status).map_or(Meaning::Final, |verdict| Meaning::of(&verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let policy = Policy { tries: 5, backoff: Duration::from_millis(500) };
        for (tried, ceiling) in [(1, 500), (2, 1_000), (3, 2_000), (4, 4_000), (99, 30_000)] {
            assert!(policy.back_off(tried) <= Duration::from_millis(ceiling));
        }
        assert!(policy.has_more(4) && !policy.has_more(5));
    }

    fn meaning(status: u16, headers: &[(&str, &str)], body: &str) -> Meaning {
        Meaning::of(&Verdict::of_answer(status, headers, Some(body.as_bytes())).unwrap())
    }

    #[test]
    fn the_librarys_verdict_is_read_for_one_request_and_for_all() {
        let broke =
            r#"{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}"#;
        assert_eq!(meaning(429, &[("retry-after", "3")], broke), Meaning::Hopeless);
        let large =
            r#"{"error": {"message": "Request too large for gpt-4o", "code": "rate_limit_exceeded"}}"#;
        assert_eq!(meaning(429, &[], large), Meaning::Final);
        let wait = Duration::from_secs(3);
        assert_eq!(meaning(429, &[("retry-after", "3")], "<html>"), Meaning::TryAgain(Some(wait)));
        assert_eq!(meaning(429, &[], "<html>"), Meaning::TryAgain(None));
        assert_eq!(meaning(429, &[("x-should-retry", "false")], ""), Meaning::Futile);
        assert_eq!(meaning(429, &[("retry-after", "86400")], ""), Meaning::Hopeless);
        assert_eq!(meaning(400, &[], ""), Meaning::Final);
        assert_eq!(meaning(503, &[], ""), Meaning::TryAgain(None));
    }

    #[test]
    fn what_an_earlier_run_left_is_final_unless_time_or_money_mends_it() {
        for status in [200, 302, 400, 403, 404, 413, 422] {
            assert_eq!(Meaning::of_status(status), Meaning::Final, "{status}");
        }
        for status in [401, 402, 408, 429, 500, 503, 529] {
            assert_ne!(Meaning::of_status(status), Meaning::Final, "{status}");
        }
    }
}
