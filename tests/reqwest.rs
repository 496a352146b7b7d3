//! A client with the middleware: which requests it knows, what they are charged, what is tried again.
#![cfg(feature = "reqwest")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tollgate::reqwest::{Tenant, TollgateMiddleware};
use tollgate::{AcquireError, Cost, GaveUp, Limiter, Limits, Priority, Quota, Retries, Story, Unit};
use tollgate_sim::{ChargeRule, Config, Latency, Server};

const M: &str = "gpt-4o-mini";
const TOKENS: i64 = 1_000_000;
const SLOTS: i64 = 8;
const HOUR: Duration = Duration::from_secs(3_600);
const MS: Duration = Duration::from_millis(1);

/// A server that says what it is told to, one answer for each connection, and remembers what it heard.
struct Scripted {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

/// At the end of an answer: the connection stays open.
const HANGS: &str = "<hangs>";

impl Scripted {
    async fn start(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let (hears, mut answers) = (heard.clone(), answers.into_iter().collect::<Vec<_>>().into_iter());
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = request_of(&mut stream).await;
                hears.lock().unwrap().push(request);
                let answer = answers.next().expect("no more requests were expected");
                let _ = stream.write_all(answer.trim_end_matches(HANGS).as_bytes()).await;
                if answer.ends_with(HANGS) {
                    open.push(stream);
                }
            }
        });
        Scripted { address, heard }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn bodies(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1.to_owned()).collect()
    }
}

async fn request_of(stream: &mut TcpStream) -> String {
    let (mut bytes, mut more) = (Vec::new(), [0; 4_096]);
    loop {
        let got = stream.read(&mut more).await.unwrap();
        bytes.extend_from_slice(&more[..got]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        let complete = match head.contains("transfer-encoding: chunked") {
            true => body.ends_with("0\r\n\r\n"),
            false => body.len() >= length,
        };
        if complete || got == 0 {
            return text;
        }
    }
}

fn answer(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n{body}")
}

fn ok(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

fn streamed(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n{body}")
}

const USED: &str = "{\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7}}";
const LIMITED: &str =
    "{\"error\":{\"type\":\"requests\",\"code\":\"rate_limit_exceeded\",\"message\":\"Slow\"}}";
const NO_MONEY: &str =
    "{\"error\":{\"type\":\"insufficient_quota\",\"message\":\"You exceeded your current quota\"}}";

fn limits() -> Limits {
    Limits::new()
        .with(Quota::sliding(Unit::Tokens, TOKENS as u64, HOUR))
        .with(Quota::sliding(Unit::Requests, 1_000, HOUR))
        .concurrency(SLOTS as u64)
}

fn limiter() -> Limiter {
    let retries = Retries::new().first_back_off(MS).most_back_off(MS);
    Limiter::builder().model(M, limits()).build().unwrap().with_retries(retries)
}

fn plain_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn client(middleware: TollgateMiddleware) -> ClientWithMiddleware {
    ClientBuilder::new(plain_client()).with(middleware).build()
}

fn chat(client: &ClientWithMiddleware, url: String) -> RequestBuilder {
    client.post(url).body(chat_of(M).to_string())
}

fn chat_of(model: &str) -> Value {
    json!({ "model": model, "max_tokens": 300, "messages": [{ "role": "user", "content": "Name three rivers." }] })
}

/// Tokens, requests, and calls that are out.
fn charged(limiter: &Limiter) -> (i64, i64, i64) {
    let snapshot = limiter.snapshot();
    let budgets = &snapshot.scopes()[0].budgets;
    let left = |unit| budgets.iter().find(|budget| budget.quota.unit() == unit).unwrap().remaining;
    (TOKENS - left(Unit::Tokens), 1_000 - left(Unit::Requests), SLOTS - left(Unit::InFlight))
}

#[tokio::test]
async fn calls_of_every_known_kind_are_charged_what_their_answers_say() {
    let model = chat_of(M);
    let no_model = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let message = json!({ "model": M, "max_tokens": 9, "system": "s", "messages": [{ "role": "user", "content": "hi" }] });
    let input = json!({ "model": M, "input": "hi" });
    let message_used = "{\"type\":\"message\",\"usage\":{\"input_tokens\":20,\"output_tokens\":7}}";
    for (path, body, says) in [
        ("/v1/chat/completions", &model, USED),
        ("/v1/completions", &json!({ "model": M, "prompt": "hi" }), USED),
        ("/v1/embeddings", &input, USED),
        ("/v1/responses", &input, message_used),
        ("/v1/messages", &message, message_used),
        ("/openai/v1/chat/completions", &model, USED),
        ("/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21", &no_model, USED),
        // A deployment without limits of its own: the model that the body names.
        ("/openai/deployments/prod/chat/completions?api-version=2024-10-21", &model, USED),
    ] {
        let limiter = limiter();
        let server = Scripted::start([ok(says)]).await;
        let client = client(TollgateMiddleware::new(limiter.clone()));
        let response = client.post(server.url(path)).body(body.to_string()).send().await.unwrap();
        assert_eq!(charged(&limiter).2, 1, "{path}: it is out until its body ends");
        assert_eq!(response.url().as_str(), server.url(path));
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.content_length(), Some(says.len() as u64));
        assert_eq!(response.text().await.unwrap(), says);
        assert_eq!(charged(&limiter), (27, 1, 0), "{path}");
        assert_eq!(server.bodies(), [body.to_string()], "sent as it was");
    }
}

#[tokio::test]
async fn an_embedding_holds_no_room_for_an_answer_whatever_its_model_is_called() {
    let limiter = limiter();
    let server = Scripted::start([ok("{}")]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let body = json!({ "model": M, "input": "Name three rivers." }).to_string();
    client.post(server.url("/v1/embeddings")).body(body).send().await.unwrap().text().await.unwrap();
    // An answer without usage: what was reserved stays charged.
    assert!((1..=20).contains(&charged(&limiter).0), "{:?}", charged(&limiter));
}

#[tokio::test]
async fn what_is_no_call_and_models_without_limits_pass_untouched() {
    let limiter = limiter();
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let other = chat_of("gpt-of-others").to_string();
    for (path, body) in
        [("/v1/files", "{}"), ("/v1/chat/completions", &other), ("/v1/chat/completions", "no JSON")]
    {
        let server = Scripted::start([answer("429 Too Many Requests", "", LIMITED)]).await;
        let response = client.post(server.url(path)).body(body.to_owned()).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (429, LIMITED));
    }
    let server = Scripted::start([ok("{}")]).await;
    client.get(server.url("/v1/chat/completions")).send().await.unwrap();
    assert_eq!(charged(&limiter), (0, 0, 0));
}

#[tokio::test]
async fn a_model_without_limits_is_refused_where_that_is_wanted() {
    let client = client(TollgateMiddleware::new(limiter()).refuse_unknown());
    let call =
        client.post("http://127.0.0.1:9/v1/chat/completions").body(chat_of("gpt-of-others").to_string());
    let Err(reqwest_middleware::Error::Middleware(error)) = call.send().await else { panic!("it was sent") };
    let unknown = error.downcast::<AcquireError>().unwrap();
    assert!(matches!(unknown, AcquireError::UnknownModel(model) if model.model == "gpt-of-others"));
}

#[tokio::test]
async fn a_call_that_never_fits_is_not_sent() {
    let limiter = limiter();
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let body = json!({ "model": M, "max_tokens": 2_000_000, "messages": [] }).to_string();
    let sent = client.post("http://127.0.0.1:9/v1/chat/completions").body(body).send().await;
    let Err(reqwest_middleware::Error::Middleware(error)) = sent else { panic!("it was sent") };
    assert!(matches!(error.downcast::<AcquireError>().unwrap(), AcquireError::ExceedsQuota(_)));
    assert_eq!(charged(&limiter), (0, 0, 0));
}

#[tokio::test]
async fn a_refused_call_is_sent_again_and_the_caller_sees_only_the_answer() {
    let limiter = limiter();
    let refusal = answer("429 Too Many Requests", "retry-after-ms: 20\r\n", LIMITED);
    let server = Scripted::start([refusal, answer("500 Internal Server Error", "", "{}"), ok(USED)]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let response = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), USED);
    let bodies = server.bodies();
    assert_eq!(bodies, [chat_of(M).to_string(), chat_of(M).to_string(), chat_of(M).to_string()]);
    let (tokens, requests, out) = charged(&limiter);
    // The server error keeps what was reserved: an input of some tokens, and 300.
    assert!((327 + 5..327 + 40).contains(&tokens), "{tokens}");
    assert_eq!((requests, out), (3, 0));
}

#[tokio::test]
async fn the_last_refusal_is_handed_on_as_it_came_with_what_became_of_each_attempt() {
    let limiter = limiter().with_retries(Retries::new().most_attempts(2));
    let refusal = || answer("429 Too Many Requests", "retry-after-ms: 5\r\nx-id: 7\r\n", LIMITED);
    let server = Scripted::start([refusal(), refusal()]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let response = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-id"]), (429, &"7".parse().unwrap()));
    let story = response.extensions().get::<Story>().unwrap();
    assert_eq!((story.attempts.len(), &story.gave_up), (2, &GaveUp::Attempts));
    assert_eq!(response.text().await.unwrap(), LIMITED);
    assert_eq!(charged(&limiter), (0, 2, 0));
}

#[tokio::test]
async fn a_long_refusal_passes_whole() {
    let limiter = limiter();
    let page = "x".repeat(300_000);
    let server = Scripted::start([answer("400 Bad Request", "", &page)]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let response = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap();
    assert_eq!(response.content_length(), Some(300_000));
    assert!(response.text().await.unwrap() == page);
    assert_eq!(charged(&limiter).2, 0);
}

#[tokio::test]
async fn an_account_without_money_sends_nothing_more() {
    let limiter = limiter();
    let server = Scripted::start([answer("429 Too Many Requests", "", NO_MONEY)]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let response = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), NO_MONEY);
    let Err(reqwest_middleware::Error::Middleware(error)) =
        chat(&client, server.url("/v1/chat/completions")).send().await
    else {
        panic!("it was sent")
    };
    assert!(matches!(error.downcast::<AcquireError>().unwrap(), AcquireError::Stopped(_)));
}

#[tokio::test]
async fn a_call_without_an_answer_is_sent_again_and_its_last_error_is_handed_on() {
    let limiter = limiter().with_retries(Retries::new().most_attempts(2).first_back_off(MS));
    let server = Scripted::start([String::new(), String::new()]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let error = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap_err();
    assert!(matches!(error, reqwest_middleware::Error::Reqwest(error) if error.is_request()));
    let (tokens, requests, out) = charged(&limiter);
    assert!(tokens > 600, "what was reserved stays charged: {tokens}");
    assert_eq!((server.bodies().len(), requests, out), (2, 2, 0));
}

const PIECE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Three rivers\"}}]}\n\n";

#[tokio::test]
async fn a_streamed_answer_is_settled_by_its_usage_and_not_changed() {
    let limiter = limiter();
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    let body = format!("{PIECE}{usage}");
    let server = Scripted::start([streamed(&body)]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let response = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), body);
    assert_eq!(charged(&limiter), (24, 1, 0));
}

#[tokio::test]
async fn the_body_of_an_answer_that_is_dropped_halfway_is_settled_by_what_came() {
    let limiter = limiter();
    let server = Scripted::start([streamed(PIECE) + HANGS]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let mut response = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), PIECE);
    let (reserved, _, out) = charged(&limiter);
    assert_eq!(out, 1);
    drop(response);
    assert_eq!(charged(&limiter), (reserved - 300 + 6, 1, 0));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_settled_by_what_came() {
    let limiter = limiter();
    let half = format!("HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n{PIECE}");
    let server = Scripted::start([half]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let response = chat(&client, server.url("/v1/chat/completions")).send().await.unwrap();
    let (reserved, ..) = charged(&limiter);
    response.bytes().await.unwrap_err();
    assert_eq!(charged(&limiter), (reserved - 300 + 6, 1, 0));
}

#[tokio::test]
async fn a_call_that_is_given_up_while_it_is_out_frees_its_slot() {
    let limiter = limiter();
    let server = Scripted::start([HANGS.to_owned()]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let call = tokio::spawn(chat(&client, server.url("/v1/chat/completions")).send());
    while server.heard.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let (reserved, ..) = charged(&limiter);
    assert!(reserved > 300);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(charged(&limiter), (reserved, 1, 0));
}

#[tokio::test]
async fn a_streamed_upload_is_charged_the_default_cost_and_sent_once() {
    let limiter = limiter();
    let body = || reqwest::Body::wrap_stream(stream::iter([Ok::<_, std::io::Error>(chat_of(M).to_string())]));
    let refusal = || answer("429 Too Many Requests", "retry-after-ms: 5\r\n", LIMITED);

    let server = Scripted::start([refusal(), answer("200 OK", "", "")]).await;
    let unread = TollgateMiddleware::new(limiter.clone()).unread(M, Cost::input(70).max_output(7));
    let reads = client(unread);
    let response = reads.post(server.url("/v1/chat/completions")).body(body()).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(charged(&limiter), (0, 1, 0));
    let response = reads.post(server.url("/v1/chat/completions")).body(body()).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "");
    assert_eq!(charged(&limiter), (77, 2, 0));

    // Where nobody says which model, only the path can.
    let server = Scripted::start([refusal(), ok(USED)]).await;
    let passes = client(TollgateMiddleware::new(limiter.clone()));
    passes.post(server.url("/v1/chat/completions")).body(body()).send().await.unwrap();
    assert_eq!(charged(&limiter), (77, 2, 0));
    let azure = server.url("/openai/deployments/gpt-4o-mini/chat/completions");
    passes.post(azure).body(body()).send().await.unwrap().text().await.unwrap();
    assert_eq!(charged(&limiter), (77 + 27, 3, 0));
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_read() {
    let limiter = limiter();
    let server = Scripted::start([answer("200 OK", "", "")]).await;
    let unread = TollgateMiddleware::new(limiter.clone()).unread(M, Cost::input(70).max_output(7));
    let client = client(unread.most_read(10));
    chat(&client, server.url("/v1/chat/completions")).send().await.unwrap().text().await.unwrap();
    assert_eq!(charged(&limiter), (77, 1, 0));
}

#[tokio::test]
async fn a_request_may_say_whose_it_is_and_how_urgent() {
    let group = tollgate::Group::new(limits()).member(M).tenant("acme", Limits::new().concurrency(1));
    let limiter = Limiter::builder().group("openai", group).build().unwrap();
    let server = Scripted::start([ok(USED), ok(USED)]).await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let of = |tenant: &str| {
        let call = chat(&client, server.url("/v1/chat/completions"));
        call.with_extension(Tenant(tenant.to_owned())).with_extension(Priority::High).send()
    };
    let first = of("acme").await.unwrap();
    let mut second = std::pin::pin!(of("acme"));
    assert!(futures::poll!(&mut second).is_pending());
    while limiter.waiting() == 0 {
        assert!(futures::poll!(&mut second).is_pending());
        tokio::task::yield_now().await;
    }
    first.text().await.unwrap();
    second.await.unwrap().text().await.unwrap();
}

#[tokio::test]
async fn twice_the_demand_of_the_limits_draws_no_refusal_and_both_count_the_same() {
    let second = Duration::from_secs(1);
    let config = Config {
        rpm: Some(20),
        tpm: Some(900),
        minute: second,
        concurrency: Some(SLOTS as u64),
        charge: ChargeRule::RealUsage,
        latency: Latency::constant(30 * MS),
        ..Config::default()
    };
    let server = Server::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let limits = limits().with(Quota::refill(Unit::Requests, 20, second)).with(Quota::refill(
        Unit::Tokens,
        900,
        second,
    ));
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    limiter.estimator().warm_up().await;
    let client = client(TollgateMiddleware::new(limiter.clone()));
    let url = format!("http://{}/v1/chat/completions", server.addr());
    let calls: Vec<_> = (0..60_u64)
        .map(|call| {
            let mut body = chat_of(M);
            body["max_tokens"] = 40.into();
            if call.is_multiple_of(2) {
                body["stream"] = true.into();
                body["stream_options"] = json!({ "include_usage": true });
            }
            let call = client.post(&url).header("x-sim-request", call.to_string()).body(body.to_string());
            tokio::spawn(async move {
                call.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
            })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().contains("usage"));
    }
    let summary = server.summary();
    assert_eq!((summary.ok, summary.requests, summary.rejections()), (60, 60, 0));
    let snapshot = limiter.snapshot();
    let hour = |unit| {
        let budgets = &snapshot.scopes()[0].budgets;
        let of_hour = budgets.iter().find(|budget| {
            budget.quota.unit() == unit && budget.quota.window().period().is_none_or(|period| period == HOUR)
        });
        of_hour.unwrap().remaining
    };
    assert_eq!(TOKENS - hour(Unit::Tokens), summary.tokens_charged as i64);
    assert_eq!((1_000 - hour(Unit::Requests), SLOTS - hour(Unit::InFlight)), (60, 0));
    server.shutdown().await;
}
