//! However long the file, only so much of it is held.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::time::Duration;

use crate::{Ended, Stage, embedding, signal, slow};

#[test]
fn a_file_of_fifty_thousand_requests_is_held_in_part() {
    let stage = Stage::new(slow(Duration::from_millis(50)));
    let mut file = BufWriter::new(File::create(stage.path("requests.jsonl")).unwrap());
    let line = embedding("NAME", 400).to_string();
    for i in 0..50_000 {
        writeln!(file, "{}", line.replace("NAME", &i.to_string())).unwrap();
    }
    drop(file);
    let size = fs::metadata(stage.path("requests.jsonl")).unwrap().len();
    assert!(size > 60 << 20, "{size}");

    let child = stage.program(&["--rpm=10000000", "--queue=50"]).spawn().unwrap();
    stage.wait_until("a thousand are answered", |summary| summary.ok >= 1_000);
    if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", child.id())) {
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();

        assert!(most < 40 << 10, "{most} kB");
    }
    signal(&child, "INT");
    Ended::of(child.wait_with_output().unwrap()).expect(130);
    let summary = stage.server.summary();
    assert!((10..=50).contains(&summary.max_in_flight), "{}", summary.max_in_flight);
    assert_eq!(stage.results().len() as u64, summary.ok);
}
