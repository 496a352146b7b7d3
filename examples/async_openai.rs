//! A client of async-openai that keeps to its limits by itself: the calls know nothing of them.
//!
//! Starts a simulated provider, asks for twice what it allows, as chats, plain and streamed, as embeddings and
//! as Responses, and fails unless nothing was refused, every permit came back and both sides count the same.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessage, ChatCompletionStreamOptions, CreateChatCompletionRequest,
    CreateChatCompletionRequestArgs,
};
use async_openai::types::embeddings::CreateEmbeddingRequestArgs;
use async_openai::types::responses::CreateResponseArgs;
use futures::TryStreamExt;
use tollgate::async_openai::TollgateService;
use tollgate::{Group, Limiter, Limits, Quota, Unit};
use tollgate_sim::{ChargeRule, Config, Latency, Server};

const MODEL: &str = "gpt-4o-mini";
const EMBEDDER: &str = "text-embedding-3-small";
const SECOND: Duration = Duration::from_secs(1);
const CALLS: u64 = 60;

fn chat(text: &str) -> CreateChatCompletionRequestArgs {
    let mut chat = CreateChatCompletionRequestArgs::default();
    chat.model(MODEL)
        .max_completion_tokens(50_u32)
        .messages([ChatCompletionRequestUserMessage::from(text).into()]);
    chat
}

fn streamed(text: &str) -> Result<CreateChatCompletionRequest, OpenAIError> {
    let usage = ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None };
    chat(text).stream_options(usage).build()
}

/// As anybody would write it.
async fn call(client: Client<OpenAIConfig>, number: u64) -> Result<(), OpenAIError> {
    let text = format!("Name {number} rivers.");
    match number % 4 {
        0 => drop(client.chat().create(chat(&text).build()?).await?),
        1 => {
            let mut pieces = client.chat().create_stream(streamed(&text)?).await?;
            while pieces.try_next().await?.is_some() {}
        }
        2 => {
            let request = CreateEmbeddingRequestArgs::default().model(EMBEDDER).input(text).build()?;
            client.embeddings().create(request).await?;
        }
        _ => {
            let request =
                CreateResponseArgs::default().model(MODEL).max_output_tokens(50_u32).input(text).build()?;
            client.responses().create(request).await?;
        }
    }
    Ok(())
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

    let day = |unit, limit| Quota::sliding(unit, limit, 86_400 * SECOND);
    let limits = Limits::new()
        .with(Quota::refill(Unit::Requests, 20, SECOND))
        .with(day(Unit::Tokens, 1_000_000))
        .concurrency(8);
    let account = Group::new(limits).member(MODEL).member(EMBEDDER);
    let limiter = Limiter::builder().group("account", account).build()?;
    let config = OpenAIConfig::new().with_api_base(format!("http://{}/v1", provider.addr()));
    let client = Client::with_config(config).with_http_service(TollgateService::new(limiter.clone()));

    let mut calls = tokio::task::JoinSet::new();
    for number in 0..CALLS {
        calls.spawn(call(client.clone(), number));
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }

    let left = |unit| {
        let books = limiter.snapshot();
        let mut budgets = books.scopes()[0].budgets.iter();
        budgets.find(|budget| budget.quota.unit() == unit).map_or(0, |budget| budget.remaining)
    };
    // The client reads its streams in tasks of its own, which end a little later.
    let all_back = async {
        while left(Unit::InFlight) < 8 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(10 * SECOND, all_back).await.expect("every permit comes back");
    let theirs = provider.summary();
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
    assert_eq!((theirs.in_flight, theirs.abandoned), (0, 0), "all were read to their ends");
    assert_eq!(ours, theirs.tokens_charged as i64, "both count the same");
    Ok(())
}
