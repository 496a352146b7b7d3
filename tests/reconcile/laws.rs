//! Which law the provider counts by, told from its answers.

use proptest::prelude::*;
use tollgate::{Charge, Event, Unit, Window};
use tollgate_sim::{ChargeRule, LawKind};

use crate::trace::{self, Call, Step};
use crate::world::World;
use crate::{LAWS, limits, paused, truth};

fn kind(law: LawKind) -> &'static str {
    match law {
        LawKind::Refill => "refill",
        LawKind::Fixed => "fixed",
        LawKind::Sliding => "sliding",
    }
}

fn kind_of(window: Window) -> &'static str {
    match window {
        Window::Refill { .. } => kind(LawKind::Refill),
        Window::Fixed { .. } => kind(LawKind::Fixed),
        Window::Sliding { .. } => kind(LawKind::Sliding),
        _ => "another",
    }
}

/// The laws that were recognized, by tokens, in their order.
fn recognized(world: &World) -> Vec<&'static str> {
    let to = |event: &Event| match event {
        Event::WindowChanged { to, .. } if to.unit() == Unit::Tokens => Some(kind_of(to.window())),
        _ => None,
    };
    world.told.iter().filter_map(to).collect()
}

#[test]
fn a_right_law_is_not_taken_for_another_by_calls_at_regular_times() {
    let rule = (Charge::InputPlusMaxOutput, ChargeRule::InputPlusMaxOutput);
    for law in LAWS {
        for every in [15_000, 20_000, 30_000, 59_950, 60_000, 60_050, 90_000, 120_000, 180_000, 150_000] {
            for (phase, tokens) in
                [(0, 2_000), (60, 9_000), (31_000, 2_000), (31_000, 30_000), (59_000, 5_000)]
            {
                let told = paused(async {
                    let mut world = World::new(limits(law, rule.0), truth(law, rule.1), phase).await;
                    let steps: Vec<_> = (0..24).map(|_| Step::Call(every, Call::of(tokens))).collect();
                    world.run(&steps, |_| ()).await;
                    recognized(&world)
                });
                assert!(
                    told.is_empty(),
                    "{law:?}, {tokens} tokens every {every} ms from {phase} ms: {told:?}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::config(4))]

    #[test]
    fn a_wrong_law_is_recognized_in_the_traffic_of_a_busy_client(
        phase in 5_000_u64..50_000, calls in trace::calls(),
    ) {
        for believed in LAWS {
            for law in LAWS.into_iter().filter(|law| *law != believed) {
                let (told, refused) = paused(async {
                    let limits = limits(believed, Charge::InputPlusMaxOutput);
                    let mut world = World::new(limits, truth(law, ChargeRule::InputPlusMaxOutput), phase).await;
                    world.saturate(&calls, 600_000, |_| ()).await;
                    (recognized(&world), world.refused)
                });
                assert_eq!(told, [kind(law)], "{believed:?} for {law:?} from {phase} ms, {} refused", refused);
            }
        }
    }
}
