//! What the provider says, and what is made of it.

use tokio::time::{Instant, sleep};
use tollgate::{AccountProblem, Charge, Retry, Verdict};

use super::*;

const NO_HEADERS: [(&str, &str); 0] = [];

/// The answer to one call, with its header fields.
async fn answered(limiter: &Limiter, headers: &[(&str, &str)]) {
    let permit = limiter.acquire(M, tokens(100)).await.unwrap();
    permit.observe(200_u16, headers);
    permit.release(Usage::new(100, 0)).await;
}

// openai/openai-cookbook, api_request_parallel_processor.py (04a3090): pauses on one code of two; reqwest-retry 0.9.1: tries
// again where no money is left.
#[test]
fn a_rate_limit_is_worth_waiting_for_and_an_empty_account_is_not() {
    let verdict = |code: &str| {
        let body = format!(r#"{{"error": {{"message": "…", "type": "{code}", "code": "{code}"}}}}"#);
        Verdict::of_answer(429_u16, &[("retry-after", "3")], Some(body.as_bytes())).unwrap()
    };
    assert_eq!(verdict("rate_limit_exceeded").retry(), Retry::After(secs(3)));
    assert_eq!(verdict("429").retry(), Retry::After(secs(3)));
    assert_eq!(verdict("insufficient_quota").retry(), Retry::No);
    assert!(matches!(verdict("insufficient_quota"), Verdict::Account { .. }));
}

// The same: the other calls go on against an account that takes none.
#[tokio::test(start_paused = true)]
async fn once_the_account_is_empty_no_call_is_sent_in_vain() {
    let limiter = limiter(Limits::new().rpm(600));
    let first = limiter.acquire(M, tokens(1)).await.unwrap();
    first.refused(Verdict::Account { problem: AccountProblem::Credit, until: None }).await;
    let refused = limiter.acquire(M, tokens(1)).await;
    assert!(matches!(refused, Err(AcquireError::Stopped(_))), "{refused:?}");
}

// TrueLayer/reqwest-middleware #146 (retry-after is not read), BerriAI/litellm #7669; a 429 of one call holds no other.
#[tokio::test(start_paused = true)]
async fn the_wait_that_one_call_is_told_holds_for_all() {
    let limiter = limiter(Limits::new().rpm(6_000));
    let begin = Instant::now();
    let first = limiter.acquire(M, tokens(1)).await.unwrap();
    first.refused(Verdict::rate_limited(Some(secs(7)))).await;
    call(&limiter, 1).await;
    about(begin, secs(7));
}

// zotero-mcp #548: additive increase, multiplicative decrease by hand came to a sleep of 33 hours.
#[tokio::test(start_paused = true)]
async fn after_any_number_of_refusals_the_next_try_is_less_than_a_minute_away() {
    let limiter = limiter(Limits::new().rpm(600));
    for refusal in 0..100 {
        let begin = Instant::now();
        let permit = limiter.acquire(M, tokens(1)).await.unwrap();
        assert!(begin.elapsed() < MINUTE, "{:?} after {refusal} refusals", begin.elapsed());
        permit.observe(429_u16, &NO_HEADERS);
        permit.refused(Verdict::rate_limited(None)).await;
    }
}

// The same: what it has backed off to it does not leave again; throttle-net 1.0.0: the burst stays as it was.
#[tokio::test(start_paused = true)]
async fn what_refusals_take_away_has_a_floor_and_comes_back() {
    let full = 600;
    let limiter = limiter(Limits::new().with(refill(Unit::Requests, full, MINUTE)));
    for _ in 0..100 {
        let permit = limiter.acquire(M, tokens(1)).await.unwrap();
        permit.observe(429_u16, &NO_HEADERS);
        permit.refused(Verdict::rate_limited(None)).await;
    }
    let at_once = |limiter: &Limiter| {
        let all: Vec<_> = (0..full).map_while(|_| limiter.try_acquire(M, tokens(1)).ok()).collect();
        all.len() as u64
    };
    // One call opens the door again.
    answered(&limiter, &NO_HEADERS).await;
    sleep(MINUTE).await;
    let after = at_once(&limiter);
    assert!((full / 3..full).contains(&after), "{after} of {full}: less, and half at least");
    for _ in 0..60 {
        sleep(MINUTE).await;
        answered(&limiter, &NO_HEADERS).await;
    }
    sleep(MINUTE).await;
    assert!(at_once(&limiter) >= full - 1, "whole again after an hour");
}

// The same, of what is learned where no limit was given.
#[tokio::test(start_paused = true)]
async fn a_pace_that_was_learned_has_a_floor_of_one_call_and_recovers() {
    let limiter = limiter(Limits::new().learned());
    for _ in 0..50 {
        let permit = limiter.acquire(M, tokens(100)).await.unwrap();
        permit.observe(429_u16, &NO_HEADERS);
        permit.refused(Verdict::rate_limited(None)).await;
    }
    for _ in 0..20 {
        let mut out = vec![limiter.acquire(M, tokens(100)).await.unwrap()];
        out.extend(std::iter::from_fn(|| limiter.try_acquire(M, tokens(100)).ok()).take(50));
        for permit in out {
            permit.observe(200_u16, &NO_HEADERS);
            permit.release(Usage::new(100, 0)).await;
        }
    }
    let out: Vec<_> = (0..50).map_while(|_| limiter.try_acquire(M, tokens(100)).ok()).collect();
    assert!(out.len() > 4, "{} at once", out.len());
}

/// A minute of 60,000 tokens, as an answer tells what is left of it and when it is whole again.
fn left<'a>(tokens: &'a str, reset: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("x-ratelimit-limit-tokens", "60000"),
        ("x-ratelimit-remaining-tokens", tokens),
        ("x-ratelimit-reset-tokens", reset),
    ]
}

// throttle-net 1.0.0 (sync_*): an answer only ever drains.
#[tokio::test(start_paused = true)]
async fn what_an_answer_says_is_left_raises_the_books_as_well_as_lowering_them() {
    let limiter = limiter(Limits::new().tpm(60_000).charge(Charge::InputOnly));
    // The first answer shows whose limit it is; what is left is heard from then on.
    answered(&limiter, &left("59900", "100ms")).await;
    answered(&limiter, &left("20000", "40s")).await;
    let drained = remaining(&limiter)[0];
    // So much may have flowed back while the call was out.
    assert!((19_000..=21_000).contains(&drained), "{drained}");
    answered(&limiter, &left("50000", "10s")).await;
    let raised = remaining(&limiter)[0];
    assert!((49_000..=51_000).contains(&raised), "{raised}");
}

// The same: an answer that comes late undoes what a newer one said.
#[tokio::test(start_paused = true)]
async fn an_answer_to_an_older_call_does_not_undo_what_a_newer_one_said() {
    let limiter = limiter(Limits::new().tpm(60_000).charge(Charge::InputOnly));
    answered(&limiter, &left("59900", "100ms")).await;
    let older = limiter.acquire(M, tokens(100)).await.unwrap();
    sleep(MS).await;
    let newer = limiter.acquire(M, tokens(100)).await.unwrap();
    newer.observe(200_u16, &left("10000", "50s"));
    newer.release(Usage::new(100, 0)).await;
    let before = remaining(&limiter)[0];
    assert!(before <= 11_000, "{before}");
    older.observe(200_u16, &left("59000", "1s"));
    older.release(Usage::new(100, 0)).await;
    assert!(remaining(&limiter)[0] <= before, "{} after {before}", remaining(&limiter)[0]);
}

// openai/openai-dotnet #838: Azure says -1 where it knows nothing, which is taken for nothing left.
#[tokio::test(start_paused = true)]
async fn a_limit_of_minus_one_is_no_information() {
    let limiter = limiter(Limits::new().tpm(60_000).charge(Charge::InputOnly));
    let before = remaining(&limiter)[0];
    answered(
        &limiter,
        &[
            ("x-ratelimit-limit-tokens", "-1"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-tokens", "0"),
        ],
    )
    .await;
    assert_eq!(remaining(&limiter)[0], before - 100);
}

// BespokeLabs Curator 0.1.31 (bespokelabsai/curator #401): until the first answer nothing goes.
#[tokio::test(start_paused = true)]
async fn a_key_of_which_nothing_is_known_starts_with_its_first_call() {
    let limiter = limiter(Limits::new().learned());
    let begin = Instant::now();
    answered(&limiter, &left("59900", "100ms")).await;
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert!(limiter.try_acquire(M, tokens(50_000)).is_ok());
}

// vercel/ai #7247: a wait that is told as a date.
#[tokio::test(start_paused = true)]
async fn a_wait_that_is_told_as_a_date_is_one() {
    let answer =
        [("date", "Sat, 15 Mar 2025 09:38:37 GMT"), ("retry-after", "Sat, 15 Mar 2025 09:38:47 GMT")];
    let verdict = Verdict::of_answer(429_u16, &answer, None).unwrap();
    assert_eq!(verdict.retry(), Retry::After(secs(10)));
    let past = [("date", "Sat, 15 Mar 2025 09:38:47 GMT"), ("retry-after", "Sat, 15 Mar 2025 09:38:37 GMT")];
    let verdict = Verdict::of_answer(429_u16, &past, None).unwrap();
    assert_eq!(verdict.retry(), Retry::BackOff);
}
