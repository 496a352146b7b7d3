//! The books against an independent model, under random operations.

mod cases;
mod changes;
mod checks;
mod draw;
mod law;
mod model;
mod ops;
mod prices;
mod world;

use proptest::prelude::*;

use crate::quota::Cost;
use crate::time::Now;
use draw::Range;
use ops::{Op, Plan};
use world::World;

/// Long after both clocks began, like a clock's own first instant.
const BEGIN: Now = Now { uptime: 600 * 86_400_000_000_000, utc: 1_795_000_000_123_456_789 };

fn config(cases: u32) -> ProptestConfig {
    // Found cases are kept by hand, as tests with names.
    let failure_persistence = None;
    ProptestConfig { cases, failure_persistence, max_shrink_time: 20_000, ..ProptestConfig::default() }
}

/// Runs the operations on both and compares after each.
fn compare(plan: Plan, ops: &[Op]) -> World {
    let mut world = World::new(plan, BEGIN);
    world.check_levels();
    for &op in ops {
        world.run(op);
        world.check_levels();
    }
    world
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn the_books_hold_what_the_contracts_say(plan in draw::plan(Range::Usual), ops in draw::ops(Range::Usual)) {
        let mut world = compare(plan, &ops);
        world.model.iter().flatten().for_each(|budget| budget.assert_law());
        world.check_recovers();
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_call_is_refused_until_its_promised_start_and_admitted_at_it(
        plan in draw::plan(Range::Usual),
        ops in draw::ops(Range::Usual),
        input in 0_u64..60,
        output in 0_u64..60,
    ) {
        let mut world = World::new(plan, BEGIN);
        for op in ops {
            world.run(op);
            for book in 0..world.ids.len() {
                world.check_start(book, Cost::input(input).max_output(output));
                world.check_soonest(book, Cost::input(input).max_output(output));
            }
        }
    }

    #[test]
    fn a_restart_gives_nothing_back_and_takes_nothing_more(
        plan in draw::plan(Range::Usual),
        ops in draw::ops(Range::Usual),
        later in prop_oneof![Just(0_u64), 0..100_000_000_u64, 0..100_000_000_000_u64],
    ) {
        let mut world = World::new(plan, BEGIN);
        for op in ops {
            world.run(op);
            world.check_restart(later);
        }
    }

    #[test]
    fn extreme_numbers_neither_panic_nor_give_more(
        plan in draw::plan(Range::Extreme),
        ops in draw::ops(Range::Extreme),
        input in any::<u64>(),
        later in any::<u32>(),
    ) {
        let mut world = World::new(plan, BEGIN);
        for op in ops {
            world.run(op);
            world.check_levels();
            for book in 0..world.ids.len() {
                world.check_start(book, Cost::input(input >> 22));
                world.check_soonest(book, Cost::input(input));
            }
            world.check_restart(u64::from(later) << (input % 24));
        }
        world.model.iter().flatten().for_each(|budget| budget.assert_law());
        world.check_recovers();
    }
}
