//! What the checks of tollgate's interleavings share: who runs them, and calls that wait.
//!
//! A *scene* is a few threads that meet at one gate. Its clock stands until the scene moves it. Under
//! `--cfg tollgate_loom` a scene of two threads is run in every order, one of more in every order that takes few
//! preemptions; under `--cfg tollgate_shuttle` in some thousand random ones, and so are scenes too large for loom.
//!
//! # What to do with a failure
//!
//! Loom goes through the orders in the same way each time, so the same test fails again: `LOOM_LOG=trace` and
//! `LOOM_LOCATION=1` tell what its threads did. Shuttle prints the schedule that failed;
//! `TOLLGATE_SCHEDULE=... cargo test -p tollgate-races the_test` runs only that one. `SHUTTLE_RANDOM_SEED` draws other
//! orders than the usual ones, `TOLLGATE_ORDERS` says how many. All of these want the build's
//! `RUSTFLAGS="--cfg tollgate_shuttle"`, or loom's.

#![cfg(any(tollgate_loom, tollgate_shuttle))]

mod caller;
mod check;

pub use caller::{Bell, Caller, finish};
pub use check::{check, crowd, race};
pub use tollgate::stand_in as time;

#[cfg(tollgate_loom)]
pub use loom::thread;
#[cfg(tollgate_shuttle)]
pub use shuttle::{rand, thread};

use tollgate::{Cost, Limiter, Limits, Permit, Unit};

/// The model of most scenes.
pub const M: &str = "m";

/// A limiter of one model.
pub fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

/// A call of one token that does not wait.
pub fn take(limiter: &Limiter) -> Permit {
    limiter.try_acquire(M, Cost::input(1)).unwrap()
}

/// How many more calls may be in flight, over all models.
pub fn free_slots(limiter: &Limiter) -> i64 {
    let snapshot = limiter.snapshot();
    let budgets = snapshot.scopes().iter().flat_map(|scope| &scope.budgets);
    budgets.filter(|budget| budget.quota.unit() == Unit::InFlight).map(|budget| budget.remaining).sum()
}
