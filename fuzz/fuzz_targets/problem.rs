//! The refusal in an arbitrary answer: told in words, or none, never a panic and never a wait that spins.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::{Retry, Verdict};

fuzz_target!(|answer: (u16, &str, &[u8])| {
    let (status, field, body) = answer;
    let names = ["retry-after", "retry-after-ms", "date", "policy-id", "x-ratelimit-type", "x-amzn-errortype"];
    let headers = names.map(|name| (name, field));
    let verdicts = [Verdict::of_answer(status, &headers, Some(body)), Verdict::of_event(body)];
    for verdict in verdicts.into_iter().flatten() {
        assert!(!verdict.to_string().is_empty());
        if let Retry::After(wait) = verdict.retry() {
            assert!(!wait.is_zero());
        }
    }
});
