//! Limits that change while calls wait and calls are out.
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, advance};
use tollgate::{
    AcquireError, Charge, Cost, Group, Limiter, Limits, Permit, Quota, SetLimitsError, Unit, Usage,
};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);
const KINDS: [fn(Unit, u64, Duration) -> Quota; 3] = [Quota::refill, Quota::fixed, Quota::sliding];

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn tokens(tokens: u64) -> Cost {
    Cost::input(tokens)
}

/// Nothing of it flows back, and no window ends, within a test.
fn quota(kind: fn(Unit, u64, Duration) -> Quota, limit: u64) -> Limits {
    Limits::new().with(kind(Unit::Tokens, limit, 100_000 * MINUTE).guard(Duration::ZERO))
}

fn remaining(limiter: &Limiter) -> Vec<i64> {
    limiter.snapshot().scopes()[0].budgets.iter().map(|budget| budget.remaining).collect()
}

fn spent(permit: Permit, cost: u64) {
    let _settled = permit.release(Usage::new(cost, 0));
}

#[tokio::test(start_paused = true)]
async fn raised_limits_let_waiting_calls_go_at_once() {
    for kind in KINDS {
        let limiter = limiter(quota(kind, 1_000));
        spent(limiter.try_acquire(M, tokens(1_000)).unwrap(), 1_000);
        let begin = Instant::now();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let limiter = limiter.clone();
                tokio::spawn(async move { spent(limiter.acquire(M, tokens(10)).await.unwrap(), 10) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(limiter.waiting(), 50);
        limiter.set_limits(M, &quota(kind, 1_500)).unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((begin.elapsed(), remaining(&limiter)), (Duration::ZERO, vec![0]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_concurrency_lets_waiting_calls_go_at_once() {
    let limiter = limiter(Limits::new().concurrency(1));
    let out = limiter.try_acquire(M, tokens(1)).unwrap();
    let mut waiters = [limiter.acquire(M, tokens(1)), limiter.acquire(M, tokens(1))];
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_pending()));
    limiter.set_limits(M, &Limits::new().concurrency(2)).unwrap();
    let [first, second] = &mut waiters;
    let Poll::Ready(Ok(permit)) = poll(first) else { panic!("it is due") };
    assert!(poll(second).is_pending());
    drop((out, permit));
    assert_eq!(remaining(&limiter), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_raised_concurrency_wakes_a_hundred_tasks_before_any_of_them_is_polled() {
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    let limiter = limiter(Limits::new().concurrency(1));
    let _out = limiter.try_acquire(M, tokens(1)).unwrap();
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(woken.clone());
    let mut waiters: Vec<_> = (0..100).map(|_| limiter.acquire(M, tokens(1))).collect();
    for waiter in &mut waiters {
        assert!(Pin::new(waiter).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    limiter.set_limits(M, &Limits::new().concurrency(101)).unwrap();
    assert_eq!((woken.0.load(Relaxed), limiter.waiting()), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn lowered_limits_keep_what_was_used_and_later_calls_wait_it_out() {
    for kind in KINDS {
        let limiter = limiter(quota(kind, 1_000));
        spent(limiter.try_acquire(M, tokens(700)).unwrap(), 700);
        limiter.set_limits(M, &quota(kind, 500)).unwrap();
        assert_eq!(remaining(&limiter), [-200]);
        assert!(limiter.try_acquire(M, tokens(1)).is_err());
        limiter.set_limits(M, &quota(kind, 1_000)).unwrap();
        assert_eq!(remaining(&limiter), [300], "nothing was forgotten on the way");
    }
    let quota = |limit| {
        Limits::new().with(Quota::refill(Unit::Tokens, limit, Duration::from_secs(10)).guard(Duration::ZERO))
    };
    let limiter = limiter(quota(1_000));
    spent(limiter.try_acquire(M, tokens(700)).unwrap(), 700);
    limiter.set_limits(M, &quota(500)).unwrap();
    let begin = Instant::now();
    drop(limiter.acquire(M, tokens(50)).await.unwrap());
    // 200 of debt and 50 for itself, at the new 50 a second.
    let waited = begin.elapsed();
    let due = Duration::from_secs(5);
    assert!((due..due + Duration::from_millis(2)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lowered_concurrency_waits_until_enough_calls_have_ended() {
    let limiter = limiter(Limits::new().concurrency(4));
    let mut out: Vec<_> = (0..4).map(|_| limiter.try_acquire(M, tokens(1)).unwrap()).collect();
    limiter.set_limits(M, &Limits::new().concurrency(2)).unwrap();
    assert_eq!(remaining(&limiter), [-2]);
    for left in [-1, 0] {
        drop(out.pop());
        assert_eq!(remaining(&limiter), [left]);
        assert!(limiter.try_acquire(M, tokens(1)).is_err());
    }
    drop(out.pop());
    assert!(limiter.try_acquire(M, tokens(1)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_that_is_larger_than_the_new_limit_is_told_never_and_the_others_go_on() {
    let limiter = limiter(quota(Quota::sliding, 1_000));
    spent(limiter.try_acquire(M, tokens(200)).unwrap(), 200);
    let mut large = limiter.acquire(M, tokens(900));
    let mut small = limiter.acquire(M, tokens(150)); // It would delay the large one, and may not pass.
    assert!(poll(&mut large).is_pending() && poll(&mut small).is_pending());
    limiter.set_limits(M, &quota(Quota::sliding, 600)).unwrap();
    let Poll::Ready(Err(AcquireError::ExceedsQuota(why))) = poll(&mut large) else {
        panic!("it is too large")
    };
    assert_eq!((why.cost, why.quota.limit()), (900, 600));
    assert!(poll(&mut small).is_ready());
    assert_eq!(limiter.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_task_is_woken_to_be_told_never() {
    let limiter = limiter(Limits::new().concurrency(1));
    let _out = limiter.try_acquire(M, tokens(1)).unwrap();
    let waiter = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(M, tokens(1)).await.map(drop) }
    });
    tokio::task::yield_now().await;
    limiter.set_limits(M, &Limits::new().concurrency(0)).unwrap();
    let told = tokio::time::timeout(MINUTE, waiter).await.expect("it is woken").unwrap();
    assert!(matches!(told, Err(AcquireError::ExceedsQuota(_))), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_out_settle_against_the_changed_limits() {
    for kind in KINDS {
        for new in [500, 5_000] {
            let limiter = limiter(quota(kind, 1_000));
            let out: Vec<_> = (0..3).map(|_| limiter.try_acquire(M, tokens(200)).unwrap()).collect();
            limiter.set_limits(M, &quota(kind, new)).unwrap();
            let [one, two, three] = out.try_into().unwrap();
            one.cancel().await;
            two.release(Usage::new(50, 0)).await;
            three.release(Usage::new(300, 0)).await;
            assert_eq!(remaining(&limiter), [new as i64 - 350]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_token_is_not_rounded_up_by_a_change() {
    let limits = |limit| Limits::new().with(Quota::refill(Unit::Tokens, limit, MINUTE).guard(Duration::ZERO));
    let limiter = limiter(limits(1_000));
    spent(limiter.try_acquire(M, tokens(1)).unwrap(), 1);
    // Half a token has flowed back; the level under the new limit is kept in whole ones.
    advance(Duration::from_millis(30)).await;
    limiter.set_limits(M, &limits(60_000_000_000)).unwrap();
    assert_eq!(remaining(&limiter), [59_999_999_999]);
}

#[tokio::test(start_paused = true)]
async fn a_refund_after_a_change_restores_no_more_than_the_true_price_would_have_left() {
    let limits = |limit| {
        let quota = Quota::refill(Unit::Tokens, limit, MINUTE).guard(Duration::ZERO);
        Limits::new().with(quota).charge(Charge::InputOnly)
    };
    let limiter = limiter(limits(1_000));
    let first = limiter.try_acquire(M, tokens(500)).unwrap();
    first.observe(200_u16, &[("", ""); 0]);
    limiter.set_limits(M, &limits(2_000)).unwrap();
    advance(MINUTE / 2).await;
    let second = limiter.try_acquire(M, tokens(500)).unwrap();
    second.observe(200_u16, &[("", ""); 0]);
    // With the true price of 100 the bucket would have been just as full, and would have spilled.
    spent(first, 100);
    assert_eq!(remaining(&limiter), [1_500]);
    spent(second, 500);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_kind_keeps_what_was_used_and_gives_back_no_more_than_that() {
    for (i, from) in KINDS.into_iter().enumerate() {
        for (j, to) in KINDS.into_iter().enumerate() {
            let limiter = limiter(quota(from, 1_000));
            let out = limiter.try_acquire(M, tokens(200)).unwrap();
            spent(limiter.try_acquire(M, tokens(300)).unwrap(), 300);
            limiter.set_limits(M, &quota(to, 2_000)).unwrap();
            assert_eq!(remaining(&limiter), [1_500], "from {i} to {j}");
            spent(limiter.try_acquire(M, tokens(100)).unwrap(), 100);
            spent(out, 200);
            assert_eq!(remaining(&limiter), [1_400], "from {i} to {j}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn debt_survives_a_change_of_kind() {
    for from in KINDS {
        for to in KINDS {
            let limiter = limiter(quota(from, 1_000));
            spent(limiter.try_acquire(M, tokens(200)).unwrap(), 1_700);
            limiter.set_limits(M, &quota(to, 1_000)).unwrap();
            assert_eq!(remaining(&limiter), [-700]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sliding_window_that_becomes_a_bucket_has_refilled_as_a_bucket_would() {
    let limits = |kind: fn(Unit, u64, Duration) -> Quota| {
        Limits::new().with(kind(Unit::Tokens, 600, MINUTE).guard(Duration::ZERO))
    };
    let limiter = limiter(limits(Quota::sliding));
    spent(limiter.try_acquire(M, tokens(300)).unwrap(), 300);
    advance(Duration::from_secs(10)).await;
    limiter.set_limits(M, &limits(Quota::refill)).unwrap();
    assert_eq!(remaining(&limiter), [400]);
}

#[tokio::test(start_paused = true)]
async fn budgets_may_be_added_and_removed_while_calls_are_out() {
    let limiter = limiter(quota(Quota::sliding, 1_000));
    let out = limiter.try_acquire(M, tokens(400)).unwrap();
    limiter.set_limits(M, &quota(Quota::sliding, 1_000).concurrency(1).rpd(10)).unwrap();
    assert_eq!(remaining(&limiter), [600, 1, 10], "what is new never knew of the call");
    let mut second = Some(limiter.try_acquire(M, tokens(100)).unwrap());
    out.cancel().await;
    assert_eq!(remaining(&limiter), [900, 0, 9]);
    limiter.set_limits(M, &Limits::new()).unwrap();
    assert!(remaining(&limiter).is_empty());
    drop(second.take());
    limiter.set_limits(M, &Limits::new().concurrency(1)).unwrap();
    assert_eq!(remaining(&limiter), [1]);
}

#[tokio::test(start_paused = true)]
async fn removing_the_budget_that_holds_calls_up_lets_them_go() {
    let limiter = limiter(quota(Quota::sliding, 100));
    spent(limiter.try_acquire(M, tokens(100)).unwrap(), 100);
    let mut waiter = limiter.acquire(M, tokens(100));
    assert!(poll(&mut waiter).is_pending());
    limiter.set_limits(M, &Limits::new()).unwrap();
    assert!(poll(&mut waiter).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_group_is_changed_for_all_of_its_members_and_their_waiters() {
    let group = Group::new(Limits::new().concurrency(1)).member("a").model("b", Limits::new().concurrency(5));
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    let out = limiter.try_acquire("a", tokens(1)).unwrap();
    let mut waiter = limiter.acquire("b", tokens(1));
    assert!(poll(&mut waiter).is_pending());
    limiter.set_group_limits("account", &Limits::new().concurrency(2)).unwrap();
    assert!(poll(&mut waiter).is_ready());
    limiter.set_limits("b", &Limits::new().concurrency(0)).unwrap();
    assert!(matches!(limiter.try_acquire("b", tokens(1)), Err(AcquireError::ExceedsQuota(_))));
    assert!(limiter.try_acquire("a", tokens(1)).is_ok());
    drop(out);
}

#[tokio::test(start_paused = true)]
async fn limits_that_cannot_be_kept_change_nothing() {
    let limiter = limiter(quota(Quota::sliding, 1_000));
    spent(limiter.try_acquire(M, tokens(300)).unwrap(), 300);
    let before = limiter.snapshot();
    let bad = quota(Quota::fixed, 2_000).with(Quota::fixed(Unit::Requests, 5, Duration::ZERO));
    let error = limiter.set_limits(M, &bad).unwrap_err();
    assert!(error.to_string().starts_with("model gpt-4o-mini: period: 0s is not between"), "{error}");
    assert!(matches!(error, SetLimitsError::Invalid(_)));
    assert_eq!(limiter.snapshot(), before);
}

#[tokio::test(start_paused = true)]
async fn limits_of_what_has_none_of_its_own_are_refused_by_name() {
    let group = Group::new(Limits::new()).member("a").model("b", Limits::new());
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    let error = limiter.set_limits("a", &Limits::new()).unwrap_err();
    assert_eq!(error.to_string(), "model a: has no limits of its own");
    let error = limiter.set_group_limits("gone", &Limits::new()).unwrap_err();
    assert_eq!(error.to_string(), "group gone: has no limits of its own");
    let error = limiter.set_limits("gone", &Limits::new()).unwrap_err();
    assert_eq!(error.to_string(), "gone: no limits for this model; configured: a, b");
    assert!(limiter.set_limits("b", &Limits::new()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_charge_rule_changes_for_calls_that_are_admitted_later() {
    let limits = |charge| quota(Quota::sliding, 1_000).charge(charge);
    let limiter = limiter(limits(tollgate::Charge::Usage));
    let old = limiter.try_acquire(M, tokens(100).max_output(200)).unwrap();
    limiter.set_limits(M, &limits(tollgate::Charge::InputOnly)).unwrap();
    let new = limiter.try_acquire(M, tokens(100).max_output(200)).unwrap();
    assert_eq!(remaining(&limiter), [600]);
    old.release(Usage::new(100, 50)).await;
    new.release(Usage::new(100, 50)).await;
    assert_eq!(remaining(&limiter), [750]);
}
