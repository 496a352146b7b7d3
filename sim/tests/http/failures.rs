//! Requests that are wrong, and failures on purpose.

use crate::{chat, config, header, hello, post, start, wait_for};
use reqwest::Client;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_sim::{Budget, Config, Faults, Latency, Trouble};

#[tokio::test]
async fn bad_requests_are_refused_without_repeating_them() {
    let server = start(config()).await;
    let secret = "xyzzy";
    for (body, param) in [
        (json!({ "messages": [] }), json!("model")),
        (json!({ "model": "gpt-4o" }), json!("messages")),
        (json!({ "model": "gpt-4o", "messages": secret }), json!("messages")),
        (hello(json!({ "max_tokens": secret })), json!("max_tokens")),
        (hello(json!({ "max_tokens": u64::MAX })), json!("max_tokens")),
    ] {
        let response = post(&server, "/v1/chat/completions", &body).await;
        assert_eq!(response.status(), 400);
        let text = response.text().await.unwrap();
        assert!(!text.contains(secret), "{text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["error"]["param"], param);
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let response = Client::new().post(url).body("{").send().await.unwrap();
    assert_eq!(response.status(), 400);
    let input = json!({ "model": "text-embedding-3-small", "input": [] });
    assert_eq!(post(&server, "/v1/embeddings", &input).await.status(), 400);
    assert_eq!(server.summary().requests, 0, "nothing of it was decided on");
}

#[tokio::test]
async fn only_the_right_key_opens() {
    let server = start(Config { api_key: Some("sk-sim".to_owned()), ..config() }).await;
    let response = chat(&server, json!({})).await;
    assert_eq!(response.status(), 401);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "invalid_api_key");
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let call = || Client::new().post(&url).json(&hello(json!({})));
    for (request, status) in [
        (call().bearer_auth("sk-other"), 401),
        (call().bearer_auth("sk-sim"), 200),
        (call().header("api-key", "sk-sim"), 200),
    ] {
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn models_that_are_not_listed_do_not_exist() {
    let server = start(Config { models: vec!["gpt-4o-mini".to_owned()], ..config() }).await;
    let response = chat(&server, json!({})).await;
    assert_eq!(response.status(), 404);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "model_not_found");
    assert_eq!(chat(&server, json!({ "model": "gpt-4o-mini" })).await.status(), 200);
}

#[tokio::test]
async fn failures_on_purpose_are_charged_and_free_their_slot() {
    let faults = Faults { server_errors: 1.0, ..Faults::default() };
    let server = start(Config { faults, ..config() }).await;
    let response = chat(&server, json!({})).await;
    assert_eq!(response.status(), 500);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["type"], "server_error");
    assert_eq!(server.summary().tokens_charged, 9);

    let faults = Faults { dropped_connections: 1.0, ..Faults::default() };
    let server = start(Config { faults, ..config() }).await;
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let result = Client::new().post(url).json(&hello(json!({}))).send().await;
    assert!(result.is_err(), "no byte of an answer: {result:?}");
    assert_eq!(server.summary().dropped_connections, 1);
    assert_eq!(server.provider().levels().in_flight, 0);
}

#[tokio::test]
async fn a_server_that_was_shut_down_answers_nobody_and_holds_no_slot() {
    let latency = Latency::constant(Duration::from_secs(600));
    let server = start(Config { latency, ..config() }).await;
    let (addr, provider) = (server.addr(), server.provider().clone());
    let call = tokio::spawn(
        Client::new().post(format!("http://{addr}/v1/chat/completions")).json(&hello(json!({}))).send(),
    );
    wait_for(&server, |summary| summary.ok == 1).await;
    server.shutdown().await;
    assert_eq!(provider.levels().in_flight, 0);
    assert!(call.await.unwrap().is_err());
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn trouble_and_new_limits_reach_clients_over_http() {
    let server = start(Config { tpm: Some(1_000), ..config() }).await;
    server.provider().set_limit(Budget::Tpm, 500);
    let response = chat(&server, json!({})).await;
    assert_eq!(header(&response, "x-ratelimit-limit-tokens").unwrap(), "500");
    server.provider().trouble(Trouble::Outage, Duration::from_secs(600));
    let response = chat(&server, json!({})).await;
    assert_eq!(response.status(), 503);
    assert!(header(&response, "x-request-id").is_some());
    server.provider().trouble(Trouble::AccountStop, Duration::from_secs(600));
    let body: Value = chat(&server, json!({})).await.json().await.unwrap();
    assert_eq!(body["error"]["type"], "insufficient_quota");
    assert_eq!((server.summary().ok, server.summary().turned_away), (1, 2));
}
