//! An arbitrary answer in arbitrary pieces: it costs what it costs in one piece, and ends its permit.
//!
//! The input: one byte of flags, the number of cuts, the length of each piece before a cut, the answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::{Cost, Limiter, Limits, Meter, Usage};

/// What is left of each budget after an answer, and what its meter said.
fn left(status: u16, pieces: &[&[u8]], ends: bool) -> (Vec<i64>, Option<Usage>) {
    let limits = Limits::new().rpd(10).tpd(1_000_000).concurrency(1);
    let limiter = Limiter::builder().model("m", limits).build().expect("valid limits");
    let permit = limiter.try_acquire("m", Cost::input(100).max_output(300)).expect("all is there");
    let no_fields: [(&str, &str); 0] = [];
    let mut meter = Meter::new(permit, status, &no_fields);
    pieces.iter().for_each(|piece| meter.see(piece));
    let used = if ends {
        meter.finish()
    } else {
        drop(meter);
        None
    };
    let snapshot = limiter.snapshot();
    let budgets = snapshot.scopes().iter().flat_map(|scope| &scope.budgets);
    let left: Vec<i64> = budgets.map(|budget| budget.remaining).collect();
    assert_eq!(left.last(), Some(&1), "the slot is free");
    (left, used)
}

fuzz_target!(|input: &[u8]| {
    let [flags, cuts, rest @ ..] = input else { return };
    let (ends, status) = (flags & 1 == 0, if flags & 2 == 0 { 200 } else { 429 });
    let (cuts, answer) = rest.split_at(usize::from(*cuts).min(rest.len()));
    let mut rest = answer;
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, after) = rest.split_at(usize::from(*cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    assert_eq!(left(status, &pieces, ends), left(status, &[answer], ends));
});
