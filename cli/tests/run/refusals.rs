//! The provider is right: what it says of limits, waits and the account is followed, and told of.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_sim::{Config, HeaderFamily, LawKind, Trouble};

use crate::{Ended, Stage, embeddings, program, quick, slow, status};

const SECOND: Duration = Duration::from_secs(1);

/// A run of `count` requests, four at a time, of which some are answered.
fn under_way(stage: &Stage, count: usize, args: &[&str]) -> Child {
    stage.write("requests.jsonl", &embeddings(count));
    let child = stage.program(args).spawn().unwrap();
    stage.wait_until("some are answered", |summary| summary.ok >= 8);
    child
}

fn ended(child: Child) -> Ended {
    Ended::of(child.wait_with_output().unwrap())
}

/// A provider that says the same to every call, and how many calls came.
fn parrot(answer: &'static str) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let base = format!("--base-url=http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicU64::new(0));
    let counter = calls.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that is gone was told enough.
            let _ = repeat(stream.unwrap(), answer);
            counter.fetch_add(1, Relaxed);
        }
    });
    (base, calls)
}

fn repeat(stream: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut request = BufReader::new(&stream);
    let (mut line, mut length) = (String::new(), 0);
    while request.read_line(&mut line)? > 2 {
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        line.clear();
    }
    request.read_exact(&mut vec![0; length])?;
    let (head, body) = answer.rsplit_once('\n').unwrap();
    let end = format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    (&stream).write_all(format!("HTTP/1.1 {head}\r\n{end}").as_bytes())
}

/// How a run of 40 requests to a [`parrot`] ends.
fn told(stage: &Stage, base: &str, args: &[&str]) -> Ended {
    stage.write("requests.jsonl", &embeddings(40));
    let mut program = program(&stage.path("requests.jsonl"), &stage.path("results.jsonl"));
    Ended::of(program.arg(base).args(args).output().unwrap())
}

#[test]
fn a_limit_that_was_set_too_high_costs_one_round_of_refusals_and_their_told_wait() {
    let config =
        Config { rpm: Some(20), minute: SECOND / 2, law: LawKind::Fixed, ..slow(Duration::from_millis(20)) };
    let stage = Stage::new(config);
    stage.write("requests.jsonl", &embeddings(60));
    let args = ["--rpm=3000", "--concurrency=4", "--window=fixed", "--minute=500ms", "--guard=25ms"];
    let ended = stage.run(&args).expect(0);
    let ended = ended.says("note: 3000 requests per 500ms is closed for ");
    ended.says("note: 3000 requests per 500ms is open again");
    let summary = stage.server.summary();
    println!("{} of {} were refused", summary.rejections(), summary.requests);
    assert_eq!(summary.ok, 60);
    assert!((1..=12).contains(&summary.rejections()), "{summary:?}");
}

#[test]
fn the_limit_that_the_answers_tell_takes_the_place_of_the_one_that_was_given() {
    let stage = Stage::new(Config { rpm: Some(600), ..slow(Duration::from_millis(20)) });
    stage.write("requests.jsonl", &embeddings(30));
    let ended = stage.run(&["--rpm=3000", "--concurrency=4"]).expect(0);
    ended.says("note: the provider's answers say RPM 600 instead of RPM 3000");
    assert_eq!(stage.server.summary().rejections(), 0);
}

#[test]
fn where_no_header_tells_the_limit_a_refusal_shuts_the_gate_for_all() {
    // The wait is in the text of the refusal alone.
    let config = Config {
        rpm: Some(20),
        minute: 2 * SECOND,
        law: LawKind::Fixed,
        headers: HeaderFamily::None,
        ..slow(Duration::from_millis(20))
    };
    let stage = Stage::new(config);
    stage.write("requests.jsonl", &embeddings(60));
    let ended = stage.run(&["--rpm=3000", "--concurrency=4"]).expect(0);
    let ended = ended.says("note: RPM 3000 is closed for ").says("note: RPM 3000 is open again");
    let notes = ended.stderr.lines().filter(|line| line.starts_with("note: ")).count();
    assert!(notes <= 10, "{}", ended.stderr);
    let summary = stage.server.summary();
    println!("{} of {} were refused", summary.rejections(), summary.requests);
    assert_eq!(summary.ok, 60);
    assert!((1..=16).contains(&summary.rejections()), "{summary:?}");
}

#[test]
fn an_account_that_is_stopped_ends_the_run_and_the_next_start_does_the_rest() {
    let stage = Stage::new(slow(Duration::from_millis(50)));
    let child = under_way(&stage, 60, &["--rpm=10000", "--concurrency=4"]);
    stage.server.provider().trouble(Trouble::AccountStop, Duration::MAX);
    let stopped = ended(child).expect(3);
    let error = stopped.error();
    assert!(error.contains("nothing passes from this account: its quota is used up"), "{error}");
    assert!(error.contains("run the same command again"), "{error}");
    let notes = stopped.stderr.matches("note: the account is stopped").count();
    assert_eq!(notes, 1, "{}", stopped.stderr);
    let summary = stage.server.summary();
    println!("{} were answered, {} turned away", summary.ok, summary.turned_away);
    assert!(summary.turned_away <= 4, "{summary:?}");
    let results = stage.results();
    assert_eq!(results.len() as u64, summary.ok, "what was answered is written, and nothing else");
    assert!(results.values().all(|result| status(result) == Some(200)));

    stage.server.provider().trouble(Trouble::AccountStop, Duration::ZERO);
    stage.run(&["--rpm=10000", "--concurrency=4"]).expect(0).says("answers already");
    assert_eq!((stage.results().len(), stage.server.summary().ok), (60, 60), "none is sent twice");
}

#[test]
fn an_outage_of_two_seconds_costs_few_calls_and_no_request() {
    let stage = Stage::new(slow(Duration::from_millis(50)));
    let child = under_way(&stage, 60, &["--rpm=10000", "--concurrency=4"]);
    let begin = Instant::now();
    stage.server.provider().trouble(Trouble::Outage, 2 * SECOND);
    let ended = ended(child).expect(0);
    assert!(begin.elapsed() >= 2 * SECOND);
    ended.says("note: RPM 10000 is closed for 500ms").says("note: RPM 10000 is open again");
    let summary = stage.server.summary();
    println!("{} were turned away; it took {:?}", summary.turned_away, begin.elapsed());
    assert_eq!(summary.ok, 60);
    assert!((1..=10).contains(&summary.turned_away), "{summary:?}");
    assert!(stage.results().values().all(|result| status(result) == Some(200)));
}

#[test]
fn without_limits_a_told_wait_is_waited_by_each_request() {
    let stage = Stage::new(slow(Duration::from_millis(20)));
    stage.write("requests.jsonl", &embeddings(30));
    stage.server.provider().trouble(Trouble::Storm { retry_after: SECOND }, SECOND / 2);
    stage.run(&["--queue=5"]).expect(0);
    let summary = stage.server.summary();
    assert_eq!((summary.ok, summary.turned_away), (30, 5));
}

#[test]
fn a_day_that_is_nearly_used_up_is_told_of() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(20));
    let ended = stage.run(&["--rpd=20", "--concurrency=1"]).expect(0);
    ended.says("note: 80 % of RPD 20 is used").says("note: 95 % of RPD 20 is used");
}

#[test]
fn a_prompt_that_the_provider_holds_in_part_is_told_of() {
    let stage = Stage::new(quick());
    let body =
        json!({ "model": "gpt-4o", "previous_response_id": "resp_1", "input": [], "max_output_tokens": 9 });
    let line = json!({ "custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body });
    stage.write("requests.jsonl", &line.to_string());
    stage.run(&["--rpm=100"]).expect(0).says("note: gpt-4o has prompts").says("is partial");
}

#[test]
fn when_access_returns_is_told_where_the_provider_says_so() {
    let (base, calls) = parrot(
        r#"400 Bad Request
{"type": "error", "error": {"type": "invalid_request_error", "message": "You have reached your specified API usage limits. You will regain access on 2099-01-01 at 00:00 UTC."}}"#,
    );
    let stage = Stage::new(quick());
    let ended = told(&stage, &base, &["--rpm=1000", "--concurrency=2"]).expect(3);
    let error = ended.error();
    assert!(error.contains("its spending limit is reached, until 2099-01-01T00:00:00Z"), "{error}");
    assert!(calls.load(Relaxed) <= 2);
    assert!(stage.results().is_empty());
}

#[test]
fn a_wait_of_a_day_ends_the_run() {
    let (base, calls) = parrot("429 Too Many Requests\r\nretry-after: 86400\n");
    let stage = Stage::new(quick());
    let ended = told(&stage, &base, &["--rpm=1000", "--concurrency=2"]).expect(3);
    assert!(ended.error().contains("over a limit; try again in 1day"), "{}", ended.stderr);
    assert!(calls.load(Relaxed) <= 2);
    assert!(stage.results().is_empty());
}

#[test]
fn ten_refusals_that_no_wait_helps_end_the_run_and_are_tried_again_by_the_next() {
    let (base, calls) = parrot("429 Too Many Requests\r\nx-should-retry: false\n");
    let mut stage = Stage::new(quick());
    let ended = told(&stage, &base, &["--queue=1"]).expect(3);
    assert!(ended.error().contains("over a limit; waiting is not worth it"), "{}", ended.stderr);
    assert_eq!(calls.load(Relaxed), 10);
    assert_eq!(stage.results().len(), 9);

    stage.replace(quick());
    stage.run(&["--rpm=1000"]).expect(0).says("9 to be tried again");
    assert_eq!(stage.results().len(), 40);
}

#[test]
fn an_error_inside_a_good_answer_is_tried_again_and_no_answer() {
    let (base, calls) =
        parrot("200 OK\n{\"error\": {\"code\": 502, \"message\": \"Provider returned error\"}}");
    let mut stage = Stage::new(quick());
    told(&stage, &base, &["--tries=2"]).expect(1);
    assert_eq!(calls.load(Relaxed), 80);
    assert!(stage.results().values().all(|result| result["error"]["code"] == "error_in_answer"));

    stage.replace(quick());
    stage.run(&["--rpm=1000"]).expect(0).says("40 to be tried again");
    assert!(stage.results().values().all(|result| result["error"].is_null()));
}
