//! Arbitrary header fields: read without a panic, and what is read can be.
#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use tollgate::Observation;

fuzz_target!(|input: (u16, Option<u32>, &str)| {
    let (status, now, text) = input;
    let now = now.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into()));
    let head: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(':')).collect();
    let observation = Observation::read(status, &head, now);
    let year = Duration::from_secs(366 * 86_400);
    assert!(observation.readings().len() <= 16);
    for reading in observation.readings() {
        assert!(reading.limit.is_none_or(|limit| (1..=1 << 53).contains(&limit)));
        assert!(reading.remaining.is_none_or(|remaining| remaining <= 1 << 53));
        assert!(reading.reset.is_none_or(|reset| reset <= year));
        assert!(reading.window.is_none_or(|window| !window.is_zero() && window <= year));
    }
    if let Some(wait) = observation.wait(None) {
        assert!(status >= 400 && !wait.is_zero() && wait <= year);
    }
});
