//! Threads and a blocking client at twice the limit: no runtime, no refusal.
//!
//! 24 threads share six connections to a simulated provider that answers in 100 ms and allows 30 requests a second. They
//! could send 60. The provider runs in this program on a thread of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate::{Cost, Limiter, Limits, Quota, Unit, Usage, Verdict};
use tollgate_sim::{Config, Latency, Server, Summary};
use ureq::Agent;

type Error = Box<dyn std::error::Error + Send + Sync>;

const MODEL: &str = "gpt-4o-mini";
const THREADS: u64 = 24;
const CALLS: u64 = 5;
const AT_ONCE: u64 = 6;
const A_SECOND: u64 = 30;

fn main() -> Result<(), Error> {
    let provider = Provider::start()?;
    let url = format!("http://{}/v1/chat/completions", provider.address);
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
    let requests = Quota::refill(Unit::Requests, A_SECOND, Duration::from_secs(1));
    let limiter =
        Limiter::builder().model(MODEL, Limits::new().with(requests).concurrency(AT_ONCE)).build()?;
    let refused = AtomicU64::new(0);

    std::thread::scope(|scope| {
        let call = || -> Result<(), Error> {
            for _ in 0..CALLS {
                let permit = limiter.acquire_blocking(MODEL, Cost::input(12).max_output(16))?; // parks the thread
                let answer = ask(&agent, &url)?;
                permit.observe(answer.status, &answer.headers);
                let refusal = Verdict::of_answer(answer.status, &answer.headers, Some(&answer.body));
                refused.fetch_add(refusal.is_some().into(), Ordering::Relaxed);
                let _settled = match refusal {
                    Some(verdict) => permit.refused(verdict),
                    None => permit.release(answer.usage()?),
                }; // nothing to wait for
            }
            Ok(())
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(call)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;

    let seen = provider.stop();
    let refused = refused.into_inner();
    let out: u64 = limiter.levels().iter().map(|level| level.reserved).sum();
    println!(
        "{} calls by {THREADS} threads, {refused} refused, {} in flight at the most",
        seen.ok, seen.max_in_flight
    );
    if seen.ok != THREADS * CALLS || seen.requests != seen.ok || refused > 0 {
        return Err(format!("the provider has seen {seen:?}").into());
    }
    if out > 0 || limiter.waiting() > 0 {
        return Err(format!("not everything came back: {:?}", limiter.levels()).into());
    }
    Ok(())
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn usage(&self) -> Result<Usage, Error> {
        let body: Value = serde_json::from_slice(&self.body)?;
        Usage::of_answer(&body).ok_or_else(|| "the answer does not say what it used".into())
    }
}

fn ask(agent: &Agent, url: &str) -> Result<Answer, Error> {
    let request = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Name three rivers."}],
        "max_tokens": 16,
    });
    let mut response = agent.post(url).content_type("application/json").send(request.to_string())?;
    let field = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
        Some((name.to_string(), value.to_str().ok()?.to_owned()))
    };
    let headers = response.headers().iter().filter_map(field).collect();
    Ok(Answer { status: response.status().as_u16(), headers, body: response.body_mut().read_to_vec()? })
}

/// A simulated provider on a thread of its own.
struct Provider {
    address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: std::thread::JoinHandle<Summary>,
}

impl Provider {
    fn start() -> Result<Provider, Error> {
        let config = Config {
            // A minute of a second.
            rpm: Some(A_SECOND),
            minute: Duration::from_secs(1),
            concurrency: Some(AT_ONCE),
            latency: Latency::constant(Duration::from_millis(100)),
            ..Config::default()
        };
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (started, address) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let server = Server::start(config, ([127, 0, 0, 1], 0).into()).await.expect("a free port");
                started.send(server.addr()).expect("it is awaited");
                let _ = stopped.await;
                let summary = server.summary();
                server.shutdown().await;
                summary
            })
        });
        Ok(Provider { address: address.recv()?, stop, thread })
    }

    fn stop(self) -> Summary {
        drop(self.stop);
        self.thread.join().expect("it does not panic")
    }
}
