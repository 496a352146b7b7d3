//! What a call is charged in the end.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::time::{Instant, sleep, timeout};

use super::*;

// tensorzero/tensorzero (7a6159a), run: 50 of debt were dropped; typedef-ai/fenic 0.13.0, run: 1.85 times the limit over
// ten minutes; agentgateway: the level stops at 0.
#[tokio::test(start_paused = true)]
async fn what_a_call_used_beyond_its_reservation_is_paid_off_by_later_ones() {
    let limiter = limiter(thousand_in_ten_seconds());
    let begin = Instant::now();
    for _ in 0..50 {
        // Each reserves 200 and uses 600.
        limiter.acquire(M, tokens(200)).await.unwrap().release(Usage::new(600, 0)).await;
    }
    let allowed = 1_000.0 + 100.0 * begin.elapsed().as_secs_f64() + 400.0;
    assert!(30_000.0 <= allowed, "30,000 used, {allowed} allowed");
}

// LLMRateLimiter 0.3.2, run: of 1,000 reserved and 100 used nothing came back, and the next call waited 60 s.
#[tokio::test(start_paused = true)]
async fn what_a_call_did_not_use_comes_back_at_once_and_wakes_who_waits() {
    let limiter = limiter(thousand_in_ten_seconds());
    let permit = limiter.try_acquire(M, tokens(1_000)).unwrap();
    let begin = Instant::now();
    let waits = tokio::spawn(limiter.acquire(M, tokens(900)));
    sleep(MS).await;
    permit.release(Usage::new(100, 0)).await;
    waits.await.unwrap().unwrap().cancel().await;
    about(begin, MS);
}

// scylladb/seastar #1766 and PR #2596: what comes back late is admitted on top of what has flowed in.
#[tokio::test(start_paused = true)]
async fn a_storm_of_late_refunds_admits_no_more_than_the_limit_and_what_was_not_used() {
    let limiter = limiter(thousand_in_ten_seconds());
    let reserved: Vec<_> = (0..10).map(|_| limiter.try_acquire(M, tokens(100)).unwrap()).collect();
    for permit in &reserved {
        permit.observe(200_u16, &[("content-type", "application/json")]);
    }
    sleep(secs(60)).await;
    for permit in reserved {
        permit.cancel().await;
    }
    let again: Vec<_> = (0..100).map_while(|_| limiter.try_acquire(M, tokens(100)).ok()).collect();
    assert_eq!(again.len(), 10, "full, and no fuller");
}

// BerriAI/litellm #20256, #17323, #1477, #27955 and #40846, experiential #1048: a slot is lost with each call that
// ends otherwise than with an answer, until none is left.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_panics_is_aborted_or_times_out_frees_its_slot() {
    let limiter = limiter(Limits::new().concurrency(1));
    let acquire = || limiter.acquire(M, tokens(1));
    for _ in 0..10 {
        acquire().await.unwrap().cancel().await;
        drop(acquire().await.unwrap());

        let panics = AssertUnwindSafe(async {
            let _permit = acquire().await.unwrap();
            panic!("in the middle of a call");
        });
        assert!(panics.catch_unwind().await.is_err());

        let held = acquire();
        let aborted = tokio::spawn(async move {
            let _permit = held.await.unwrap();
            sleep(secs(3_600)).await;
        });
        sleep(MS).await;
        aborted.abort();
        assert!(aborted.await.is_err());

        let times_out = async {
            let _permit = acquire().await.unwrap();
            sleep(secs(3_600)).await;
        };
        assert!(timeout(secs(1), times_out).await.is_err());

        let waits_in_vain = timeout(MS, async {
            let _first = acquire().await.unwrap();
            acquire().await.map(drop)
        });
        assert!(waits_in_vain.await.is_err());
    }
    assert_eq!(remaining(&limiter), [1]);
}

// tensorzero/tensorzero: the usage of a stream that is cut off is not known, and is not given back; api7/aisix #108:
// streams cost no tokens.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_off_keeps_its_estimate_charged() {
    let limiter = limiter(thousand_in_ten_seconds());
    let permit = limiter.try_acquire(M, tokens(200).max_output(300)).unwrap();
    permit.observe(200_u16, &[("content-type", "text/event-stream")]);
    drop(permit);
    assert_eq!(remaining(&limiter), [500]);
}

// tower 0.5 (limit::concurrency), api7/aisix #450: the slot of a streamed answer is free when its head is there.
#[tokio::test(start_paused = true)]
async fn a_streamed_answer_holds_its_slot_until_its_end() {
    let limiter = limiter(Limits::new().concurrency(1));
    let permit = limiter.try_acquire(M, tokens(1)).unwrap();
    permit.observe(200_u16, &[("content-type", "text/event-stream")]);
    not_yet(limiter.try_acquire(M, tokens(1)));
    permit.release(Usage::new(1, 500)).await;
    assert!(limiter.try_acquire(M, tokens(1)).is_ok());
}

// typedef-ai/fenic PR #313, BerriAI/litellm #24677 and #18953: the most that an answer may hold is charged, and most of
// the quota goes unused.
#[tokio::test(start_paused = true)]
async fn calls_that_use_little_of_what_they_may_use_up_the_quota_all_the_same() {
    let limiter = limiter(Limits::new().with(refill(Unit::Tokens, 60_000, MINUTE)));
    let begin = Instant::now();
    let mut used = 0;
    while begin.elapsed() < 2 * MINUTE {
        let permit = limiter.acquire(M, tokens(100).max_output(4_000)).await.unwrap();
        sleep(100 * MS).await;
        permit.release(Usage::new(100, 150)).await;
        used += 250;
    }
    // All of the burst and of two minutes, but what the next call has to reserve.
    assert!(used >= 180_000 - 4_100, "{used}");
}
