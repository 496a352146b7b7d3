//! `tollgate estimate --plan`, against clients that know the provider's books, and against a run.

use std::time::{Duration, Instant, UNIX_EPOCH};

use serde_json::{Value, json};
use tollgate_sim::{Config, LawKind, TraceRequest, oracle};

use crate::estimate::{json_of, piped};
use crate::{Ended, Stage, embedding, slow};

const LATENCY: Duration = Duration::from_secs(2);

/// What `tollgate estimate` says of requests of these sizes.
#[track_caller]
fn planned(sizes: &[usize], args: &[&str]) -> Value {
    let lines: Vec<String> =
        sizes.iter().enumerate().map(|(i, &size)| embedding(&format!("r{i}"), size).to_string()).collect();
    let output = piped(&[&["--json", "--plan"], args].concat(), lines.join("\n").as_bytes());
    let said = json_of(&output);
    Ended::of(output).expect(0);
    said["plan"].clone()
}

/// Sizes from 20 to 119, the same each time.
fn sizes(count: usize) -> Vec<usize> {
    (0..count).map(|i| 20 + i * 37 % 100).collect()
}

/// When the last request is admitted, in seconds from the start.
#[derive(Debug)]
struct Pair {
    plan: f64,
    /// By a client that reads the provider's books and serves the same requests in order.
    best: f64,
    /// The start was just before the turn of a minute. Calls that are out when a fixed window turns count in both,
    /// unless the books can be read: the second window may be lost.
    before_the_turn: bool,
}

fn beside_the_oracle(config: Config, count: usize, args: &[&str]) -> Pair {
    let sizes = sizes(count);
    let args = [&["--latency=2s", "--queue=100000"], args].concat();
    let plan = planned(&sizes, &args);
    let starts_at = humantime_of(plan["starts_at"].as_str().unwrap());
    let trace = sizes.iter().enumerate().map(|(i, &size)| TraceRequest {
        id: i as u64,
        input_tokens: size as u64,
        max_output_tokens: Some(0),
        arrival: Duration::ZERO,
    });
    let config = Config { latency: tollgate_sim::Latency::constant(LATENCY), ..config };
    let best = oracle(&config, &trace.collect::<Vec<_>>(), starts_at).unwrap();
    Pair {
        plan: plan["at_most"]["admitted_after_seconds"].as_f64().unwrap(),
        best: best.admitted_within().as_secs_f64(),
        before_the_turn: starts_at / 1_000_000_000 % 60 >= 56,
    }
}

fn humantime_of(instant: &str) -> u64 {
    let since = humantime::parse_rfc3339(instant).unwrap().duration_since(UNIX_EPOCH).unwrap();
    since.as_nanos() as u64
}

/// A plan must not promise what nobody could keep, but for the millisecond to which an instant is told. It may be
/// `later` by what a client has to that cannot read the books: in each window a guard, and the time of an
/// answer, since the charge is not known to have arrived before.
#[track_caller]
fn assert_close(what: &str, pair: Pair, later: f64, window: f64) {
    let Pair { plan, best, before_the_turn } = pair;
    println!("{what}: plan {plan:.3} s, oracle {best:.3} s, {:+.2} %", (plan / best - 1.0) * 100.0);
    let later = if before_the_turn { later + window } else { later };
    assert!(plan >= best - 0.01, "{what}: planned {plan}, possible {best}");
    assert!(plan <= best + later, "{what}: planned {plan}, possible {best}");
}

const LAWS: [(&str, LawKind); 3] =
    [("refill", LawKind::Refill), ("fixed", LawKind::Fixed), ("sliding", LawKind::Sliding)];

#[test]
fn requests_per_minute_take_as_long_as_for_a_client_that_knows_the_books() {
    for (name, law) in LAWS {
        let config = Config { rpm: Some(60), law, ..Config::default() };
        let pair = beside_the_oracle(config, 400, &["--rpm=60", "--window", name]);
        assert_close(&format!("RPM {name}"), pair, 15.0, 60.0);
    }
}

#[test]
fn tokens_per_minute_take_as_long_as_for_a_client_that_knows_the_books() {
    for (name, law) in LAWS {
        let config = Config { tpm: Some(3_000), law, ..Config::default() };
        let pair = beside_the_oracle(config, 400, &["--tpm=3000", "--window", name]);
        assert_close(&format!("TPM {name}"), pair, 25.0, 60.0);
    }
}

#[test]
fn tokens_per_day_take_as_many_days_as_for_a_client_that_knows_the_books() {
    for (name, law) in LAWS {
        let config = Config { tpd: Some(10_000), day_law: law, ..Config::default() };
        let pair = beside_the_oracle(config, 700, &["--tpd=10000", "--day-window", name]);
        assert!(pair.best > 2.0 * 86_400.0, "it takes days: {pair:?}");
        assert_close(&format!("TPD {name}"), pair, 300.0, 86_400.0);
    }
}

#[test]
fn calls_in_flight_take_as_long_as_for_a_client_that_knows_the_books() {
    let config = Config { concurrency: Some(7), ..Config::default() };
    assert_close("concurrency", beside_the_oracle(config, 400, &["--concurrency=7"]), 0.1, 0.0);
}

#[test]
fn all_limits_together_take_as_long_as_for_a_client_that_knows_the_books() {
    let config = Config {
        rpm: Some(60),
        tpm: Some(3_000),
        tpd: Some(20_000),
        concurrency: Some(7),
        ..Config::default()
    };
    let args = ["--rpm=60", "--tpm=3000", "--tpd=20000", "--concurrency=7"];
    assert_close("all", beside_the_oracle(config, 500, &args), 15.0, 86_400.0);
}

#[test]
fn the_plan_says_what_a_run_then_takes() {
    let stage = Stage::new(Config {
        tpm: Some(2_000),
        minute: Duration::from_secs(1),
        ..slow(Duration::from_millis(50))
    });
    let lines: Vec<String> = sizes(120)
        .iter()
        .enumerate()
        .map(|(i, &size)| embedding(&format!("r{i}"), size).to_string())
        .collect();
    stage.write("requests.jsonl", &lines.join("\n"));
    let plan = planned(&sizes(120), &["--tpm=2000", "--minute=1s", "--latency=50ms"]);
    let planned = plan["at_most"]["ends_after_seconds"].as_f64().unwrap();
    let started = Instant::now();
    stage.run(&["--tpm=2000", "--minute=1s"]).expect(0);
    let took = started.elapsed().as_secs_f64();
    println!("planned {planned:.2} s, took {took:.2} s");
    // The provider would refuse what goes too early; what is late is the machine's doing.
    assert!((0.9..1.5).contains(&(took / planned)), "planned {planned}, took {took}");
}

#[test]
fn the_limit_that_takes_longest_by_itself_binds() {
    let plan = planned(&sizes(300), &["--rpm=100", "--tpm=1000000", "--tpd=5000", "--concurrency=50"]);
    assert_eq!(plan["binding"], "tokens per day (5,000)");
    let alone: Vec<_> = plan["alone"].as_array().unwrap().iter().map(|alone| &alone["limit"]).collect();
    assert_eq!(alone.len(), 4);
    assert_eq!(alone[..2], ["tokens per day (5,000)", "requests per minute (100)"]);
    let without = plan["without_binding"]["ends_after_seconds"].as_f64().unwrap();
    assert!(
        (120.0..150.0).contains(&without),
        "300 requests at 100 a minute, with a burst of 100: {without}"
    );
    let plan = planned(&sizes(30), &["--rpm=100", "--tpm=1000000"]);
    assert_eq!(plan["binding"], Value::Null, "all can go at once");
}

#[test]
fn answers_that_stay_below_their_caps_end_sooner_where_use_is_charged() {
    let body = json!({ "model": "text-davinci-003", "prompt": vec![17; 10], "max_tokens": 1_000 });
    let lines = vec![body.to_string(); 100].join("\n");
    let args = ["--json", "--plan", "--tpm=10000", "--latency=1s", "--output-share=0.1"];
    let ends = |charge: &str| {
        let said = json_of(&piped(&[&args[..], &[charge]].concat(), lines.as_bytes()));
        let ends = |end: &Value| end["ends_after_seconds"].as_f64().unwrap();
        (ends(&said["plan"]["at_most"]), ends(&said["plan"]["expected"]))
    };
    let (at_most, expected) = ends("--charge=usage");
    assert!(expected < at_most / 3.0, "{expected} {at_most}");
    let (at_most, expected) = ends("--charge=input-plus-max-output");
    assert!((at_most - expected).abs() < 0.1, "{expected} {at_most}");
}

#[test]
fn a_request_that_no_limit_ever_admits_is_named_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let limits = dir.path().join("limits.toml");
    std::fs::write(&limits, "[models.\"text-embedding-3-*\"]\ntpm = 100\ntpd = 1_000_000\n").unwrap();
    let mut other = embedding("other", 5);
    other["body"]["model"] = json!("unheard-of-embed");
    let lines = [embedding("a", 100), embedding("b", 101), other, embedding("c", 50)];
    let input = lines.map(|line| line.to_string()).join("\n");
    let output = piped(&["--json", "--plan", "--limits", limits.to_str().unwrap()], input.as_bytes());
    let said = json_of(&output);
    assert_eq!(said["all"]["requests"], 4);
    assert_eq!((&said["plan"]["requests"], &said["plan"]["never_admitted"]), (&json!(2), &json!(2)));
    let ended = Ended::of(output).expect(1);
    let ended = ended.says("stdin, line 2: never admitted: ").says("costs 101 tokens; TPM 100 admits 100");
    ended.says("stdin, line 3: never admitted: unheard-of-embed: no limits for this model");
}

#[test]
fn models_with_limits_of_their_own_do_not_share_them() {
    let dir = tempfile::tempdir().unwrap();
    let limits = dir.path().join("limits.toml");
    let text = "[models.text-embedding-3-small]\nrpm = 60\n[groups.g]\nlimits = { rpm = 60 }\nmembers = [\"x-embed-*\"]\n";
    std::fs::write(&limits, text).unwrap();
    let mut lines: Vec<Value> = (0..180).map(|i| embedding(&format!("r{i}"), 5)).collect();
    for line in lines.iter_mut().step_by(2) {
        line["body"]["model"] = json!("x-embed-1");
    }
    let input = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let args = ["--json", "--plan", "--latency=1s", "--limits", limits.to_str().unwrap()];
    let output = piped(&args, input.as_bytes());
    let admitted = json_of(&output)["plan"]["at_most"]["admitted_after_seconds"].as_f64().unwrap();
    assert!((30.0..33.0).contains(&admitted), "90 each at 60 a minute, with a burst of 60: {admitted}");
}

#[test]
fn what_takes_more_than_a_century_is_not_played_to_the_end() {
    let plan = planned(&[5; 200], &["--rpd=1", "--day=366days", "--day-window=refill"]);
    assert_eq!((&plan["at_most"]["given_up"], &plan["at_most"]["ends_at"]), (&json!(true), &json!(null)));
}
