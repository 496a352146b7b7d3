//! Against a provider that enforces its limits by its own code: at the limit, and never over it.
//!
//! Time is paused. Every call takes a few milliseconds more or less to arrive, in a seeded order, so
//! that calls are charged later than they were admitted and closer together than they left.

use std::time::Duration;

use tollgate::{Charge, Cost, Limiter, Limits, Quota, Unit, Usage};
use tollgate_sim::{ChargeRule, Config, Latency, LawKind, SharedProvider, TraceRequest, oracle};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);

/// Prompts of 50 to 2,000 tokens and answers of at most 20 to 800, mostly small.
fn trace(calls: u64) -> Vec<TraceRequest> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let call = |id| {
        let large = draw(10) == 0;
        TraceRequest {
            id,
            input_tokens: 50 + draw(if large { 1_950 } else { 300 }),
            max_output_tokens: Some(20 + draw(if large { 780 } else { 200 })),
            arrival: Duration::ZERO,
        }
    };
    (0..calls).map(call).collect()
}

fn config(law: LawKind) -> Config {
    Config {
        rpm: Some(300),
        tpm: Some(60_000),
        tpd: Some(2_000_000),
        concurrency: Some(20),
        law,
        charge: ChargeRule::InputPlusMaxOutput,
        latency: Latency { median: Duration::from_secs(2), ..Latency::constant(Duration::from_secs(2)) },
        ..Config::default()
    }
}

fn limits(law: LawKind) -> Limits {
    let quota = |unit, limit| match law {
        LawKind::Refill => Quota::refill(unit, limit, MINUTE),
        LawKind::Fixed => Quota::fixed(unit, limit, MINUTE),
        LawKind::Sliding => Quota::sliding(unit, limit, MINUTE),
    };
    Limits::new()
        .with(quota(Unit::Requests, 300))
        .with(quota(Unit::Tokens, 60_000))
        .tpd(2_000_000)
        .concurrency(20)
        .charge(Charge::InputPlusMaxOutput)
}

/// What came of a run: 429s, and the time from the first to the last admission at the provider.
struct Run {
    refused: u64,
    took: Duration,
    oracle: Duration,
}

/// Sends every call of the trace as soon as the limiter lets it.
async fn run(law: LawKind, trace: Vec<TraceRequest>) -> Run {
    let limiter = Limiter::builder().model(M, limits(law)).build().unwrap();
    let provider = SharedProvider::new(config(law));
    let begin = provider.now();
    let tasks: Vec<_> = trace
        .iter()
        .cloned()
        .map(|call| {
            let (limiter, provider) = (limiter.clone(), provider.clone());
            tokio::spawn(async move {
                let cost = Cost::input(call.input_tokens).max_output(call.max_output_tokens.unwrap());
                let permit = limiter.acquire(M, cost).await.unwrap();
                tokio::time::sleep(Duration::from_millis(call.id * 7 % 3)).await;
                let request = tollgate_sim::Request {
                    id: call.id,
                    input_tokens: call.input_tokens,
                    max_output_tokens: call.max_output_tokens,
                    output_tokens: None,
                };
                let Ok(slot) = provider.admit(&request) else {
                    permit.refused(tollgate::Verdict::rate_limited(None)).await;
                    return;
                };
                let charged = provider.now();
                let output = slot.answer().await;
                let worked = Duration::from_nanos(provider.now() - charged).as_millis().to_string();
                tokio::time::sleep(Duration::from_millis(call.id * 5 % 3)).await;
                permit.observe(200_u16, &[("openai-processing-ms", worked)]);
                permit.release(Usage::new(call.input_tokens, output)).await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let summary = provider.summary();
    let last = summary.last_admission.unwrap();
    let oracle = oracle(&config(law), &trace, begin).unwrap();
    Run {
        refused: summary.rejections(),
        took: Duration::from_nanos(last - begin),
        oracle: oracle.admitted_within(),
    }
}

async fn holds(law: LawKind) {
    let run = run(law, trace(1_500)).await;
    let share = run.oracle.as_secs_f64() / run.took.as_secs_f64();
    println!("{law:?}: {} refused, {:?}, oracle {:?}, share {share:.4}", run.refused, run.took, run.oracle);
    assert_eq!(run.refused, 0);
    assert!(share >= 0.97, "{share}");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_runs_at_the_limit_of_a_refilled_bucket_without_one_429() {
    holds(LawKind::Refill).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_runs_at_the_limit_of_fixed_minutes_without_one_429() {
    holds(LawKind::Fixed).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_runs_at_the_limit_of_a_sliding_minute_without_one_429() {
    holds(LawKind::Sliding).await;
}
