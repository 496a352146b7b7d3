//! Good answers: bodies, usage and headers.

use crate::{chat, config, header, hello, post, start};
use reqwest::Client;
use serde_json::{Value, json};
use tollgate_sim::{Config, HeaderFamily, OutputShare, Summary};

#[tokio::test]
async fn a_chat_answer_has_the_shape_and_usage_of_a_real_one() {
    let server = start(Config { rpm: Some(60), tpm: Some(6_000), ..config() }).await;
    let response = chat(&server, json!({ "max_tokens": 50 })).await;
    assert_eq!(response.status(), 200);
    let processing: u64 = header(&response, "openai-processing-ms").unwrap().parse().unwrap();
    assert!((20..10_000).contains(&processing), "{processing}");
    assert!(httpdate::parse_http_date(&header(&response, "date").unwrap()).is_ok());
    assert!(header(&response, "x-request-id").unwrap().starts_with("req_"));
    assert_eq!(header(&response, "x-ratelimit-limit-requests").unwrap(), "60");
    assert_eq!(header(&response, "x-ratelimit-remaining-requests").unwrap(), "59");
    assert_eq!(header(&response, "x-ratelimit-reset-requests").unwrap(), "1s");
    assert_eq!(header(&response, "x-ratelimit-remaining-tokens").unwrap(), "5991");
    assert_eq!(header(&response, "x-ratelimit-reset-tokens").unwrap(), "90ms");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "gpt-4o");
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["prompt_tokens"], 9);
    let output = body["usage"]["completion_tokens"].as_u64().unwrap();
    assert!((5..=45).contains(&output));
    assert_eq!(body["usage"]["total_tokens"], 9 + output);
    server.shutdown().await;
}

#[tokio::test]
async fn an_answer_that_uses_all_of_its_tokens_says_so() {
    let server = start(Config { output: OutputShare { from: 1.0, to: 1.0 }, ..config() }).await;
    let body: Value = chat(&server, json!({ "max_completion_tokens": 7 })).await.json().await.unwrap();
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["usage"]["completion_tokens"], 7);
}

#[tokio::test]
async fn embeddings_give_one_vector_per_input() {
    let server = start(Config { tpm: Some(1_000), ..config() }).await;
    let body = json!({ "model": "text-embedding-3-small", "input": ["Hello world", "Hello"] });
    let response = post(&server, "/v1/embeddings", &body).await;
    assert_eq!(header(&response, "x-ratelimit-remaining-tokens").unwrap(), "997");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["data"].as_array().unwrap().len(), 2);
    assert_eq!(body["data"][1]["index"], 1);
    assert_eq!(body["usage"], json!({ "prompt_tokens": 3, "total_tokens": 3 }));
}

#[tokio::test]
async fn mistral_tells_what_the_call_really_cost() {
    let server = start(Config { tpm: Some(1_000), headers: HeaderFamily::Mistral, ..config() }).await;
    let response = chat(&server, json!({})).await;
    let cost: u64 = header(&response, "x-ratelimit-tokens-query-cost").unwrap().parse().unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["usage"]["total_tokens"], cost);
}

#[tokio::test]
async fn the_account_of_the_run_can_be_read_over_http() {
    let server = start(Config { rpm: Some(1), ..config() }).await;
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let call = Client::new().post(url).header("x-sim-request", "77").json(&hello(json!({})));
    assert_eq!(call.send().await.unwrap().status(), 200);
    assert_eq!(chat(&server, json!({})).await.status(), 429);
    let get = async |path: &str| -> Value {
        let url = format!("http://{}{path}", server.addr());
        reqwest::get(url).await.unwrap().json().await.unwrap()
    };
    let summary: Summary = serde_json::from_value(get("/sim/summary").await).unwrap();
    assert_eq!(summary, server.summary());
    assert_eq!((summary.ok, summary.rejections()), (1, 1));
    let log = get("/sim/log").await;
    assert_eq!(log[0]["id"], 77, "named by the client");
    assert_eq!(log[0]["outcome"], "admitted");
    assert_eq!(log[2]["budget"], "rpm");
}
