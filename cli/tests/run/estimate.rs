//! `tollgate estimate`: what it counts is what the library counts.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tollgate::estimate;

use crate::{Ended, embedding, embeddings};

/// The program on `input`, given on stdin.
pub(crate) fn piped(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["estimate", "-"]).args(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The program may have said no before it read this.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn of_file(path: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.arg("estimate").arg(path).args(args).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
pub(crate) fn json_of(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// All kinds of parts, and one of everything that is not exact.
fn mixed() -> Vec<Value> {
    vec![
        json!({ "model": "gpt-4o-mini", "messages": [
            { "role": "system", "content": "Answer in one word." },
            { "role": "user", "content": "Which river flows through Paris?" },
        ], "max_tokens": 50 }),
        json!({ "model": "gpt-4o-mini", "messages": [{ "role": "user", "content": [
            { "type": "text", "text": "What is this?" },
            { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } },
        ]}], "tools": [{ "type": "function", "function": { "name": "look", "parameters": {
            "type": "object", "properties": { "closely": { "type": "boolean" } },
        }}}]}),
        json!({ "model": "some-other-model", "messages": [{ "role": "user", "content": "hello" }], "max_tokens": 7 }),
        json!({ "model": "gpt-4.1", "input": "And then?", "previous_response_id": "resp_1", "max_output_tokens": 9 }),
        json!({ "model": "text-embedding-3-small", "input": ["one", "two"] }),
    ]
}

fn batch(bodies: &[Value]) -> String {
    let line = |(i, body): (usize, &Value)| {
        json!({ "custom_id": format!("r{i}"), "method": "POST", "url": "/v1/x", "body": body }).to_string()
    };
    bodies.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn sum(estimates: &[estimate::Estimate], of: impl Fn(&estimate::Estimate) -> u64) -> u64 {
    estimates.iter().map(of).sum()
}

#[test]
fn totals_and_parts_are_the_librarys_in_all_and_for_each_model() {
    let output = piped(&["--json"], batch(&mixed()).as_bytes());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = json_of(&output);
    let estimates: Vec<_> = mixed().iter().map(|body| estimate::request(body).unwrap()).collect();
    let minis: Vec<_> = estimates[..2].to_vec();
    assert!(sum(&minis, |e| e.parts().tools) > 0 && sum(&minis, |e| e.parts().images) > 0);
    for (said, estimates) in [(&said["all"], &estimates), (&said["models"]["gpt-4o-mini"], &minis)] {
        assert_eq!(said["requests"], estimates.len());
        assert_eq!(said["input_tokens"], sum(estimates, |e| e.cost().input_tokens()));
        assert_eq!(said["max_output_tokens"], sum(estimates, |e| e.cost().max_output_tokens()));
        assert_eq!(said["tokens"], sum(estimates, |e| e.cost().tokens()));
        assert_eq!(said["parts"]["text"], sum(estimates, |e| e.parts().text));
        assert_eq!(said["parts"]["tools"], sum(estimates, |e| e.parts().tools));
        assert_eq!(said["parts"]["images"], sum(estimates, |e| e.parts().images));
        assert_eq!(said["parts"]["files"], sum(estimates, |e| e.parts().files));
        assert_eq!(said["parts"]["overhead"], sum(estimates, |e| e.parts().overhead));
    }
    let mut sizes: Vec<u64> = estimates.iter().map(|e| e.cost().tokens()).collect();
    sizes.sort();
    let expected = json!({ "smallest": sizes[0], "median": sizes[2], "largest": sizes[4] });
    assert_eq!(said["all"]["sizes"], expected);
    assert_eq!(said["all"]["not_exact"], json!({ "assumed": 1 }));
    assert_eq!(said["all"]["partial"], 1);
    assert_eq!(said["all"]["assume_output"], 1);
    assert_eq!(said["models"].as_object().unwrap().len(), 4);
}

#[test]
fn each_request_can_be_told_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("requests.jsonl");
    std::fs::write(&file, format!("\n{}", batch(&mixed()))).unwrap();
    let output = of_file(&file, &["--per-request", "--json"]);
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    for (i, (line, body)) in lines.iter().zip(mixed()).enumerate() {
        let estimate = estimate::request(&body).unwrap();
        assert_eq!(line["line"], i + 2);
        assert_eq!(line["custom_id"], format!("r{i}"));
        assert_eq!(line["model"], body["model"]);
        assert_eq!(line["tokens"], estimate.cost().tokens());
        assert_eq!(line["parts"], json!(estimate.parts()));
        assert_eq!(line["accuracy"], json!(estimate.accuracy()));
    }
    let text = String::from_utf8(of_file(&file, &["--per-request"]).stdout).unwrap();
    assert!(text.lines().next().unwrap().contains("r0"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("all")), "{text}");
}

#[test]
fn bare_bodies_are_read_like_lines_of_a_batch() {
    let bare: Vec<String> = mixed().iter().map(Value::to_string).collect();
    let bare = json_of(&piped(&["--json"], bare.join("\n").as_bytes()));
    let lines = json_of(&piped(&["--json"], batch(&mixed()).as_bytes()));
    assert_eq!(bare, lines);
}

#[test]
fn bad_lines_are_named_by_file_and_number_and_the_others_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        embedding("good", 3).to_string(),
        "}{ not json at all".to_owned(),
        "[\"text\"]".to_owned(),
        "{}".to_owned(),
        String::new(),
        embedding("good", 9).to_string(),
        json!({ "model": "gpt-4o" }).to_string(),
        "[".repeat(100_000),
        embedding("good too", 4).to_string(),
    ];
    let file = dir.path().join("some.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let output = of_file(&file, &["--json"]);
    let said = json_of(&output);
    assert_eq!((&said["all"]["requests"], &said["bad_lines"]), (&json!(2), &json!(6)));
    assert_eq!(said["all"]["tokens"], 7);
    let ended = Ended::of(output).expect(1);
    assert_eq!(ended.stderr.lines().count(), 6, "{}", ended.stderr);
    let ended = ended.says("some.jsonl, line 2: not JSON").says("some.jsonl, line 3: ");
    let ended = ended.says("line 4: custom_id: missing").says("line 6: custom_id: good was there before");
    ended.says("line 7: found none of `messages`").says("line 8: invalid type: sequence");
}

#[test]
fn ten_thousand_bad_lines_are_not_ten_thousand_errors() {
    let mut garbage = b"\xff\x00\x1b[2J\n".repeat(10_000);
    garbage.extend(b"{\"custom_id\": \"\x1b[2J\"}");
    let output = piped(&["--json"], &garbage);
    assert_eq!(json_of(&output)["bad_lines"], 10_001);
    let ended = Ended::of(output).expect(1);
    assert_eq!(ended.stderr.lines().count(), 21, "{}", ended.stderr);
    assert!(!ended.stderr.contains('\x1b'));
}

#[test]
fn several_files_are_added_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.jsonl");
    std::fs::write(&file, embeddings(3)).unwrap();
    let path = file.to_str().unwrap();
    let said = json_of(&piped(&[path, "--json"], embeddings(4).as_bytes()));
    assert_eq!(said["all"]["requests"], 7);
    assert_eq!(said["files"], json!(["stdin", path]));
}

#[test]
fn an_empty_file_costs_nothing() {
    let output = piped(&["--json", "--plan", "--rpm=1"], b"");
    let said = json_of(&output);
    assert_eq!((&said["all"]["requests"], &said["all"]["sizes"]), (&json!(0), &json!(null)));
    assert_eq!(said["plan"]["at_most"]["ends_after_seconds"], 0.0);
    Ended::of(output).expect(0);
    let output = piped(&["--plan", "--rpm=1"], b"\n\n");
    assert!(String::from_utf8_lossy(&output.stdout).contains("nothing to do"));
}

#[test]
fn a_file_that_does_not_exist_is_one_error() {
    let output = of_file(Path::new("nowhere.jsonl"), &[]);
    assert!(output.stdout.is_empty());
    let ended = Ended::of(output).expect(2);
    assert!(ended.error().contains("cannot read nowhere.jsonl: No such file"), "{}", ended.stderr);
}

#[test]
fn limits_and_a_plan_go_together() {
    Ended::of(piped(&["--plan"], b"")).expect(2).says("--plan needs limits");
    Ended::of(piped(&["--rpm=5"], b"")).expect(2).says("no --plan");
    Ended::of(piped(&["--latency=5s"], b"")).expect(2).says("--plan");
    Ended::of(piped(&["--plan", "--limits=nowhere.toml"], b"")).expect(2).says("cannot read nowhere.toml");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["estimate", "-", "--per-request"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(embeddings(10_000).as_bytes());
    drop(stdin);
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn ctrl_c_ends_it_at_once_although_the_pipe_goes_on() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["estimate", "-", "--per-request"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(embeddings(20_000).as_bytes()).unwrap();
    // It reads, so it listens to signals by now.
    crate::signal(&child, "INT");
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(130);
    assert!(ended.error().contains("interrupted"), "{}", ended.stderr);
    drop(stdin);
}
