//! Arbitrary header fields: read without a panic, and what is read can be.
//!
//! The first line is the status and, after a space, the time in seconds since 1970; the others are fields.
#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use tollgate::Observation;

fuzz_target!(|text: &str| {
    let (first, fields) = text.split_once('\n').unwrap_or((text, ""));
    let mut numbers = first.split(' ');
    let status = numbers.next().and_then(|status| status.parse::<u16>().ok()).unwrap_or(200);
    let now = numbers.next().and_then(|seconds| seconds.parse::<u32>().ok());
    let now = now.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into()));
    let head: Vec<(&str, &str)> = fields.lines().filter_map(|line| line.split_once(": ")).collect();

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
