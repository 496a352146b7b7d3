//! A snapshot from arbitrary JSON: restoring it never panics and never gives more than was there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::{Limiter, Limits, Quota, Snapshot, Unit};

fuzz_target!(|json: &[u8]| {
    let Ok(snapshot) = serde_json::from_slice::<Snapshot>(json) else { return };
    let minute = std::time::Duration::from_secs(60);
    let limits =
        Limits::new().rpm(60).tpd(1_000).with(Quota::sliding(Unit::Tokens, 500, minute)).concurrency(2);
    let limiter = Limiter::builder().model("m", limits).build().expect("valid limits");
    let before = limiter.snapshot();
    if limiter.restore(&snapshot).is_ok() {
        for (scope, then) in limiter.snapshot().scopes().iter().zip(before.scopes()) {
            for (budget, full) in scope.budgets.iter().zip(&then.budgets) {
                assert!(budget.remaining <= full.remaining);
            }
        }
    }
});
