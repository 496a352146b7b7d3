//! The Responses endpoint.

use crate::{config, events, post, start, tokens};
use reqwest::Response;
use serde_json::{Value, json};
use tollgate_sim::{Config, OutputShare, RunningServer};

async fn call(server: &RunningServer, body: Value) -> Response {
    post(server, "/v1/responses", &body).await
}

#[tokio::test]
async fn an_answer_has_the_shape_and_usage_of_a_real_one() {
    let server = start(config()).await;
    let body: Value =
        call(&server, json!({ "model": "gpt-4o", "input": "Hello world" })).await.json().await.unwrap();
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(body["usage"]["input_tokens"], 9);
    let output = tokens(body["output"][0]["content"][0]["text"].as_str().unwrap());
    assert_eq!(body["usage"]["output_tokens"], output);
    assert_eq!(body["usage"]["total_tokens"], 9 + output);
}

#[tokio::test]
async fn instructions_and_items_are_input_too() {
    let server = start(config()).await;
    for (instructions, input, tokens) in [
        (json!("Hello"), json!("Hello world"), 9 + 5),
        (Value::Null, json!([{ "role": "user", "content": "Hello world" }]), 9),
        (
            Value::Null,
            json!([{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "Hello world" }] }]),
            9,
        ),
        (
            Value::Null,
            json!([{ "type": "function_call_output", "call_id": "1", "output": "Hello world" }]),
            9,
        ),
    ] {
        let body = json!({ "model": "gpt-4o", "instructions": instructions, "input": input });
        let answer: Value = call(&server, body).await.json().await.unwrap();
        assert_eq!(answer["usage"]["input_tokens"], tokens, "{input}");
    }
    assert_eq!(call(&server, json!({ "model": "gpt-4o" })).await.status(), 400);
}

#[tokio::test]
async fn a_stream_numbers_its_events_and_ends_with_the_usage() {
    for (share, last) in [(0.5, "response.completed"), (1.0, "response.incomplete")] {
        let server = start(Config { output: OutputShare { from: share, to: share }, ..config() }).await;
        let body =
            json!({ "model": "gpt-4o", "input": "Hello world", "max_output_tokens": 40, "stream": true });
        let events = events(&call(&server, body).await.text().await.unwrap());
        for (number, (name, data)) in events.iter().enumerate() {
            assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(number)));
        }
        assert_eq!(events[0].0, "response.created");
        let text: String = events.iter().filter_map(|(_, data)| data["delta"].as_str()).collect();
        let (name, end) = events.last().unwrap();
        assert_eq!(name, last);
        assert_eq!(end["response"]["usage"]["input_tokens"], 9);
        assert_eq!(end["response"]["usage"]["output_tokens"], tokens(&text));
        assert_eq!(tokens(&text), (40.0 * share) as u64);
    }
}
