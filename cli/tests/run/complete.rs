//! Runs in which nothing goes wrong, but for requests that cannot be sent.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tollgate_sim::{Config, LawKind};

use crate::{Stage, embedding, embeddings, quick, slow, status};

#[test]
fn every_request_has_exactly_one_result_in_the_batch_format() {
    let stage = Stage::new(quick());
    let message = json!({ "role": "user", "content": "Wie heißt der Bürgermeister von Wesel?" });
    let body = json!({ "model": "gpt-4o-mini", "messages": [message], "max_tokens": 20 });
    let chat = json!({ "custom_id": "chat", "method": "POST", "url": "/v1/chat/completions", "body": body });
    stage.write("requests.jsonl", &format!("{}{chat}\n", embeddings(30)));
    stage.run(&["--rpm=1000", "--tpm=100000"]).expect(0);

    let results = stage.results();
    assert_eq!(results.len(), 31);
    assert!(results.values().all(|result| status(result) == Some(200) && result["error"].is_null()));
    let chat = &results["chat"];
    assert!(chat["id"].as_str().unwrap().starts_with("batch_req_"));
    assert!(chat["response"]["request_id"].as_str().unwrap().starts_with("req_"));
    let response = &chat["response"]["body"];
    assert_eq!(response["object"], "chat.completion");
    assert!(response["usage"]["prompt_tokens"].as_u64() > Some(10));
    let left: Vec<_> =
        fs::read_dir(stage.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "requests, results and state: {left:?}");
}

#[test]
fn a_provider_with_the_same_limits_refuses_nothing() {
    let config = Config {
        rpm: Some(20),
        tpm: Some(130),
        tpd: Some(100_000),
        concurrency: Some(4),
        law: LawKind::Fixed,
        minute: Duration::from_millis(400),
        ..slow(Duration::from_millis(20))
    };
    let stage = Stage::new(config);
    stage.write("requests.jsonl", &embeddings(60));
    let limits = ["--rpm=20", "--tpm=130", "--tpd=100000", "--concurrency=4"];
    let law = ["--window=fixed", "--minute=400ms", "--guard=25ms", "--charge=input-plus-max-output"];
    stage.run(&[&limits[..], &law[..]].concat()).expect(0);
    let summary = stage.server.summary();
    assert_eq!((summary.ok, summary.rejections()), (60, 0));
    assert!(summary.max_in_flight <= 4);
    assert!(summary.windows.len() >= 3, "60 requests at 20 a minute: {:?}", summary.windows);
}

#[test]
fn limits_come_from_a_file_too() {
    let stage = Stage::new(slow(Duration::from_millis(20)));
    stage.write(
        "requests.jsonl",
        &(embeddings(8) + &embedding("other", 3).to_string().replace("-small", "-large")),
    );
    let limits = stage.write("limits.toml", "models.text-embedding-3-small = { concurrency = 1 }\n");
    let limits = format!("--limits={}", limits.display());
    stage.run(&[&limits]).expect(1).says("other: text-embedding-3-large: no limits for this model");
    assert_eq!(stage.server.summary().max_in_flight, 1);
    assert_eq!(stage.results()["other"]["error"]["code"], "unknown_model");
    stage.write("limits.toml", "models.x = { rpm = \"fast\" }\n");
    stage.run(&[&limits]).expect(2).says("limits.toml is not a file of limits").says("rpm");
}

#[test]
fn a_request_larger_than_a_quota_is_told_and_the_others_go_on() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &format!("{}\n{}", embedding("large", 500), embeddings(5)));
    stage.run(&["--tpm=100"]).expect(1).says("large: ");
    let results = stage.results();
    assert_eq!(results.values().filter(|result| status(result) == Some(200)).count(), 5);
    assert_eq!(results["large"]["error"]["code"], "exceeds_quota");
    let message = results["large"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("500 tokens") && message.contains("TPM 100"), "{message}");
}

#[test]
fn a_quiet_run_says_nothing() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", &embeddings(3));
    let ended = stage.run(&["--rpm=100", "--quiet"]).expect(0);
    assert_eq!(ended.stderr, "");
}

#[test]
fn an_empty_file_is_done_at_once() {
    let stage = Stage::new(quick());
    stage.write("requests.jsonl", "");
    stage.run(&["--rpm=100"]).expect(0);
    assert!(stage.results().is_empty());
}
