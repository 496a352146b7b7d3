//! Chats by genai, with leave by hand: its client makes the request, so the cost is told from what it is asked.
//!
//! Starts a simulated provider, asks for twice what it allows, plain and streamed, and fails unless nothing was
//! refused, every permit came back and both sides count the same.

use std::time::Duration;

use futures::TryStreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest, ChatStreamEvent, Usage as TheirUsage};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::webc::Error as WebError;
use genai::{Client, Error, ModelIden, ServiceTarget};
use serde_json::json;
use tollgate::{Limiter, Limits, Permit, Quota, Unit, Usage, Verdict, estimate};
use tollgate_sim::{ChargeRule, Config, Latency, Server};

const MODEL: &str = "gpt-4o-mini";
const SECOND: Duration = Duration::from_secs(1);
const CALLS: u64 = 60;

fn used(theirs: &TheirUsage) -> Option<Usage> {
    let count = |tokens: Option<i32>| tokens?.try_into().ok();
    Some(Usage::new(count(theirs.prompt_tokens)?, count(theirs.completion_tokens)?))
}

/// What the provider said no to shuts the limit for all; of a call without an answer, the permit is dropped.
async fn failed(permit: Permit, error: Error) -> Error {
    if let Error::WebModelCall {
        webc_error: WebError::ResponseFailedStatus { status, body, headers }, ..
    } = &error
        && let Some(verdict) = Verdict::of_answer(*status, &**headers, Some(body.as_bytes()))
    {
        permit.observe(*status, &**headers);
        permit.refused(verdict).await;
    }
    error
}

async fn chat(
    client: Client,
    limiter: Limiter,
    call: u64,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let text = format!("Name {call} rivers.");
    let request = ChatRequest::new(vec![ChatMessage::user(&text)]);
    let options = ChatOptions::default().with_max_tokens(50).with_capture_usage(true);

    let expected =
        json!({ "model": MODEL, "max_tokens": 50, "messages": [{ "role": "user", "content": text }] });
    let permit = limiter.acquire(MODEL, estimate::request(&expected)?.cost()).await?;
    let theirs = if call.is_multiple_of(2) {
        match client.exec_chat(MODEL, request, Some(&options)).await {
            Ok(answer) => Some(answer.usage),
            Err(error) => return Err(failed(permit, error).await.into()),
        }
    } else {
        let mut events = match client.exec_chat_stream(MODEL, request, Some(&options)).await {
            Ok(answer) => answer.stream,
            Err(error) => return Err(failed(permit, error).await.into()),
        };
        let mut usage = None;
        loop {
            match events.try_next().await {
                Ok(Some(ChatStreamEvent::End(end))) => usage = end.captured_usage,
                Ok(Some(_)) => {}
                Ok(None) => break usage,
                Err(error) => return Err(failed(permit, error).await.into()),
            }
        }
    };
    // Without it, the permit is dropped, and what was reserved stays charged.
    let used = theirs.as_ref().and_then(used).ok_or("an answer without usage")?;
    permit.release(used).await;
    Ok(used.tokens())
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

    let day = |unit, limit| Quota::sliding(unit, limit, 86_400 * SECOND);
    let limits = Limits::new()
        .with(Quota::refill(Unit::Requests, 20, SECOND))
        .with(day(Unit::Tokens, 1_000_000))
        .concurrency(8);
    let limiter = Limiter::builder().model(MODEL, limits).build()?;

    let base = format!("http://{}/v1/", provider.addr());
    let here = ServiceTargetResolver::from_resolver_fn(move |target: ServiceTarget| {
        let model = ModelIden::new(AdapterKind::OpenAI, target.model.model_name);
        let (endpoint, auth) = (Endpoint::from_owned(base.as_str()), AuthData::from_single("no key"));
        Ok::<_, genai::resolver::Error>(ServiceTarget { endpoint, auth, model })
    });
    let client = Client::builder().with_service_target_resolver(here).build()?;

    let mut calls = tokio::task::JoinSet::new();
    for call in 0..CALLS {
        calls.spawn(chat(client.clone(), limiter.clone(), call));
    }
    let mut ours = 0;
    while let Some(call) = calls.join_next().await {
        ours += call??;
    }

    let theirs = provider.summary();
    println!(
        "{CALLS} chats: {} refused; {ours} tokens, by the provider's count {}",
        theirs.rejections(),
        theirs.tokens_charged
    );
    let books = limiter.snapshot();
    let left = |unit| {
        let mut budgets = books.scopes()[0].budgets.iter();
        budgets.find(|budget| budget.quota.unit() == unit).map(|budget| budget.remaining)
    };
    assert_eq!(
        (theirs.ok, theirs.requests, theirs.rejections()),
        (CALLS, CALLS, 0),
        "served, sent and refused"
    );
    assert_eq!(ours, theirs.tokens_charged, "both count the same");
    assert_eq!(left(Unit::Tokens), Some(1_000_000 - ours as i64), "so do the books");
    assert_eq!(left(Unit::InFlight), Some(8), "every permit came back");
    Ok(())
}
