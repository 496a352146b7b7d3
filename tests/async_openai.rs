//! async-openai's client with the service: what its calls are charged, what is tried again, and streams that nobody reads
//! to their end.
#![cfg(feature = "async-openai")]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::{AzureConfig, OpenAIConfig};
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::traits::RequestOptionsBuilder;
use async_openai::types::chat::CreateChatCompletionRequest;
use async_openai::types::embeddings::CreateEmbeddingRequest;
use async_openai::types::responses::CreateResponse;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tollgate::async_openai::TollgateService;
use tollgate::{AcquireError, Cost, Group, Limiter, Limits, Priority, Quota, Retries, Unit};
use tollgate_sim::{ChargeRule, Config, HeaderFamily, Latency, Outcome, RunningServer, Server, Trouble};
use tower::service_fn;

const M: &str = "gpt-4o-mini";
const OTHER: &str = "gpt-4o";
const EMBEDDER: &str = "text-embedding-3-small";
const READ: &str = M;
const DROPPED: &str = OTHER;
const GIVEN_UP: &str = "gpt-4.1";
const TOKENS: i64 = 1_000_000_000;
const REQUESTS: i64 = 1_000_000;
const SLOTS: i64 = 32;
const HOUR: Duration = Duration::from_secs(3_600);
const MS: Duration = Duration::from_millis(1);

fn limits() -> Limits {
    Limits::new()
        .with(Quota::sliding(Unit::Tokens, TOKENS as u64, HOUR))
        .with(Quota::sliding(Unit::Requests, REQUESTS as u64, HOUR))
        .concurrency(SLOTS as u64)
}

fn limiter() -> Limiter {
    let retries = Retries::new().first_back_off(MS).most_back_off(MS);
    let models = [M, OTHER, EMBEDDER, GIVEN_UP];
    let builder = models.iter().fold(Limiter::builder(), |builder, model| builder.model(*model, limits()));
    builder.build().unwrap().with_retries(retries)
}

/// Tokens and requests that a model's calls were charged, and calls that are out.
fn charged(limiter: &Limiter, model: &str) -> (i64, i64, i64) {
    let levels = limiter.levels();
    let scope = format!("model {model}");
    let hour = |window: Option<Duration>| window.is_none_or(|window| window == HOUR);
    let left = |unit| {
        let of = |level: &&tollgate::Level| {
            level.scope == scope && level.quota.unit() == unit && hour(level.quota.window().period())
        };
        levels.iter().find(of).unwrap().remaining
    };
    (TOKENS - left(Unit::Tokens), REQUESTS - left(Unit::Requests), SLOTS - left(Unit::InFlight))
}

/// The client reads a stream in a task of its own, which ends a little after the stream.
async fn all_are_back(limiter: &Limiter) {
    for _ in 0..3_000 {
        if [READ, DROPPED, GIVEN_UP].iter().all(|model| charged(limiter, model).2 == 0) {
            return;
        }
        tokio::time::sleep(10 * MS).await;
    }
    panic!("a slot leaked: {:?}", limiter.levels());
}

fn of<T: serde::de::DeserializeOwned>(request: Value) -> T {
    serde_json::from_value(request).unwrap()
}

fn chat() -> CreateChatCompletionRequest {
    chat_of(M)
}

fn chat_of(model: &str) -> CreateChatCompletionRequest {
    let messages = [json!({ "role": "user", "content": "Name three rivers." })];
    of(json!({ "model": model, "max_completion_tokens": 300, "messages": messages }))
}

fn streamed(model: &str, most: u64) -> CreateChatCompletionRequest {
    let mut request = chat_of(model);
    request.max_completion_tokens = Some(u32::try_from(most).unwrap());
    request.stream_options = of(json!({ "include_usage": true }));
    request
}

fn embedding() -> CreateEmbeddingRequest {
    of(json!({ "model": EMBEDDER, "input": ["one", "two"] }))
}

fn response() -> CreateResponse {
    of(json!({ "model": M, "max_output_tokens": 300, "input": "Name three rivers." }))
}

/// A service that says what it is told to, and remembers what it heard.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = (u16, &'static str)>) -> Self {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        Scripted { answers: Arc::new(Mutex::new(answers)), ..Scripted::default() }
    }

    fn client(&self, service: TollgateService) -> Client<OpenAIConfig> {
        let this = self.clone();
        let scripted = service_fn(move |factory: HttpRequestFactory| {
            let this = this.clone();
            async move {
                let request = factory.build().await?;
                let body = request.body().and_then(|body| serde_json::from_slice(body.as_bytes()?).ok());
                let heard = (request.url().path().to_owned(), body.unwrap_or_default());
                this.heard.lock().unwrap().push(heard);
                let (status, body) = this.answers.lock().unwrap().pop().expect("no more requests");
                let answer = http::Response::builder().status(status).header("x-id", "7").body(body);
                Ok::<reqwest::Response, OpenAIError>(answer.unwrap().into())
            }
        });
        let config = OpenAIConfig::new().with_api_base("http://scripted.test/v1");
        Client::with_config(config).with_http_service(service.around(scripted))
    }

    fn heard(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

const CHAT: &str = r#"{"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [],
    "usage": {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}}"#;
const LIMITED: &str = r#"{"error": {"type": "requests", "code": "rate_limit_exceeded", "message": "Slow",
    "param": null}}"#;
const NO_MONEY: &str = r#"{"error": {"type": "insufficient_quota", "code": "insufficient_quota",
    "message": "You exceeded your current quota", "param": null}}"#;

fn api_error<T: std::fmt::Debug>(sent: Result<T, OpenAIError>) -> (u16, Option<String>) {
    match sent {
        Err(OpenAIError::ApiError(error)) => (error.status_code.as_u16(), error.api_error.code),
        other => panic!("{other:?}"),
    }
}

fn not_admitted<T: std::fmt::Debug>(sent: Result<T, OpenAIError>) -> AcquireError {
    match sent {
        Err(OpenAIError::Boxed(error)) => *error.downcast::<AcquireError>().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn client_of(server: &RunningServer, service: TollgateService) -> Client<OpenAIConfig> {
    let config = OpenAIConfig::new().with_api_base(format!("http://{}/v1", server.addr()));
    Client::with_config(config).with_http_service(service)
}

async fn serve(config: Config) -> RunningServer {
    Server::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

/// Its answers say nothing of limits, so that our books hold what was charged and no more.
fn provider() -> Config {
    let latency = Latency::constant(20 * MS);
    Config { charge: ChargeRule::RealUsage, headers: HeaderFamily::None, latency, ..Config::default() }
}

#[tokio::test]
async fn calls_of_every_kind_are_charged_what_the_provider_charges() {
    let (server, limiter) = (serve(provider()).await, limiter());
    let client = client_of(&server, TollgateService::new(limiter.clone()));
    let theirs = || server.summary().tokens_charged as i64;

    client.embeddings().create(embedding()).await.unwrap();
    assert_eq!(charged(&limiter, EMBEDDER), (theirs(), 1, 0));
    let embedded = theirs();
    let theirs = || theirs() - embedded;
    client.chat().create(chat()).await.unwrap();
    assert_eq!(charged(&limiter, M), (theirs(), 1, 0));
    client.responses().create(response()).await.unwrap();
    assert_eq!(charged(&limiter, M), (theirs(), 2, 0));

    let mut pieces = client.chat().create_stream(streamed(M, 300)).await.unwrap();
    assert_eq!(charged(&limiter, M).2, 1, "it is out until its body ends");
    while pieces.try_next().await.unwrap().is_some() {}
    all_are_back(&limiter).await;
    assert_eq!(charged(&limiter, M), (theirs(), 3, 0));
    let mut events = client.responses().create_stream(response()).await.unwrap();
    while events.try_next().await.unwrap().is_some() {}
    all_are_back(&limiter).await;
    assert_eq!(charged(&limiter, M), (theirs(), 4, 0));
    assert_eq!((server.summary().ok, server.summary().requests), (5, 5));
}

#[tokio::test]
async fn twice_the_demand_of_the_limits_draws_no_refusal_and_both_count_the_same() {
    let second = Duration::from_secs(1);
    let config = Config {
        rpm: Some(20),
        tpm: Some(900),
        minute: second,
        concurrency: Some(8),
        headers: HeaderFamily::OpenAi,
        ..provider()
    };
    let server = serve(config).await;
    let limits = limits().concurrency(8).with(Quota::refill(Unit::Requests, 20, second));
    let limits = limits.with(Quota::refill(Unit::Tokens, 900, second));
    let account = Group::new(limits).member(M).member(EMBEDDER);
    let limiter = Limiter::builder().group("account", account).build().unwrap();
    limiter.estimator().warm_up().await;
    let client = client_of(&server, TollgateService::new(limiter.clone()));
    let calls = (0..60).map(async |call| {
        let name = call.to_string();
        match call % 4 {
            0 => {
                let mut request = chat();
                request.max_completion_tokens = Some(40);
                drop(client.chat().header("x-sim-request", name)?.create(request).await?);
            }
            1 => {
                let chats = client.chat().header("x-sim-request", name)?;
                let mut pieces = chats.create_stream(streamed(M, 40)).await?;
                while pieces.try_next().await?.is_some() {}
            }
            2 => {
                let embeddings = client.embeddings().header("x-sim-request", name)?;
                drop(embeddings.create(embedding()).await?);
            }
            _ => {
                let mut request = response();
                request.max_output_tokens = Some(40);
                drop(client.responses().header("x-sim-request", name)?.create(request).await?);
            }
        }
        Ok::<_, OpenAIError>(())
    });
    futures::future::try_join_all(calls).await.unwrap();
    let left = |unit| {
        let levels = limiter.levels();
        let of_hour = levels.into_iter().find(|level| {
            level.quota.unit() == unit && level.quota.window().period().is_none_or(|period| period == HOUR)
        });
        of_hour.unwrap().remaining
    };
    for _ in 0..3_000 {
        if left(Unit::InFlight) < SLOTS {
            tokio::time::sleep(MS).await;
        }
    }
    assert_eq!(left(Unit::InFlight), SLOTS, "a slot leaked");
    let theirs = server.summary();
    assert_eq!((theirs.ok, theirs.requests, theirs.status_429, theirs.in_flight), (60, 60, 0, 0));
    assert_eq!(TOKENS - left(Unit::Tokens), theirs.tokens_charged as i64);
    assert_eq!(REQUESTS - left(Unit::Requests), 60);
}

#[tokio::test]
async fn calls_to_azures_deployments_are_charged_to_them() {
    let (server, limiter) = (serve(provider()).await, limiter());
    let config = AzureConfig::new()
        .with_api_base(format!("http://{}", server.addr()))
        .with_deployment_id(M)
        .with_api_version("2024-10-21");
    let client = Client::with_config(config).with_http_service(TollgateService::new(limiter.clone()));
    // What the body says is not what Azure goes by.
    client.chat().create(chat_of(OTHER)).await.unwrap();
    assert_eq!(charged(&limiter, M), (server.summary().tokens_charged as i64, 1, 0));
    assert_eq!(charged(&limiter, OTHER), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_is_sent_again_and_the_caller_sees_only_the_answer() {
    let limiter = limiter();
    let scripted = Scripted::new([(429, LIMITED), (500, "down"), (200, CHAT)]);
    let client = scripted.client(TollgateService::new(limiter.clone()));
    let answer = client.chat().create(chat()).await.unwrap();
    assert_eq!(answer.usage.unwrap().total_tokens, 27);
    let heard = scripted.heard.lock().unwrap();
    assert_eq!(heard.len(), 3);
    assert!(heard.iter().all(|(path, body)| path == "/v1/chat/completions" && *body == heard[0].1));
    let (tokens, requests, out) = charged(&limiter, M);
    // The server error keeps what was reserved: an input of some tokens, and 300.
    assert!((327 + 5..327 + 40).contains(&tokens), "{tokens}");
    assert_eq!((requests, out), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_is_an_api_error_and_nobody_sends_it_again_in_secret() {
    let limiter = limiter().with_retries(Retries::new().most_attempts(2));
    let down = "The server had an error.";
    for (answers, code, sent) in [
        (vec![(429, LIMITED), (429, LIMITED)], (429, Some("rate_limit_exceeded".to_owned())), 2),
        (vec![(503, down), (503, down)], (503, None), 2),
        (vec![(400, r#"{"error": {"message": "No", "code": "bad"}}"#)], (400, Some("bad".to_owned())), 1),
        (vec![(429, NO_MONEY)], (429, Some("insufficient_quota".to_owned())), 1),
    ] {
        let scripted = Scripted::new(answers);
        let client = scripted.client(TollgateService::new(limiter.clone()));
        assert_eq!(api_error(client.chat().create(chat()).await), code);
        assert_eq!(scripted.heard(), sent);
        assert_eq!(charged(&limiter, M).2, 0);
    }
    // The account takes no more calls, so none is sent.
    let scripted = Scripted::new([]);
    let client = scripted.client(TollgateService::new(limiter));
    assert!(matches!(not_admitted(client.chat().create(chat()).await), AcquireError::Stopped(_)));
}

#[tokio::test]
async fn a_storm_is_weathered_inside_and_a_stop_is_told() {
    let (server, limiter) = (serve(provider()).await, limiter());
    let client = client_of(&server, TollgateService::new(limiter.clone()));
    server.provider().trouble(Trouble::Storm { retry_after: 20 * MS }, 60 * MS);
    client.chat().create(chat()).await.unwrap();
    let theirs = server.summary();
    assert!(theirs.status_429 > 0);
    assert_eq!((theirs.ok, theirs.requests), (1, 1 + theirs.status_429));
    assert_eq!(charged(&limiter, M), (theirs.tokens_charged as i64, theirs.requests as i64, 0));

    server.provider().trouble(Trouble::AccountStop, HOUR);
    let refused = api_error(client.chat().create_stream(streamed(M, 300)).await.map(drop));
    assert_eq!(refused, (429, Some("insufficient_quota".to_owned())));
    assert_eq!(server.summary().requests, theirs.requests + 1);
}

#[tokio::test]
async fn a_call_that_is_not_admitted_says_why() {
    let scripted = Scripted::new([]);
    let client = scripted.client(TollgateService::new(limiter()).refuse_unknown());
    let mut long = chat();
    long.max_completion_tokens = Some(2_000_000_000);
    assert!(matches!(not_admitted(client.chat().create(long).await), AcquireError::ExceedsQuota(_)));
    let unknown = not_admitted(client.chat().create(chat_of("gpt-of-others")).await);
    assert!(matches!(unknown, AcquireError::UnknownModel(model) if model.model == "gpt-of-others"));
}

#[tokio::test]
async fn calls_of_models_without_limits_pass_untouched() {
    let scripted = Scripted::new([(429, LIMITED)]);
    let limiter = limiter();
    let client = scripted.client(TollgateService::new(limiter.clone()));
    let refused = api_error(client.chat().create(chat_of("gpt-of-others")).await);
    assert_eq!((refused.0, scripted.heard()), (429, 1));
    assert_eq!(charged(&limiter, M), (0, 0, 0));
}

#[tokio::test]
async fn a_request_that_is_too_long_to_be_read_costs_what_was_told() {
    let no_usage = r#"{"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": []}"#;
    let scripted = Scripted::new([(200, CHAT), (200, no_usage)]);
    let limiter = limiter();
    let service = TollgateService::new(limiter.clone()).most_read(10);
    scripted.client(service.clone()).chat().create(chat()).await.unwrap();
    assert_eq!(charged(&limiter, M), (0, 0, 0), "nobody said which model it is");
    let told = scripted.client(service.unread(M, Cost::input(70).max_output(7)));
    told.chat().create(chat()).await.unwrap();
    assert_eq!(charged(&limiter, M), (77, 1, 0));
}

#[tokio::test]
async fn a_client_may_say_whose_its_calls_are_and_how_urgent() {
    let group = Group::new(limits()).member(M).tenant("acme", Limits::new().concurrency(1));
    let limiter = Limiter::builder().group("openai", group).build().unwrap();
    let out = limiter.acquire(M, Cost::input(1)).tenant("acme").await.unwrap();
    let scripted = Scripted::new([(200, CHAT), (200, CHAT)]);
    let service = TollgateService::new(limiter.clone()).priority(Priority::High);
    scripted.client(service.clone()).chat().create(chat()).await.unwrap();
    let acme = scripted.client(service.tenant("acme"));
    let mut waits = std::pin::pin!(async { acme.chat().create(chat()).await });
    while limiter.waiting() == 0 {
        assert!(futures::poll!(&mut waits).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(scripted.heard(), 1);
    out.cancel().await;
    waits.await.unwrap();
}

#[tokio::test]
async fn a_call_that_finds_no_server_costs_nothing() {
    let limiter = limiter().with_retries(Retries::new().most_attempts(2).first_back_off(MS));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = OpenAIConfig::new().with_api_base(format!("http://{address}/v1"));
    let client = Client::with_config(config).with_http_service(TollgateService::new(limiter.clone()));
    let error = client.chat().create(chat()).await.unwrap_err();
    assert!(matches!(error, OpenAIError::Reqwest(error) if error.is_connect()));
    assert_eq!(charged(&limiter, M), (0, 0, 0));
}

/// Random enough, and the same in every run (splitmix64).
fn random(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What becomes of one stream: each kind goes to a model of its own.
fn model_of(call: u64) -> &'static str {
    match (call.is_multiple_of(2), random(call).is_multiple_of(4)) {
        (true, _) => READ,
        (false, true) => GIVEN_UP,
        (false, false) => DROPPED,
    }
}

/// Gives the words that it took; each is a token.
async fn read_or_drop(client: &Client<OpenAIConfig>, call: u64) -> usize {
    let (model, luck) = (model_of(call), random(call) / 4);
    let chats = client.chat().header("x-sim-request", call.to_string()).unwrap();
    let stream = chats.create_stream(streamed(model, 60));
    if model == GIVEN_UP {
        // In line, on its way, or before its head is in; or at once after that.
        let _ = tokio::time::timeout(Duration::from_micros(luck % 100_000), stream).await;
        return 0;
    }
    let pieces = if model == READ { usize::MAX } else { (1 + luck % 19) as usize };
    let texts = stream.await.unwrap().take(pieces).map(|piece| {
        let choices = piece.unwrap().choices;
        choices.into_iter().filter_map(|choice| choice.delta.content).collect::<String>()
    });
    texts.collect::<String>().await.split_whitespace().count()
}

/// `DROPPED_STREAMS=10000 cargo test --all-features --test async_openai streams -- --nocapture` makes so many, in two minutes.
#[tokio::test]
async fn streams_that_are_dropped_at_random_points_leak_no_slot_and_both_sides_reconcile() {
    const WORKERS: u64 = 72;
    let calls = std::env::var("DROPPED_STREAMS").map_or(1_000, |calls| calls.parse().unwrap());
    let latency = Latency { median: 400 * MS, min: 100 * MS, max: 2_000 * MS, sigma: 0.5 };
    let (server, limiter) = (serve(Config { latency, ..provider() }).await, limiter());
    limiter.estimator().warm_up().await;
    let client = client_of(&server, TollgateService::new(limiter.clone()));

    let took = AtomicUsize::new(0);
    let worker = async |first: u64| {
        for call in (first..calls).step_by(WORKERS as usize) {
            let words = read_or_drop(&client, call).await;
            if model_of(call) == DROPPED {
                took.fetch_add(words, Relaxed);
            }
        }
    };
    // Where slots leak, calls wait for ever.
    let done = tokio::time::timeout(HOUR / 12, futures::future::join_all((0..WORKERS).map(worker)));
    done.await.expect("a slot leaked");
    all_are_back(&limiter).await;
    let mut tries = 0;
    while server.summary().in_flight > 0 {
        tries += 1;
        assert!(tries < 3_000, "the provider still waits for {} clients", server.summary().in_flight);
        tokio::time::sleep(10 * MS).await;
    }

    let (log, theirs) = (server.log(), server.summary());
    let ended = log.iter().filter(|entry| entry.outcome == Outcome::Finished).count();
    println!(
        "{calls} streams: {ended} came to their end, {} were abandoned, {} never arrived; {} in flight at most",
        theirs.abandoned,
        calls - theirs.requests,
        theirs.max_in_flight
    );
    let counts = |model| {
        let own = log.iter().filter(|entry| model_of(entry.id) == model);
        let theirs = own.fold((0, 0, 0), |(tokens, calls, out), entry| {
            (tokens + entry.charged as i64, calls + i64::from(!entry.outcome.is_end()), out)
        });
        let ours = charged(&limiter, model);
        println!("{model}: {ours:?} tokens, calls, calls out; by the provider's log {theirs:?}");
        (ours, theirs)
    };
    assert_eq!((theirs.status_429, theirs.requests), (0, theirs.ok));
    assert!(theirs.abandoned > calls / 50, "{} were left before their end", theirs.abandoned);
    assert!(limiter.levels().iter().all(|level| level.reserved == 0));
    // Of what was read to its end, both count the same.
    let (ours, provider) = counts(READ);
    assert_eq!((ours, ours.1), (provider, calls.div_ceil(2) as i64));
    // Of what was left halfway, we count no less than what came, and no more than was reserved: 60, and a prompt of some
    // tokens. The provider may have made more by the time when it noticed, and nobody would ever know.
    let (ours, provider) = counts(DROPPED);
    let admitted = log.iter().filter(|entry| model_of(entry.id) == DROPPED && !entry.outcome.is_end());
    let prompts: u64 = admitted.map(|entry| entry.charged).sum();
    let came = (prompts + took.into_inner() as u64) as i64;
    println!("{DROPPED}: {came} tokens of prompts and of what was taken");
    assert_eq!(ours.1, provider.1);
    assert!((came..ours.1 * (60 + 20)).contains(&ours.0));
    // Of what was given up before there was an answer, some was charged here that never arrived there.
    let (ours, provider) = counts(GIVEN_UP);
    assert!(ours.0 >= provider.0 && ours.1 >= provider.1);
}
