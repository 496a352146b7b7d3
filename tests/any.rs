//! Waiting for whichever of several models is free first.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tollgate::{AcquireError, Cost, Group, Limiter, Limits, Quota, Unit, Usage};

const CALL: Cost = Cost::input(100);

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Two models of their own with one slot and ten requests each.
fn two() -> Limiter {
    let limits = || Limits::new().concurrency(1).with(Quota::sliding(Unit::Requests, 10, day()));
    Limiter::builder().model("a", limits()).model("b", limits()).build().unwrap()
}

fn day() -> Duration {
    Duration::from_secs(86_400)
}

/// Slots and requests left of each model.
fn left(limiter: &Limiter) -> Vec<Vec<i64>> {
    let of = |scope: &tollgate::ScopeSnapshot| scope.budgets.iter().map(|budget| budget.remaining).collect();
    limiter.snapshot().scopes().iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_model_that_is_free_wins_and_the_others_pay_nothing() {
    let limiter = two();
    let (first, one) = limiter.acquire_any(["a", "b"], CALL).await.unwrap();
    assert_eq!((first.as_str(), left(&limiter)), ("a", vec![vec![0, 9], vec![1, 10]]));
    let (second, two) = limiter.acquire_any(["a", "b"], CALL).await.unwrap();
    assert_eq!((second.as_str(), left(&limiter)), ("b", vec![vec![0, 9], vec![0, 9]]));
    assert_eq!(limiter.waiting(), 0);
    one.cancel().await;
    two.cancel().await;
    assert_eq!(left(&limiter), [[1, 10], [1, 10]]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_several_goes_to_the_one_that_is_free_first() {
    let limiter = two();
    let (a, b) = (limiter.try_acquire("a", CALL).unwrap(), limiter.try_acquire("b", CALL).unwrap());
    let waiter = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_any(["a".to_owned(), "b".to_owned()], CALL).await.unwrap() }
    });
    tokio::task::yield_now().await;
    assert_eq!(limiter.waiting(), 2);
    b.cancel().await;
    let (model, permit) = waiter.await.unwrap();
    assert_eq!((model.as_str(), limiter.waiting()), ("b", 0));
    permit.cancel().await;
    a.cancel().await;
    assert_eq!(left(&limiter), [[1, 10], [1, 10]]);
}

#[tokio::test(start_paused = true)]
async fn of_two_models_whose_budgets_flow_back_the_sooner_is_taken() {
    let rate = |seconds| {
        Limits::new()
            .with(Quota::refill(Unit::Requests, 1, Duration::from_secs(seconds)).guard(Duration::ZERO))
    };
    let limiter = Limiter::builder().model("slow", rate(20)).model("fast", rate(7)).build().unwrap();
    drop(limiter.try_acquire("slow", CALL).unwrap());
    drop(limiter.try_acquire("fast", CALL).unwrap());
    let begin = Instant::now();
    for due in [7, 14, 20] {
        let (model, permit) = limiter.acquire_any(["slow", "fast"], CALL).await.unwrap();
        let at = begin.elapsed();
        let due = Duration::from_secs(due);
        assert!((due..due + Duration::from_millis(2)).contains(&at), "{model} after {at:?}");
        drop(permit);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_others_were_granted_in_the_meantime_comes_back() {
    let limiter = two();
    let (a, b) = (limiter.try_acquire("a", CALL).unwrap(), limiter.try_acquire("b", CALL).unwrap());
    let mut waiter = limiter.acquire_any(["a", "b"], CALL);
    assert!(poll(&mut waiter).is_pending());
    a.cancel().await;
    b.cancel().await;
    // Both are granted before it is polled again.
    assert_eq!(left(&limiter), [[0, 9], [0, 9]]);
    let Poll::Ready(Ok((model, permit))) = poll(&mut waiter) else { panic!("it was granted") };
    assert_eq!((model.as_str(), left(&limiter)), ("a", vec![vec![0, 9], vec![1, 10]]));
    permit.cancel().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_it_takes_nothing_from_any_model() {
    for granted in [false, true] {
        let limiter = two();
        let (a, b) = (limiter.try_acquire("a", CALL).unwrap(), limiter.try_acquire("b", CALL).unwrap());
        let mut waiter = limiter.acquire_any(["a", "b"], CALL);
        assert!(poll(&mut waiter).is_pending());
        if granted {
            a.cancel().await;
            b.cancel().await;
            drop(waiter);
        } else {
            drop(waiter);
            a.cancel().await;
            b.cancel().await;
        }
        assert_eq!((left(&limiter), limiter.waiting()), (vec![vec![1, 10], vec![1, 10]], 0));
    }
    let limiter = two();
    drop(limiter.acquire_any(["a", "b"], CALL));
    assert_eq!(left(&limiter), [[1, 10], [1, 10]], "never polled");
}

#[tokio::test(start_paused = true)]
async fn models_that_can_never_admit_it_drop_out() {
    let limiter = Limiter::builder()
        .model("small", Limits::new().tpm(50))
        .model("none", Limits::new().rpm(0))
        .model("large", Limits::new().tpm(1_000))
        .build()
        .unwrap();
    let names = ["unknown", "small", "none", "large"];
    let (model, permit) = limiter.acquire_any(names, CALL).await.unwrap();
    assert_eq!(model, "large");
    drop(permit);
    // They do not come back while it waits for the one that is left, either.
    drop(limiter.try_acquire("large", Cost::input(899)).unwrap());
    let (model, permit) = limiter.acquire_any(names, CALL).await.unwrap();
    assert_eq!(model, "large");
    permit.release(Usage::new(100, 0)).await;
}

#[tokio::test(start_paused = true)]
async fn if_no_model_can_ever_admit_it_the_last_one_tells_why() {
    let limiter = Limiter::builder().model("small", Limits::new().tpm(50)).build().unwrap();
    let error = limiter.acquire_any(["unknown", "small"], CALL).await.unwrap_err();
    assert!(matches!(error, AcquireError::ExceedsQuota(_)), "{error}");
    let error = limiter.acquire_any(["small", "unknown"], CALL).await.unwrap_err();
    assert!(matches!(error, AcquireError::UnknownModel(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn it_waits_no_longer_than_it_was_told_to() {
    let limiter = two();
    let _out = (limiter.try_acquire("a", CALL).unwrap(), limiter.try_acquire("b", CALL).unwrap());
    let begin = Instant::now();
    let any = limiter.acquire_any(["a", "b"], CALL).within(Duration::from_secs(3));
    let error = any.await.unwrap_err();
    assert!(matches!(error, AcquireError::NotYet(_)), "{error}");
    let waited = begin.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_millis(3_002)).contains(&waited), "{waited:?}");
    assert_eq!(limiter.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_without_models_is_an_error_and_no_panic() {
    let limiter = two();
    assert!(limiter.acquire_any(Vec::<String>::new(), CALL).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn models_that_share_a_group_and_the_same_model_twice_pay_once() {
    let group = Group::new(Limits::new().rpd(10).concurrency(1)).member("a").member("b");
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    let out = limiter.try_acquire("a", CALL).unwrap();
    let waiter = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire_any(["b", "a", "a"], CALL).await.unwrap() }
    });
    tokio::task::yield_now().await;
    out.cancel().await;
    let (model, permit) = waiter.await.unwrap();
    assert_eq!((model.as_str(), left(&limiter)), ("b", vec![vec![9, 0]]));
    permit.cancel().await;
    assert_eq!((left(&limiter), limiter.waiting()), (vec![vec![10, 1]], 0));
}

#[tokio::test(start_paused = true)]
async fn the_tenant_pays_for_whichever_model_it_is() {
    let group = Group::new(Limits::new()).member("a").member("b").tenant("alice", Limits::new().rpd(2));
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    let any = || limiter.acquire_any(["a", "b"], CALL).tenant("alice");
    drop((any().await.unwrap(), any().await.unwrap()));
    assert!(any().within(Duration::ZERO).await.is_err());
    assert!(limiter.try_acquire("a", CALL).is_ok(), "the group's own budget is not the tenant's");
}

#[tokio::test(start_paused = true)]
async fn a_model_of_the_same_group_that_is_free_is_taken_while_another_is_not() {
    let one = || Limits::new().concurrency(1);
    let group = Group::new(Limits::new().rpd(10)).model("a", one()).model("b", one());
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    let _out = limiter.try_acquire("a", CALL).unwrap();
    let any = tokio::time::timeout(day(), limiter.acquire_any(["a", "b"], CALL)).await;
    assert_eq!(any.expect("it does not wait behind itself").unwrap().0, "b");
}
