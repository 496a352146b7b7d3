//! Refusals: what they say, and that it is true.

use crate::{chat, config, header, start, wait_for};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_sim::{Config, HeaderFamily, Latency, LawKind, Server, SharedProvider};

#[tokio::test]
async fn a_refusal_reads_like_a_real_one_and_its_hints_agree() {
    let server = start(Config { tpm: Some(12), ..config() }).await;
    assert_eq!(chat(&server, json!({})).await.status(), 200);
    let response = chat(&server, json!({})).await;
    assert_eq!(response.status(), 429);
    let millis: u64 = header(&response, "retry-after-ms").unwrap().parse().unwrap();
    let seconds: u64 = header(&response, "retry-after").unwrap().parse().unwrap();
    assert_eq!(seconds, millis.div_ceil(1_000));
    assert_eq!(header(&response, "x-ratelimit-limit-tokens").unwrap(), "12");
    let body: Value = response.json().await.unwrap();
    // Nine of twelve a minute are charged and little has come back: (9 + 9 - 12) * 5 s.
    let text = "Rate limit reached for gpt-4o in organization org-sim on tokens per min (TPM): Limit 12, Used 9, \
                Requested 9. Please try again in 30s. Visit https://platform.openai.com/account/rate-limits to learn more.";
    assert_eq!(body["error"]["message"], text);
    assert_eq!(body["error"]["type"], "tokens");
    assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    assert_eq!((seconds, millis), (30, 30_000));
    assert_eq!(server.summary().rejections(), 1);
}

#[tokio::test]
async fn a_client_that_waits_as_told_gets_in() {
    for law in [LawKind::Refill, LawKind::Fixed, LawKind::Sliding] {
        let minute = Duration::from_millis(600);
        let server = start(Config { rpm: Some(2), minute, law, ..config() }).await;
        let mut admitted = 0;
        while admitted < 5 {
            let response = chat(&server, json!({})).await;
            if response.status() == 429 {
                let millis = header(&response, "retry-after-ms").unwrap().parse().unwrap();
                tokio::time::sleep(Duration::from_millis(millis)).await;
                assert_eq!(chat(&server, json!({})).await.status(), 200, "{law:?}");
            }
            admitted += 1;
        }
    }
}

#[tokio::test]
async fn too_many_at_once_are_refused_without_a_promise() {
    let latency = Latency::constant(Duration::from_secs(600));
    let server = start(Config { concurrency: Some(1), latency, ..config() }).await;
    let first = chat(&server, json!({}));
    let second = async {
        wait_for(&server, |summary| summary.ok == 1).await;
        chat(&server, json!({})).await
    };
    let response = tokio::select! {
        _ = first => panic!("ten minutes are not over"),
        response = second => response,
    };
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "retry-after"), None);
    let body: Value = response.json().await.unwrap();
    let text = body["error"]["message"].as_str().unwrap();
    assert!(text.contains("on concurrent requests: Limit 1, Used 1, Requested 1."), "{text}");
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_too_large_is_told_never() {
    for (headers, status) in [(HeaderFamily::OpenAi, 429), (HeaderFamily::Groq, 413)] {
        let server = start(Config { tpm: Some(5), headers, ..config() }).await;
        let response = chat(&server, json!({})).await;
        assert_eq!(response.status(), status);
        assert_eq!(header(&response, "retry-after"), None);
        let body: Value = response.json().await.unwrap();
        let text = body["error"]["message"].as_str().unwrap();
        assert!(text.starts_with("Request too large for "), "{text}");
        assert!(text.contains("Limit 5, Requested 9"), "{text}");
        assert_eq!(body["error"]["code"], "rate_limit_exceeded");
        assert_eq!(server.summary().too_large, 1);
    }
}

#[tokio::test]
async fn every_family_has_its_own_error_body() {
    for (headers, pointer, start_of_it, hint) in [
        (HeaderFamily::OpenAi, "/error/message", "Rate limit reached for gpt-4o in", true),
        (HeaderFamily::Groq, "/error/message", "Rate limit reached for model `gpt-4o` in", true),
        (HeaderFamily::Azure, "/error/message", "Your requests to gpt-4o for gpt-4o in", true),
        (HeaderFamily::Mistral, "/message", "Rate limit exceeded", false),
        (HeaderFamily::Anthropic, "/error/message", "This request would exceed", true),
        (HeaderFamily::None, "/error/message", "Rate limit reached for gpt-4o in", false),
    ] {
        let server = start(Config { rpm: Some(1), headers, ..config() }).await;
        assert_eq!(chat(&server, json!({})).await.status(), 200);
        let response = chat(&server, json!({})).await;
        assert_eq!(response.status(), 429);
        assert_eq!(header(&response, "retry-after").is_some(), hint, "{headers:?}");
        let body: Value = response.json().await.unwrap();
        let text = body.pointer(pointer).and_then(Value::as_str).unwrap();
        assert!(text.starts_with(start_of_it), "{headers:?}: {text}");
    }
}

#[tokio::test]
async fn a_provider_may_be_given_its_own_time_of_day() {
    let half_past = 30_000_000_000;
    let provider =
        SharedProvider::starting_at(Config { rpm: Some(1), law: LawKind::Fixed, ..config() }, half_past);
    let server = Server::serve(provider, ([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let response = chat(&server, json!({})).await;
    assert!(header(&response, "date").unwrap().starts_with("Thu, 01 Jan 1970 00:00:"));
    let response = chat(&server, json!({})).await;
    let millis: u64 = header(&response, "retry-after-ms").unwrap().parse().unwrap();
    assert!((1..30_000).contains(&millis), "until the minute turns: {millis}");
}
