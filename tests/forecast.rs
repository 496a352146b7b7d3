//! Against a provider that charges what was really used: how much of the quota a forecast of the
//! answers' lengths makes use of, and how many 429s it draws.
//!
//! Time is paused. The trace is like ShareGPT's conversations: log-normal prompts and answers with heavy
//! tails, and a cap far above most answers. An answer takes 20 ms for each of its tokens.
#![cfg(feature = "tiktoken")]

use std::time::Duration;

use serde_json::json;
use tollgate::estimate::{Estimator, Forecast};
use tollgate::{Charge, Limiter, Limits, Quota, Unit, Usage, Verdict};
use tollgate_sim::{ChargeRule, Config, Latency, LawKind, SharedProvider};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);
const TPM: u64 = 200_000;
const CAP: u64 = 2_048;
const WORKERS: usize = 200;

const LEARNED: Forecast = Forecast::Learned { percentile: 60 };

#[derive(Clone, Copy)]
struct Call {
    id: u64,
    input: u64,
    output: u64,
}

/// Median prompt 120 tokens, median answer 190, both with a standard deviation of 1.1 in the logarithm.
fn trace(calls: u64) -> Vec<Call> {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut even = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut log_normal = |median: f64, most: f64| {
        let normal = (0..12).map(|_| even()).sum::<f64>() - 6.0;
        (median * (1.1 * normal).exp()).clamp(1.0, most) as u64
    };
    (0..calls)
        .map(|id| Call { id, input: log_normal(120.0, 8_000.0), output: log_normal(190.0, CAP as f64) })
        .collect()
}

fn quota(law: LawKind, unit: Unit, limit: u64) -> Quota {
    match law {
        LawKind::Refill => Quota::refill(unit, limit, MINUTE),
        LawKind::Fixed => Quota::fixed(unit, limit, MINUTE),
        LawKind::Sliding => Quota::sliding(unit, limit, MINUTE),
    }
}

#[derive(Debug)]
struct Run {
    /// 429s, in parts of all calls.
    refused: f64,
    /// What was charged, in parts of what the quota allows in that time.
    used: f64,
}

async fn run(law: LawKind, charge: Charge, forecast: Forecast) -> Run {
    const CALLS: u64 = 4_000;
    let config = Config {
        tpm: Some(TPM),
        law,
        charge: ChargeRule::RealUsage,
        latency: Latency::constant(Duration::ZERO),
        ..Config::default()
    };
    let provider = SharedProvider::new(config);
    let limits = Limits::new().with(quota(law, Unit::Tokens, TPM)).charge(charge);
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let estimator = Estimator::builder().forecast(forecast).build();
    let begin = provider.now();
    let calls = std::sync::Arc::new(std::sync::Mutex::new(trace(CALLS).into_iter()));
    let worker = || {
        let (limiter, provider, estimator, calls) =
            (limiter.clone(), provider.clone(), estimator.clone(), calls.clone());
        tokio::spawn(async move {
            loop {
                let Some(call) = calls.lock().unwrap().next() else { break };
                let body = json!({ "model": M, "prompt": vec![1; call.input as usize], "max_tokens": CAP });
                let estimate = estimator.request(&body).await.unwrap();
                loop {
                    let permit = limiter.acquire(M, estimate.cost()).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(call.id * 7 % 3)).await;
                    let request = tollgate_sim::Request {
                        id: call.id,
                        input_tokens: call.input,
                        max_output_tokens: Some(CAP),
                        output_tokens: Some(call.output),
                    };
                    let Ok(slot) = provider.admit(&request) else {
                        permit.refused(Verdict::rate_limited(None)).await;
                        tokio::time::sleep(Duration::from_millis(500)).await;
                        continue;
                    };
                    permit.observe(200_u16, &[("openai-processing-ms", "0")]);
                    tokio::time::sleep(Duration::from_millis(20 * call.output)).await;
                    let output = slot.finish();
                    tokio::time::sleep(Duration::from_millis(call.id * 5 % 3)).await;
                    let usage = Usage::new(call.input, output);
                    estimator.learn(&estimate, &usage);
                    permit.release(usage).await;
                    break;
                }
            }
        })
    };
    let workers: Vec<_> = (0..WORKERS).map(|_| worker()).collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let summary = provider.summary();
    let last = summary.last_admission.unwrap();
    let took = Duration::from_nanos(last - begin).as_secs_f64();
    let charged: u64 =
        provider.log().iter().filter(|entry| entry.at <= last).map(|entry| entry.charged).sum();
    let allowed = match law {
        LawKind::Refill => TPM as f64 * (1.0 + took / 60.0),
        LawKind::Sliding => TPM as f64 * took / 60.0,
        LawKind::Fixed => TPM as f64 * (last / 60_000_000_000 - begin / 60_000_000_000 + 1) as f64,
    };
    let run = Run { refused: summary.rejections() as f64 / CALLS as f64, used: charged as f64 / allowed };
    println!(
        "{law:?}, {charge:?}, {forecast:?}: {:.4} of the quota used, {:.4} 429s per call",
        run.used, run.refused
    );
    run
}

#[tokio::test(start_paused = true)]
async fn forecasts_use_a_refilled_quota_that_reserving_the_cap_for_good_leaves_idle() {
    let idle = run(LawKind::Refill, Charge::InputPlusMaxOutput, Forecast::MaxOutput).await;
    assert!(idle.used < 0.3, "{idle:?}");
    let settled = run(LawKind::Refill, Charge::Usage, Forecast::MaxOutput).await;
    let forecast = run(LawKind::Refill, Charge::Usage, LEARNED).await;
    for run in [&settled, &forecast] {
        assert!(run.used >= 0.95 && run.refused < 0.01, "{run:?}");
    }
    assert!(forecast.used > settled.used);
}

#[tokio::test(start_paused = true)]
async fn forecasts_use_the_quota_of_fixed_minutes() {
    let run = run(LawKind::Fixed, Charge::Usage, LEARNED).await;
    assert!(run.used >= 0.95 && run.refused < 0.01, "{run:?}");
}

#[tokio::test(start_paused = true)]
async fn forecasts_use_the_quota_of_a_sliding_minute() {
    let settled = run(LawKind::Sliding, Charge::Usage, Forecast::MaxOutput).await;
    let forecast = run(LawKind::Sliding, Charge::Usage, LEARNED).await;
    assert!(forecast.used >= 0.9 && forecast.refused < 0.01, "{forecast:?}");
    assert!(forecast.used > settled.used + 0.1, "{settled:?} {forecast:?}");
}
