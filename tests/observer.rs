//! What observers are told, whoever they are.

#![cfg(feature = "observe")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate::{
    Asking, Cost, Decision, End, Ended, Event, Kept, Limiter, Limits, Observer, Quota, Unit, Usage, Verdict,
};

const M: &str = "gpt-4o-mini";

/// Notes what it is told, each line under its name.
struct Notes(&'static str, Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, line: &str) {
        self.1.lock().unwrap().push(format!("{}: {line}", self.0));
    }
}

impl Observer for Notes {
    fn asks(&self, call: &Asking<'_>) -> Option<Kept> {
        self.note(&format!("{} asks for {}", call.model, call.cost.tokens()));
        Some(Box::new(self.0))
    }

    fn decided(&self, _: &Asking<'_>, decision: Decision<'_>, waited: Duration, kept: Option<Kept>) {
        let kept = *kept.expect("as it was given").downcast::<&'static str>().unwrap();
        self.note(&format!("{:?} after {} s, {kept}'s", decision.error_type(), waited.as_secs()));
    }

    fn ended(&self, call: &Ended<'_>) {
        let end = match call.end {
            End::Released(usage) => format!("released with {}", usage.tokens()),
            other => format!("{other:?}"),
        };
        let Ended { reserved, charged, after, .. } = *call;
        self.note(&format!("{end}: {charged} for {reserved} after {} s", after.as_secs()));
    }

    fn happened(&self, event: &Event) {
        self.note(&event.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn each_observer_is_told_in_turn_and_gets_back_what_it_kept() {
    let limiter = Limiter::builder().model(M, Limits::new().tpm(60_000)).build().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    limiter.add_observer(Notes("a", told.clone()));
    limiter.clone().add_observer(Notes("b", told.clone()));
    let permit = limiter.acquire(M, Cost::input(100).max_output(20)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    permit.release(Usage::new(90, 5)).await;
    assert_eq!(
        *told.lock().unwrap(),
        [
            "a: gpt-4o-mini asks for 120",
            "b: gpt-4o-mini asks for 120",
            "a: None after 0 s, a's",
            "b: None after 0 s, b's",
            "a: released with 95: 95 for 120 after 3 s",
            "b: released with 95: 95 for 120 after 3 s",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn of_several_models_those_that_were_not_needed_are_given_up() {
    let limits = Limits::new().concurrency(1);
    let limiter = Limiter::builder().model("x", limits.clone()).model("y", limits).build().unwrap();
    let out = limiter.acquire("x", Cost::input(1)).await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    limiter.add_observer(Notes("a", told.clone()));
    let (model, permit) = limiter.acquire_any(["x", "y"], Cost::input(1)).await.unwrap();
    assert_eq!(model, "y");
    assert_eq!(
        *told.lock().unwrap(),
        [
            "a: x asks for 1",
            "a: y asks for 1",
            "a: None after 0 s, a's",
            "a: Some(\"given_up\") after 0 s, a's"
        ]
    );
    drop((permit, out));
}

#[tokio::test(start_paused = true)]
async fn an_observer_may_use_the_limiter_that_it_observes() {
    struct Curious(Limiter, Arc<Mutex<Vec<usize>>>);
    impl Observer for Curious {
        fn ended(&self, _: &Ended<'_>) {
            self.1.lock().unwrap().push(self.0.levels().len());
        }
        fn happened(&self, _: &Event) {
            self.1.lock().unwrap().push(self.0.waiting());
        }
    }
    let limiter = Limiter::builder().model(M, Limits::new().rpm(60).concurrency(2)).build().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    limiter.add_observer(Curious(limiter.clone(), told.clone()));
    let permit = limiter.acquire(M, Cost::input(1)).await.unwrap();
    permit.refused(Verdict::rate_limited(None)).await;
    assert_eq!(*told.lock().unwrap(), [0, 2], "nothing is locked meanwhile");
}

#[tokio::test(start_paused = true)]
async fn levels_tell_what_calls_that_are_out_have_taken() {
    let limits = Limits::new().rpm(600).tpm(60_000).tpd(1_000_000).concurrency(5);
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let (first, second) =
        (limiter.try_acquire(M, Cost::input(100)).unwrap(), limiter.try_acquire(M, Cost::input(20)).unwrap());
    let reserved = |limiter: &Limiter| {
        let mut of_each: Vec<(Unit, u64)> =
            limiter.levels().iter().map(|level| (level.quota.unit(), level.reserved)).collect();
        of_each.sort_unstable();
        of_each
    };
    let tokens = |tokens| (Unit::Tokens, tokens);
    assert_eq!(reserved(&limiter), [(Unit::Requests, 2), tokens(120), tokens(120), (Unit::InFlight, 2)]);
    // An answer may take longer than a charge is open.
    tokio::time::sleep(Duration::from_secs(30)).await;
    first.release(Usage::new(100, 0)).await;
    assert_eq!(reserved(&limiter), [(Unit::Requests, 1), tokens(20), tokens(20), (Unit::InFlight, 1)]);
    drop(second);
    assert_eq!(reserved(&limiter), [(Unit::Requests, 0), tokens(0), tokens(0), (Unit::InFlight, 0)]);
    assert!(limiter.levels().iter().all(|level| level.scope == "model gpt-4o-mini"));
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_costs_no_slot_and_no_budget() {
    struct Panics;
    impl Observer for Panics {
        fn asks(&self, _: &Asking<'_>) -> Option<Kept> {
            panic!("asks")
        }
        fn decided(&self, _: &Asking<'_>, _: Decision<'_>, _: Duration, _: Option<Kept>) {
            panic!("decided")
        }
        fn ended(&self, _: &Ended<'_>) {
            panic!("ended")
        }
        fn happened(&self, _: &Event) {
            panic!("happened")
        }
    }
    let day = Quota::sliding(Unit::Tokens, 100, Duration::from_secs(86_400));
    let limiter = Limiter::builder().model("m", Limits::new().with(day).concurrency(1)).build().unwrap();
    limiter.add_observer(Panics);
    for _ in 0..2 {
        let permit = limiter.acquire("m", Cost::input(45)).await.unwrap();
        permit.observe(200_u16, &[("content-type", "application/json")]);
        permit.release(Usage::new(45, 0)).await;
    }
    drop(limiter.try_acquire("m", Cost::input(10)).unwrap());
    let left: Vec<i64> = limiter.levels().iter().map(|level| level.remaining).collect();
    assert_eq!(left, [0, 1], "100 tokens are used, the slot is free");
}
