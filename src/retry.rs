//! When a call that was refused is tried again, and when that ends.
//!
//! # Why a budget of retries?
//!
//! Back-off spreads the retries of one call, not their number: with five attempts each, an outage makes
//! five calls of every one, at the moment when the provider can bear them least. So retries are a share of
//! the calls: each first attempt earns a tenth of a retry, and a retry takes a whole one. While few calls
//! fail, nobody notices; when all fail, the provider sees 1.1 times the usual load, and most calls end
//! at once with what they were told.
//!
//! A call that the provider refused for a limit of this account, and told when to come back, takes
//! nothing: that is no outage, the wait is the provider's own, and the gate paces who comes back.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::provider::{Retry, Verdict};
use crate::quota::as_text;
use crate::time;

/// What one retry takes, in hundredths of a retry: a first attempt earns `budget_percent` of these.
const RETRY: u64 = 100;
/// So many first attempts are remembered: what earlier ones earned is forgotten, or a month without
/// errors would pay for a storm.
const REMEMBERED: u64 = 1_000;
/// No wait is shorter: one of nothing would spin.
const SHORTEST: Duration = Duration::from_millis(1);
/// No wait of one's own choice is longer, whatever the policy says.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How calls that are made with [`Limiter::call`](crate::Limiter::call) are tried again.
///
/// Only what [`Verdict::retry`] holds worth it is tried again; an attempt that came to no answer is taken as
/// [`Verdict::Failed`]. A wait that the provider told is waited in full, with up to a tenth on top, so that
/// not all come back at once. Where it told none, the wait is drawn evenly from nothing to a bound that
/// doubles with each attempt ("full jitter", aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter,
/// read November 2026).
///
/// | | default |
/// |---|---|
/// | [`most_attempts`](Retries::most_attempts) | 5 |
/// | [`most_wait`](Retries::most_wait) | 10 minutes |
/// | [`first_back_off`](Retries::first_back_off), [`most_back_off`](Retries::most_back_off) | 500 ms, 60 s |
/// | [`budget_percent`](Retries::budget_percent), [`budget_reserve`](Retries::budget_reserve) | 10 %, 10 |
///
/// # Example: patient calls
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Limiter, Limits, Retries};
///
/// let limiter = Limiter::builder()
///     .model("gpt-4o-mini", Limits::new().rpm(500))
///     .build()?
///     .with_retries(Retries::new().most_attempts(10).most_wait(Duration::from_secs(3_600)));
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    most_attempts: u32,
    #[serde(with = "as_text")]
    most_wait: Duration,
    #[serde(with = "as_text")]
    first_back_off: Duration,
    #[serde(with = "as_text")]
    most_back_off: Duration,
    budget_percent: u32,
    budget_reserve: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Retries {
            most_attempts: 5,
            most_wait: Duration::from_secs(600),
            first_back_off: Duration::from_millis(500),
            most_back_off: Duration::from_secs(60),
            budget_percent: 10,
            budget_reserve: 10,
        }
    }
}

impl Retries {
    /// Up to five attempts within ten minutes of waiting.
    pub fn new() -> Self {
        Retries::default()
    }

    /// Each call is tried once.
    pub fn none() -> Self {
        Retries::default().most_attempts(1)
    }

    /// How often a call is tried in all, the first attempt included, which is always made.
    pub fn most_attempts(self, attempts: u32) -> Self {
        Retries { most_attempts: attempts, ..self }
    }

    /// How long a call waits between its attempts, all waits together. A call that would have to wait for
    /// longer than what is left of it ends at once; also where it is not its own wait that is so long, but the
    /// time for which its budget is closed.
    ///
    /// The wait for leave does not count, or a long queue would end calls that nothing is wrong with. So a call
    /// that stands in line while a budget is closed, for an hour if the provider says so, waits for as
    /// long. Where it should not, put `tokio::time::timeout` around it, or use
    /// [`Acquire::within`](crate::Acquire::within), which fails at once and says what is closed and for how long.
    pub fn most_wait(self, wait: Duration) -> Self {
        Retries { most_wait: wait, ..self }
    }

    /// The longest wait before the second attempt, where the provider told none. It doubles with
    /// each further one.
    pub fn first_back_off(self, wait: Duration) -> Self {
        Retries { first_back_off: wait, ..self }
    }

    /// The longest wait between two attempts that the provider did not tell; a day at the most.
    pub fn most_back_off(self, wait: Duration) -> Self {
        Retries { most_back_off: wait, ..self }
    }

    /// How many retries a hundred first attempts earn, over all calls of a limiter and its clones. What the last
    /// 1,000 of them earned is kept. A call that finds nothing left ends with what it was told. Calls that
    /// were refused for a limit and told when to come back take nothing.
    pub fn budget_percent(self, percent: u32) -> Self {
        Retries { budget_percent: percent, ..self }
    }

    /// How many retries there are before any is earned, for programs that make few calls.
    pub fn budget_reserve(self, retries: u32) -> Self {
        Retries { budget_reserve: retries, ..self }
    }

    /// The wait of one's own choice after `made` attempts.
    fn back_off(&self, made: u32) -> Duration {
        let factor = 2_u32.saturating_pow(made.saturating_sub(1));
        let bound = self.first_back_off.saturating_mul(factor).min(self.most_back_off).min(LONGEST);
        drawn(bound).max(SHORTEST)
    }

    /// What the budget holds at first, in hundredths of a retry.
    fn reserve(&self) -> u64 {
        u64::from(self.budget_reserve) * RETRY
    }

    /// What it holds at the most.
    fn most(&self) -> u64 {
        self.reserve() + u64::from(self.budget_percent) * REMEMBERED
    }
}

/// Evenly from nothing to `bound`.
fn drawn(bound: Duration) -> Duration {
    let range = u128::from(time::nanos(bound)) + 1;
    Duration::from_nanos(((u128::from(random()) * range) >> 64) as u64)
}

/// The standard library's own source: each state has other keys, the first of a thread from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A policy and its budget of retries, shared by all calls of a limiter and its clones.
#[derive(Debug)]
pub(crate) struct Retrying {
    policy: Retries,
    /// Hundredths of a retry. One number, so nothing needs to be in step with it.
    budget: AtomicU64,
}

/// Why there is no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enough {
    NotWorthIt,
    Attempts,
    TooLong { wait: Duration, left: Duration },
    Budget,
}

impl Default for Retrying {
    fn default() -> Self {
        Retrying::new(Retries::default())
    }
}

impl Retrying {
    pub(crate) fn new(policy: Retries) -> Self {
        Retrying { policy, budget: AtomicU64::new(policy.reserve()) }
    }

    /// A call is sent for the first time.
    pub(crate) fn first_attempt(&self) {
        self.put(u64::from(self.policy.budget_percent));
    }

    /// How long to wait before the next attempt of a call that was tried `made` times, the last time with this
    /// verdict, and has waited for `slept` between its attempts. No call goes to the same budgets for as long
    /// as they are `closed`: that is waited out with its own wait and not after it.
    pub(crate) fn next(
        &self,
        made: u32,
        slept: Duration,
        verdict: &Verdict,
        closed: Duration,
    ) -> Result<Next<'_>, Enough> {
        let retry = verdict.retry();
        if retry == Retry::No {
            return Err(Enough::NotWorthIt);
        }
        if made >= self.policy.most_attempts {
            return Err(Enough::Attempts);
        }
        let left = self.policy.most_wait.saturating_sub(slept);
        let (least, wait) = match retry {
            Retry::After(told) => {
                let least = told.max(closed);
                (least, (told + drawn(told / 10)).min(left).max(least))
            }
            _ => {
                let wait = self.policy.back_off(made).max(closed);
                (wait, wait)
            }
        };
        if least > left {
            return Err(Enough::TooLong { wait: least, left });
        }
        let invited = matches!((verdict, retry), (Verdict::RateLimited { .. }, Retry::After(_)));
        let price = if invited { 0 } else { RETRY };
        let paid = self.budget.fetch_update(Relaxed, Relaxed, |held| held.checked_sub(price));
        paid.map_err(|_| Enough::Budget)?;
        Ok(Next { wait, paid: price, of: self })
    }

    fn put(&self, amount: u64) {
        let most = self.policy.most();
        let _ = self.budget.fetch_update(Relaxed, Relaxed, |held| {
            // A full budget is left alone: calls on other cores need not fetch it anew.
            (held < most && amount > 0).then(|| held.saturating_add(amount).min(most))
        });
    }
}

/// Leave for another attempt. Dropped before it is sent, it gives back what it took.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    /// How long to wait for it, from the refusal on.
    pub(crate) wait: Duration,
    paid: u64,
    of: &'a Retrying,
}

impl Next<'_> {
    pub(crate) fn sent(mut self) {
        self.paid = 0;
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        self.of.put(self.paid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const NONE: Duration = Duration::ZERO;

    fn told(wait: u64) -> Verdict {
        Verdict::rate_limited(Some(Duration::from_secs(wait)))
    }

    #[test]
    fn a_back_off_is_drawn_evenly_up_to_a_bound_that_doubles_to_the_most() {
        let policy = Retries::new();
        for (made, bound) in [(1, 500), (2, 1_000), (5, 8_000), (8, 60_000), (40, 60_000), (u32::MAX, 60_000)]
        {
            let drawn: Vec<Duration> = (0..4_000).map(|_| policy.back_off(made)).collect();
            let quarters =
                [1, 2, 3, 4].map(|n| drawn.iter().filter(|wait| **wait <= bound * MS * n / 4).count());
            let per_quarter = |n: usize| quarters[n] - if n > 0 { quarters[n - 1] } else { 0 };
            assert_eq!(quarters[3], 4_000, "after {made} attempts");
            // Five standard deviations of a fair draw are 137.
            assert!((0..4).all(|n| per_quarter(n).abs_diff(1_000) < 200), "after {made}: {quarters:?}");
        }
    }

    #[test]
    fn no_back_off_is_nothing_or_endless_whatever_the_policy_says() {
        let hasty = Retries::new().first_back_off(Duration::ZERO).most_back_off(Duration::ZERO);
        assert_eq!(hasty.back_off(3), SHORTEST);
        let endless = Retries::new().first_back_off(Duration::MAX).most_back_off(Duration::MAX);
        assert!((0..100).all(|_| endless.back_off(3) <= LONGEST));
    }

    #[test]
    fn a_told_wait_is_never_cut_and_gets_at_most_a_tenth_on_top() {
        let retrying = Retrying::default();
        for _ in 0..1_000 {
            let wait = retrying.next(1, Duration::ZERO, &told(100), NONE).unwrap().wait;
            assert!((100_000 * MS..=110_000 * MS).contains(&wait), "{wait:?}");
        }
        let last = retrying.next(1, Duration::from_secs(500), &told(100), NONE).unwrap().wait;
        assert_eq!(last, Duration::from_secs(100), "what is left bounds the part on top");
        let (wait, left) = (Duration::from_secs(100), Duration::from_secs(99));
        let late = retrying.next(1, Duration::from_secs(501), &told(100), NONE).unwrap_err();
        assert_eq!(late, Enough::TooLong { wait, left });
    }

    #[test]
    fn what_is_closed_is_waited_out_together_with_the_own_wait_and_not_after_it() {
        let retrying = Retrying::default();
        let closed = Duration::from_secs(70);
        for _ in 0..100 {
            let next = |verdict: Verdict| retrying.next(1, NONE, &verdict, closed).map(|next| next.wait);
            assert_eq!(next(told(1)).unwrap(), closed);
            assert!((100_000 * MS..=110_000 * MS).contains(&next(told(100)).unwrap()));
            assert_eq!(next(Verdict::overloaded(None)).unwrap(), closed);
        }
        let slept = Duration::from_secs(531);
        let late = retrying.next(1, slept, &Verdict::Failed, closed).unwrap_err();
        assert_eq!(late, Enough::TooLong { wait: closed, left: Duration::from_secs(69) });
    }

    #[test]
    fn a_retry_that_is_not_sent_goes_back_to_the_budget_and_a_sent_one_does_not() {
        let retrying = Retrying::new(Retries::new().budget_reserve(1));
        for _ in 0..100 {
            drop(retrying.next(1, Duration::ZERO, &Verdict::Failed, NONE).unwrap());
        }
        retrying.next(1, Duration::ZERO, &Verdict::Failed, NONE).unwrap().sent();
        assert_eq!(retrying.next(1, Duration::ZERO, &Verdict::Failed, NONE).unwrap_err(), Enough::Budget);
        retrying.next(1, Duration::ZERO, &told(1), NONE).unwrap().sent();
        (0..9).for_each(|_| retrying.first_attempt());
        assert_eq!(retrying.next(1, Duration::ZERO, &Verdict::Failed, NONE).unwrap_err(), Enough::Budget);
        retrying.first_attempt();
        retrying.next(1, Duration::ZERO, &Verdict::Failed, NONE).unwrap().sent();
    }

    #[test]
    fn a_long_time_without_errors_saves_what_a_thousand_calls_earned() {
        let retrying = Retrying::default();
        (0..100_000).for_each(|_| retrying.first_attempt());
        let next = || retrying.next(1, Duration::ZERO, &Verdict::Failed, NONE);
        let sent = std::iter::from_fn(|| next().ok().map(Next::sent)).count();
        assert_eq!(sent, 110);
    }

    #[test]
    fn a_policy_is_written_as_it_is_read() {
        let policy: Retries = toml::from_str("most_attempts = 3\nmost_wait = \"1m\"").unwrap();
        assert_eq!(policy, Retries::new().most_attempts(3).most_wait(Duration::from_secs(60)));
        assert_eq!(toml::from_str::<Retries>(&toml::to_string(&policy).unwrap()).unwrap(), policy);
        assert!(toml::from_str::<Retries>("attempts = 3").unwrap_err().to_string().contains("attempts"));
    }
}
