//! What the model has found, each as the shortest story that shows it.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tollgate::{Acquire, Cost, Group, Limiter, Limits, Quota, Unit, Usage, Waiting};

fn paused<F: Future>(story: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(story)
}

fn poll(acquire: &mut Acquire) -> Poll<()> {
    Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop())).map(drop)
}

/// The tenant's line was set aside until the large call could go, and stayed so when that had left.
#[test]
fn a_call_behind_one_that_gave_up_goes_when_it_can_itself() {
    paused(async {
        let own = Limits::new()
            .with(Quota::refill(Unit::Tokens, 60, Duration::from_secs(60)).guard(Duration::ZERO));
        let group = Group::new(Limits::new().rpm(1_000)).member("m").tenant("t", own);
        let limiter = Limiter::builder().group("g", group).build().unwrap();
        let acquire = |tokens| limiter.acquire("m", Cost::input(tokens)).tenant("t");
        let all = acquire(60).await.unwrap();
        let begin = Instant::now();
        let (mut large, mut small) = (acquire(50), acquire(10));
        assert!(poll(&mut large).is_pending() && poll(&mut small).is_pending());
        all.release(Usage::new(60, 0)).await;
        drop(large);
        drop(small.await.unwrap());
        assert!(begin.elapsed() <= Duration::from_millis(10_002), "after {:?}", begin.elapsed());
    });
}

/// A call that only tried, and was refused since others waited, let older charges leave a window later.
#[test]
fn a_call_that_was_refused_leaves_no_trace_in_a_sliding_window() {
    paused(async {
        let minute = Duration::from_secs(60);
        let tokens = Quota::refill(Unit::Tokens, 60, minute).guard(Duration::ZERO);
        let limits = Limits::new().with(Quota::sliding(Unit::Requests, 10, minute)).with(tokens);
        let limiter = Limiter::builder().model("m", limits).build().unwrap();
        limiter.try_acquire("m", Cost::input(50)).unwrap().release(Usage::new(50, 0)).await;
        let mut large = limiter.acquire("m", Cost::input(60));
        assert!(poll(&mut large).is_pending());
        tokio::time::advance(Duration::from_millis(5)).await;
        let charges = || serde_json::to_value(limiter.snapshot()).unwrap()["scopes"][0]["budgets"][0].clone();
        let before = charges();
        // There is enough for it, and it would delay the large one.
        assert!(limiter.try_acquire("m", Cost::input(10)).is_err());
        assert_eq!(charges(), before);
    });
}

/// The call could go while the large one waited, its line was set aside for that, and it stayed behind it.
#[test]
fn a_call_that_comes_back_before_one_that_waits_for_its_tenant_goes_when_it_can() {
    paused(async {
        let own = Limits::new()
            .with(Quota::refill(Unit::Tokens, 60, Duration::from_secs(60)).guard(Duration::ZERO));
        let group = Group::new(Limits::new().rpm(1_000)).member("m").tenant("t", own);
        let limiter = Limiter::builder().group("g", group).build().unwrap();
        let acquire = |tokens| limiter.acquire("m", Cost::input(tokens)).tenant("t");
        acquire(60).await.unwrap().release(Usage::new(60, 0)).await;
        let (mut small, mut large) = (acquire(10), acquire(50));
        assert!(poll(&mut small).is_pending() && poll(&mut large).is_pending());
        // It is granted, nobody polls it, and the grant lapses.
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(limiter.waiting(), 1, "only the large one is in line");
        drop(tokio::time::timeout(Duration::from_secs(1), small).await.expect("there is enough for it"));
    });
}

/// A line of two: the first waits for a slot, the second for enough tokens for both.
struct Two {
    limiter: Limiter,
    _slot: tollgate::Permit,
    _head: Acquire,
    second: Acquire,
}

async fn two() -> Two {
    let second = Duration::from_secs(1);
    let tokens = Quota::refill(Unit::Tokens, 70, second).guard(Duration::ZERO);
    let group = Group::new(Limits::new().with(tokens)).member("a").model("b", Limits::new().concurrency(1));
    let waiting = Waiting::new().slack(Duration::ZERO);
    let limiter = Limiter::builder().group("g", group).waiting(waiting).build().unwrap();
    let slot = limiter.acquire("b", Cost::input(0)).await.unwrap();
    limiter.acquire("a", Cost::input(70)).await.unwrap().release(Usage::new(70, 0)).await;
    let mut head = limiter.acquire("b", Cost::input(1));
    let mut second = limiter.acquire("a", Cost::input(2));
    assert!(poll(&mut head).is_pending() && poll(&mut second).is_pending());
    Two { limiter, _slot: slot, _head: head, second }
}

/// It was looked at when there was enough for itself, would have delayed the first, and was forgotten.
#[test]
fn a_call_passes_as_soon_as_there_is_enough_for_both() {
    paused(async {
        let mut line = two().await;
        let begin = Instant::now();
        let went = tokio::time::timeout(Duration::from_secs(60), &mut line.second).await;
        assert!(went.is_ok(), "nothing was in its way");
        assert!(begin.elapsed() <= Duration::from_millis(45), "after {:?}", begin.elapsed());
    });
}

/// Timers ring late by up to a millisecond: a call that came then went before an equal one.
#[test]
fn nobody_goes_before_one_that_is_due_and_was_not_told_yet() {
    paused(async {
        let mut line = two().await;
        for micros in [30_000, 12_900] {
            tokio::time::advance(Duration::from_micros(micros)).await;
        }
        assert!(line.limiter.try_acquire("a", Cost::input(2)).is_err());
        assert!(poll(&mut line.second).is_ready());
    });
}

/// Nobody had read the clock since the first call went, so the debt counted from then.
#[test]
fn debt_begins_when_it_is_told() {
    paused(async {
        let minute = Duration::from_secs(60);
        let tokens = Quota::refill(Unit::Tokens, 60, minute).guard(Duration::ZERO);
        let limiter = Limiter::builder().model("m", Limits::new().with(tokens)).build().unwrap();
        let call = limiter.acquire("m", Cost::input(1)).await.unwrap();
        tokio::time::advance(minute).await;
        call.release(Usage::new(121, 0)).await;
        let snapshot = limiter.snapshot();
        let left = snapshot.scopes()[0].budgets[0].remaining;
        assert!(left <= -60, "{left} left");
    });
}

/// What could come back was rounded up when a limit changed, and so was what came back.
#[test]
fn no_more_comes_back_after_a_limit_has_changed() {
    paused(async {
        let limits = |tokens: u64| {
            let quota = Quota::refill(Unit::InputTokens, tokens, Duration::from_secs(3)).burst(tokens.max(1));
            Limits::new().with(quota.guard(Duration::ZERO))
        };
        let limiter = Limiter::builder().model("m", limits(3)).build().unwrap();
        let dear = limiter.acquire("m", Cost::input(2)).await.unwrap();
        dear.observe(200_u16, &[] as &[(&str, &str)]);
        tokio::time::advance(Duration::from_millis(1_500)).await;
        // Half a token is missing. Had the first call paid nothing, that much would have been spilled since.
        limiter.acquire("m", Cost::input(2)).await.unwrap().release(Usage::new(2, 0)).await;
        tokio::time::advance(Duration::from_millis(600)).await;
        limiter.set_limits("m", &limits(0)).unwrap();
        dear.release(Usage::new(0, 0)).await;
        let snapshot = limiter.snapshot();
        // 1.4 of the second call are not refilled.
        let left = snapshot.scopes()[0].budgets[0].remaining;
        assert!(left <= -2, "{left} left");
    });
}
