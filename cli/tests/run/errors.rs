//! What goes wrong is said once, clearly, and nothing is lost.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use serde_json::json;
use tollgate_sim::Config;

use crate::{Ended, Stage, embedding, embeddings, program, quick, signal, slow, status};

fn bad_lines() -> String {
    let mut streamed = embedding("streamed", 3);
    streamed["body"]["stream"] = json!(true);
    let mut without_prompt = embedding("without-prompt", 3);
    without_prompt["body"]["input"] = json!(null);
    let lines = [
        embedding("good", 3).to_string(),
        "}{ not json at all".to_owned(),
        "\"text\"".to_owned(),
        "{\"custom_id\": 5}".to_owned(),
        String::new(),
        embedding("good", 9).to_string(),
        streamed.to_string(),
        without_prompt.to_string(),
        "[".repeat(100_000),
        embedding("good too", 3).to_string(),
    ];
    lines.join("\n")
}

#[test]
fn bad_lines_are_named_by_number_and_the_others_are_sent() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &bad_lines());
    let ended = stage.run(&["--rpm=1000"]).expect(1);
    let ended = ended.says("line 2: not JSON").says("line 3: ").says("line 4: ").says("line 9: ");
    let ended = ended.says("line 6: custom_id: good was there before");
    ended.says("line 7: body.stream: a batch has no streamed answers").says("without-prompt: ");
    let results = stage.results();
    let ids: Vec<_> = results.keys().collect();
    assert_eq!(ids, ["good", "good too", "streamed", "without-prompt"]);
    assert_eq!(status(&results["good too"]), Some(200));
    assert_eq!(results["streamed"]["error"]["code"], "bad_request_line");
    assert_eq!(stage.server.summary().ok, 2);
}

#[test]
fn bytes_that_are_no_text_are_a_bad_line() {
    let stage = Stage::new(quick());
    let mut file = vec![0xff, 0xfe, 0x00, b'\n'];
    file.extend(embedding("good", 3).to_string().bytes());
    fs::write(stage.path("requests.jsonl"), file).unwrap();
    stage.run(&["--rpm=1000"]).expect(1).says("line 1: not UTF-8");
    assert_eq!(stage.results().len(), 1);
}

#[test]
fn a_strict_run_sends_nothing_if_a_line_is_bad() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &bad_lines());
    stage.run(&["--rpm=1000", "--strict"]).expect(2).says("line 2: ").says("nothing was sent");
    assert_eq!(stage.server.summary().requests, 0);
    assert!(!stage.path("results.jsonl").exists());
}

#[test]
fn a_missing_input_is_one_error() {
    let stage = Stage::new(quick());
    let ended = stage.run(&["--rpm=1000"]).expect(2);
    assert!(ended.error().contains("requests.jsonl: No such file"), "{}", ended.stderr);
    assert!(!stage.path("results.jsonl").exists());
}

#[test]
fn an_output_that_cannot_be_written_is_one_error() {
    let stage = Stage::new(quick());
    let input = stage.write("requests.jsonl", &embeddings(2));
    let base = format!("--base-url=http://{}", stage.server.addr());
    for (out, why) in [
        ("nowhere/results.jsonl", "No such file"),
        ("", "Is a directory"),
        ("requests.jsonl", "input and output"),
    ] {
        let ended =
            Ended::of(program(&input, &stage.path(out)).args([&base, "--rpm=9"]).output().unwrap()).expect(2);
        assert!(ended.error().contains(why), "{}", ended.stderr);
    }
    assert_eq!(stage.server.summary().requests, 0);
    assert_eq!(fs::read_to_string(&input).unwrap(), embeddings(2));
}

#[test]
fn a_file_that_holds_something_else_is_not_written_to() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(2));
    stage.write("results.jsonl", "my diary\nand no results\n");
    stage.run(&["--rpm=1000"]).expect(2).says("results.jsonl holds something else than results (line 1)");
    assert_eq!(fs::read_to_string(stage.path("results.jsonl")).unwrap(), "my diary\nand no results\n");
}

#[test]
fn a_refused_connection_is_one_error_for_a_thousand_requests() {
    let stage = Stage::new(quick());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let input = stage.write("requests.jsonl", &embeddings(1_000));
    let out = stage.path("results.jsonl");
    let ended = Ended::of(
        program(&input, &out).args(["--rpm=100000", "--rpd=1000", "--base-url", &closed]).output().unwrap(),
    );
    let ended = ended.expect(3);
    let error = ended.error();
    assert!(error.contains(&closed) && error.contains("refused") && error.contains("5 tries"), "{error}");
    assert!(ended.stderr.lines().count() < 5, "{}", ended.stderr);
    assert!(stage.results().is_empty());
    let state = fs::read(stage.path("results.jsonl.tollgate-state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    assert_eq!(state["scopes"][0]["budgets"][1]["remaining"], 1_000, "what was never sent costs nothing");
    stage.run(&["--rpm=100000", "--rpd=1000"]).expect(0);
    assert_eq!(stage.results().len(), 1_000);
}

#[test]
fn a_key_is_only_needed_for_other_machines() {
    let stage = Stage::new(quick());
    let input = stage.write("requests.jsonl", &embeddings(2));
    let elsewhere = ["--rpm=9", "--base-url=http://192.0.2.1"];
    let ended = Ended::of(program(&input, &stage.path("out")).args(elsewhere).output().unwrap()).expect(2);
    assert!(ended.error().contains("OPENAI_API_KEY"), "{}", ended.stderr);
}

#[test]
fn a_wrong_key_ends_the_run_and_the_right_one_completes_it() {
    let stage = Stage::new(Config { api_key: Some("right".to_owned()), ..quick() });
    stage.write("requests.jsonl", &embeddings(100));
    let with = |key| {
        let mut program = stage.program(&["--rpm=1000", "--concurrency=2", "--api-key-env=KEY"]);
        Ended::of(program.env("KEY", key).output().unwrap())
    };
    let ended = with("wrong").expect(3);
    assert!(ended.error().contains("its key is not accepted"), "{}", ended.stderr);
    assert!(stage.results().is_empty());
    with("right").expect(0);
    assert_eq!(stage.results().len(), 100);
}

#[test]
fn two_runs_cannot_write_to_one_output() {
    let stage = Stage::new(slow(Duration::from_secs(60)));
    stage.write("requests.jsonl", &embeddings(1));
    let mut first = stage.program(&["--rpm=10"]).spawn().unwrap();
    stage.wait_until("the first run has begun", |summary| summary.ok == 1);
    stage.run(&["--rpm=10"]).expect(2).says("another run writes to");
    signal(&first, "KILL");
    first.wait().unwrap();
    assert_eq!(stage.server.summary().requests, 1);
}

#[test]
fn wrong_arguments_are_told() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(1));
    stage.run(&["--rpm=many"]).expect(2);
    stage.run(&["--tpm=99999999999999"]).expect(2).says("cannot use these limits");
    stage.run(&["--limits=limits.toml", "--rpm=5"]).expect(2).says("cannot be used with");
    let elsewhere = ["--rpm=5", "--base-url=api.openai.com"];
    let program = program(&stage.path("requests.jsonl"), &stage.path("out")).args(elsewhere).output();
    Ended::of(program.unwrap()).expect(2).says("is not an address");
    stage.run(&["--limits=nowhere.toml"]).expect(2).says("cannot read nowhere.toml");
    assert_eq!(stage.server.summary().requests, 0);
}

#[test]
fn a_preset_that_is_not_there_is_told_with_those_near_it() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(1));
    let ended = stage.run(&["--preset=openai/teir1"]).expect(2);
    ended
        .says("--preset openai/teir1: no such preset; near it: openai/tier1, ")
        .says("see `tollgate presets`");
    assert_eq!(stage.server.summary().ok, 0);
}

#[test]
fn a_preset_sends_what_it_knows_and_names_what_it_does_not() {
    let stage = Stage::new(quick());
    let mut other = embedding("other", 3);
    other["body"]["model"] = json!("some-other-model");
    stage.write("requests.jsonl", &format!("{}\n{other}", embedding("good", 3)));
    stage.run(&["--preset=openai/tier1"]).expect(1);
    let results = stage.results();
    assert_eq!(status(&results["good"]), Some(200));
    assert_eq!(results["other"]["error"]["code"], "unknown_model");
    assert_eq!(stage.server.summary().ok, 1);
}
