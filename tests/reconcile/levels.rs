//! The level in the books and the provider's.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;
use tollgate::{Charge, Cost, Event, Limiter, Limits, Unit};
use tollgate_sim::LawKind;

use crate::trace::{self, Call};
use crate::world::World;
use crate::{TPM, config, limits, paused, quota, rules, truth};

fn no_rule_was_taken_for_another(world: &World) {
    let wrong = |event: &&Event| {
        matches!(
            event,
            Event::WindowChanged { .. } | Event::ChargeChanged { .. } | Event::LimitChanged { .. }
        )
    };
    let wrong: Vec<_> = world.told.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Where the output is charged at the end, a bucket that was full until then shows it charged earlier.
fn counts_late(law: LawKind, rule: usize) -> bool {
    law == LawKind::Refill && rule == 2
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn when_all_is_heard_the_books_show_what_the_provider_does(
        law in trace::law(), phase in 0_u64..60_000, rule in 0_usize..3, steps in trace::steps(3),
    ) {
        let steps = trace::young(law, steps);
        paused(async {
            let (ours, theirs) = rules()[rule];
            let mut world = World::new(limits(law, ours), truth(law, theirs), phase).await;
            world.run(&steps, |_| ()).await;
            world.probe().await;
            let (ours, theirs) = (world.ours(), world.theirs());
            let (above, below) = (world.above(), world.below());
            let full = if law == LawKind::Refill { [299, 60_949] } else { [300, 61_000] };
            // The output of the last call may have been to come.
            let uncounted = if rule == 2 { 2 } else { 0 };
            for which in [0, 1] {
                let (least, most) = (theirs[which].min(full[which]) - below[which] - uncounted, theirs[which] + above[which]);
                // What may have been charged at the turn of a window counts in both.
                let carried = law == LawKind::Fixed && world.crossed();
                assert!(ours[which] >= least || carried, "{ours:?}, {theirs:?}, may be {below:?} below");
                assert!(ours[which] <= most, "{ours:?}, {theirs:?}, may be {above:?} above");
            }
            no_rule_was_taken_for_another(&world);
        });
    }

    #[test]
    fn alone_on_the_key_the_books_never_show_more_than_the_provider(
        law in trace::law(), phase in 0_u64..60_000, rule in 0_usize..3, mute in any::<bool>(),
        steps in trace::steps(0),
    ) {
        paused(async {
            let (ours, theirs) = rules()[rule];
            let mut world = World::new(limits(law, ours), truth(law, theirs), phase).await;
            world.mute = mute;
            world.run(&steps, |world| {
                let (ours, theirs) = (world.ours(), world.theirs());
                assert!(ours[0] <= theirs[0], "{ours:?} of {theirs:?}");
                assert!(ours[1] <= theirs[1] || counts_late(law, rule), "{ours:?} of {theirs:?}");
            }).await;
            assert_eq!(world.refused, 0);
            no_rule_was_taken_for_another(&world);
        });
    }
}

/// The answer to a call may come before that to a later one which overtook it on its way, and was charged first.
#[test]
fn an_answer_that_counts_a_call_sent_later_takes_that_call_from_nobody_twice() {
    let cost = |tokens| Cost::input(tokens);
    let head = |left: u64| {
        [("x-ratelimit-limit-tokens", TPM.to_string()), ("x-ratelimit-remaining-tokens", left.to_string())]
    };
    for law in [LawKind::Fixed, LawKind::Sliding] {
        paused(async {
            let limits = Limits::new().with(quota(law, Unit::Tokens, TPM)).charge(Charge::InputOnly);
            let limiter = Limiter::builder().model("m", limits).build().unwrap();
            limiter.acquire("m", cost(1_000)).await.unwrap().observe(200_u16, &head(TPM - 1_000));

            let first = limiter.acquire("m", cost(2_000)).await.unwrap();
            let later = limiter.acquire("m", cost(30_000)).await.unwrap();
            sleep(Duration::from_secs(2)).await;
            first.observe(200_u16, &head(TPM - 33_000));
            assert!(limiter.try_acquire("m", cost(TPM - 33_000)).is_ok(), "{law:?}");
            drop((first, later));
        });
    }
}

/// Tokens answered within so many milliseconds by a client that always has more to do, and how often it was refused.
async fn used(law: LawKind, rule: usize, phase: u64, calls: &[Call], mute: bool) -> (u64, usize) {
    let (ours, theirs) = rules()[rule];
    let mut world = World::new(limits(law, ours), truth(law, theirs), phase).await;
    world.mute = mute;
    world
        .saturate(calls, 180_000, |world| {
            let (ours, theirs) = (world.ours(), world.theirs());
            assert!(ours[0] <= theirs[0], "{ours:?} of {theirs:?}");
            assert!(ours[1] <= theirs[1] || counts_late(law, rule), "{ours:?} of {theirs:?}");
        })
        .await;
    no_rule_was_taken_for_another(&world);
    (world.answered, world.refused)
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn alone_on_the_key_answers_neither_draw_refusals_nor_slow_anything(
        law in trace::law(), phase in 0_u64..60_000, rule in 0_usize..3, calls in trace::calls(),
    ) {
        let (with, refused) = paused(used(law, rule, phase, &calls, false));
        let (without, _) = paused(used(law, rule, phase, &calls, true));
        assert_eq!(refused, 0);
        println!("{law:?} {rule}: {with} of {without}: {:.4}", with as f64 / without as f64);
        assert!(with as f64 >= 0.9 * without as f64, "{with} tokens with answers, {without} without");
    }
}
