//! A stack of tower's services with the limiter as one layer, around any client that speaks HTTP.
//!
//! Starts a simulated provider, asks for twice what it allows, and fails unless nothing was refused, every
//! permit came back and both sides count the same.

use std::time::Duration;

use http_body_util::BodyExt;
use reqwest::Request;
use serde_json::{Value, json};
use tollgate::tower::{Ask, TollgateLayer};
use tollgate::{Limiter, Limits, Quota, Unit, estimate};
use tollgate_sim::{ChargeRule, Config, Latency, Server};
use tower::{ServiceBuilder, ServiceExt};

const MODEL: &str = "gpt-4o-mini";
const SECOND: Duration = Duration::from_secs(1);
const CALLS: u64 = 60;

/// What a request asks leave for; what is no chat passes.
fn ask(request: &Request) -> Option<Ask> {
    let body: Value = serde_json::from_slice(request.body()?.as_bytes()?).ok()?;
    let estimate = estimate::request(&body).ok()?;
    Some(Ask::new(estimate.model(), estimate.cost()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
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

    let client = reqwest::Client::new();
    let service = ServiceBuilder::new()
        .layer(TollgateLayer::new(limiter.clone(), ask))
        .map_response(http::Response::<reqwest::Body>::from)
        .service(client.clone());

    let mut calls = tokio::task::JoinSet::new();
    for call in 0..CALLS {
        let request = json!({
            "model": MODEL,
            "messages": [{"role": "user", "content": format!("Name {call} rivers.")}],
            "max_tokens": 50,
        });
        let request = client.post(&url).json(&request).build()?;
        let service = service.clone();
        calls.spawn(async move {
            let answer = service.oneshot(request).await?;
            let (head, body) = answer.into_parts();
            body.collect().await?; // the call is settled when its body ends
            Ok::<_, tower::BoxError>(head.status)
        });
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call??, 200);
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
