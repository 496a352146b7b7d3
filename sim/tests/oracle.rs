//! The oracle against runs computed by hand.

use std::time::Duration;
use tollgate_sim::{
    Budget, ChargeRule, Config, Latency, LawKind, NeverFits, OracleRun, TraceRequest, oracle,
};

const SECOND: u64 = 1_000_000_000;

fn call(id: u64, input_tokens: u64, arrival: u64) -> TraceRequest {
    let arrival = Duration::from_secs(arrival);
    TraceRequest { id, input_tokens, max_output_tokens: Some(10), arrival }
}

fn calls(count: u64, input_tokens: u64) -> Vec<TraceRequest> {
    (0..count).map(|id| call(id, input_tokens, 0)).collect()
}

fn config() -> Config {
    let latency = Latency::constant(Duration::from_secs(1));
    Config { charge: ChargeRule::InputOnly, latency, ..Config::default() }
}

fn run(config: &Config, trace: &[TraceRequest], start_s: u64) -> OracleRun {
    let run = oracle(config, trace, start_s * SECOND).expect("every call fits");
    assert_eq!(run.summary.rejections(), 0, "the oracle is never refused");
    assert_eq!(run.summary.ok, trace.len() as u64);
    run
}

/// In seconds from the start.
fn admissions(run: &OracleRun) -> Vec<f64> {
    run.admissions.iter().map(|at| (at - run.start) as f64 / SECOND as f64).collect()
}

#[test]
fn a_refilled_budget_gives_one_limit_at_once_and_then_the_rate() {
    let run = run(&Config { rpm: Some(3), ..config() }, &calls(5, 1), 17);
    assert_eq!(admissions(&run), [0.0, 0.0, 0.0, 20.0, 40.0]);
    assert_eq!(run.makespan(), Duration::from_secs(41));
    assert_eq!(run.admitted_within(), Duration::from_secs(40));
}

#[test]
fn fixed_windows_turn_with_the_clock_whenever_the_run_starts() {
    let run = run(&Config { rpm: Some(2), law: LawKind::Fixed, ..config() }, &calls(5, 1), 45);
    assert_eq!(admissions(&run), [0.0, 0.0, 15.0, 15.0, 75.0]);
    assert_eq!(run.makespan(), Duration::from_secs(76));
}

#[test]
fn sliding_windows_repeat_the_pattern_of_the_last_minute() {
    let config = Config { rpm: Some(2), law: LawKind::Sliding, ..config() };
    let trace = [call(0, 1, 0), call(1, 1, 10), call(2, 1, 10), call(3, 1, 10), call(4, 1, 10)];
    let run = run(&config, &trace, 45);
    assert_eq!(admissions(&run), [0.0, 10.0, 60.0, 70.0, 120.0]);
}

#[test]
fn slots_are_reused_at_the_instant_they_are_freed() {
    let run = run(&Config { concurrency: Some(2), ..config() }, &calls(5, 1), 0);
    assert_eq!(admissions(&run), [0.0, 0.0, 1.0, 1.0, 2.0]);
    assert_eq!(run.summary.max_in_flight, 2);
    assert_eq!(run.makespan(), Duration::from_secs(3));
}

#[test]
fn a_large_head_is_not_passed_by_small_calls() {
    let config = Config { tpm: Some(60), ..config() };
    let trace = [call(0, 60, 0), call(1, 30, 0), call(2, 1, 0)];
    assert_eq!(admissions(&run(&config, &trace, 0)), [0.0, 30.0, 31.0]);
}

#[test]
fn the_scarcest_budget_sets_the_pace() {
    let config = Config { rpm: Some(60), tpm: Some(60), concurrency: Some(1), ..config() };
    assert_eq!(admissions(&run(&config, &calls(4, 30), 0)), [0.0, 1.0, 30.0, 60.0]);
}

#[test]
fn a_day_budget_holds_the_run_until_midnight() {
    let config = Config { tpd: Some(10), ..config() };
    let run = run(&config, &calls(2, 10), 86_400 - 5);
    assert_eq!(admissions(&run), [0.0, 5.0]);
}

#[test]
fn output_charged_at_the_end_delays_whoever_waits_then() {
    // 60 tokens a minute, one a second. At 0 s the first takes 50; at 1 s its end takes from 1 to 9 more. The second wants 50:
    // without the output it would go at 40 s, with it later by exactly that output in seconds.
    let config = Config { tpm: Some(60), charge: ChargeRule::RealUsage, ..config() };
    let run = run(&config, &calls(2, 50), 0);
    let both = run.tokens_charged - 100;
    let second = admissions(&run)[1];
    let output = second - 40.0;
    assert!((1.0..=9.0).contains(&output) && output.fract() == 0.0, "{second}");
    assert!(both > output as u64, "the second has output of its own");
}

#[test]
fn calls_that_come_later_are_not_served_earlier() {
    let trace = [call(0, 1, 30), call(1, 1, 5)];
    let run = run(&Config { rpm: Some(1), ..config() }, &trace, 0);
    assert_eq!(admissions(&run), [65.0, 5.0]);
}

#[test]
fn a_trace_that_can_never_end_is_an_error() {
    let result = oracle(&Config { tpm: Some(10), ..config() }, &[call(7, 11, 0)], 0);
    assert_eq!(result, Err(NeverFits { id: 7, budget: Budget::Tpm }));
}

#[test]
fn a_mixed_trace_is_served_without_a_refusal_under_every_law_and_charge() {
    let trace: Vec<_> = (0..400).map(|id| call(id, 1 + id * 37 % 900, id * 13 % 200)).collect();
    for law in [LawKind::Refill, LawKind::Fixed, LawKind::Sliding] {
        for charge in [ChargeRule::InputOnly, ChargeRule::InputPlusMaxOutput, ChargeRule::RealUsage] {
            let config = Config {
                rpm: Some(60),
                rpd: Some(1_000),
                tpm: Some(20_000),
                tpd: Some(2_000_000),
                concurrency: Some(4),
                law,
                charge,
                latency: Latency::default(),
                ..Config::default()
            };
            let run = run(&config, &trace, 1_234_567);
            assert!(run.summary.max_in_flight <= 4);
            let mut order: Vec<_> = (0..trace.len()).collect();
            order.sort_by_key(|&index| trace[index].arrival);
            let in_order: Vec<_> = order.iter().map(|&index| run.admissions[index]).collect();
            assert!(in_order.is_sorted(), "first come, first served");
            if law == LawKind::Fixed && charge != ChargeRule::RealUsage {
                assert!(run.summary.windows.iter().all(|window| window.tokens <= 20_000));
            }
        }
    }
}
