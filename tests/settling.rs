//! What a call has cost once it ended, and that it ends once.
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::future::Future;
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, advance};
use tollgate::{
    Charge, Cost, Event, Limiter, Limits, ModelProblem, Permit, Quota, Retries, Settled, Unit, Usage, Verdict,
};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);
const COST: Cost = Cost::input(100).max_output(300);
const NO_HEADERS: [(&str, &str); 0] = [];

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn remaining(limiter: &Limiter) -> Vec<i64> {
    limiter.snapshot().scopes()[0].budgets.iter().map(|budget| budget.remaining).collect()
}

/// 1,000 of each unit of tokens, 10 requests, 2 in flight; nothing flows back within a test.
fn all_units() -> Limits {
    let hours = 100 * 60 * MINUTE;
    Limits::new()
        .with(Quota::sliding(Unit::Requests, 10, hours))
        .with(Quota::sliding(Unit::Tokens, 1_000, hours))
        .with(Quota::sliding(Unit::InputTokens, 1_000, hours))
        .with(Quota::sliding(Unit::OutputTokens, 1_000, hours))
        .with(Quota::concurrency(2))
}

/// The same numbers, in buckets and in aligned windows.
fn all_units_otherwise() -> [Limits; 2] {
    let hours = 100 * 60 * MINUTE;
    let refill = |unit, limit| Quota::refill(unit, limit, 10 * hours).guard(Duration::ZERO);
    let fixed = |unit, limit| Quota::fixed(unit, limit, hours);
    [
        Limits::new()
            .with(refill(Unit::Requests, 10))
            .with(refill(Unit::Tokens, 1_000))
            .with(refill(Unit::InputTokens, 1_000))
            .with(refill(Unit::OutputTokens, 1_000))
            .with(Quota::concurrency(2)),
        Limits::new()
            .with(fixed(Unit::Requests, 10))
            .with(fixed(Unit::Tokens, 1_000))
            .with(fixed(Unit::InputTokens, 1_000))
            .with(fixed(Unit::OutputTokens, 1_000))
            .with(Quota::concurrency(2)),
    ]
}

/// Lets go of a future without awaiting it.
fn settled(_: Settled) {}

/// What is left of all units after a call that ended by `end`.
async fn after(charge: Charge, end: impl Fn(Permit)) -> Vec<i64> {
    after_by(|limits| limits.charge(charge), end).await
}

async fn after_by(rule: impl Fn(Limits) -> Limits, end: impl Fn(Permit)) -> Vec<i64> {
    let mut seen = Vec::new();
    for limits in all_units_otherwise().into_iter().chain([all_units()]) {
        for observed in [false, true] {
            let limiter = limiter(rule(limits.clone()));
            let permit = limiter.acquire(M, COST).await.unwrap();
            if observed {
                permit.observe(200_u16, &NO_HEADERS);
            }
            end(permit);
            seen.push(remaining(&limiter));
        }
    }
    assert!(seen.windows(2).all(|two| two[0] == two[1]), "the same in every kind of window: {seen:?}");
    seen.remove(0)
}

#[tokio::test(start_paused = true)]
async fn what_is_reserved_follows_the_charge_rule() {
    let cases = [
        (Charge::Usage, [9, 600, 900, 700, 1]),
        (Charge::InputPlusMaxOutput, [9, 600, 900, 700, 1]),
        (Charge::LargerOfInputAndMaxOutput, [9, 700, 900, 700, 1]),
        (Charge::InputOnly, [9, 900, 900, 700, 1]),
    ];
    for (charge, left) in cases {
        for limits in all_units_otherwise().into_iter().chain([all_units()]) {
            let limiter = limiter(limits.charge(charge));
            let permit = limiter.acquire(M, COST).await.unwrap();
            assert_eq!(remaining(&limiter), left, "{charge:?}");
            drop(permit);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_released_call_costs_what_it_used_by_the_charge_rule() {
    let cases = [
        (Charge::Usage, Usage::new(80, 20), [9, 900, 920, 980, 2]),
        (Charge::Usage, Usage::new(150, 700), [9, 150, 850, 300, 2]),
        (Charge::Usage, Usage::new(0, 0), [9, 1_000, 1_000, 1_000, 2]),
        (Charge::Usage, Usage::new(900, 1_300), [9, -1_200, 100, -300, 2]),
        (Charge::InputPlusMaxOutput, Usage::new(100, 20), [9, 600, 900, 700, 2]),
        (Charge::InputPlusMaxOutput, Usage::new(150, 20), [9, 550, 850, 700, 2]),
        (Charge::LargerOfInputAndMaxOutput, Usage::new(100, 20), [9, 700, 900, 700, 2]),
        (Charge::LargerOfInputAndMaxOutput, Usage::new(350, 900), [9, 650, 650, 700, 2]),
        (Charge::InputOnly, Usage::new(80, 200), [9, 920, 920, 800, 2]),
        (Charge::InputOnly, Usage::new(180, 20), [9, 820, 820, 980, 2]),
    ];
    for (charge, usage, left) in cases {
        assert_eq!(
            after(charge, |permit| settled(permit.release(usage))).await,
            left,
            "{charge:?} {usage:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_token_that_counts_thrice_does_so_where_it_meets_the_input_and_once_in_its_own_budget() {
    let used = Usage::new(80, 20);
    let cases = [
        (Charge::Usage, [9, 860, 920, 980, 2], [9, 0, 900, 700, 2]),
        (Charge::InputPlusMaxOutput, [9, 20, 920, 700, 2], [9, 0, 900, 700, 2]),
        (Charge::LargerOfInputAndMaxOutput, [9, 100, 920, 700, 2], [9, 100, 900, 700, 2]),
        (Charge::InputOnly, [9, 920, 920, 980, 2], [9, 900, 900, 700, 2]),
    ];
    for (charge, released, lost) in cases {
        let rule = |limits: Limits| limits.charge(charge).output_weight(3);
        let rule_and_release = after_by(rule, |permit| settled(permit.release(used))).await;
        assert_eq!(rule_and_release, released, "{charge:?}");
        assert_eq!(after_by(rule, drop).await, lost, "{charge:?}: what was reserved");
        let cancelled = after_by(rule, |permit| settled(permit.cancel())).await;
        assert_eq!(cancelled, [10, 1_000, 1_000, 1_000, 2], "{charge:?}");
        let rejected = after_by(rule, |permit| settled(permit.refused(Verdict::Rejected))).await;
        assert_eq!(rejected[2], 900, "{charge:?}: its prompt was read");
    }
}

#[tokio::test(start_paused = true)]
async fn input_from_the_cache_costs_no_tokens_where_the_limits_say_that_it_is_free() {
    let cases = [
        (Usage::new(100, 20).cached_input(90), [9, 970, 990, 980, 2]),
        (Usage::new(100, 20).cached_input(100), [9, 980, 1_000, 980, 2]),
        (Usage::new(100, 20).cached_input(500), [9, 980, 1_000, 980, 2]),
        (Usage::new(700, 20).cached_input(650), [9, 930, 950, 980, 2]),
        (Usage::new(100, 20), [9, 880, 900, 980, 2]),
    ];
    for (usage, left) in cases {
        let free = after_by(Limits::cached_input_is_free, |permit| settled(permit.release(usage))).await;
        assert_eq!(free, left, "{usage:?}");
        let counted = after(Charge::Usage, |permit| settled(permit.release(usage))).await;
        let whole = Usage::new(usage.input_tokens(), 20);
        let plain = after(Charge::Usage, |permit| settled(permit.release(whole))).await;
        assert_eq!(counted, plain, "{usage:?}: it counts where nothing is said");
    }
    let larger = |limits: Limits| limits.charge(Charge::LargerOfInputAndMaxOutput).cached_input_is_free();
    let usage = Usage::new(900, 20).cached_input(400);
    assert_eq!(
        after_by(larger, |permit| settled(permit.release(usage))).await,
        [9, 500, 500, 700, 2],
        "what is left of the input is the larger"
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_says_of_its_cache_is_given_back_to_an_anthropic_account() {
    let left = |limiter: &Limiter| {
        let account = limiter.snapshot().scopes()[0].clone();
        account.budgets.iter().find(|budget| budget.quota.unit() == Unit::InputTokens).unwrap().remaining
    };
    let answer = serde_json::json!({"type": "message", "usage": {
        "input_tokens": 50, "cache_creation_input_tokens": 250, "cache_read_input_tokens": 9_700,
        "output_tokens": 12,
    }});
    for (model, charged) in [("claude-haiku-4-5", 300), ("claude-3-5-haiku-20241022", 10_000)] {
        let limits = Limits::preset("anthropic/start", model).unwrap();
        let limiter = Limiter::builder().model(model, limits).build().unwrap();
        let full = left(&limiter);
        let request = (model, Cost::input(10_000).max_output(1_000));
        let send = |_| async { Ok::<_, std::io::Error>(answer.clone()) };
        limiter.call(&request, send).await.unwrap();
        assert_eq!(full - left(&limiter), charged, "{model}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_not_told_to_start_late_because_of_prompts_ahead_that_may_be_cached() {
    for (free, earliest) in [(true, secs(0)), (false, secs(30))] {
        let limits = Limits::new().with(Quota::refill(Unit::Tokens, 1_000, MINUTE).guard(Duration::ZERO));
        let limiter = limiter(if free { limits.cached_input_is_free() } else { limits });
        let out = limiter.try_acquire(M, Cost::input(1_000)).unwrap();
        let mut ahead = Box::pin(limiter.acquire(M, Cost::input(500)));
        assert!(ahead.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let eta = limiter.eta(M, Cost::input(1_000)).unwrap();
        assert_eq!(eta.earliest, earliest, "free: {free}");
        drop((out, ahead));
    }
}

#[tokio::test(start_paused = true)]
async fn the_weight_of_output_and_the_free_cache_change_for_calls_that_are_admitted_later() {
    let limiter = limiter(all_units());
    let before = limiter.try_acquire(M, COST).unwrap();
    limiter.set_limits(M, &all_units().output_weight(2).cached_input_is_free()).unwrap();
    before.release(Usage::new(100, 100).cached_input(100)).await;
    assert_eq!(remaining(&limiter)[1], 800, "by the rule that it was admitted by");
    let later = limiter.try_acquire(M, COST).unwrap();
    assert_eq!(remaining(&limiter)[1], 100);
    later.release(Usage::new(100, 100).cached_input(100)).await;
    assert_eq!(remaining(&limiter)[1], 600);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_a_refusal_corrects_keeps_the_weight_of_output_and_the_free_cache() {
    let limits = Limits::new().tpm(100_000).charge(Charge::InputOnly).output_weight(5).cached_input_is_free();
    let limiter = limiter(limits);
    let mut events = limiter.events();
    let permit = limiter.try_acquire(M, COST).unwrap();
    // 100, and five times 300.
    let body = br#"{"error": {"code": "rate_limit_exceeded", "type": "tokens", "message": "Rate limit reached for gpt-4o-mini on tokens per min (TPM): Limit 100000, Used 60000, Requested 1600. Please try again in 1s."}}"#;
    permit.refused(Verdict::of_answer(429_u16, &NO_HEADERS, Some(body)).unwrap()).await;
    let learned = std::iter::from_fn(|| events.try_next()).find_map(|event| match event {
        Event::ChargeChanged { from, to, .. } => Some((from, to)),
        _ => None,
    });
    assert_eq!(learned, Some((Charge::InputOnly, Charge::InputPlusMaxOutput)));

    advance(secs(5)).await;
    let before = remaining(&limiter)[0];
    let permit = limiter.try_acquire(M, COST).unwrap();
    assert_eq!(before - remaining(&limiter)[0], 1_600);
    permit.release(Usage::new(100, 20).cached_input(100)).await;
    assert_eq!(before - remaining(&limiter)[0], 1_500);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_costs_what_its_verdict_says() {
    let retry_after = Some(secs(5));
    let cases = [
        (Verdict::rate_limited(retry_after), [9, 1_000, 1_000, 1_000, 2]),
        (Verdict::rate_limited(None), [9, 1_000, 1_000, 1_000, 2]),
        (Verdict::overloaded(retry_after), [9, 1_000, 1_000, 1_000, 2]),
        (Verdict::from_status(401).unwrap(), [9, 1_000, 1_000, 1_000, 2]),
        (Verdict::Model { problem: ModelProblem::Unknown }, [9, 1_000, 1_000, 1_000, 2]),
        (Verdict::too_large(), [9, 1_000, 1_000, 1_000, 2]),
        (Verdict::Rejected, [9, 900, 900, 1_000, 2]),
        (Verdict::Failed, [9, 600, 900, 700, 2]),
    ];
    for (verdict, left) in cases {
        assert_eq!(
            after(Charge::Usage, |permit| settled(permit.refused(verdict))).await,
            left,
            "{verdict:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_costs_nothing_and_a_dropped_one_its_estimate() {
    for charge in
        [Charge::Usage, Charge::InputPlusMaxOutput, Charge::LargerOfInputAndMaxOutput, Charge::InputOnly]
    {
        let cancelled = after(charge, |permit| settled(permit.cancel())).await;
        assert_eq!(cancelled, [10, 1_000, 1_000, 1_000, 2], "{charge:?}");
        let tokens = match charge {
            Charge::InputOnly => 900,
            Charge::LargerOfInputAndMaxOutput => 700,
            _ => 600,
        };
        assert_eq!(after(charge, drop).await, [9, tokens, 900, 700, 2], "{charge:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_settled_future_need_not_be_awaited() {
    assert_eq!(
        after(Charge::Usage, |permit| {
            let _settled = permit.release(Usage::new(1, 1));
        })
        .await[1],
        998
    );
}

#[tokio::test(start_paused = true)]
async fn usage_beyond_all_numbers_is_debt_and_no_overflow() {
    for limits in all_units_otherwise().into_iter().chain([all_units()]) {
        let limiter = limiter(limits);
        for _ in 0..3 {
            let out = limiter.try_acquire(M, Cost::input(0));
            let Ok(out) = out else { break };
            out.release(Usage::new(u64::MAX, u64::MAX)).await;
        }
        let left = remaining(&limiter);
        assert!(left[1] < 0 && left[2] < 0 && left[3] < 0, "{left:?}");
        assert!(limiter.try_acquire(M, Cost::input(1)).is_err());
        assert!(limiter.eta(M, Cost::input(1)).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn debt_is_waited_out_to_the_instant() {
    let quota = Quota::refill(Unit::Tokens, 1_000, secs(10)).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    let out = limiter.acquire(M, Cost::input(500)).await.unwrap();
    out.release(Usage::new(500, 2_000)).await;
    assert_eq!(remaining(&limiter), [-1_500]);
    // 1,500 of debt and 100 for itself, at 100 a second.
    drop(limiter.acquire(M, Cost::input(100)).await.unwrap());
    let waited = begin.elapsed();
    assert!((secs(16)..secs(16) + Duration::from_millis(2)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn debt_that_comes_while_a_call_waits_makes_it_wait_longer() {
    let quota = Quota::refill(Unit::Tokens, 1_000, secs(10)).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    let out = limiter.acquire(M, Cost::input(1_000)).await.unwrap();
    let waiter = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(M, Cost::input(100)).await.map(drop) }
    });
    advance(Duration::from_millis(500)).await;
    out.release(Usage::new(1_000, 700)).await;
    waiter.await.unwrap().unwrap();
    let waited = begin.elapsed();
    // Nobody told when the call arrived, so it counts from its end: 700 of debt and 100 more, at 100 a second.
    assert!((Duration::from_millis(8_500)..Duration::from_millis(8_502)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn debt_in_a_sliding_window_leaves_with_the_call_that_made_it() {
    let quota = Quota::sliding(Unit::Tokens, 1_000, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    let out = limiter.acquire(M, Cost::input(500)).await.unwrap();
    advance(secs(3)).await;
    out.release(Usage::new(500, 2_000)).await;
    assert_eq!(remaining(&limiter), [-1_500]);
    drop(limiter.acquire(M, Cost::input(1)).await.unwrap());
    let waited = begin.elapsed();
    assert!((secs(63)..secs(63) + Duration::from_millis(2)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refund_restores_no_more_than_the_true_price_would_have_left() {
    let quota = Quota::refill(Unit::Tokens, 1_000, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota).charge(Charge::InputOnly));
    let first = limiter.try_acquire(M, Cost::input(500)).unwrap();
    first.observe(200_u16, &NO_HEADERS);
    advance(secs(30)).await;
    let second = limiter.try_acquire(M, Cost::input(500)).unwrap();
    assert_eq!(remaining(&limiter), [500]);
    // With the true price of 100 the bucket would have been full after 6 s, and would have spilled.
    first.release(Usage::new(100, 0)).await;
    assert_eq!(remaining(&limiter), [500]);
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn a_refund_restores_no_more_than_that_also_behind_more_calls_than_are_told_apart() {
    let quota = Quota::refill(Unit::Tokens, 60_000, MINUTE).guard(Duration::ZERO);
    let limits = Limits::new().with(quota).charge(Charge::InputOnly);
    let [reserved, known] = [limiter(limits.clone()), limiter(limits)];
    let call = |limiter: &Limiter| {
        let permit = limiter.try_acquire(M, Cost::input(2_000)).unwrap();
        permit.observe(200_u16, &NO_HEADERS);
        permit
    };
    // At its true price of nothing the bucket would still be full after the second that it takes to flow back.
    let first = call(&reserved);
    let mut out = Vec::new();
    for _ in 0..50 {
        advance(secs(1)).await;
        out.push([call(&reserved), call(&known)]);
    }
    assert_eq!((remaining(&reserved), remaining(&known)), (vec![8_000], vec![9_000]));
    first.release(Usage::new(0, 0)).await;
    assert_eq!(remaining(&reserved), [9_000]);
}

#[tokio::test(start_paused = true)]
async fn a_refund_restores_what_the_bucket_had_room_for() {
    let quota = Quota::refill(Unit::Tokens, 1_000, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota).charge(Charge::InputOnly));
    let first = limiter.try_acquire(M, Cost::input(600)).unwrap();
    first.observe(200_u16, &NO_HEADERS);
    advance(secs(18)).await; // 400 + 300; at the true price it would be full, and 200 spilled.
    let second = limiter.try_acquire(M, Cost::input(700)).unwrap();
    assert_eq!(remaining(&limiter), [0]);
    first.release(Usage::new(100, 0)).await;
    assert_eq!(remaining(&limiter), [300]);
    second.cancel().await;
    assert_eq!(remaining(&limiter), [1_000]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_never_fuller_than_full_however_much_comes_back() {
    let quota = Quota::refill(Unit::Tokens, 1_000, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let out: Vec<_> = (0..10).map(|_| limiter.try_acquire(M, Cost::input(100)).unwrap()).collect();
    advance(secs(45)).await;
    for permit in out {
        permit.cancel().await;
        assert!(remaining(&limiter)[0] <= 1_000);
    }
    assert_eq!(remaining(&limiter), [1_000]);
}

/// One request a minute in an aligned window that ends `ends` after the limiter was made.
fn one_in_a_window_that_ends(ends: Duration) -> Limiter {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ends = (utc + ends).as_nanos() % MINUTE.as_nanos();
    let quota = Quota::fixed(Unit::Requests, 1, MINUTE)
        .resets_at(Duration::from_nanos(u64::try_from(ends).unwrap()))
        .guard(Duration::ZERO);
    limiter(Limits::new().with(quota))
}

/// Tolerance for what passed on the system's clock while the limiter was made.
fn about(begin: Instant, due: Duration) {
    let waited = begin.elapsed();
    assert!(waited.abs_diff(due) <= Duration::from_millis(300), "{waited:?} instead of {due:?}");
}

#[tokio::test(start_paused = true)]
async fn in_an_aligned_window_a_call_that_ended_counts_in_its_window_alone() {
    let limiter = one_in_a_window_that_ends(secs(20));
    let begin = Instant::now();
    let out = limiter.acquire(M, COST).await.unwrap();
    advance(secs(15)).await;
    out.release(Usage::new(1, 1)).await;
    drop(limiter.acquire(M, COST).await.unwrap());
    about(begin, secs(20));
}

#[tokio::test(start_paused = true)]
async fn in_an_aligned_window_a_call_that_ended_before_it_began_does_not_count() {
    let limiter = one_in_a_window_that_ends(secs(20));
    limiter.acquire(M, COST).await.unwrap().release(Usage::new(1, 1)).await;
    // Nothing asks for anything until the next window.
    advance(secs(30)).await;
    assert_eq!(limiter.try_acquire(M, COST).map(drop).map_err(|error| error.to_string()), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_day_begins_with_its_whole_budget_even_if_nothing_was_asked_for_since_the_last_call_ended() {
    let limiter = limiter(Limits::new().tpd(1_000));
    let out = limiter.acquire(M, Cost::input(1_000)).await.unwrap();
    advance(secs(1)).await;
    out.release(Usage::new(1_000, 0)).await;
    advance(3 * 24 * 60 * MINUTE).await;
    assert_eq!(limiter.try_acquire(M, COST).map(drop).map_err(|error| error.to_string()), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn in_an_aligned_window_a_call_that_is_out_counts_in_the_next_one_too() {
    let limiter = one_in_a_window_that_ends(secs(20));
    let begin = Instant::now();
    let out = limiter.acquire(M, COST).await.unwrap();
    advance(secs(25)).await;
    assert!(limiter.try_acquire(M, COST).is_err());
    // Charged between the sending and now: in either window.
    out.observe(200_u16, &NO_HEADERS);
    out.release(Usage::new(1, 1)).await;
    drop(limiter.acquire(M, COST).await.unwrap());
    about(begin, secs(80));
}

#[tokio::test(start_paused = true)]
async fn in_an_aligned_window_a_call_that_ended_after_it_began_counts() {
    let limiter = one_in_a_window_that_ends(secs(20));
    let out = limiter.acquire(M, COST).await.unwrap();
    advance(secs(25)).await;
    out.release(Usage::new(1, 1)).await;
    advance(secs(1)).await;
    assert!(limiter.try_acquire(M, COST).is_err(), "it may have been charged in either window");
}

#[tokio::test(start_paused = true)]
async fn in_an_aligned_window_a_call_within_the_guard_of_its_end_counts_in_the_next_one_too() {
    for (head, counts) in [(10, false), (17, true)] {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let ends = (utc + secs(20)).as_nanos() % MINUTE.as_nanos();
        let quota = Quota::fixed(Unit::Requests, 1, MINUTE)
            .resets_at(Duration::from_nanos(u64::try_from(ends).unwrap()))
            .guard(secs(5));
        let limiter = limiter(Limits::new().with(quota));
        let out = limiter.acquire(M, COST).await.unwrap();
        advance(secs(head)).await;
        out.observe(200_u16, &NO_HEADERS);
        out.release(Usage::new(1, 1)).await;
        advance(secs(26 - head)).await;
        assert_eq!(limiter.try_acquire(M, COST).is_err(), counts, "seen at {head} s");
    }
}

#[tokio::test(start_paused = true)]
async fn in_an_aligned_window_the_time_the_provider_worked_tells_which_window_was_charged() {
    let limiter = one_in_a_window_that_ends(secs(20));
    let begin = Instant::now();
    let out = limiter.acquire(M, COST).await.unwrap();
    advance(secs(25)).await;
    out.observe(200_u16, &[("OpenAI-Processing-Ms", "10000")]);
    drop(limiter.acquire(M, COST).await.unwrap());
    about(begin, secs(25));
    drop(out);
}

#[tokio::test(start_paused = true)]
async fn a_refund_to_an_aligned_window_that_has_passed_restores_nothing() {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ends = (utc + secs(20)).as_nanos() % MINUTE.as_nanos();
    let quota = Quota::fixed(Unit::InputTokens, 1_000, MINUTE)
        .resets_at(Duration::from_nanos(u64::try_from(ends).unwrap()))
        .guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let out = limiter.try_acquire(M, Cost::input(900)).unwrap();
    advance(secs(5)).await;
    out.observe(200_u16, &NO_HEADERS);
    advance(secs(20)).await;
    let next = limiter.try_acquire(M, Cost::input(600)).unwrap();
    out.release(Usage::new(10, 0)).await;
    assert_eq!(remaining(&limiter), [400]);
    drop(next);
}

#[tokio::test(start_paused = true)]
async fn a_refund_to_a_sliding_window_that_has_passed_restores_nothing() {
    let quota = Quota::sliding(Unit::InputTokens, 1_000, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let out = limiter.try_acquire(M, Cost::input(900)).unwrap();
    out.observe(200_u16, &NO_HEADERS);
    advance(secs(70)).await;
    let next = limiter.try_acquire(M, Cost::input(600)).unwrap();
    out.release(Usage::new(10, 0)).await;
    assert_eq!(remaining(&limiter), [400]);
    drop(next);
}

/// When the one request a minute is free again that is sent at 0, whose head is seen at 10 s by
/// `observe`, and which ends at 15 s.
async fn free_again(observe: impl FnOnce(&Permit)) -> Duration {
    let quota = Quota::sliding(Unit::Requests, 1, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    let out = limiter.acquire(M, COST).await.unwrap();
    advance(secs(10)).await;
    observe(&out);
    advance(secs(5)).await;
    out.release(Usage::new(1, 1)).await;
    drop(limiter.acquire(M, COST).await.unwrap());
    Duration::from_millis(u64::try_from(begin.elapsed().as_millis()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn in_a_sliding_window_a_call_ages_from_its_end_without_a_head() {
    assert_eq!(free_again(|_| {}).await, secs(75));
}

#[tokio::test(start_paused = true)]
async fn in_a_sliding_window_a_call_ages_from_its_head() {
    assert_eq!(free_again(|out| out.observe(200_u16, &NO_HEADERS)).await, secs(70));
}

#[tokio::test(start_paused = true)]
async fn in_a_sliding_window_a_call_ages_from_when_the_provider_began_to_work() {
    let observe = |out: &Permit| out.observe(200_u16, &[("openai-processing-ms", "4000")]);
    assert_eq!(free_again(observe).await, secs(66));
}

#[tokio::test(start_paused = true)]
async fn the_first_head_counts() {
    let observe = |out: &Permit| {
        out.observe(200_u16, &NO_HEADERS);
        out.observe(200_u16, &[("openai-processing-ms", "4000")]);
    };
    assert_eq!(free_again(observe).await, secs(70));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_number_in_a_head_changes_nothing() {
    for absurd in ["", "-4000", "4e3", "4000ms", "soon", "99999999999999999999999999", "0x10"] {
        let observe = |out: &Permit| out.observe(200_u16, &vec![("openai-processing-ms", absurd)]);
        assert_eq!(free_again(observe).await, secs(70), "{absurd:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_cannot_have_worked_for_longer_than_the_call_was_out() {
    for absurd in ["10001", "86400000", "18446744073709551615"] {
        let observe = |out: &Permit| out.observe(200_u16, &[("openai-processing-ms", absurd)]);
        assert_eq!(free_again(observe).await, secs(70), "{absurd}");
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_charged_by_usage_age_from_the_end_whatever_the_head_said() {
    let quota = Quota::sliding(Unit::Tokens, 400, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    let out = limiter.acquire(M, COST).await.unwrap();
    advance(secs(10)).await;
    out.observe(200_u16, &NO_HEADERS);
    advance(secs(5)).await;
    out.release(Usage::new(100, 300)).await;
    drop(limiter.acquire(M, COST).await.unwrap());
    let waited = begin.elapsed();
    assert!((secs(75)..secs(75) + Duration::from_millis(2)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_of_an_error_does_not_keep_a_head_from_counting() {
    assert_eq!(free_again(|out| out.observe(503_u16, &NO_HEADERS)).await, secs(70));
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_a_permit_is_held_ends_it_once() {
    let limiter = limiter(all_units());
    let task = tokio::spawn({
        let limiter = limiter.clone();
        async move {
            let _out = limiter.acquire(M, COST).await.unwrap();
            panic!("the parser is broken");
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_eq!(remaining(&limiter), [9, 600, 900, 700, 2]);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_ends_its_permit_once() {
    let limiter = limiter(all_units());
    let task = tokio::spawn({
        let limiter = limiter.clone();
        async move {
            let out = limiter.acquire(M, COST).await.unwrap();
            std::future::pending::<()>().await;
            out.cancel().await;
        }
    });
    tokio::task::yield_now().await;
    assert_eq!(remaining(&limiter), [9, 600, 900, 700, 1]);
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(remaining(&limiter), [9, 600, 900, 700, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_a_call_ends_its_permit_once() {
    let limiter = limiter(all_units());
    let call = async {
        let out = limiter.acquire(M, COST).await.unwrap();
        tokio::time::sleep(secs(100)).await;
        out.release(Usage::new(1, 1)).await;
    };
    assert!(tokio::time::timeout(secs(5), call).await.is_err());
    assert_eq!(remaining(&limiter), [9, 600, 900, 700, 2]);
}

#[test]
fn a_permit_may_end_in_another_thread_and_in_another_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limiter = limiter(all_units());
    let (first, second) = runtime().block_on(async {
        (limiter.acquire(M, COST).await.unwrap(), limiter.acquire(M, COST).await.unwrap())
    });
    std::thread::spawn(move || drop(first)).join().unwrap();
    runtime().block_on(async move { second.release(Usage::new(10, 0)).await });
    assert_eq!(remaining(&limiter), [8, 590, 890, 700, 2]);
}

#[test]
fn a_permit_that_ends_in_a_bare_thread_wakes_who_waits_in_a_runtime() {
    let limiter = limiter(Limits::new().concurrency(1).rpm(6_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let out = limiter.acquire(M, COST).await.unwrap();
        let seen = limiter.clone();
        let ends = std::thread::spawn(move || {
            while seen.waiting() == 0 {
                std::thread::yield_now();
            }
            drop(out);
        });
        let next = tokio::time::timeout(secs(5), limiter.acquire(M, COST)).await;
        next.expect("it is woken").unwrap().cancel().await;
        ends.join().unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_overwritten_ends_and_the_new_one_does_not() {
    let limiter = limiter(all_units());
    let mut held = limiter.acquire(M, COST).await.unwrap();
    let old = std::mem::replace(&mut held, limiter.acquire(M, COST).await.unwrap());
    assert_eq!(remaining(&limiter)[4], 0);
    drop(old);
    assert_eq!(remaining(&limiter), [8, 200, 800, 400, 1]);
    held.cancel().await;
    assert_eq!(remaining(&limiter), [9, 600, 900, 700, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_permit_outlives_its_limiter() {
    let limiter = limiter(all_units());
    let out = limiter.acquire(M, COST).await.unwrap();
    drop(limiter);
    out.release(Usage::new(1, 1)).await;
}

#[cfg(feature = "json")]
#[tokio::test(start_paused = true)]
async fn a_call_in_one_go_costs_what_its_answer_says_even_inside_a_success() {
    use serde_json::json;

    let full = json!({"error": {"type": "overloaded_error", "message": "Overloaded"}});
    let broke = json!({"error": {"type": "insufficient_quota", "message": ""}});
    let answers = [
        ((200_u16, full), 1_000),
        ((500, broke), 1_000),
        ((500, json!(null)), 600),
        ((400, json!({"error": {"message": "?"}})), 900),
        ((200, json!({"usage": {"prompt_tokens": 80, "completion_tokens": 20}, "error": null})), 900),
    ];
    for (answer, left) in answers {
        let limits = Limits::new().with(Quota::sliding(Unit::Tokens, 1_000, secs(60)));
        let limiter = Limiter::builder().model("m", limits).build().unwrap();
        let request = ("m", Cost::input(100).max_output(300));
        let told = answer.1.to_string();
        let limiter = limiter.with_retries(Retries::none());
        let sent = limiter.call(&request, |_| async { Ok::<_, std::io::Error>(answer.clone()) }).await;
        assert_eq!(sent.is_err(), answer.1.get("error").is_none_or(|error| !error.is_null()), "{told}");
        assert_eq!(limiter.snapshot().scopes()[0].budgets[0].remaining, left, "{told}");
    }
}
