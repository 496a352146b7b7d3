//! Streamed chats from many tasks, by hand: a permit that follows its answer to the end.
//!
//! Starts a simulated provider, asks for twice what it allows, and fails unless nothing was refused, every
//! permit came back and both sides count the same.

use std::time::Duration;

use serde_json::json;
use tollgate::{Limiter, Limits, Meter, Quota, Unit, estimate};
use tollgate_sim::{ChargeRule, Config, Latency, Server};

const MODEL: &str = "gpt-4o-mini";
const SECOND: Duration = Duration::from_secs(1);
const CALLS: u64 = 60;

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

    let client = reqwest::Client::new();
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..CALLS {
        let (client, limiter, url) = (client.clone(), limiter.clone(), url.clone());
        calls.spawn(async move {
            let request = json!({
                "model": MODEL,
                "messages": [{"role": "user", "content": format!("Name {call} rivers.")}],
                "max_tokens": 50,
                "stream": true,
                "stream_options": {"include_usage": true}, // without it, what came is counted
            });
            let cost = estimate::request(&request).expect("a chat").cost();
            let permit = limiter.acquire(MODEL, cost).await.expect("it fits");
            let mut response = client.post(url).json(&request).send().await?;
            let mut meter = Meter::new(permit, response.status(), response.headers());
            let mut bytes = 0;
            while let Some(chunk) = response.chunk().await? {
                meter.see(&chunk); // the permit ends with the meter, also where the connection breaks
                bytes += chunk.len();
            }
            Ok::<_, reqwest::Error>((bytes, meter.finish()))
        });
    }
    let mut ours = 0;
    while let Some(call) = calls.join_next().await {
        let (_, used) = call??;
        ours += used.ok_or("an answer without usage")?.tokens();
    }

    let theirs = provider.summary();
    println!(
        "{CALLS} streams: {} refused; {ours} tokens, by the provider's count {}",
        theirs.rejections(),
        theirs.tokens_charged
    );
    let books = limiter.snapshot();
    let left = |unit| {
        books.scopes()[0]
            .budgets
            .iter()
            .find(|budget| budget.quota.unit() == unit)
            .map(|budget| budget.remaining)
    };
    assert_eq!((theirs.ok, theirs.rejections()), (CALLS, 0), "calls that were served, and refused");
    assert_eq!(ours, theirs.tokens_charged, "both count the same");
    assert_eq!(left(Unit::Tokens), Some(1_000_000 - ours as i64), "so do the books");
    assert_eq!(left(Unit::InFlight), Some(8), "every permit came back");
    Ok(())
}
