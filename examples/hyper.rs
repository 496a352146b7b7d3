//! Chats by bare hyper, with leave by hand: the permit goes along with the body of the answer.
//!
//! Starts a simulated provider, asks for twice what it allows, plain and streamed, and fails unless nothing was
//! refused, every permit came back and both sides count the same.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tollgate::{Limiter, Limits, Metered, Quota, Unit, estimate};
use tollgate_sim::{ChargeRule, Config, Latency, Server};

const MODEL: &str = "gpt-4o-mini";
const SECOND: Duration = Duration::from_secs(1);
const CALLS: u64 = 60;

type Hyper = Client<HttpConnector, Full<Bytes>>;

async fn chat(
    client: Hyper,
    limiter: Limiter,
    uri: Uri,
    call: u64,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let streamed = call.is_multiple_of(2);
    let body = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": format!("Name {call} rivers.")}],
        "max_tokens": 50,
        "stream": streamed,
        "stream_options": streamed.then(|| json!({"include_usage": true})),
    });
    let request =
        Request::post(uri).header("content-type", "application/json").body(Full::from(body.to_string()))?;

    let permit = limiter.acquire(MODEL, estimate::request(&body)?.cost()).await?;
    let answer = match client.request(request).await {
        Ok(answer) => Metered::response(permit, answer),
        Err(error) => {
            if error.is_connect() {
                permit.cancel().await; // it was never sent: everything comes back
            }
            return Err(error.into());
        }
    };
    let status = answer.status();
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        frame?; // the call is settled when its body ends, breaks off or is dropped
    }
    Ok(status)
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
    let uri: Uri = format!("http://{}/v1/chat/completions", provider.addr()).parse()?;

    let day = |unit, limit| Quota::sliding(unit, limit, 86_400 * SECOND);
    let limits = Limits::new()
        .with(Quota::refill(Unit::Requests, 20, SECOND))
        .with(day(Unit::Tokens, 1_000_000))
        .concurrency(8);
    let limiter = Limiter::builder().model(MODEL, limits).build()?;
    let client: Hyper = Client::builder(TokioExecutor::new()).build_http();

    let mut calls = tokio::task::JoinSet::new();
    for call in 0..CALLS {
        calls.spawn(chat(client.clone(), limiter.clone(), uri.clone(), call));
    }
    while let Some(call) = calls.join_next().await {
        assert_eq!(call??, StatusCode::OK);
    }

    let theirs = provider.summary();
    let books = limiter.snapshot();
    let left = |unit| {
        let mut budgets = books.scopes()[0].budgets.iter();
        budgets.find(|budget| budget.quota.unit() == unit).map_or(0, |budget| budget.remaining)
    };
    let ours = 1_000_000 - left(Unit::Tokens);
    println!(
        "{CALLS} chats: {} refused; {ours} tokens, by the provider's count {}",
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
