//! Whether a call may go: from all budgets or from none, and "not yet" is not "never".
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tollgate::{AcquireError, Cost, ExceedsQuota, Limiter, Limits, NotYet, Quota, Unit, Usage, Waiting};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);

fn limiter(limits: Limits) -> Limiter {
    let nobody_passes = Waiting::new().slack(Duration::ZERO);
    Limiter::builder().model(M, limits).waiting(nobody_passes).build().unwrap()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn exceeds(error: AcquireError) -> ExceedsQuota {
    let AcquireError::ExceedsQuota(why) = error else { panic!("{error}") };
    *why
}

fn not_yet(error: AcquireError) -> NotYet {
    let AcquireError::NotYet(why) = error else { panic!("{error}") };
    *why
}

/// One quota of every unit and of every kind of window, each of which holds `limit`, but the one at
/// `tight`, which holds `tight_limit(unit)`.
fn quotas(tight: usize, tight_limit: impl Fn(Unit) -> u64) -> Vec<Quota> {
    let kinds: [fn(Unit, u64, Duration) -> Quota; 3] = [Quota::refill, Quota::fixed, Quota::sliding];
    let units = [Unit::Requests, Unit::Tokens, Unit::InputTokens, Unit::OutputTokens];
    let mut all = Vec::new();
    for unit in units {
        for kind in kinds {
            let limit = if all.len() == tight { tight_limit(unit) } else { 1_000_000 };
            all.push(kind(unit, limit, 600 * MINUTE));
        }
    }
    let limit = if all.len() == tight { tight_limit(Unit::InFlight) } else { 1_000_000 };
    all.push(Quota::concurrency(limit));
    all
}

fn amount(unit: Unit, cost: Cost) -> u64 {
    match unit {
        Unit::Requests | Unit::InFlight => 1,
        Unit::Tokens => cost.tokens(),
        Unit::InputTokens => cost.input_tokens(),
        Unit::OutputTokens => cost.max_output_tokens(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_one_budget_cannot_pay_takes_nothing_from_any_other() {
    let cost = Cost::input(120).max_output(80);
    for tight in 0..13 {
        let quotas = quotas(tight, |unit| amount(unit, cost));
        let limiter = limiter(quotas.iter().fold(Limits::new(), |limits, &quota| limits.with(quota)));
        let out = limiter.try_acquire(M, cost).unwrap();
        let before = limiter.snapshot();

        let why = not_yet(limiter.try_acquire(M, cost).unwrap_err());
        assert_eq!(why.blocking.unwrap().quota, quotas[tight]);
        assert_eq!(limiter.snapshot(), before, "refused: {}", quotas[tight]);

        let mut waiter = limiter.acquire(M, cost);
        assert!(poll(&mut waiter).is_pending());
        assert_eq!(limiter.snapshot(), before, "waiting: {}", quotas[tight]);
        drop(waiter);
        assert_eq!(limiter.snapshot(), before, "given up: {}", quotas[tight]);

        let refused = limiter.acquire(M, cost).within(Duration::from_millis(1)).await;
        not_yet(refused.unwrap_err());
        let after: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
        let was: Vec<i64> = before.scopes()[0].budgets.iter().map(|b| b.remaining).collect();
        assert_eq!(after, was, "timed out: {}", quotas[tight]);
        drop(out);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_one_quota_can_never_pay_takes_nothing_from_any_other() {
    let cost = Cost::input(120).max_output(80);
    for tight in 0..13 {
        let quotas = quotas(tight, |unit| amount(unit, cost) - 1);
        let limiter = limiter(quotas.iter().fold(Limits::new(), |limits, &quota| limits.with(quota)));
        let before = limiter.snapshot();
        let why = exceeds(limiter.acquire(M, cost).await.unwrap_err());
        assert_eq!((why.quota, why.cost), (quotas[tight], amount(quotas[tight].unit(), cost)));
        assert_eq!(limiter.snapshot(), before, "{}", quotas[tight]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_a_quota_is_told_never_at_once_with_unit_cost_and_quota() {
    let cost = Cost::input(300).max_output(200);
    let burst = Quota::refill(Unit::Tokens, 600, MINUTE).burst(400);
    let cases = [
        (burst, 500, "500 tokens; TPM 600 admits 400 at the most"),
        (Quota::refill(Unit::Tokens, 499, MINUTE), 500, "500 tokens; TPM 499 admits 499 at the most"),
        (Quota::fixed(Unit::InputTokens, 299, MINUTE), 300, "300 input tokens; "),
        (Quota::sliding(Unit::OutputTokens, 199, MINUTE), 200, "200 output tokens; "),
        (Quota::concurrency(0), 1, "concurrency 0 admits 0 at the most"),
        (Quota::refill(Unit::Requests, 0, MINUTE), 1, "RPM 0 admits 0 at the most"),
        (Quota::fixed(Unit::Requests, 0, MINUTE), 1, "RPM 0 admits 0 at the most"),
        (Quota::sliding(Unit::Tokens, 0, MINUTE), 500, "TPM 0 admits 0 at the most"),
    ];
    for (quota, of_unit, says) in cases {
        let limiter = limiter(Limits::new().with(quota));
        let Poll::Ready(Err(error)) = poll(&mut limiter.acquire(M, cost)) else { panic!("{quota}") };
        let message = error.to_string();
        assert!(message.starts_with("gpt-4o-mini: the call costs ") && message.contains(says), "{message}");
        let why = exceeds(error);
        assert_eq!((why.model.as_str(), why.cost, why.quota), (M, of_unit, quota));
        assert_eq!(exceeds(limiter.try_acquire(M, cost).unwrap_err()), why);
        assert_eq!(limiter.waiting(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_can_never_go_does_not_stand_in_line_to_hear_it() {
    let limiter = limiter(Limits::new().tpm(1_000).concurrency(1));
    let out = limiter.try_acquire(M, Cost::input(1)).unwrap();
    let mut waiter = limiter.acquire(M, Cost::input(1));
    assert!(poll(&mut waiter).is_pending());
    let Poll::Ready(Err(error)) = poll(&mut limiter.acquire(M, Cost::input(1_001))) else { panic!() };
    assert_eq!(exceeds(error).cost, 1_001);
    drop(out);
}

#[tokio::test(start_paused = true)]
async fn not_yet_tells_the_same_in_its_fields_and_in_its_words() {
    let quota = Quota::refill(Unit::Tokens, 1_000, Duration::from_secs(10)).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().rpm(100).with(quota));
    drop(limiter.try_acquire(M, Cost::input(900)).unwrap());
    let error = limiter.try_acquire(M, Cost::input(200).max_output(150)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gpt-4o-mini: 1000 tokens per 10s has 100 tokens left of the 350 needed, and has them in 2s 500ms"
    );
    let why = not_yet(error);
    assert_eq!((why.model.as_str(), why.ahead, why.within), (M, 0, Duration::ZERO));
    let blocking = why.blocking.unwrap();
    assert_eq!((blocking.quota, blocking.cost, blocking.remaining), (quota, 350, 100));
    assert_eq!(blocking.wait, Some(Duration::from_millis(2_500)));
    tokio::time::advance(Duration::from_millis(2_500)).await;
    assert!(limiter.try_acquire(M, Cost::input(350)).is_ok(), "the wait it told was enough");
}

#[tokio::test(start_paused = true)]
async fn not_yet_names_the_budget_that_can_pay_last() {
    let fast = Quota::refill(Unit::Requests, 1, Duration::from_secs(1));
    let slow = Quota::refill(Unit::Tokens, 100, Duration::from_secs(100));
    for limits in [Limits::new().with(fast).with(slow), Limits::new().with(slow).with(fast)] {
        let limiter = limiter(limits);
        drop(limiter.try_acquire(M, Cost::input(100)).unwrap());
        let why = not_yet(limiter.try_acquire(M, Cost::input(50)).unwrap_err());
        assert_eq!(why.blocking.unwrap().quota, slow);
    }
}

#[tokio::test(start_paused = true)]
async fn debt_is_told_as_a_level_below_zero() {
    let limiter = limiter(Limits::new().tpm(1_000));
    let out = limiter.try_acquire(M, Cost::input(900)).unwrap();
    out.release(Usage::new(1_900, 0)).await;
    let why = not_yet(limiter.try_acquire(M, Cost::input(1)).unwrap_err());
    let remaining = why.blocking.unwrap().remaining;
    assert!((-902..=-900).contains(&remaining), "{remaining}");
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_not_yet_tells_is_long_enough_to_wait_for() {
    let quota = Quota::refill(Unit::Tokens, 1_000, Duration::from_secs(10)).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    drop(limiter.try_acquire(M, Cost::input(1_000)).unwrap());
    let why = not_yet(limiter.try_acquire(M, Cost::input(250)).unwrap_err());
    let wait = why.blocking.unwrap().wait.unwrap();
    let admitted = limiter.acquire(M, Cost::input(250)).within(wait).await;
    assert!(admitted.is_ok(), "{}", admitted.unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_timed_out_counts_the_calls_ahead_of_it_and_no_others() {
    let limiter = limiter(Limits::new().concurrency(1));
    let out = limiter.try_acquire(M, Cost::input(1)).unwrap();
    let mut first = limiter.acquire(M, Cost::input(1));
    assert!(poll(&mut first).is_pending());
    let mut hasty = limiter.acquire(M, Cost::input(1)).within(Duration::from_secs(1));
    assert!(poll(&mut hasty).is_pending());
    let mut behind = limiter.acquire(M, Cost::input(1));
    assert!(poll(&mut behind).is_pending());
    let why = not_yet(hasty.await.unwrap_err());
    assert_eq!(why.ahead, 1, "{why}");
    drop(out);
}

#[tokio::test(start_paused = true)]
async fn a_try_does_not_pass_a_call_that_waits() {
    let quota = Quota::refill(Unit::Tokens, 1_000, Duration::from_secs(10)).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    drop(limiter.try_acquire(M, Cost::input(900)).unwrap());
    let mut large = limiter.acquire(M, Cost::input(800));
    assert!(poll(&mut large).is_pending());
    let why = not_yet(limiter.try_acquire(M, Cost::input(1)).unwrap_err());
    assert_eq!((why.blocking.as_ref(), why.ahead), (None, 1));
    assert_eq!(why.to_string(), "gpt-4o-mini: every budget could pay; waiting ahead of it: 1");
    drop(large);
    assert!(limiter.try_acquire(M, Cost::input(1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_model_is_told_which_ones_there_are() {
    let limiter = Limiter::builder()
        .model("gpt-4o", Limits::new())
        .model("claude-*", Limits::new())
        .alias("fast", "gpt-4o")
        .build()
        .unwrap();
    let errors = [
        limiter.acquire("mistral", Cost::input(1)).await.unwrap_err(),
        limiter.try_acquire("mistral", Cost::input(1)).unwrap_err(),
        limiter.model("mistral").unwrap_err().into(),
        limiter.eta("mistral", Cost::input(1)).unwrap_err().into(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "mistral: no limits for this model; configured: claude-*, fast, gpt-4o"
        );
        let AcquireError::UnknownModel(why) = error else { panic!("{error}") };
        assert_eq!((why.model.as_str(), why.known), ("mistral", vec_of(["claude-*", "fast", "gpt-4o"])));
    }
}

fn vec_of<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

#[tokio::test(start_paused = true)]
async fn a_call_of_exactly_the_limit_is_admitted_also_with_the_guard_that_is_there_by_default() {
    let quotas = [
        Quota::refill(Unit::Tokens, 1_000, MINUTE),
        Quota::refill(Unit::Tokens, 1_000, MINUTE).burst(400),
        Quota::refill(Unit::Tokens, 1_000, MINUTE).burst(1),
        Quota::refill(Unit::Tokens, 200_000, MINUTE).burst(10),
        Quota::refill(Unit::Tokens, 1_000, MINUTE).guard(Duration::from_secs(29)),
        Quota::fixed(Unit::Tokens, 1_000, MINUTE),
        Quota::sliding(Unit::Tokens, 1_000, MINUTE),
    ];
    for quota in quotas {
        let limiter = limiter(Limits::new().with(quota));
        let whole = Cost::input(quota.capacity());
        drop(limiter.try_acquire(M, whole).unwrap_or_else(|error| panic!("{error}")));
        let why = not_yet(limiter.try_acquire(M, Cost::input(1)).unwrap_err());
        assert_eq!(why.blocking.unwrap().quota, quota);
        drop(limiter.acquire(M, whole).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_call_of_exactly_the_limit_goes_one_period_after_the_first() {
    let limiter = limiter(Limits::new().tpm(1_000));
    let begin = Instant::now();
    for minute in 0..4 {
        drop(limiter.acquire(M, Cost::input(1_000)).await.unwrap());
        let due = minute * MINUTE;
        assert!((due..due + Duration::from_millis(4)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_tokens_costs_its_request_and_nothing_else() {
    let limiter = limiter(Limits::new().rpm(10).tpm(1_000).otpm(0).concurrency(2));
    let out = limiter.try_acquire(M, Cost::input(0)).unwrap();
    assert_eq!(out.cost().tokens(), 0);
    let all: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
    assert_eq!(all, [8, 999, 0, 1], "of the rest the guard takes a fraction");
    out.cancel().await;
    let all: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
    assert_eq!(all, [9, 999, 0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_model_without_quotas_admits_everything() {
    let limiter = limiter(Limits::new());
    let permits: Vec<_> =
        (0..100).map(|_| limiter.try_acquire(M, Cost::input(u64::MAX).max_output(u64::MAX))).collect();
    assert!(permits.iter().all(Result::is_ok));
    for permit in permits {
        permit.unwrap().release(Usage::new(u64::MAX, u64::MAX)).await;
    }
}
