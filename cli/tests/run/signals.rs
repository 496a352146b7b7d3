//! Ctrl-C and SIGTERM.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use crate::{Ended, Stage, embeddings, quick, signal, slow, status};

fn is_interrupted_and_completed(name: &str) {
    let mut stage = Stage::new(slow(Duration::from_millis(300)));
    stage.write("requests.jsonl", &embeddings(40));
    let child = stage.program(&["--concurrency=4"]).spawn().unwrap();
    stage.wait_until("four are answered, four in flight", |summary| summary.ok == 8);
    signal(&child, name);
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(130);
    ended.says("finishing what is in flight").says("requests done");
    let sent = stage.server.summary().ok as usize;
    let results = stage.results();
    assert!((8..12).contains(&sent), "{sent} were sent");
    assert_eq!(results.len(), sent, "what was in flight is answered and written");
    assert!(results.values().all(|result| status(result) == Some(200)));

    stage.replace(quick());
    stage.run(&["--concurrency=4"]).expect(0);
    assert_eq!(stage.server.summary().ok as usize, 40 - sent);
    assert_eq!(stage.results().len(), 40);
}

#[test]
fn ctrl_c_finishes_what_is_in_flight_and_a_second_run_does_the_rest() {
    is_interrupted_and_completed("INT");
}

#[test]
fn sigterm_does_the_same() {
    is_interrupted_and_completed("TERM");
}

#[test]
fn a_second_ctrl_c_ends_the_program_at_once() {
    let stage = Stage::new(slow(Duration::from_secs(60)));
    stage.write("requests.jsonl", &embeddings(4));
    let mut child = stage.program(&["--rpm=100"]).spawn().unwrap();
    stage.wait_until("all are in flight", |summary| summary.ok == 4);
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    signal(&child, "INT");
    assert!(stderr.any(|line| line.unwrap().contains("again to quit at once")));
    signal(&child, "INT");
    let asked = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert!(stage.results().is_empty());
}
