//! What other limiters did to their users, each as a test that it does not happen here.
//!
//! A test is named after what holds; the line above it says who had the fault and where that is written down
//! (read November 2026; "run" means that a program showed it, not that somebody reported it). The other tests say
//! more about each subject; this is the list.
//!
//! Not here, for they are about several processes on one key, which is not what this limiter is for: whose clock
//! counts, whether a store that cannot be reached admits all or none, and N replicas that admit N times the limit
//! (api7/aisix #607, BerriAI/litellm #16011).
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

mod admission;
mod provider;
mod queue;
mod settling;
mod windows;

use std::time::Duration;

use tokio::time::Instant;
use tollgate::{AcquireError, Cost, Limiter, Limits, NotYet, Permit, Quota, Unit, Usage, Waiting};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);
const MS: Duration = Duration::from_millis(1);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn tokens(tokens: u64) -> Cost {
    Cost::input(tokens)
}

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

/// Nobody passes.
fn strict(limits: Limits) -> Limiter {
    let waiting = Waiting::new().slack(Duration::ZERO);
    Limiter::builder().model(M, limits).waiting(waiting).build().unwrap()
}

/// To the instant: without the guard against jitter.
fn refill(unit: Unit, limit: u64, period: Duration) -> Quota {
    Quota::refill(unit, limit, period).guard(Duration::ZERO)
}

/// 1,000 tokens in 10 s, all of which can be taken at once.
fn thousand_in_ten_seconds() -> Limits {
    Limits::new().with(refill(Unit::Tokens, 1_000, secs(10)))
}

fn remaining(limiter: &Limiter) -> Vec<i64> {
    limiter.snapshot().scopes()[0].budgets.iter().map(|budget| budget.remaining).collect()
}

async fn call(limiter: &Limiter, cost: u64) {
    limiter.acquire(M, tokens(cost)).await.unwrap().release(Usage::new(cost, 0)).await;
}

fn not_yet(decided: Result<Permit, AcquireError>) -> NotYet {
    match decided {
        Err(AcquireError::NotYet(why)) => *why,
        other => panic!("{other:?}"),
    }
}

/// Tokio's timers round up to the next millisecond.
fn about(begin: Instant, due: Duration) {
    let at = begin.elapsed();
    assert!((due..=due + 2 * MS).contains(&at), "{at:?}, due at {due:?}");
}
