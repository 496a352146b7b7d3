//! How the budgets go by time.

use std::time::SystemTime;

use tokio::time::{Instant, advance, sleep};
use tollgate::Snapshot;

use super::*;

fn sliding(unit: Unit, limit: u64, period: Duration) -> Quota {
    Quota::sliding(unit, limit, period).guard(Duration::ZERO)
}

// tensorzero/tensorzero (7a6159a), run: two periods of one unit share a key, and every call fails.
#[tokio::test(start_paused = true)]
async fn tokens_per_minute_and_tokens_per_day_are_two_budgets() {
    let limiter = limiter(Limits::new().with(refill(Unit::Tokens, 1_000, MINUTE)).tpd(10_000));
    call(&limiter, 600).await;
    assert_eq!(remaining(&limiter), [400, 9_400]);
    advance(MINUTE).await;
    assert_eq!(remaining(&limiter), [1_000, 9_400]);
}

// sethbang/adaptive-rate-limiter 1.3.0 (distributed_check_and_reserve.lua): what is reserved is forgotten when a window ends.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_out_when_a_window_ends_counts_in_the_next_one() {
    let limiter = limiter(Limits::new().with(Quota::fixed(Unit::Tokens, 1_000, MINUTE)));
    let out = limiter.try_acquire(M, tokens(800)).unwrap();
    advance(MINUTE).await;
    not_yet(limiter.try_acquire(M, tokens(800)));
    out.release(Usage::new(700, 0)).await;
    assert_eq!(remaining(&limiter), [300], "charged when it ended");
}

// tower-rs/tower #842, boinkor-net/governor #219, every limiter that counts minutes of the clock: twice the limit at a
// minute's edge.
#[tokio::test(start_paused = true)]
async fn a_sliding_window_admits_no_double_burst_whenever_a_minute_ends() {
    let limiter = limiter(Limits::new().with(sliding(Unit::Requests, 60, MINUTE)));
    let mut went: Vec<Instant> = Vec::new();
    for second in 0..240 {
        // Most calls come around the edges of minutes.
        for _ in 0..if second % 60 > 55 { 30 } else { 1 } {
            if let Ok(permit) = limiter.try_acquire(M, tokens(1)) {
                permit.release(Usage::new(1, 0)).await;
                went.push(Instant::now());
            }
        }
        advance(secs(1)).await;
    }
    let most = went.iter().map(|from| {
        let within = went.iter().filter(|at| *at >= from && **at - *from < MINUTE);
        within.count()
    });
    assert_eq!(most.max(), Some(60));
}

// typedef-ai/fenic 0.13.0, run: what flows in is rounded down at each look: 840 of 1,200 calls.
#[tokio::test(start_paused = true)]
async fn what_flows_in_by_fractions_is_not_lost_by_looking_often() {
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, 600, MINUTE)));
    let mut went = 0;
    for _ in 0..60 * 20 {
        if let Ok(permit) = limiter.try_acquire(M, tokens(1)) {
            permit.release(Usage::new(1, 0)).await;
            went += 1;
        }
        advance(50 * MS).await;
    }
    assert_eq!(went, 1_199, "600 at once, and 10 a second until the last look");
}

// shobrook/openlimit, run: below 60 a minute there is no limit: 100 calls at 30 a minute in 0.1 ms.
#[tokio::test(start_paused = true)]
async fn a_limit_below_one_a_second_is_kept() {
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, 30, MINUTE).burst(1)));
    let begin = Instant::now();
    for _ in 0..100 {
        call(&limiter, 1).await;
    }
    about(begin, secs(2 * 99));
}

// api7/aisix #399 (a limit per second times 60), benwis/tower-governor #55 (`per_second(60)` is one per minute).
#[tokio::test(start_paused = true)]
async fn ten_a_second_are_ten_a_second_and_sixty_a_minute_are_one() {
    let per_second = limiter(Limits::new().with(sliding(Unit::Requests, 10, secs(1))));
    let begin = Instant::now();
    for _ in 0..31 {
        call(&per_second, 1).await;
    }
    about(begin, secs(3));
    let per_minute = limiter(Limits::new().rpm(60));
    let begin = Instant::now();
    for _ in 0..120 {
        call(&per_minute, 1).await;
    }
    let took = begin.elapsed();
    assert!((secs(60)..secs(61)).contains(&took), "{took:?}");
}

// BerriAI/litellm #3065 and #1339: a provider counts in 1 s or 10 s what it gives per minute.
#[tokio::test(start_paused = true)]
async fn a_limit_of_ten_seconds_is_kept_beside_that_of_a_minute() {
    let limits = Limits::new().rpm(60).with(sliding(Unit::Requests, 10, secs(10)));
    let limiter = limiter(limits);
    let begin = Instant::now();
    for _ in 0..31 {
        call(&limiter, 1).await;
    }
    about(begin, secs(30));
}

// leaky-bucket 1.1.2, run: 21.7 % too slow with waits of 5 ms, for each begins when the last one was noticed; #9, #5.
#[tokio::test(start_paused = true)]
async fn a_thousand_waits_in_a_row_are_not_late_altogether() {
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, 3_000, secs(10)).burst(1)));
    let begin = Instant::now();
    for _ in 0..1_001 {
        // A wait of 3.33 ms is noticed after 4 ms, and the next one is shorter.
        limiter.acquire(M, tokens(1)).await.unwrap().cancel().await;
        let permit = limiter.acquire(M, tokens(1)).await.unwrap();
        permit.observe(200_u16, &[("openai-processing-ms", "0")]);
        permit.release(Usage::new(1, 0)).await;
    }
    let took = begin.elapsed();
    assert!((3_333 * MS..=4_010 * MS).contains(&took), "{took:?}");
}

// udoprog/leaky-bucket PR #30: an overflow after a long idle time.
#[tokio::test(start_paused = true)]
async fn after_years_idle_a_budget_is_full_and_no_fuller() {
    let quotas = [refill(Unit::Tokens, 1_000, secs(10)), sliding(Unit::Tokens, 1_000, MINUTE)];
    for quota in quotas.into_iter().chain([Quota::fixed(Unit::Tokens, 1_000, MINUTE)]) {
        let limiter = limiter(Limits::new().with(quota));
        call(&limiter, 1_000).await;
        advance(secs(50 * 366 * 86_400)).await;
        let all: Vec<_> = (0..5).map_while(|_| limiter.try_acquire(M, tokens(500)).ok()).collect();
        assert_eq!(all.len(), 2, "{quota:?}");
    }
}

// Token counts and calls that were made, kept one by one: vutran1710/PyrateLimiter 4.5.1, alisaifee/limits 5.8, LlamaIndex
// 0.14.25, LLMRateLimiter 0.3.2, run: 44 ms for each call after 10,000.
#[tokio::test(start_paused = true)]
async fn what_is_kept_grows_neither_with_the_size_of_calls_nor_with_their_number() {
    let plenty = 1 << 40;
    let limits = Limits::new()
        .with(refill(Unit::Tokens, plenty, MINUTE))
        .with(Quota::fixed(Unit::Tokens, plenty, MINUTE))
        .with(sliding(Unit::Tokens, plenty, MINUTE))
        .concurrency(5);
    let charges = |snapshot: &Snapshot| -> usize {
        let json = serde_json::to_value(snapshot).unwrap();
        let budgets = json["scopes"][0]["budgets"].as_array().unwrap().clone();
        budgets.iter().map(|budget| budget["spent"]["charges"].as_array().unwrap().len()).sum()
    };
    let limiter = limiter(limits);
    call(&limiter, 1).await;
    let one = charges(&limiter.snapshot());
    call(&limiter, 1_000_000_000).await;
    assert_eq!(charges(&limiter.snapshot()), one, "a large call takes no more room than a small one");
    for _ in 0..50_000 {
        call(&limiter, 1_000).await;
        advance(MS).await;
    }
    let many = charges(&limiter.snapshot());
    assert!(many <= 1_024 + one, "{many} after 50,000 calls");
}

// token-throttle 14.0.0 (a day flows back evenly), TensorZero (a day begins with the first call), every limiter that keeps
// its counts in memory alone.
#[tokio::test(start_paused = true)]
async fn a_day_begins_at_midnight_whenever_the_first_call_was_and_outlives_a_restart() {
    let (later, limiter) = (limiter(Limits::new().tpd(1_000)), limiter(Limits::new().tpd(1_000)));
    call(&limiter, 1_000).await;
    later.restore(&limiter.snapshot()).unwrap();
    not_yet(later.try_acquire(M, tokens(1)));
    let utc = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let begin = Instant::now();
    let until_midnight = secs(86_400 - utc.as_secs() % 86_400);
    sleep(until_midnight - secs(2)).await;
    not_yet(later.try_acquire(M, tokens(1)));
    call(&later, 1_000).await;
    let at = begin.elapsed();
    assert!(at + secs(2) >= until_midnight && at <= until_midnight + secs(2), "{at:?} of {until_midnight:?}");
}
