//! `tollgate demo`: the engine of `run` against the simulated provider, over real HTTP, beside the best possible.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::sync::mpsc;
use tollgate::estimate::Estimator;
use tollgate_sim::{ChargeRule, Config, Latency, Outcome as Event, Server, TraceRequest, oracle};

use crate::batch::{Line, Request};
use crate::engine::{Engine, Finished, Outcome, Sink};
use crate::estimate::Estimates;
use crate::feed::Item;
use crate::progress::{Console, Progress};
use crate::retry::Policy;
use crate::send::{Endpoint, base_url};
use crate::stop::{Reason, Stop};
use crate::tally::Tally;
use crate::{Exit, args, limits};

const REQUESTS: &str = include_str!("../demo/requests.jsonl");
/// Chosen so that one run takes about five simulated minutes, and tokens are what it waits for.
const RPM: u64 = 60;
const TPM: u64 = 20_000;
const TPD: u64 = 200_000;
const CONCURRENCY: u64 = 12;

/// Runs the demo for each kind of window, or for the one asked for.
pub(crate) async fn run(args: args::Demo) -> Result<Exit> {
    anyhow::ensure!(args.minute >= Duration::from_millis(100), "--minute: less than 100ms is too short");
    let windows = match args.window {
        Some(window) => vec![window],
        None => vec![args::Window::Refill, args::Window::Fixed, args::Window::Sliding],
    };
    let console = Console::new(args.json);
    let stop = Stop::new();
    stop.on_signals(|| {}).context("cannot listen to signals")?;
    let estimator = Estimator::new();
    let requests = requests(&estimator, &console)?;
    let mut rows = Vec::new();
    for window in windows {
        rows.push(one(window, args.minute, &requests, &estimator, &console, &stop).await?);
        if let Some(reason) = stop.reason() {
            return match reason {
                Reason::Signal => Ok(Exit::Interrupted),
                Reason::Hopeless(why) => anyhow::bail!(why),
            };
        }
    }
    if args.json {
        crate::print(&(serde_json::to_string_pretty(&rows)? + "\n"))?;
    } else {
        crate::print(&table(&rows, args.minute))?;
    }
    let all_good = rows.iter().all(|row| row.ok == row.requests as u64);
    Ok(if all_good { Exit::Complete } else { Exit::SomeFailed })
}

/// What one kind of window came to. Times are seconds.
#[derive(Debug, Serialize)]
struct Row {
    window: &'static str,
    requests: usize,
    /// Calls that were answered with status 200.
    ok: u64,
    /// Calls that the provider refused.
    rejected: u64,
    /// By the provider's own log.
    tokens_charged: u64,
    /// From the start to the last admission, by the provider's own log.
    last_admission: f64,
    /// The same for a client that reads the provider's books and serves in the order of the file.
    oracle_last_admission: f64,
    /// The oracle's time as a share of ours.
    share_of_oracle: f64,
    wait_p50: f64,
    wait_p99: f64,
}

fn requests(estimator: &Estimator, console: &Console) -> Result<Vec<Request>> {
    let mut estimates = Estimates::new(estimator.clone(), console.clone());
    let lines = REQUESTS.lines().map(|text| {
        let line = Line::read(text.as_bytes()).map_err(|bad| anyhow::anyhow!(bad.why))?;
        let body_read = line.body().map_err(|bad| anyhow::anyhow!(bad.why))?;
        let estimate = estimates.request(&body_read).map_err(anyhow::Error::msg)?;
        let Line { custom_id, url, body } = line;
        Ok(Request { custom_id, url, body, estimate })
    });
    lines.collect()
}

async fn one(
    window: args::Window,
    minute: Duration,
    requests: &[Request],
    estimator: &Estimator,
    console: &Console,
    stop: &Stop,
) -> Result<Row> {
    let config = Config {
        rpm: Some(RPM),
        tpm: Some(TPM),
        tpd: Some(TPD),
        concurrency: Some(CONCURRENCY),
        law: window.into(),
        minute,
        charge: ChargeRule::InputPlusMaxOutput,
        latency: Latency { median: minute / 12, sigma: 0.5, min: Duration::from_millis(5), max: minute / 2 },
        ..Config::default()
    };
    let server = Server::start(config.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .context("cannot start the simulated provider")?;
    let tally = Arc::new(Tally::default());
    tally.total.store(requests.len() as u64, std::sync::atomic::Ordering::Relaxed);
    let limiter = limits::limiter(&args::Limits {
        rpm: Some(RPM),
        tpm: Some(TPM),
        tpd: Some(TPD),
        concurrency: Some(CONCURRENCY),
        charge: args::Charge::InputPlusMaxOutput,
        window,
        day_window: args::Window::Fixed,
        guard: None,
        minute,
        day: config.day,
        ..args::Limits::default()
    })?;
    let base = base_url(&format!("http://{}", server.addr()))?;
    let engine = Arc::new(Engine {
        limiter: limiter.clone(),
        endpoint: Endpoint::new(&base, None, Duration::from_secs(60))?,
        estimator: estimator.clone(),
        policy: Policy { tries: 5, backoff: minute / 100 },
        queue: requests.len(),
        stop: stop.clone(),
        tally: tally.clone(),
        console: console.clone(),
        unanswered: 0.into(),
        futile: 0.into(),
    });

    let (sender, items) = mpsc::channel(requests.len());
    for request in requests {
        sender.try_send(Item::Request(request.clone())).ok().context("the queue is as long as the file")?;
    }
    drop(sender);
    console.say(&format!("{}: {} requests ...", name(window), requests.len()));
    let progress = Progress::start(console, tally, limiter);
    let mut answers = Answers::default();
    let start = server.provider().now();
    engine.run(items, &mut answers).await?;
    drop(progress);

    let log = server.log();
    let summary = server.summary();
    server.shutdown().await;
    let last = log.iter().rfind(|entry| matches!(entry.outcome, Event::Admitted | Event::Failed(_)));
    let last_admission = last.map_or(0, |entry| entry.at.saturating_sub(start));
    let best = oracle(&config, &answers.trace(requests), start)?;
    let ours = Duration::from_nanos(last_admission).as_secs_f64();
    let theirs = best.admitted_within().as_secs_f64();
    answers.waits.sort();
    Ok(Row {
        window: name(window),
        requests: requests.len(),
        ok: answers.ok,
        rejected: summary.rejections() + summary.too_large,
        tokens_charged: summary.tokens_charged,
        last_admission: ours,
        oracle_last_admission: theirs,
        share_of_oracle: if ours > 0.0 { theirs / ours } else { 0.0 },
        wait_p50: percentile(&answers.waits, 50),
        wait_p99: percentile(&answers.waits, 99),
    })
}

/// What of the answers the table needs.
#[derive(Debug, Default)]
struct Answers {
    ok: u64,
    waits: Vec<Duration>,
    /// The provider's own numbers for the calls: from them it draws how long each takes.
    numbers: HashMap<String, u64>,
}

impl Sink for Answers {
    fn take(&mut self, finished: &Finished) -> Result<()> {
        self.ok += u64::from(finished.is_success());
        self.waits.push(finished.waited);
        if let Outcome::Answered(answer) = &finished.outcome
            && let Some(number) = number(&answer.body)
        {
            self.numbers.insert(finished.custom_id.clone(), number);
        }
        Ok(())
    }
}

impl Answers {
    /// The same calls in the order of the file, all there from the start.
    fn trace(&self, requests: &[Request]) -> Vec<TraceRequest> {
        let call = |(place, request): (u64, &Request)| TraceRequest {
            id: self.numbers.get(&request.custom_id).copied().unwrap_or(place),
            input_tokens: request.estimate.cost().input_tokens(),
            max_output_tokens: Some(request.estimate.cost().max_output_tokens()),
            arrival: Duration::ZERO,
        };
        (0..).zip(requests).map(call).collect()
    }
}

/// The simulated provider's ids begin with its number for the call: `chatcmpl-` and 16 hexadecimal digits.
fn number(body: &str) -> Option<u64> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let digits = body.get("id")?.as_str()?.strip_prefix("chatcmpl-")?.get(..16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// In seconds; the nearest of those there are.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let place = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(place).map_or(0.0, Duration::as_secs_f64)
}

fn name(window: args::Window) -> &'static str {
    match window {
        args::Window::Refill => "refill",
        args::Window::Fixed => "fixed",
        args::Window::Sliding => "sliding",
    }
}

fn table(rows: &[Row], minute: Duration) -> String {
    let minute = humantime::format_duration(minute);
    let mut lines = vec![
        format!("RPM {RPM}, TPM {TPM}, TPD {TPD}, concurrency {CONCURRENCY}; a minute takes {minute}"),
        String::new(),
        "window    requests   200   429   tokens    last admission   oracle's    share   wait p50   wait p99"
            .to_owned(),
    ];
    lines.extend(rows.iter().map(|row| {
        format!(
            "{:<9} {:>8} {:>5} {:>5} {:>8} {:>15.2} s {:>8.2} s {:>6.1} % {:>8.2} s {:>8.2} s",
            row.window,
            row.requests,
            row.ok,
            row.rejected,
            row.tokens_charged,
            row.last_admission,
            row.oracle_last_admission,
            row.share_of_oracle * 100.0,
            row.wait_p50,
            row.wait_p99,
        )
    }));
    lines.push(
        "\ntokens and last admissions are the provider's own record; the oracle is a client that reads\n\
         the provider's books and serves the same calls in order, under virtual time.\n"
            .to_owned(),
    );
    lines.join("\n")
}
