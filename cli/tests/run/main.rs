//! The program as a person runs it, against a simulated provider on this machine.
#![forbid(unsafe_code)]

mod complete;
mod errors;
mod estimate;
mod memory;
mod plan;
mod provider;
mod refusals;
mod resume;
mod retries;
mod signals;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_sim::{Config, Latency, RunningServer, Server};

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider, and a directory for the files of one test.
struct Stage {
    runtime: tokio::runtime::Runtime,
    server: RunningServer,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new(config: Config) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(Server::start(config, (Ipv4Addr::LOCALHOST, 0).into())).unwrap();
        Stage { runtime, server, dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The program on `requests.jsonl` and `results.jsonl`, with further arguments.
    fn program(&self, args: &[&str]) -> Command {
        let mut command = program(&self.path("requests.jsonl"), &self.path("results.jsonl"));
        command.arg(format!("--base-url=http://{}", self.server.addr())).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.program(args).output().unwrap())
    }

    fn results(&self) -> BTreeMap<String, Value> {
        results(&self.path("results.jsonl"))
    }

    /// Waits until the provider's record is as it should be.
    fn wait_until(&self, what: &str, is_so: impl Fn(&tollgate_sim::Summary) -> bool) {
        wait_until(what, || is_so(&self.server.summary()));
    }

    /// Puts another provider in this one's place, at another address.
    fn replace(&mut self, config: Config) {
        self.server = self.runtime.block_on(Server::start(config, (Ipv4Addr::LOCALHOST, 0).into())).unwrap();
    }
}

fn program(requests: &Path, results: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command
        .arg("run")
        .arg(requests)
        .arg("--out")
        .arg(results)
        .arg("--backoff=10ms")
        .env_remove("OPENAI_API_KEY");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Tells a running program something: `INT`, `TERM`, `KILL`.
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// How a run ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stderr: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        Ended { code: output.status.code(), stderr: String::from_utf8(output.stderr).unwrap() }
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        self
    }

    /// That the errors and warnings say this.
    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        self
    }

    /// The one line that begins with `error:`.
    #[track_caller]
    fn error(&self) -> &str {
        let errors: Vec<_> = self.stderr.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        errors[0]
    }
}

/// The results by custom_id; panics if a line is no result or a custom_id is there twice.
#[track_caller]
fn results(path: &Path) -> BTreeMap<String, Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is torn");
    let mut results = BTreeMap::new();
    for line in text.lines() {
        let result: Value = serde_json::from_str(line).unwrap();
        let id = result["custom_id"].as_str().unwrap().to_owned();
        assert!(results.insert(id.clone(), result).is_none(), "{id} is there twice");
    }
    results
}

fn status(result: &Value) -> Option<u64> {
    result["response"]["status_code"].as_u64()
}

/// A request that needs no vocabulary, which takes a moment to load: its input is counted already.
fn embedding(id: &str, tokens: usize) -> Value {
    let body = json!({ "model": "text-embedding-3-small", "input": vec![17; tokens] });
    json!({ "custom_id": id, "method": "POST", "url": "/v1/embeddings", "body": body })
}

fn embeddings(count: usize) -> String {
    let requests = (0..count).map(|i| embedding(&format!("r{i}"), 5 + i % 7));
    requests.fold(String::new(), |mut text, request| {
        writeln!(text, "{request}").unwrap();
        text
    })
}

/// A provider without limits that answers at once.
fn quick() -> Config {
    slow(Duration::from_millis(1))
}

/// A provider without limits that takes this long for each answer.
fn slow(latency: Duration) -> Config {
    Config { latency: Latency::constant(latency), ..Config::default() }
}
