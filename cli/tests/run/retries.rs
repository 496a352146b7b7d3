//! What passes is tried again; what does not is not.

use std::time::Duration;

use tollgate_sim::{Config, Faults};

use crate::{Stage, embedding, embeddings, quick, status};

#[test]
fn server_errors_and_broken_connections_are_tried_again() {
    let faults = Faults { server_errors: 0.3, dropped_connections: 0.2 };
    let stage = Stage::new(Config { faults, ..quick() });
    stage.write("requests.jsonl", &embeddings(40));
    stage.run(&["--rpm=10000", "--tries=30"]).expect(0).says("tried again");
    let summary = stage.server.summary();
    assert!(summary.server_errors > 0 && summary.dropped_connections > 0, "{summary:?}");
    assert_eq!(summary.ok, 40);
    assert_eq!(stage.results().len(), 40);
}

#[test]
fn a_limit_that_nobody_was_told_of_is_waited_out() {
    let config = Config { rpm: Some(20), minute: Duration::from_millis(200), ..quick() };
    let stage = Stage::new(config);
    stage.write("requests.jsonl", &embeddings(60));
    stage.run(&["--concurrency=8", "--tries=50"]).expect(0);
    let summary = stage.server.summary();
    assert!(summary.rejections() > 0, "the test needs refusals");
    assert_eq!(summary.ok, 60);
}

#[test]
fn a_request_is_given_up_after_its_tries_and_told_with_its_last_status() {
    let faults = Faults { server_errors: 1.0, dropped_connections: 0.0 };
    let stage = Stage::new(Config { faults, ..quick() });
    stage.write("requests.jsonl", &embeddings(2));
    stage.run(&["--rpm=1000"]).expect(1);
    assert_eq!(stage.server.summary().server_errors, 10);
    assert!(stage.results().values().all(|result| status(result) == Some(500)));
}

#[test]
fn connections_that_always_break_end_the_run_before_it_has_tried_everything() {
    let faults = Faults { server_errors: 0.0, dropped_connections: 1.0 };
    let stage = Stage::new(Config { faults, ..quick() });
    stage.write("requests.jsonl", &embeddings(500));
    let ended = stage.run(&["--rpm=100000", "--concurrency=4", "--tries=2"]).expect(3);
    assert!(ended.error().contains("requests in a row came to no answer"), "{}", ended.stderr);
    assert!(stage.server.summary().requests < 100);
}

#[test]
fn an_answer_of_kind_400_is_final() {
    let stage = Stage::new(Config { models: vec!["other".to_owned()], tpm: Some(100), ..quick() });
    let other = embedding("too large", 200).to_string().replace("text-embedding-3-small", "other");
    stage.write("requests.jsonl", &format!("{}{other}\n", embeddings(2)));
    stage.run(&["--rpm=1000"]).expect(1);
    let statuses: Vec<_> = stage.results().values().map(status).collect();
    assert_eq!(statuses, [Some(404), Some(404), Some(429)]);
    assert_eq!(stage.server.summary().too_large, 1);
}
