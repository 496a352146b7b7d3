//! Answers that come in pieces, and clients that do not stay for all of them.

use crate::{chat, config, header, start, wait_for};
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
        // The first piece of a stream comes after one step of 20, thirty seconds here, so this leaves before it.
        let server = start(config.clone()).await;
        let more = json!({ "stream": stream, "max_tokens": 19 });
        let call = chat(&server, more);
        tokio::select! {
            _ = call => panic!("ten minutes are not over"),
            () = wait_for(&server, |summary| summary.ok == 1) => {}
        }
        wait_for(&server, |_| server.provider().levels().in_flight == 0).await;
        let last = *server.log().last().unwrap();
        assert_eq!((last.outcome, last.charged), (Outcome::Finished, 0));
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
    assert_eq!(last.outcome, Outcome::Finished);
    assert!((10..200).contains(&last.charged), "{}", last.charged);
}
