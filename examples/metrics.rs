//! Prometheus reads what a limiter does, while calls run at twice the limit.
//!
//! Twelve tasks share six connections to a simulated provider that answers in 100 ms and allows 30 requests a second: they
//! could send 60. Meanwhile `GET /metrics` tells of it. At the end the program reads it itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use tollgate::{Limiter, Limits, Quota, Unit, metrics};
use tollgate_sim::{Config, Latency, Server};

type Error = Box<dyn std::error::Error + Send + Sync>;

const MODEL: &str = "gpt-4o-mini";
const TASKS: u64 = 12;
const CALLS: u64 = 10;
const AT_ONCE: u64 = 6;
const A_SECOND: u64 = 30;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let prometheus = PrometheusBuilder::new().install_recorder()?;
    metrics::describe();
    let requests = Quota::refill(Unit::Requests, A_SECOND, Duration::from_secs(1));
    let limits = Limits::new().with(requests).tpm(60_000).concurrency(AT_ONCE);
    let limiter = Limiter::builder().model(MODEL, limits).build()?;
    limiter.add_observer(metrics::Metrics); // what becomes of calls, as they come and go
    let address = serve(prometheus, limiter.clone())?;
    println!("http://{address}/metrics");

    let config = Config {
        // A minute of a second.
        rpm: Some(A_SECOND),
        minute: Duration::from_secs(1),
        concurrency: Some(AT_ONCE),
        latency: Latency::constant(Duration::from_millis(100)),
        ..Config::default()
    };
    let provider = Server::start(config, ([127, 0, 0, 1], 0).into()).await?;
    let url = format!("http://{}/v1/chat/completions", provider.addr());
    let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(work(limiter.clone(), url.clone()))).collect();
    for task in tasks {
        task.await??;
    }

    let text = tokio::task::spawn_blocking(move || scrape(address)).await??;
    let value = |line: &str| -> Result<f64, Error> {
        let found =
            text.lines().find_map(|it| it.strip_prefix(line)).ok_or_else(|| format!("no {line}:\n{text}"))?;
        println!("{line}{found}");
        Ok(found.trim().parse()?)
    };
    let model = "gen_ai_request_model=\"gpt-4o-mini\"";
    let released = value(&format!("tollgate_calls{{{model},tollgate_end=\"released\"}}"))?;
    let admitted = value(&format!("tollgate_queue_wait_count{{{model}}}"))?;
    let waited = value(&format!("tollgate_queue_wait_sum{{{model}}}"))?;
    let unused = value(&format!("tollgate_settlement_unused{{{model}}}"))?;
    let scope = "tollgate_scope=\"model gpt-4o-mini\"";
    let limit = value(&format!("tollgate_budget_limit{{{scope},tollgate_budget=\"requests_per_1s\"}}"))?;
    let out = value(&format!("tollgate_budget_reserved{{{scope},tollgate_budget=\"concurrency\"}}"))?;
    let refusals = text.lines().filter(|line| line.starts_with("tollgate_provider_refusals{")).count();

    let seen = provider.summary();
    provider.shutdown().await;
    let calls = (TASKS * CALLS) as f64;
    let agree =
        released == calls && admitted == calls && seen.ok == TASKS * CALLS && limit == A_SECOND as f64;
    if !agree || waited <= 0.0 || unused <= 0.0 || out != 0.0 || refusals > 0 {
        return Err(format!("the provider has seen {seen:?}, and the metrics say\n{text}").into());
    }
    Ok(())
}

async fn work(limiter: Limiter, url: String) -> Result<(), Error> {
    let client = reqwest::Client::new();
    let request = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Name three rivers."}],
        "max_tokens": 50,
    });
    for _ in 0..CALLS {
        let send = async |request: &Value| {
            let response = client.post(&url).json(request).send().await?;
            Ok::<_, reqwest::Error>((response.status().as_u16(), response.json::<Value>().await?))
        };
        limiter.call(&request, send).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Answers every request with the metrics, on a thread of its own.
fn serve(prometheus: PrometheusHandle, limiter: Limiter) -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let answer = move |mut stream: TcpStream| -> std::io::Result<()> {
        let mut request = [0; 4_096];
        let _ = stream.read(&mut request)?;
        metrics::record_levels(&limiter); // gauges are read when somebody asks for them
        let body = prometheus.render();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n";
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len())
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A reader that goes away is no concern of the others.
            let _ = stream.and_then(&answer);
        }
    });
    Ok(address)
}

fn scrape(address: SocketAddr) -> Result<String, Error> {
    Ok(ureq::get(format!("http://{address}/metrics")).call()?.body_mut().read_to_string()?)
}
