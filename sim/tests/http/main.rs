//! The server end to end, over a real socket with a real client.

mod answers;
mod azure;
mod broken;
mod failures;
mod messages;
mod refusals;
mod responses;
mod streams;
mod typed;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_sim::{ChargeRule, Config, Latency, RunningServer, Server, Summary};

fn config() -> Config {
    let latency = Latency::constant(Duration::from_millis(20));
    Config { charge: ChargeRule::InputOnly, latency, ..Config::default() }
}

async fn start(config: Config) -> RunningServer {
    Server::start(config, ([127, 0, 0, 1], 0).into()).await.expect("a free port")
}

fn hello(more: Value) -> Value {
    let mut body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Hello world" }] });
    for (key, value) in more.as_object().expect("an object") {
        body[key] = value.clone();
    }
    body
}

async fn post(server: &RunningServer, path: &str, body: &Value) -> Response {
    let url = format!("http://{}{path}", server.addr());
    Client::new().post(url).json(body).send().await.expect("an answer")
}

async fn chat(server: &RunningServer, more: Value) -> Response {
    post(server, "/v1/chat/completions", &hello(more)).await
}

/// The events of a stream: their names, empty where they have none, and their data.
fn events(text: &str) -> Vec<(String, Value)> {
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let data = field("data: ").expect("every event has data");
        let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
        (field("event: ").unwrap_or_default(), data)
    };
    text.split_terminator("\n\n").map(event).collect()
}

/// What every answer says is one token a word.
fn tokens(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).map(|value| value.to_str().expect("text").to_owned())
}

async fn wait_for(server: &RunningServer, reached: impl Fn(&Summary) -> bool) {
    let waiting = async {
        while !reached(&server.summary()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it happens in time");
}
