//! Streams that go wrong on purpose: what the client reads, and what the provider charges.

use crate::{config, events, hello, post, start, tokens, wait_for};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tollgate_sim::{
    ChargeRule, Config, Latency, Outcome, OutputShare, RunningServer, StreamFault, StreamFaults,
};

const CUT: StreamFaults = StreamFaults { cut_streams: 1.0, stream_errors: 0.0 };
const ERRORS: StreamFaults = StreamFaults { cut_streams: 0.0, stream_errors: 1.0 };
/// What each answer may have, and would have if it did not break.
const WHOLE: u64 = 100;

async fn provider(stream_faults: StreamFaults, charge: ChargeRule, seed: u64) -> RunningServer {
    let output = OutputShare { from: 1.0, to: 1.0 };
    start(Config { stream_faults, charge, seed, output, concurrency: Some(1), ..config() }).await
}

/// What was read of a streamed answer, and whether it ended as HTTP has it.
async fn read(server: &RunningServer, path: &str, body: &Value) -> (String, bool) {
    let response = post(server, path, body).await;
    assert_eq!(response.status(), 200, "it begins well");
    let (mut text, mut body) = (String::new(), response.bytes_stream());
    while let Some(bytes) = body.next().await {
        match bytes {
            Ok(bytes) => text += std::str::from_utf8(&bytes).unwrap(),
            Err(_) => return (text, false),
        }
    }
    (text, true)
}

/// The same question in each protocol.
fn questions() -> [(&'static str, Value); 3] {
    let claude = json!({ "model": "claude-sonnet-4-5", "max_tokens": WHOLE, "stream": true });
    let chat = json!({ "max_tokens": WHOLE, "stream": true, "stream_options": { "include_usage": true } });
    [
        ("/v1/chat/completions", hello(chat)),
        ("/v1/messages", hello(claude)),
        (
            "/v1/responses",
            json!({ "model": "gpt-4o", "input": "Hello world", "max_output_tokens": WHOLE, "stream": true }),
        ),
    ]
}

/// The text of an answer in any protocol.
fn content(text: &str) -> String {
    let found = |data: &Value| {
        let places = ["/choices/0/delta/content", "/delta/text", "/delta"];
        places.iter().find_map(|place| data.pointer(place)?.as_str().map(str::to_owned))
    };
    let pieces: Vec<String> = events(text).iter().filter_map(|(_, data)| found(data)).collect();
    assert!(pieces.iter().skip(1).all(|piece| !piece.is_empty()), "all that is sent says something: {text}");
    pieces.concat()
}

#[tokio::test]
async fn a_cut_stream_ends_without_an_end_and_is_charged_for_what_was_sent() {
    let mut lengths = BTreeSet::new();
    for (number, (path, body)) in questions().into_iter().enumerate() {
        for (charge, input, output_counts) in [
            (ChargeRule::RealUsage, 9, true),
            (ChargeRule::InputOnly, 9, false),
            (ChargeRule::InputPlusMaxOutput, 9 + WHOLE, false),
        ] {
            let server = provider(CUT, charge, number as u64).await;
            let (text, ended) = read(&server, path, &body).await;
            assert!(!ended, "{path}");
            let sent = tokens(&content(&text));
            assert!((1..=WHOLE).contains(&sent), "{path}: {sent}");
            lengths.insert(sent);
            let end = *server.log().last().unwrap();
            let made = if output_counts { sent } else { 0 };
            assert_eq!(
                (end.outcome, end.charged),
                (Outcome::Broken(StreamFault::Cut), made),
                "{path} {charge:?}"
            );
            let summary = server.summary();
            assert_eq!((summary.cut_streams, summary.ok, summary.in_flight), (1, 1, 0));
            assert_eq!(summary.tokens_charged, input + made, "{path} {charge:?}");
            assert_eq!(server.provider().levels().in_flight, 0);
        }
    }
    assert!(lengths.len() > 1, "not always at the same place: {lengths:?}");
}

#[tokio::test]
async fn what_was_written_before_a_cut_arrives_however_quick_the_answer_is() {
    let config = Config {
        stream_faults: CUT,
        latency: Latency::constant(Duration::ZERO),
        charge: ChargeRule::RealUsage,
        ..config()
    };
    for seed in 0..20 {
        let server = start(Config { seed, ..config.clone() }).await;
        let body = hello(json!({ "max_tokens": WHOLE, "stream": true }));
        let (text, ended) = read(&server, "/v1/chat/completions", &body).await;
        assert!(!ended);
        assert_eq!(server.log().last().unwrap().charged, tokens(&content(&text)));
    }
}

#[tokio::test]
async fn an_error_within_a_stream_is_told_in_the_words_of_its_protocol_and_is_its_end() {
    for (path, body) in questions() {
        let server = provider(ERRORS, ChargeRule::RealUsage, 5).await;
        let (text, ended) = read(&server, path, &body).await;
        assert!(ended, "{path}: the connection is not at fault");
        let events = events(&text);
        let (name, last) = events.last().unwrap();
        match path {
            "/v1/messages" => {
                assert_eq!((name.as_str(), &last["error"]["type"]), ("error", &json!("overloaded_error")));
            }
            "/v1/responses" => {
                assert_eq!(
                    (name.as_str(), &last["response"]["status"]),
                    ("response.failed", &json!("failed"))
                );
                assert_eq!(last["response"]["error"]["code"], "server_error");
            }
            _ => assert_eq!(last["error"]["type"], "server_error", "{name}"),
        }
        assert!(!text.contains("[DONE]"));
        let sent = tokens(&content(&text));
        let end = *server.log().last().unwrap();
        assert_eq!((end.outcome, end.charged), (Outcome::Broken(StreamFault::Error), sent), "{path}");
        let summary = server.summary();
        assert_eq!((summary.stream_errors, summary.tokens_charged, summary.in_flight), (1, 9 + sent, 0));
    }
}

#[tokio::test]
async fn only_streams_break() {
    let server = provider(CUT, ChargeRule::RealUsage, 0).await;
    let answer: Value = post(&server, "/v1/chat/completions", &hello(json!({ "max_tokens": WHOLE })))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(answer["usage"]["completion_tokens"], WHOLE);
    assert_eq!(server.summary().tokens_charged, 9 + WHOLE);
}

#[tokio::test]
async fn a_client_that_leaves_midway_is_charged_by_each_rule_in_each_protocol() {
    for (path, body) in questions() {
        for (charge, input) in [
            (ChargeRule::RealUsage, 9),
            (ChargeRule::InputOnly, 9),
            (ChargeRule::InputPlusMaxOutput, 9 + WHOLE),
        ] {
            let latency = Latency::constant(Duration::from_secs(600));
            let output = OutputShare { from: 1.0, to: 1.0 };
            let config = Config { latency, output, charge, ..config() };
            let server = start(config).await;
            // The minute until the first piece is skipped, and those until the next ones are not.
            tokio::time::pause();
            let response = post(&server, path, &body).await;
            tokio::time::resume();
            let mut pieces = response.bytes_stream();
            let first = pieces.next().await.unwrap().unwrap();
            drop(pieces);
            wait_for(&server, |summary| summary.in_flight == 0).await;
            let read = tokens(&content(std::str::from_utf8(&first).unwrap()));
            assert!(read > 0, "{path}");
            let end = *server.log().last().unwrap();
            assert_eq!(end.outcome, Outcome::Abandoned, "{path} {charge:?}");
            match charge {
                ChargeRule::RealUsage => {
                    assert!((read..WHOLE).contains(&end.charged), "{path} {}", end.charged)
                }
                _ => assert_eq!(end.charged, 0, "{path} {charge:?}"),
            }
            assert_eq!(server.summary().tokens_charged, input + end.charged, "{path} {charge:?}");
        }
    }
}
