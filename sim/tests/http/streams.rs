//! Answers that come in pieces, and clients that do not stay for all of them.

use crate::{chat, config, events, header, start, wait_for};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_sim::{ChargeRule, Config, Latency, Outcome, OutputShare};

#[tokio::test]
async fn a_stream_comes_in_pieces_with_the_usage_last_and_its_slot_free_before_the_end() {
    let latency = Latency::constant(Duration::from_millis(600));
    let server = start(Config { latency, concurrency: Some(1), ..config() }).await;
    let more = json!({ "max_tokens": 40, "stream": true, "stream_options": { "include_usage": true } });
    let response = chat(&server, more).await;
    assert_eq!(header(&response, "content-type").unwrap(), "text/event-stream; charset=utf-8");
    assert_eq!(server.provider().levels().in_flight, 1);
    let mut text = String::new();
    let mut reads = 0;
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        text += std::str::from_utf8(&bytes.unwrap()).unwrap();
        reads += 1;
        if text.contains("[DONE]") {
            assert_eq!(server.provider().levels().in_flight, 0);
        }
    }
    assert!(reads > 3, "spread over the latency, not all at once");
    let mut events: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(events.pop(), Some("[DONE]"));
    let chunks: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let (usage, chunks) = chunks.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["prompt_tokens"], 9);
    let (end, pieces) = chunks.split_last().unwrap();
    assert_eq!(end["choices"][0]["finish_reason"], "stop");
    assert_eq!(pieces[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(pieces.iter().all(|piece| piece["usage"].is_null()));
    let content: String =
        pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["content"].as_str()).collect();
    let words = content.split(' ').count() as u64;
    assert_eq!(usage["usage"]["completion_tokens"], words, "one word is one token");
}

#[tokio::test]
async fn a_stream_without_the_option_carries_no_usage() {
    let server = start(config()).await;
    let text = chat(&server, json!({ "stream": true })).await.text().await.unwrap();
    assert!(!text.contains("usage"), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[tokio::test]
async fn a_client_that_leaves_midway_frees_its_slot_and_is_charged_for_what_it_was_sent() {
    let config = Config {
        latency: Latency::constant(Duration::from_secs(600)),
        charge: ChargeRule::RealUsage,
        output: OutputShare { from: 1.0, to: 1.0 },
        ..config()
    };
    for stream in [false, true] {
        // The first piece of a stream comes after a tenth of the latency, a minute here, so this leaves before it.
        let server = start(config.clone()).await;
        let more = json!({ "stream": stream, "max_tokens": 19 });
        let call = chat(&server, more);
        tokio::select! {
            _ = call => panic!("ten minutes are not over"),
            () = wait_for(&server, |summary| summary.ok == 1) => {}
        }
        wait_for(&server, |_| server.provider().levels().in_flight == 0).await;
        let last = *server.log().last().unwrap();
        assert_eq!((last.outcome, last.charged), (Outcome::Abandoned, 0));
    }
    // Twenty pieces in two seconds: this one leaves after the first.
    let latency = Latency::constant(Duration::from_secs(2));
    let server = start(Config { latency, ..config }).await;
    let response = chat(&server, json!({ "stream": true, "max_tokens": 200 })).await;
    let mut body = response.bytes_stream();
    body.next().await.unwrap().unwrap();
    drop(body);
    wait_for(&server, |_| server.provider().levels().in_flight == 0).await;
    let last = *server.log().last().unwrap();
    assert_eq!(last.outcome, Outcome::Abandoned);
    assert!((10..200).contains(&last.charged), "{}", last.charged);
    let summary = server.summary();
    assert_eq!((summary.abandoned, summary.in_flight), (1, 0));
    assert_eq!(summary.tokens_charged, 9 + last.charged, "the input, and what was made of the answer");
}

#[tokio::test]
async fn the_first_piece_comes_after_a_tenth_of_the_latency_and_the_end_with_its_end() {
    let latency = Latency::constant(Duration::from_secs(600));
    let server = start(Config { latency, output: OutputShare { from: 1.0, to: 1.0 }, ..config() }).await;
    tokio::time::pause();
    let response = chat(&server, json!({ "stream": true, "max_tokens": 200 })).await;
    let first: u64 = header(&response, "openai-processing-ms").unwrap().parse().unwrap();
    assert!((60_000..60_010).contains(&first), "{first}");
    let text = response.text().await.unwrap();
    assert_eq!(events(&text).len(), 1 + 20 + 1 + 1, "the role, the pieces, why it ends, and the end");
    let log = server.log();
    let millis = (log[1].at - log[0].at) / 1_000_000;
    assert!((600_000..600_010).contains(&millis), "{millis}");
}

#[tokio::test]
async fn the_summary_tells_what_is_in_flight_now() {
    let latency = Latency::constant(Duration::from_secs(600));
    let server = start(Config { latency, concurrency: Some(1), ..config() }).await;
    let summary = async || -> Value {
        reqwest::get(format!("http://{}/sim/summary", server.addr())).await.unwrap().json().await.unwrap()
    };
    let call = chat(&server, json!({ "stream": true }));
    let during = async {
        wait_for(&server, |summary| summary.in_flight == 1).await;
        assert_eq!(chat(&server, json!({})).await.status(), 429);
        summary().await
    };
    let during = tokio::select! {
        _ = call => panic!("ten minutes are not over"),
        during = during => during,
    };
    let told = ["in_flight", "requests", "status_429", "tokens_charged"].map(|name| during[name].as_u64());
    assert_eq!(told, [1, 2, 1, 9].map(Some));
    wait_for(&server, |summary| summary.in_flight == 0).await;
    assert_eq!(summary().await["abandoned"], 1);
}
