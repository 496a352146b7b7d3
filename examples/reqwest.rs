//! A client of reqwest that keeps to its limits by itself: the calls know nothing of them.
//!
//! Starts a simulated provider, asks for twice what it allows, plain and streamed, and fails unless nothing was
//! refused, every permit came back and both sides count the same.

use std::time::Duration;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use serde_json::json;
use tollgate::reqwest::TollgateMiddleware;
use tollgate::{Limiter, Limits, Quota, Unit};
use tollgate_sim::{ChargeRule, Config, Latency, Server};

const MODEL: &str = "gpt-4o-mini";
const SECOND: Duration = Duration::from_secs(1);
const CALLS: u64 = 60;

/// As anybody would write it.
async fn chat(client: ClientWithMiddleware, url: String, call: u64) -> reqwest_middleware::Result<String> {
    let streamed = call.is_multiple_of(2);
    let request = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": format!("Name {call} rivers.")}],
        "max_tokens": 50,
        "stream": streamed,
        "stream_options": streamed.then(|| json!({"include_usage": true})),
    });
    let response = client.post(url).body(request.to_string()).send().await?;
    Ok(response.error_for_status()?.text().await?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Its minutes last a second, so that there is something to see.
    let config = Config {
        rpm: Some(20),
        minute: SECOND,
        concurrency: Some(8),
        charge: ChargeRule::RealUsage,
        latency: Latency::constant(SECOND / 20),
        ..Config::default()
    };
    let provider = Server::start(config, ([127, 0, 0, 1], 0).into()).await?;
    let url = format!("http://{}/v1/chat/completions", provider.addr());

    let day = |unit, limit| Quota::sliding(unit, limit, 86_400 * SECOND);
    let limits = Limits::new()
        .with(Quota::refill(Unit::Requests, 20, SECOND))
        .with(day(Unit::Tokens, 1_000_000))
        .concurrency(8);
    let limiter = Limiter::builder().model(MODEL, limits).build()?;
    let client =
        ClientBuilder::new(reqwest::Client::new()).with(TollgateMiddleware::new(limiter.clone())).build();

    let mut calls = tokio::task::JoinSet::new();
    for call in 0..CALLS {
        calls.spawn(chat(client.clone(), url.clone(), call));
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }

    let theirs = provider.summary();
    let books = limiter.snapshot();
    let left = |unit| {
        let mut budgets = books.scopes()[0].budgets.iter();
        budgets.find(|budget| budget.quota.unit() == unit).map_or(0, |budget| budget.remaining)
    };
    let ours = 1_000_000 - left(Unit::Tokens);
    println!(
        "{CALLS} calls: {} refused; {ours} tokens, by the provider's count {}",
        theirs.rejections(),
        theirs.tokens_charged
    );
    assert_eq!(
        (theirs.ok, theirs.requests, theirs.rejections()),
        (CALLS, CALLS, 0),
        "served, sent and refused"
    );
    assert_eq!(ours, theirs.tokens_charged as i64, "both count the same");
    assert_eq!(left(Unit::InFlight), 8, "every permit came back");
    Ok(())
}
