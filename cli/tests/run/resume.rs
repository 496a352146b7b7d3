//! A second run does what is missing, and nothing twice.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use tollgate_sim::{Config, Faults};

use crate::{Stage, embedding, embeddings, quick, signal, slow, status, wait_until};

#[test]
fn after_a_kill_half_way_a_second_run_sends_exactly_what_is_missing() {
    let mut stage = Stage::new(slow(Duration::from_millis(30)));
    stage.write("requests.jsonl", &embeddings(80));
    let mut child = stage.program(&["--concurrency=4"]).spawn().unwrap();
    stage.wait_until("half of it is sent", |summary| summary.ok >= 40);
    signal(&child, "KILL");
    child.wait().unwrap();
    let first = stage.results();
    assert!((30..80).contains(&first.len()), "{}", first.len());

    stage.replace(quick());
    stage.run(&["--concurrency=4"]).expect(0).says("answers already");
    assert_eq!(stage.server.summary().requests as usize, 80 - first.len());
    let second = stage.results();
    assert_eq!(second.len(), 80);
    assert!(first.iter().all(|(id, result)| second[id] == *result), "an answer has changed");
}

#[test]
fn a_torn_last_line_is_cut_off_and_its_request_sent_again() {
    let mut stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(5));
    stage.run(&["--rpm=1000"]).expect(0);
    let whole = fs::read_to_string(stage.path("results.jsonl")).unwrap();
    stage.write("results.jsonl", &whole[..whole.len() - 40]);

    stage.replace(quick());
    stage.run(&["--rpm=1000"]).expect(0).says("torn line");
    assert_eq!(stage.server.summary().requests, 1);
    assert_eq!(stage.results().len(), 5);
}

#[test]
fn a_last_line_that_lacks_only_its_line_feed_is_kept() {
    let mut stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(5));
    stage.run(&["--rpm=1000"]).expect(0);
    let whole = fs::read_to_string(stage.path("results.jsonl")).unwrap();
    stage.write("results.jsonl", whole.trim_end());

    stage.replace(quick());
    stage.write("requests.jsonl", &embeddings(6));
    stage.run(&["--rpm=1000"]).expect(0);
    assert_eq!(stage.server.summary().requests, 1);
    assert_eq!(stage.results().len(), 6);
}

#[test]
fn what_failed_for_a_passing_reason_is_tried_again_and_replaced() {
    let broken = Faults { dropped_connections: 0.5, server_errors: 0.5 };
    let mut stage = Stage::new(Config { faults: broken, ..quick() });
    stage.write("requests.jsonl", &embeddings(6));
    stage.run(&["--rpm=1000", "--tries=2"]).expect(1);
    assert_eq!(stage.results().len(), 6);

    stage.replace(quick());
    stage.run(&["--rpm=1000"]).expect(0).says("6 to be tried again");
    assert!(stage.results().values().all(|result| status(result) == Some(200)));
    assert_eq!(stage.results().len(), 6);
}

#[test]
fn what_was_refused_for_good_is_not_sent_again() {
    let stage = Stage::new(Config { models: vec!["other".to_owned()], ..quick() });
    stage.write("requests.jsonl", &embeddings(1));
    stage.run(&["--rpm=1000"]).expect(1);
    assert_eq!(status(&stage.results()["r0"]), Some(404));
    let before = fs::read(stage.path("results.jsonl")).unwrap();
    stage.run(&["--rpm=1000"]).expect(1).says("1 done before");
    assert_eq!(fs::read(stage.path("results.jsonl")).unwrap(), before);
}

#[test]
fn a_second_run_knows_what_the_first_has_spent_of_the_day() {
    let stage = Stage::new(Config { rpd: Some(8), ..quick() });
    stage.write("requests.jsonl", &embeddings(5));
    stage.run(&["--rpd=8"]).expect(0);

    stage.write("requests.jsonl", &embeddings(12));
    let second = stage.program(&["--rpd=8"]).spawn().unwrap();
    wait_until("the day's budget is spent", || stage.results().len() == 8);
    signal(&second, "INT");
    assert_eq!(second.wait_with_output().unwrap().status.code(), Some(130));
    let summary = stage.server.summary();
    assert_eq!((summary.ok, summary.rejections()), (8, 0));
}

#[test]
fn a_corrupt_state_is_set_aside_and_the_run_goes_on() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(3));
    stage.write("results.jsonl.tollgate-state.json", "{\"version\": 1, \"scop");
    stage.run(&["--rpm=1000"]).expect(0).says("results.jsonl.tollgate-state.json cannot be used");
    assert!(stage.path("results.jsonl.tollgate-state.json.corrupt").exists());
    let state = fs::read(stage.path("results.jsonl.tollgate-state.json")).unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&state).is_ok());
}

#[test]
fn requests_that_were_added_to_the_file_are_all_that_is_sent() {
    let mut stage = Stage::new(quick());
    let input = stage.write("requests.jsonl", &embeddings(4));
    stage.run(&["--rpm=1000"]).expect(0);
    let mut file = OpenOptions::new().append(true).open(input).unwrap();
    writeln!(file, "{}", embedding("added", 4)).unwrap();

    stage.replace(quick());
    stage.run(&["--rpm=1000"]).expect(0).says("4 done before");
    assert_eq!(stage.server.summary().requests, 1);
    assert_eq!(stage.results().len(), 5);
}
