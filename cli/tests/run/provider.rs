//! The simulated provider as a program, and the demo that uses it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Ended, embeddings, program, signal};

#[test]
fn the_simulated_provider_serves_until_ctrl_c_and_tells_what_it_saw() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["sim", "--listen=127.0.0.1:0", "--rpm=100", "--latency=1ms"];
    let mut sim =
        Command::new(env!("CARGO_BIN_EXE_tollgate")).args(args).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(sim.stdout.take().unwrap());
    let mut address = String::new();
    stdout.read_line(&mut address).unwrap();

    let requests = dir.path().join("requests.jsonl");
    fs::write(&requests, embeddings(7)).unwrap();
    let mut run = program(&requests, &dir.path().join("results.jsonl"));
    Ended::of(run.args(["--rpm=50", "--base-url", address.trim()]).output().unwrap()).expect(0);

    signal(&sim, "INT");
    let mut summary = String::new();
    stdout.read_to_string(&mut summary).unwrap();
    assert_eq!(sim.wait().unwrap().code(), Some(0));
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["ok"], 7);
}

#[test]
fn the_demo_answers_all_of_its_requests_and_says_how_close_to_the_best_it_was() {
    let args = ["demo", "--window=fixed", "--minute=400ms", "--json"];
    let output = Command::new(env!("CARGO_BIN_EXE_tollgate")).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["ok"], 200);
    assert!(rows[0]["share_of_oracle"].as_f64() > Some(0.5));
}
