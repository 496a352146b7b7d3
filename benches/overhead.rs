//! What the middleware costs a call of reqwest that does not have to wait: the same chat to a simulated provider, with and
//! without it, turn by turn in one run.

use std::time::{Duration, Instant};

use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tollgate::reqwest::TollgateMiddleware;
use tollgate::{Limiter, Limits};
use tollgate_sim::{Config, Latency, Server};

const MODEL: &str = "gpt-4o-mini";
const CALLS: usize = 2_000;

async fn timed(client: &ClientWithMiddleware, url: &str, body: &str) -> Duration {
    let begin = Instant::now();
    let response = client.post(url).body(body.to_owned()).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    response.bytes().await.expect("a body");
    begin.elapsed()
}

fn at(sorted: &[Duration], percent: usize) -> f64 {
    sorted[(sorted.len() - 1) * percent / 100].as_nanos() as f64 / 1_000.0
}

#[tokio::main]
async fn main() {
    let config = Config { latency: Latency::constant(Duration::ZERO), ..Config::default() };
    let provider = Server::start(config, ([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let url = format!("http://{}/v1/chat/completions", provider.addr());
    let limits = Limits::new().rpm(100_000_000).tpm(100_000_000_000).concurrency(100);
    let limiter = Limiter::builder().model(MODEL, limits).build().expect("valid limits");
    limiter.estimator().warm_up().await;

    let plain = ClientBuilder::new(reqwest::Client::new()).build();
    let limited = ClientBuilder::new(reqwest::Client::new()).with(TollgateMiddleware::new(limiter)).build();
    println!("microseconds of {CALLS} calls each, one after another");
    println!("{:>8} {:>9} {:>22} {:>22}", "prompt", "streamed", "median without, with", "p99 without, with");
    for words in [10, 1_000, 10_000] {
        for streamed in [false, true] {
            let (mut without, mut with) = (Vec::new(), Vec::new());
            for call in 0..CALLS + 100 {
                // A new text each time, or the estimator would remember its count.
                let text =
                    format!("Call {call}, {words}, {streamed}: {}", "the way of all time ".repeat(words / 5));
                let body = format!(
                    r#"{{"model":"{MODEL}","max_tokens":50,"stream":{streamed},"messages":[{{"role":"user","content":"{text}"}}]}}"#
                );
                let first = timed(&plain, &url, &body).await;
                let second = timed(&limited, &url, &body).await;
                if call >= 100 {
                    without.push(first);
                    with.push(second);
                }
            }
            without.sort_unstable();
            with.sort_unstable();
            let pair = |percent| format!("{:.0}, {:.0}", at(&without, percent), at(&with, percent));
            println!("{words:>8} {streamed:>9} {:>22} {:>22}", pair(50), pair(99));
        }
    }
}
