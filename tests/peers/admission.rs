//! What is admitted, and what a refusal takes.

use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(feature = "tiktoken")]
use serde_json::json;
use tokio::time::Instant;
use tollgate::{AcquireError, Limits, Oversize, Quota, Unit, Usage};

use super::*;

// run-llama/llama_index #23202, shobrook/openlimit #8, ax-llm/ax PR #631, klieo-core 3.19: waits for ever.
#[tokio::test(start_paused = true)]
async fn a_call_larger_than_the_limit_is_told_so_at_once() {
    let limiter = limiter(Limits::new().tpm(1_000));
    let begin = Instant::now();
    let refused = limiter.acquire(M, tokens(1_001)).await;
    assert!(matches!(refused, Err(AcquireError::ExceedsQuota(_))), "{refused:?}");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(limiter.waiting(), 0);
}

// LLMRateLimiter 0.3.2, run: 5,000 tokens at 1,000 per minute were admitted after 1 ms.
#[tokio::test(start_paused = true)]
async fn a_call_larger_than_the_limit_that_may_pass_waits_for_a_full_budget_and_is_paid_off() {
    let limiter = limiter(thousand_in_ten_seconds().oversize(Oversize::DrainAndGo));
    call(&limiter, 500).await;
    let begin = Instant::now();
    call(&limiter, 5_000).await;
    about(begin, secs(5));
    call(&limiter, 1).await;
    about(begin, secs(45) + 10 * MS);
}

// shobrook/openlimit #8, run: a bucket of one second's worth; 1,600 tokens at 90,000 per minute hung.
#[tokio::test(start_paused = true)]
async fn a_call_larger_than_what_a_second_brings_goes() {
    let limiter = limiter(Limits::new().tpm(90_000));
    let begin = Instant::now();
    call(&limiter, 89_000).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

// throttle-net 1.0.0 (src/limiter.rs:125), run: of 100,333 requests that were spent, 333 were refused for another
// budget; BerriAI/litellm #39309, llm-budget 0.2.2, agentgateway: the same.
#[test]
fn a_call_that_one_budget_refuses_has_taken_nothing_of_the_others_whatever_other_threads_do() {
    const PLENTY: u64 = 1 << 30;
    let year = secs(366 * 86_400);
    let limiter = limiter(
        Limits::new()
            .with(Quota::fixed(Unit::Requests, PLENTY, year))
            .with(Quota::fixed(Unit::Tokens, 7_000, year))
            .concurrency(3),
    );
    let admitted = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    if let Ok(permit) = limiter.try_acquire(M, tokens(7)) {
                        admitted.fetch_add(1, Ordering::Relaxed);
                        let _settled = permit.release(Usage::new(7, 0));
                    }
                }
            });
        }
    });
    assert_eq!(admitted.load(Ordering::Relaxed), 1_000, "all that the tokens allow");
    assert_eq!(remaining(&limiter), [PLENTY as i64 - 1_000, 0, 3]);
}

// klieo-core 3.19.1: the request is spent while the call waits for its tokens.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_tokens_holds_no_request() {
    let limiter = limiter(thousand_in_ten_seconds().with(refill(Unit::Requests, 2, secs(1_000))));
    call(&limiter, 1_000).await;
    let waits = tokio::spawn(limiter.acquire(M, tokens(1_000)));
    tokio::time::sleep(secs(1)).await;
    assert_eq!(remaining(&limiter), [100, 1]);
    waits.abort();
}

// BerriAI/litellm #18730 (663 tokens through 100 a minute) and #5783, Envoy AI Gateway, aisix; run: 25 times the
// limit: tokens are charged when the answer is there.
#[tokio::test(start_paused = true)]
async fn calls_that_start_together_do_not_pass_before_the_first_is_charged() {
    let limiter = limiter(Limits::new().tpm(2_000));
    let all: Vec<_> = (0..100).map_while(|_| limiter.try_acquire(M, tokens(500)).ok()).collect();
    assert!(all.len() <= 4, "{} of 500 tokens with 2,000 a minute", all.len());
}

// BerriAI/litellm #33032: one more or one fewer than the limit.
#[tokio::test(start_paused = true)]
async fn exactly_as_many_calls_pass_as_the_limit_says() {
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, 60, MINUTE)));
    let all: Vec<_> = (0..100).map_while(|_| limiter.try_acquire(M, tokens(1)).ok()).collect();
    assert_eq!(all.len(), 60);
}

// BerriAI/litellm #17664 (output alone), token-throttle 14.0.0 (no output where the request has no max_tokens).
#[cfg(feature = "tiktoken")]
#[tokio::test(start_paused = true)]
async fn input_and_output_both_count_also_where_the_request_does_not_limit_its_output() {
    let limiter = limiter(Limits::new().tpm(1_000_000));
    let request = json!({"model": M, "messages": [{"role": "user", "content": "one two three"}]});
    let answer = limiter.call(&request, async |_| Ok::<_, String>(Usage::new(10, 100))).await.unwrap();
    assert_eq!(answer.tokens(), 110);
    let full = self::limiter(Limits::new().tpm(1_000_000));
    assert_eq!(remaining(&limiter)[0], remaining(&full)[0] - 110);
    let reserved = tollgate::estimate::request(&request).unwrap().cost();
    assert!(reserved.max_output_tokens() > 0, "{reserved:?}");
}

// run-llama/llama_index 0.14.25, run: no call site tells the tokens; at 1 token a minute 50 calls passed.
// tensorzero/tensorzero #3648: a request without max_tokens is refused.
#[cfg(feature = "tiktoken")]
#[tokio::test(start_paused = true)]
async fn a_call_in_one_go_pays_for_its_tokens_although_nobody_tells_how_many() {
    let limiter = limiter(Limits::new().with(Quota::fixed(Unit::InputTokens, 50, secs(366 * 86_400))));
    let request = json!({"model": M, "messages": [{"role": "user", "content": "one two three four five"}]});
    let mut sent = 0;
    for _ in 0..50 {
        let call = limiter.call(&request, async |_| Ok::<_, String>(Usage::new(12, 1)));
        // Waiting for the year to end is no answer.
        if tokio::time::timeout(secs(1), call).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert_eq!(sent, 4, "12 tokens each");
}

// tower-rs/tower #764 and #794, tokio-rs/axum #2634 and #3682: each clone has the whole limit for itself.
#[tokio::test(start_paused = true)]
async fn a_hundred_clones_share_one_limit() {
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, 5, MINUTE)));
    let clones = vec![limiter; 100];
    let admitted = clones.iter().filter_map(|clone| clone.try_acquire(M, tokens(1)).ok());
    assert_eq!(admitted.collect::<Vec<_>>().len(), 5);
}

// fnllm 0.4.1 (limiting/base.py), run: a model that waited 8.0 s held up an idle one for 8.0 s.
#[tokio::test(start_paused = true)]
async fn an_idle_model_does_not_wait_behind_a_busy_one() {
    let builder = Limiter::builder().model(M, thousand_in_ten_seconds()).model("o3", Limits::new().rpm(60));
    let limiter = builder.build().unwrap();
    call(&limiter, 1_000).await;
    let waits = tokio::spawn(limiter.acquire(M, tokens(1_000)));
    tokio::time::sleep(MS).await;
    assert_eq!(limiter.waiting(), 1);
    let begin = Instant::now();
    limiter.acquire("o3", tokens(1)).await.unwrap().cancel().await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    waits.abort();
}

// api7/aisix #109: a call that was refused for the day began the minute anew.
#[tokio::test(start_paused = true)]
async fn a_refusal_by_one_budget_leaves_the_others_as_they_were() {
    let day = Quota::refill(Unit::Tokens, 1_000, secs(86_400)).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, 10, MINUTE)).with(day));
    for _ in 0..4 {
        call(&limiter, 250).await;
    }
    let before = remaining(&limiter);
    for _ in 0..20 {
        not_yet(limiter.try_acquire(M, tokens(250)));
    }
    assert_eq!(remaining(&limiter), before);
    assert_eq!(before, [6, 0]);
}

// async-rate-limiter 1.1.0, run: after 50 waits in vain at 10 a second, the next call waited 5.1 s.
#[tokio::test(start_paused = true)]
async fn a_wait_that_ended_in_vain_costs_the_next_call_nothing() {
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, 10, secs(1)).burst(1)));
    call(&limiter, 1).await;
    let begin = Instant::now();
    for _ in 0..50 {
        not_yet(limiter.acquire(M, tokens(1)).within(MS).await);
    }
    call(&limiter, 1).await;
    about(begin, 100 * MS);
}

// boinkor-net/governor #39 and #273: no change at runtime, or one that gives the whole burst away again.
#[tokio::test(start_paused = true)]
async fn a_limit_that_is_changed_gives_nothing_away() {
    let limits = |rpm| Limits::new().with(refill(Unit::Requests, rpm, MINUTE));
    let limiter = limiter(limits(100));
    let out: Vec<_> = (0..100).map_while(|_| limiter.try_acquire(M, tokens(1)).ok()).collect();
    assert_eq!(out.len(), 100);
    for rpm in [50, 100, 60, 100] {
        limiter.set_limits(M, &limits(rpm)).unwrap();
        not_yet(limiter.try_acquire(M, tokens(1)));
    }
}

// teradata-labs/loom #349 (6 % of the quota used), OpenAI's forum 229335 (30,000 of 90,000): calls went one by one.
#[tokio::test(start_paused = true)]
async fn calls_whose_answers_take_long_run_side_by_side() {
    let limiter = limiter(Limits::new().with(refill(Unit::Tokens, 60_000, MINUTE)));
    let begin = Instant::now();
    let call = |_| {
        let limiter = limiter.clone();
        tokio::spawn(async move {
            let permit = limiter.acquire(M, tokens(1_000)).await.unwrap();
            tokio::time::sleep(secs(30)).await;
            permit.release(Usage::new(1_000, 0)).await;
        })
    };
    for call in (0..180).map(call).collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let took = begin.elapsed();
    // The burst, two minutes of refill, the last answer; and the bucket begins to refill when it is charged.
    assert!(took <= secs(120 + 30 + 10), "{took:?}");
}
