//! One model, many drivers: [`Op`]s are done to a real [`tollgate::Limiter`] under a paused clock, and
//! after each of them what the contracts of `DESIGN.md` say must hold is checked against a naive model.
//!
//! The same operations are drawn by proptest (`tests/`), by the soak (`scripts/soak`) and by the fuzzer
//! (`fuzz/fuzz_targets/ledger.rs`, `limiter.rs`).
//!
//! | mode | operations | what is checked |
//! |---|---|---|
//! | [`exactly`] | calls that do not wait, ends, time | each answer, each level and each wait, to the unit and the nanosecond |
//! | [`broadly`] | all | bounds of each level, order, waits, that everybody is served, that everything comes back |

#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "a model of time reads the paused clock, and the system's beside it"
)]

mod books;
mod budget;
mod draw;
mod drive;
mod finish;
mod meaning;
mod op;
mod plan;
mod price;
mod refusal;
mod waiter;
mod world;

pub use draw::{Case, everything, exact};
pub use op::{Call, Class, Head, No, Op, Size, Tenant, Used, Wait};
pub use plan::{Draw, Kind, Plan, Rule, Scope};
pub use world::Tally;

use world::World;

/// Runs a case of which every answer is known; operations that make it less than known are left out.
///
/// # Panics
///
/// If the limiter and the model differ.
pub fn exactly(case: &Case) -> Tally {
    let known = |op: &&Op| {
        let quiet =
            !matches!(op, Op::Refuse { no: No::RateLimited(..) | No::Overloaded(_) | No::Account, .. });
        let told = matches!(
            op,
            Op::Try(_)
                | Op::Release { .. }
                | Op::Refuse { .. }
                | Op::Cancel(_)
                | Op::Lose(_)
                | Op::Pass(_)
                | Op::Jump(_)
                | Op::Restart
        );
        quiet && told
    };
    run(&case.plan, case.ops.iter().filter(known), true)
}

/// Runs a case in which everything may happen.
///
/// # Panics
///
/// If the limiter breaks what the contracts say.
pub fn broadly(case: &Case) -> Tally {
    run(&case.plan, case.ops.iter(), false)
}

fn run<'a>(plan: &Plan, ops: impl Iterator<Item = &'a Op>, exact: bool) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without IO").block_on(async {
        // A machine too busy to make a limiter within a millisecond, again and again, is no place for it.
        let Some(mut world) = World::new(plan, exact) else { return Tally::default() };
        for op in ops.take(draw::MOST) {
            world.step(op).await;
        }
        world.finish().await;
        world.tally
    })
}
