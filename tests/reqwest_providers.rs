//! A client with the middleware, against a provider that speaks the protocols of several: whole answers and streams, such
//! that end well and such that do not.
#![cfg(feature = "reqwest")]

use std::time::Duration;

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use serde_json::{Value, json};
use tollgate::reqwest::TollgateMiddleware;
use tollgate::{Group, Limiter, Limits, Quota, Retries, Unit};
use tollgate_sim::{ChargeRule, Config, HeaderFamily, Latency, RunningServer, Server, StreamFaults, Summary};

const M: &str = "gpt-4o-mini";
const CLAUDE: &str = "claude-sonnet-4-5";
const EMBEDDER: &str = "text-embedding-3-small";
const TOKENS: i64 = 1_000_000;
const REQUESTS: i64 = 10_000;
const SLOTS: i64 = 8;
const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// A provider, and a client that keeps to `limits` with all of its models together.
struct Both {
    server: RunningServer,
    limiter: Limiter,
    client: ClientWithMiddleware,
}

impl Both {
    async fn start(config: Config, limits: Limits) -> Both {
        let config = Config { charge: ChargeRule::RealUsage, latency: Latency::constant(20 * MS), ..config };
        let server = Server::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let limits = limits
            .with(Quota::sliding(Unit::Tokens, TOKENS as u64, HOUR))
            .with(Quota::sliding(Unit::Requests, REQUESTS as u64, HOUR))
            .concurrency(SLOTS as u64);
        let account = Group::new(limits).member(M).member(CLAUDE).member(EMBEDDER);
        let limiter = Limiter::builder().group("account", account).build().unwrap();
        let limiter = limiter.with_retries(Retries::none());
        limiter.estimator().warm_up().await;
        let plain = reqwest::Client::builder().no_proxy().build().unwrap();
        let client = ClientBuilder::new(plain).with(TollgateMiddleware::new(limiter.clone())).build();
        Both { server, limiter, client }
    }

    fn send(&self, path: &str, body: &Value, call: u64) -> RequestBuilder {
        let url = format!("http://{}{path}", self.server.addr());
        self.client.post(url).header("x-sim-request", call.to_string()).body(body.to_string())
    }

    /// Tokens, requests, and calls that are out.
    fn ours(&self) -> (u64, u64, i64) {
        let levels = self.limiter.levels();
        let hour = |window: Option<Duration>| window.is_none_or(|window| window == HOUR);
        let left = |unit| {
            let of =
                |level: &&tollgate::Level| level.quota.unit() == unit && hour(level.quota.window().period());
            levels.iter().find(of).unwrap().remaining
        };
        let used = |most: i64, unit| u64::try_from(most - left(unit)).unwrap();
        (used(TOKENS, Unit::Tokens), used(REQUESTS, Unit::Requests), SLOTS - left(Unit::InFlight))
    }

    fn theirs(&self) -> Summary {
        self.server.summary()
    }
}

/// Which limits the provider tells is not what these are about.
fn silent() -> Config {
    Config { headers: HeaderFamily::None, ..Config::default() }
}

fn chat(streamed: bool) -> Value {
    let mut chat = json!({ "model": M, "max_tokens": 40, "messages": [{ "role": "user", "content": "Name three rivers." }] });
    if streamed {
        chat["stream"] = true.into();
        chat["stream_options"] = json!({ "include_usage": true });
    }
    chat
}

fn message(streamed: bool) -> Value {
    let mut message = chat(false);
    (message["model"], message["stream"], message["system"]) =
        (CLAUDE.into(), streamed.into(), "Be brief.".into());
    message
}

fn response(streamed: bool) -> Value {
    json!({ "model": M, "max_output_tokens": 40, "input": "Name three rivers.", "stream": streamed })
}

fn embedding() -> Value {
    json!({ "model": EMBEDDER, "input": ["one", "two"] })
}

const AZURE: &str = "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21";
const AZURE_EMBEDS: &str = "/openai/deployments/text-embedding-3-small/embeddings?api-version=2024-10-21";

#[tokio::test]
async fn whole_answers_and_streams_of_every_protocol_are_charged_what_the_provider_charges() {
    let both = Both::start(silent(), Limits::new()).await;
    for (path, body) in [
        ("/v1/chat/completions", chat(false)),
        ("/v1/chat/completions", chat(true)),
        ("/v1/messages", message(false)),
        ("/v1/messages", message(true)),
        ("/v1/responses", response(false)),
        ("/v1/responses", response(true)),
        ("/v1/embeddings", embedding()),
        ("/openai/v1/responses", response(false)),
        ("/openai/v1/chat/completions", chat(true)),
        (AZURE, chat(false)),
        (AZURE, chat(true)),
        (AZURE_EMBEDS, embedding()),
    ] {
        let (ours, theirs) = (both.ours(), both.theirs());
        let answer = both.send(path, &body, ours.1).send().await.unwrap().error_for_status().unwrap();
        answer.text().await.unwrap();
        let charged = both.theirs().tokens_charged - theirs.tokens_charged;
        assert!(charged > 0, "{path}");
        assert_eq!(both.ours(), (ours.0 + charged, ours.1 + 1, 0), "{path} {body}");
    }
}

/// By one protocol, half of it streamed, with the header fields of its provider.
async fn twice_the_demand(path: &str, body: impl Fn(bool) -> Value, headers: HeaderFamily) {
    let rpm = Some(20);
    let config =
        Config { rpm, minute: SECOND, concurrency: Some(SLOTS as u64), headers, ..Config::default() };
    let both = Both::start(config, Limits::new().with(Quota::refill(Unit::Requests, 20, SECOND))).await;
    let calls = (0..40).map(async |call| {
        let answer = both.send(path, &body(call % 2 == 0), call).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    });
    futures::future::join_all(calls).await;
    let theirs = both.theirs();
    assert_eq!((theirs.ok, theirs.requests, theirs.status_429), (40, 40, 0), "{path}");
    assert_eq!(both.ours(), (theirs.tokens_charged, 40, 0), "{path}");
}

#[tokio::test]
async fn twice_the_demand_of_messages_draws_no_refusal_and_both_count_the_same() {
    twice_the_demand("/v1/messages", message, HeaderFamily::Anthropic).await;
}

#[tokio::test]
async fn twice_the_demand_of_responses_draws_no_refusal_and_both_count_the_same() {
    twice_the_demand("/v1/responses", response, HeaderFamily::OpenAi).await;
}

#[tokio::test]
async fn twice_the_demand_of_azures_chats_draws_no_refusal_and_both_count_the_same() {
    twice_the_demand(AZURE, chat, HeaderFamily::Azure).await;
}

/// A path, and the body that goes there, streamed or not.
type Route = (&'static str, fn(bool) -> Value);

const STREAMS: [Route; 4] =
    [("/v1/chat/completions", chat), ("/v1/messages", message), ("/v1/responses", response), (AZURE, chat)];

#[tokio::test]
async fn streams_that_the_provider_cuts_free_their_slots_and_are_charged_no_less_than_it_made() {
    let faults = StreamFaults { cut_streams: 1.0, stream_errors: 0.0 };
    let both = Both::start(Config { stream_faults: faults, ..silent() }, Limits::new()).await;
    for (path, body) in STREAMS {
        for call in 0..10 {
            let (ours, theirs) = (both.ours(), both.theirs());
            let answer = both.send(path, &body(true), call).send().await.unwrap();
            answer.text().await.unwrap_err();
            let charged = both.theirs().tokens_charged - theirs.tokens_charged;
            let (tokens, requests, out) = both.ours();
            assert_eq!((requests - ours.1, out), (1, 0), "{path}");
            // The prompt and an answer of 40 tokens were reserved.
            let most = charged + 40;
            assert!(
                (charged..most).contains(&(tokens - ours.0)),
                "{path}: {} for {charged}",
                tokens - ours.0
            );
        }
    }
    let theirs = both.theirs();
    assert_eq!((theirs.cut_streams, theirs.in_flight), (40, 0));
}

#[tokio::test]
async fn an_error_inside_a_stream_is_charged_what_came_before_it() {
    let faults = StreamFaults { cut_streams: 0.0, stream_errors: 1.0 };
    for (path, body) in STREAMS {
        let both = Both::start(Config { stream_faults: faults, ..silent() }, Limits::new()).await;
        let answer = both.send(path, &body(true), 1).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        assert!(text.contains("error"), "{text}");
        let theirs = both.theirs();
        assert_eq!((theirs.stream_errors, theirs.in_flight), (1, 0));
        let ((tokens, requests, out), charged) = (both.ours(), theirs.tokens_charged);
        assert_eq!((requests, out), (1, 0), "{path}");
        assert!((charged..charged + 40).contains(&tokens), "{path}: {tokens} for {charged}");
    }
}

#[tokio::test]
async fn a_call_that_finds_no_server_costs_nothing() {
    let mut both = Both::start(silent(), Limits::new()).await;
    let away = both.send("/v1/chat/completions", &chat(false), 0);
    both.server.shutdown().await;
    both.server = Server::start(silent(), ([127, 0, 0, 1], 0).into()).await.unwrap();
    let error = away.send().await.unwrap_err();
    assert!(error.is_connect(), "{error}");
    assert_eq!(both.ours(), (0, 0, 0));
}
