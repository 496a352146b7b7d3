//! What is learned where nothing, or little, was configured; and what is not.
#![cfg(feature = "json")]

use std::time::Duration;

use serde_json::{Value, json};
use tollgate::{Charge, Cost, Hit, Limiter, Limits, Permit, Quota, Unit, Usage, Verdict};

const M: &str = "m";
const CALL: Cost = Cost::input(100);
const USED: Usage = Usage::new(100, 0);
const NO_HEADERS: [(&str, &str); 0] = [];

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits.charge(Charge::InputOnly)).build().unwrap()
}

/// As many calls as may be out at once.
fn at_once(limiter: &Limiter) -> Vec<Permit> {
    (0..1_000).map_while(|_| limiter.try_acquire(M, CALL).ok()).collect()
}

async fn answer(permits: Vec<Permit>) {
    for permit in permits {
        permit.observe(200_u16, &NO_HEADERS);
        permit.release(USED).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_calls_are_out_at_once_until_a_limit_is_known_and_more_only_where_they_are_needed() {
    let limiter = limiter(Limits::new().learned());
    for _ in 0..100 {
        let permit = limiter.try_acquire(M, CALL).unwrap();
        answer(vec![permit]).await;
    }
    let four = at_once(&limiter);
    assert_eq!(four.len(), 4, "one after another says nothing about many at once");
    answer(four).await;
    let more = at_once(&limiter);
    assert!((5..=8).contains(&more.len()), "{}", more.len());
    for permit in more {
        permit.refused(Verdict::rate_limited(None)).await;
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    limiter.try_acquire(M, CALL).unwrap().release(USED).await;
    assert!(at_once(&limiter).len() <= 4);
}

#[tokio::test(start_paused = true)]
async fn of_a_limit_that_an_answer_tells_as_much_is_left_as_it_says() {
    let limiter = limiter(Limits::new().learned());
    let permit = limiter.try_acquire(M, CALL).unwrap();
    let head = [
        ("x-ratelimit-limit-tokens", "10000"),
        ("x-ratelimit-remaining-tokens", "4000"),
        ("x-ratelimit-renewalperiod-tokens", "60"),
    ];
    permit.observe(200_u16, &head);
    let snapshot = limiter.snapshot();
    let learned = snapshot.scopes()[0].budgets.iter().find(|budget| budget.quota.unit() == Unit::Tokens);
    let left = learned.expect("it is kept from now on").remaining;
    assert!((3_990..=4_000).contains(&left), "{left}, and less by the guard");
    permit.release(USED).await;
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_that_is_set_later_is_not_raised_by_answers() {
    let limiter = limiter(Limits::new().learned());
    limiter.set_limits(M, &Limits::new().concurrency(2)).unwrap();
    for _ in 0..50 {
        let both = at_once(&limiter);
        assert_eq!(both.len(), 2);
        answer(both).await;
    }
    limiter.set_limits(M, &Limits::new().learned()).unwrap();
    assert_eq!(at_once(&limiter).len(), 4, "learned anew, from the beginning");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_answers_without_a_window_neither_panic_nor_fill_the_books() {
    let limiter = limiter(Limits::new().rpm(1_000_000).learned());
    let out: Vec<Permit> = (0..400).map(|_| limiter.try_acquire(M, CALL).unwrap()).collect();
    for permit in out {
        let head = [("x-ratelimit-limit-tokens", "200000"), ("x-ratelimit-remaining-tokens", "150000")];
        permit.observe(200_u16, &head);
        permit.release(USED).await;
    }
    for window in 1..100_u32 {
        let permit = limiter.try_acquire(M, CALL).unwrap();
        permit.observe(
            200_u16,
            &[
                ("ratelimit-limit", format!("1000000;w={window}")),
                ("ratelimit-remaining", "900000".to_owned()),
            ],
        );
        permit.release(USED).await;
    }
    let budgets = limiter.snapshot().scopes()[0].budgets.len();
    assert!((2..=16).contains(&budgets), "{budgets}");
}

#[tokio::test(start_paused = true)]
async fn refusals_for_calls_in_flight_do_not_halve_a_concurrency_for_good() {
    let limiter = limiter(Limits::new().rpm(1_000_000).concurrency(100));
    for _ in 0..60 {
        let hit = Hit { unit: Some(Unit::InFlight), ..Hit::default() };
        let verdict = Verdict::RateLimited { hit, retry_after: Some(Duration::from_secs(1)), futile: false };
        limiter.acquire(M, CALL).await.unwrap().refused(verdict).await;
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        limiter.acquire(M, CALL).await.unwrap().release(USED).await;
    }
    assert_eq!(at_once(&limiter).len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_nothing_of_a_closed_budget_does_not_open_it() {
    let limits = Limits::new().with(Quota::refill(Unit::OutputTokens, 1_000_000, Duration::from_secs(60)));
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let hit = Hit { unit: Some(Unit::OutputTokens), ..Hit::default() };
    let verdict = Verdict::RateLimited { hit, retry_after: Some(Duration::from_secs(20)), futile: false };
    let writes = Cost::input(10).max_output(10);
    limiter.try_acquire(M, writes).unwrap().refused(verdict).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let probe = limiter.try_acquire(M, writes).unwrap();
    answer(vec![limiter.try_acquire(M, Cost::input(10)).unwrap()]).await;
    assert!(limiter.try_acquire(M, writes).is_err());
    answer(vec![probe]).await;
    assert!(limiter.try_acquire(M, writes).is_ok());
}

/// A body whose error has no status of its own, as a proxy passes it on.
#[tokio::test(start_paused = true)]
async fn an_error_inside_a_success_shuts_the_budget_as_any_other() {
    let limiter = limiter(Limits::new().rpm(1_000_000));
    let limiter = limiter.with_retries(tollgate::Retries::none());
    let request = (M, CALL);
    let sent = std::sync::atomic::AtomicU64::new(0);
    let worker = || async {
        let refusal = || async {
            sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<Value, std::io::Error>(json!({ "error": { "code": 429, "message": "Rate limit exceeded" } }))
        };
        loop {
            let _ = limiter.call(&request, |_| refusal()).await;
        }
    };
    let all = futures::future::join_all((0..50).map(|_| worker()));
    let _ = tokio::time::timeout(Duration::from_secs(60), all).await;
    let sent = sent.into_inner();
    assert!(sent <= 70, "{sent} sent within a minute");
}
