//! Anthropic's protocol.

use crate::{config, events, header, post, start, tokens};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_sim::{Config, HeaderFamily, OutputShare, RunningServer, Trouble};

fn hello(more: Value) -> Value {
    let mut body = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 50,
        "messages": [{ "role": "user", "content": "Hello world" }],
    });
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

async fn call(server: &RunningServer, more: Value) -> Response {
    post(server, "/v1/messages", &hello(more)).await
}

#[tokio::test]
async fn an_answer_has_the_shape_usage_and_headers_of_a_real_one() {
    let server = start(Config { tpm: Some(100_000), ..config() }).await;
    let response = call(&server, json!({})).await;
    assert_eq!(response.status(), 200);
    assert!(header(&response, "request-id").unwrap().starts_with("req_"));
    assert_eq!(header(&response, "anthropic-ratelimit-tokens-limit").unwrap(), "100000");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["type"], &body["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(body["stop_reason"], "end_turn");
    assert_eq!(body["usage"]["input_tokens"], 9);
    let text = body["content"][0]["text"].as_str().unwrap();
    assert_eq!(body["usage"]["output_tokens"], tokens(text));
}

#[tokio::test]
async fn a_stream_begins_with_the_input_and_ends_with_the_output() {
    let server = start(Config { output: OutputShare { from: 1.0, to: 1.0 }, ..config() }).await;
    let response = call(&server, json!({ "stream": true, "max_tokens": 40 })).await;
    assert_eq!(header(&response, "content-type").unwrap(), "text/event-stream; charset=utf-8");
    let events = events(&response.text().await.unwrap());
    assert!(events.iter().all(|(name, data)| data["type"] == *name), "{events:?}");
    let mut names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
    assert_eq!(events[0].1["message"]["usage"]["input_tokens"], 9);
    let text: String = events.iter().filter_map(|(_, data)| data["delta"]["text"].as_str()).collect();
    let (_, end) = &events[events.len() - 2];
    assert_eq!(end["usage"]["output_tokens"], 40);
    assert_eq!(tokens(&text), 40);
    assert_eq!(end["delta"]["stop_reason"], "max_tokens");
}

#[tokio::test]
async fn the_system_prompt_and_what_tools_found_are_input_too() {
    let server = start(config()).await;
    let input = async |more| -> u64 {
        let body: Value = call(&server, more).await.json().await.unwrap();
        body["usage"]["input_tokens"].as_u64().unwrap()
    };
    assert_eq!(input(json!({ "system": "Hello" })).await, 9 + 3 + 1 + 1);
    let system = json!([{ "type": "text", "text": "Hello", "cache_control": { "type": "ephemeral" } }]);
    assert_eq!(input(json!({ "system": system })).await, 9 + 3 + 1 + 1);
    let found = json!({ "type": "tool_result", "tool_use_id": "toolu_1", "content": "Hello world" });
    assert_eq!(input(json!({ "messages": [{ "role": "user", "content": [found] }] })).await, 9);
}

#[tokio::test]
async fn what_is_wrong_is_told_as_anthropic_does() {
    let config = Config {
        api_key: Some("secret".to_owned()),
        models: vec!["claude-sonnet-4-5".to_owned()],
        ..config()
    };
    let server = start(config).await;
    for (key, more, status, kind) in [
        ("secret", json!({}), 200, Value::Null),
        ("wrong", json!({}), 401, json!("authentication_error")),
        ("secret", json!({ "max_tokens": null }), 400, json!("invalid_request_error")),
        ("secret", json!({ "max_tokens": 0 }), 400, json!("invalid_request_error")),
        ("secret", json!({ "messages": "Hello" }), 400, json!("invalid_request_error")),
        ("secret", json!({ "model": "claude-0" }), 404, json!("not_found_error")),
    ] {
        let url = format!("http://{}/v1/messages", server.addr());
        let call = Client::new().post(url).header("x-api-key", key).json(&hello(more));
        let response = call.send().await.unwrap();
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["type"], kind);
        if status != 200 {
            assert_eq!(body["type"], "error");
        }
    }
    assert_eq!(server.summary().requests, 1);
}

#[tokio::test]
async fn refusals_and_trouble_are_told_as_anthropic_does_whatever_the_family() {
    for headers in [HeaderFamily::OpenAi, HeaderFamily::Anthropic, HeaderFamily::None] {
        let server = start(Config { rpm: Some(1), headers, ..config() }).await;
        assert_eq!(call(&server, json!({})).await.status(), 200);
        let response = call(&server, json!({})).await;
        assert_eq!(response.status(), 429);
        assert_eq!(header(&response, "x-ratelimit-limit-requests"), None);
        let shown = headers != HeaderFamily::None;
        assert_eq!(header(&response, "anthropic-ratelimit-requests-limit").is_some(), shown, "{headers:?}");
        assert_eq!(header(&response, "retry-after").is_some(), shown, "{headers:?}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["type"], "rate_limit_error");
        server.provider().trouble(Trouble::Outage, Duration::MAX);
        let response = call(&server, json!({})).await;
        assert_eq!(response.status(), 529);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["type"], "overloaded_error");
    }
}
