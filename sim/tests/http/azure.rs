//! Azure's paths.

use crate::{config, hello, post, start};
use reqwest::Client;
use serde_json::{Value, json};
use tollgate_sim::{Config, HeaderFamily};

#[tokio::test]
async fn the_deployment_in_the_path_is_the_model() {
    let server = start(Config { models: vec!["my-gpt".to_owned()], ..config() }).await;
    let messages = json!([{ "role": "user", "content": "Hello world" }]);
    let chat = "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21";
    let answer: Value = post(&server, chat, &json!({ "messages": messages })).await.json().await.unwrap();
    assert_eq!(answer["model"], "my-gpt");
    assert_eq!(answer["usage"]["prompt_tokens"], 9);
    let named = json!({ "messages": messages, "model": "another", "stream": true });
    let text = post(&server, chat, &named).await.text().await.unwrap();
    assert!(text.contains(r#""model":"my-gpt""#), "the path wins: {text}");
    let embeddings = "/openai/deployments/my-gpt/embeddings?api-version=2024-10-21";
    let answer: Value = post(&server, embeddings, &json!({ "input": "Hello" })).await.json().await.unwrap();
    assert_eq!((&answer["model"], &answer["usage"]["total_tokens"]), (&json!("my-gpt"), &json!(1)));
}

#[tokio::test]
async fn the_newer_paths_name_the_model_in_the_body() {
    let server = start(config()).await;
    let text = json!({ "model": "gpt-4o", "input": "Hello" });
    for (path, body) in [
        ("/openai/v1/chat/completions", hello(json!({}))),
        ("/openai/v1/embeddings", text.clone()),
        ("/openai/v1/responses", text),
    ] {
        let response = post(&server, path, &body).await;
        assert_eq!(response.status(), 200, "{path}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["model"], "gpt-4o", "{path}");
    }
}

#[tokio::test]
async fn what_azure_refuses_at_its_door_it_says_in_its_own_words() {
    let config = Config {
        models: vec!["my-gpt".to_owned()],
        api_key: Some("secret".to_owned()),
        headers: HeaderFamily::Azure,
        ..config()
    };
    let server = start(config).await;
    for (deployment, key, status, code) in
        [("my-gpt", "wrong", 401, "401"), ("other", "secret", 404, "DeploymentNotFound")]
    {
        let url = format!("http://{}/openai/deployments/{deployment}/chat/completions", server.addr());
        let call = Client::new().post(url).header("api-key", key).json(&hello(json!({})));
        let response = call.send().await.unwrap();
        assert_eq!(response.status(), status);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], code);
    }
    assert_eq!(server.summary().requests, 0);
}
