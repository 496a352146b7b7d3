//! The refusal in an arbitrary answer: told in words, or none, never a panic and never a wait that spins.
//!
//! The first line is the status, then come header fields, a blank line, and the body.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::{Retry, Verdict};

fuzz_target!(|answer: &[u8]| {
    let end = answer.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((answer, &[][..]), |end| (&answer[..end], &answer[end + 2..]));
    let Ok(head) = std::str::from_utf8(head) else { return };
    let (status, fields) = head.split_once('\n').unwrap_or((head, ""));
    let status: u16 = status.parse().unwrap_or(429);
    let headers: Vec<(&str, &str)> = fields.lines().filter_map(|line| line.split_once(": ")).collect();

    let verdicts = [
        Verdict::of_answer(status, &headers, Some(body)),
        Verdict::of_answer(status, &headers, None),
        Verdict::of_event(body),
    ];
    for verdict in verdicts.into_iter().flatten() {
        assert!(!verdict.to_string().is_empty());
        if let Retry::After(wait) = verdict.retry() {
            assert!(!wait.is_zero());
        }
        let json = serde_json::to_string(&verdict).expect("a verdict can always be written");
        assert_eq!(serde_json::from_str::<Verdict>(&json).expect("and read back"), verdict);
    }
});
