//! Which budgets a name stands for, and what calls of one group share.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tollgate::{AcquireError, BuildError, Cost, Group, Limiter, Limits, Quota, Unit, Usage};

const ONE: Cost = Cost::input(1);

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// So many requests, of which none flows back within a test.
fn requests(limit: u64) -> Limits {
    Limits::new().with(Quota::sliding(Unit::Requests, limit, Duration::from_secs(86_400)))
}

/// What is left of a scope's first budget.
fn left(limiter: &Limiter, scope: &str) -> i64 {
    let snapshot = limiter.snapshot();
    let scope = snapshot.scopes().iter().find(|known| known.name == scope);
    scope.unwrap_or_else(|| panic!("no {scope:?}")).budgets[0].remaining
}

fn take(limiter: &Limiter, model: &str) {
    drop(limiter.try_acquire(model, ONE).unwrap_or_else(|error| panic!("{error}")));
}

#[tokio::test(start_paused = true)]
async fn every_name_of_a_model_shares_its_budgets() {
    let limiter = Limiter::builder()
        .model("gpt-4o-mini", requests(10))
        .model("claude-*", requests(10))
        .model("claude-opus-*", requests(10))
        .alias("fast", "gpt-4o-mini")
        .alias("fast-*", "gpt-4o-mini")
        .alias("best", "claude-opus-*")
        .build()
        .unwrap();
    for name in ["gpt-4o-mini", "gpt-4o-mini-2024-07-18", "gpt-4o-mini-20240718", "fast", "fast-2024-07-18"] {
        take(&limiter, name);
    }
    take(&limiter, "fast-and-cheap");
    for name in ["claude-sonnet-4", "claude-", "claude-sonnet-4-20250514"] {
        take(&limiter, name);
    }
    for name in ["claude-opus-4", "best"] {
        take(&limiter, name);
    }
    assert_eq!(left(&limiter, "model gpt-4o-mini"), 4);
    assert_eq!(left(&limiter, "model claude-*"), 7);
    assert_eq!(left(&limiter, "model claude-opus-*"), 8, "the longer pattern goes first");
    for name in ["gpt-4o", "gpt-4o-mini-", "gpt-4o-mini-2024-07", "GPT-4O-MINI", "", "claude"] {
        let error = limiter.try_acquire(name, ONE).unwrap_err();
        assert!(matches!(error, AcquireError::UnknownModel(_)), "{name}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dated_snapshot_shares_the_limits_of_its_model_also_where_a_pattern_matches_it() {
    let limiter =
        Limiter::builder().model("gpt-4o*", requests(10)).model("gpt-4o-mini", requests(10)).build().unwrap();
    take(&limiter, "gpt-4o-mini-2024-07-18");
    assert_eq!(left(&limiter, "model gpt-4o-mini"), 9);
}

#[tokio::test(start_paused = true)]
async fn a_name_of_any_shape_is_looked_up_and_does_no_harm() {
    let limiter = Limiter::builder().model("m", requests(10)).build().unwrap();
    for name in
        ["-", "--", "---", "-2024-07-18", "m-", "é-2024-07-18", "m-２０２４0718", "*", "m*", "\0", "m-0-0"]
    {
        assert!(limiter.try_acquire(name, ONE).is_err(), "{name:?}");
    }
    assert_eq!(left(&limiter, "model m"), 10);
}

#[tokio::test(start_paused = true)]
async fn names_that_are_not_configured_share_the_fallback() {
    let limiter = Limiter::builder()
        .model("other", requests(10))
        .model("gpt-4o", requests(10))
        .fallback("other")
        .build()
        .unwrap();
    take(&limiter, "mistral");
    take(&limiter, "llama");
    take(&limiter, "gpt-4o");
    assert_eq!((left(&limiter, "model other"), left(&limiter, "model gpt-4o")), (8, 9));
    assert_eq!(limiter.model("mistral").unwrap().name(), "other");
}

#[tokio::test(start_paused = true)]
async fn a_star_alone_matches_every_name() {
    let limiter = Limiter::builder().model("*", requests(10)).model("a", requests(10)).build().unwrap();
    take(&limiter, "anything");
    take(&limiter, "a");
    assert_eq!((left(&limiter, "model *"), left(&limiter, "model a")), (9, 9));
}

#[tokio::test(start_paused = true)]
async fn members_of_a_group_share_its_budgets_with_models_that_have_their_own() {
    let group = Group::new(requests(10)).member("a").member("b-*").model("c", requests(3));
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    for name in ["a", "b-1", "b-2", "c", "c"] {
        take(&limiter, name);
    }
    assert_eq!((left(&limiter, "group account"), left(&limiter, "model c")), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn group_and_model_are_charged_in_one_step_or_not_at_all() {
    let tokens = |limit| Limits::new().with(Quota::sliding(Unit::Tokens, limit, Duration::from_secs(86_400)));
    let group = Group::new(tokens(1_000)).model("small", tokens(300)).model("large", tokens(900));
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    drop(limiter.try_acquire("large", Cost::input(800)).unwrap());
    let before = limiter.snapshot();
    // The group cannot pay, then the model cannot.
    let why = limiter.try_acquire("small", Cost::input(250)).unwrap_err().to_string();
    assert!(why.contains("has 200 tokens left of the 250 needed"), "{why}");
    assert_eq!(limiter.snapshot(), before);
    let why = limiter.try_acquire("large", Cost::input(150)).unwrap_err().to_string();
    assert!(why.contains("has 100 tokens left of the 150 needed"), "{why}");
    assert_eq!(limiter.snapshot(), before);
    let permit = limiter.try_acquire("small", Cost::input(150)).unwrap();
    assert_eq!((left(&limiter, "group account"), left(&limiter, "model small")), (50, 150));
    permit.release(Usage::new(20, 0)).await;
    assert_eq!((left(&limiter, "group account"), left(&limiter, "model small")), (180, 280));
}

/// Alice may make two calls, the model three, the group ten.
fn with_tenants() -> Limiter {
    let group = Group::new(requests(10))
        .member("a")
        .model("b", requests(3))
        .tenant("alice", requests(2))
        .tenant("bob", requests(9));
    Limiter::builder().group("account", group).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_tenant_cannot_exceed_its_own_quota_over_all_models_of_the_group() {
    let limiter = with_tenants();
    drop(limiter.acquire("a", ONE).tenant("alice").await.unwrap());
    drop(limiter.acquire("b", ONE).tenant("alice").await.unwrap());
    let before = limiter.snapshot();
    for model in ["a", "b"] {
        assert!(limiter.acquire(model, ONE).tenant("alice").within(Duration::ZERO).await.is_err());
    }
    assert_eq!(limiter.snapshot(), before, "refused calls have taken nothing from group and model");
    drop(limiter.acquire("a", ONE).tenant("bob").await.unwrap());
    assert_eq!(left(&limiter, "tenant alice of group account"), 0);
    assert_eq!(left(&limiter, "tenant bob of group account"), 8);
    assert_eq!((left(&limiter, "group account"), left(&limiter, "model b")), (7, 2));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_pays_nothing_for_a_call_that_the_model_cannot_admit() {
    let limiter = with_tenants();
    for _ in 0..3 {
        take(&limiter, "b");
    }
    let before = limiter.snapshot();
    assert!(limiter.acquire("b", ONE).tenant("alice").within(Duration::ZERO).await.is_err());
    assert_eq!(limiter.snapshot(), before);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_without_quotas_pays_the_group_and_the_model() {
    let limiter = with_tenants();
    drop(limiter.acquire("b", ONE).tenant("carol").await.unwrap());
    assert_eq!((left(&limiter, "group account"), left(&limiter, "model b")), (9, 2));
    let plain = Limiter::builder().model("m", requests(2)).build().unwrap();
    drop(plain.acquire("m", ONE).tenant("alice").await.unwrap());
    assert_eq!(left(&plain, "model m"), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_tenants_named_the_later_one_pays() {
    let limiter = with_tenants();
    drop(limiter.acquire("a", ONE).tenant("alice").tenant("bob").await.unwrap());
    assert_eq!(left(&limiter, "tenant alice of group account"), 2);
    assert_eq!(left(&limiter, "tenant bob of group account"), 8);
}

#[tokio::test(start_paused = true)]
async fn what_a_tenant_gives_back_comes_back_to_all_three() {
    let limiter = with_tenants();
    let permit = limiter.acquire("b", ONE).tenant("alice").await.unwrap();
    permit.cancel().await;
    assert_eq!(left(&limiter, "tenant alice of group account"), 2);
    assert_eq!((left(&limiter, "group account"), left(&limiter, "model b")), (10, 3));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_waits_does_not_hold_up_models_of_other_groups() {
    let limits = || Limits::new().concurrency(1);
    let limiter = Limiter::builder()
        .model("alone", limits())
        .group("one", Group::new(limits()).member("a"))
        .group("two", Group::new(limits()).member("b"))
        .build()
        .unwrap();
    let _out = limiter.try_acquire("a", ONE).unwrap();
    let mut waiter = limiter.acquire("a", ONE);
    assert!(poll(&mut waiter).is_pending());
    assert!(limiter.try_acquire("b", ONE).is_ok());
    let begin = Instant::now();
    drop(limiter.acquire("alone", ONE).await.unwrap());
    assert_eq!((begin.elapsed(), limiter.waiting()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_clones_and_handles_share_one_budget() {
    let limiter = Limiter::builder().model("m", requests(100)).build().unwrap();
    let clones: Vec<Limiter> = (0..50).map(|_| limiter.clone()).collect();
    let handles: Vec<_> = (0..50).map(|_| limiter.model("m").unwrap()).collect();
    for (clone, handle) in clones.iter().zip(&handles) {
        take(clone, "m");
        drop(handle.acquire(ONE).await.unwrap());
    }
    assert_eq!(left(&limiter, "model m"), 0);
    assert!(clones[7].try_acquire("m", ONE).is_err());
    assert!(handles[7].try_acquire(ONE).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_later_limits_of_a_model_count() {
    let limiter = Limiter::builder().model("m", requests(1)).model("m", requests(5)).build().unwrap();
    assert_eq!(left(&limiter, "model m"), 5);
}

#[test]
fn names_that_stand_for_two_things_or_for_nothing_are_refused_by_name() {
    let plain = || Limiter::builder().model("a", requests(1)).model("b*", requests(1));
    let member = |name: &str| Group::new(requests(1)).member(name);
    let cases = [
        (plain().group("g", member("a")).build(), "a: given to both a and a"),
        (plain().group("g", member("b*")).build(), "b*: given to both b* and b*"),
        (plain().group("g", member("x").member("x")).build(), "x: given to both x and x"),
        (plain().alias("a", "b*").build(), "a: given to both a and b*"),
        (plain().alias("b*", "a").build(), "b*: given to both b* and a"),
        (plain().alias("c", "gone").build(), "c: stands for gone, which has no limits"),
        (plain().alias("c", "a").alias("d", "c").build(), "d: stands for c, which has no limits"),
        (plain().fallback("gone").build(), "fallback: stands for gone, which has no limits"),
        (plain().model("c*d", requests(1)).build(), "c*d: a pattern is a prefix and one star at its end"),
        (plain().alias("c**", "a").build(), "c**: a pattern is a prefix and one star at its end"),
        (plain().group("g", member("*x")).build(), "*x: a pattern is a prefix and one star at its end"),
    ];
    for (built, says) in cases {
        assert_eq!(built.unwrap_err().to_string(), says);
    }
}

#[test]
fn a_quota_that_cannot_be_kept_is_refused_with_its_scope_and_field() {
    let bad = || Limits::new().with(Quota::sliding(Unit::Tokens, 7, Duration::ZERO));
    let group = || Group::new(Limits::new());
    let cases = [
        (Limiter::builder().model("m", bad()), "model m"),
        (Limiter::builder().group("g", Group::new(bad())), "group g"),
        (Limiter::builder().group("g", group().model("m", bad())), "model m"),
        (Limiter::builder().group("g", group().tenant("t", bad())), "tenant t of group g"),
    ];
    for (builder, named) in cases {
        let error = builder.build().unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(&format!("{named}: period: 0s is not between")), "{message}");
        let BuildError::InvalidQuota { scope, source } = error else { panic!("{message}") };
        assert_eq!((scope.as_str(), source.field()), (named, "period"));
    }
}
