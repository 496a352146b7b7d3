//! Limits that change while calls are out, and clocks that are set.

use proptest::prelude::*;

use super::draw::{self, Range};
use super::model::{Budget, ns};
use super::ops::{Op, limits_by};
use super::world::World;
use super::{BEGIN, config};
use crate::ledger::{End, Ledger};
use crate::quota::{Cost, Limits, Quota, Window};
use crate::time::Now;

fn limits(quotas: &[Quota]) -> Limits {
    quotas.iter().fold(Limits::new(), |limits, quota| limits.with(*quota))
}

/// No budget shows more than it can hold.
fn assert_within(ledger: &Ledger, now: Now) {
    for scope in ledger.clone().snapshot(now) {
        for budget in scope.budgets {
            let full = Budget::new(budget.quota, now).capacity();
            assert!(i128::from(budget.remaining) <= full, "{:?}: {}", budget.quota, budget.remaining);
        }
    }
}

/// The same kind of budget, for which what was used is what was used.
fn same_law(old: &Quota, new: &Quota) -> bool {
    let kind = |quota: &Quota| std::mem::discriminant(&quota.window());
    old.unit() == new.unit() && old.window().period() == new.window().period() && kind(old) == kind(new)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn what_was_used_stays_used_when_a_limit_changes_and_every_call_still_ends_well(
        plan in draw::plan(Range::Usual),
        before in draw::ops(Range::Usual),
        changed in prop::collection::vec(prop::collection::vec(draw::quota(Range::Usual), 1..4), 1..4),
        factor in prop_oneof![Just(0_u64), Just(1), Just(2), Just(7)],
        settles in prop::collection::vec((any::<bool>(), 0_u64..50), 0..200),
        later in 0_u64..10_000_000_000,
    ) {
        let mut world = World::new(plan, BEGIN);
        for op in before {
            world.run(op);
        }
        let (now, mut out) = (world.now, std::mem::take(&mut world.out));
        // First, the same quotas with another limit.
        let was = world.ledger.snapshot(now);
        for (scope, (quotas, rule)) in world.plan.scopes.iter().enumerate() {
            let more = |quota: &Quota| match quota.window() {
                Window::Refill { period, burst } => Quota::refill(quota.unit(), quota.limit() * factor, period)
                    .burst((burst * factor).max(1)),
                Window::Fixed { period, offset } => Quota::fixed(quota.unit(), quota.limit() * factor, period)
                    .resets_at(offset),
                Window::Sliding { period } => Quota::sliding(quota.unit(), quota.limit() * factor, period),
                Window::Held => Quota::concurrency(quota.limit() * factor),
            };
            let more = |quota: &Quota| if quota.window() == Window::Held {
                more(quota)
            } else {
                more(quota).guard(quota.jitter_guard())
            };
            let quotas: Vec<Quota> = quotas.iter().map(more).collect();
            world.ledger.set_limits(scope, &quotas.iter().fold(limits_by(*rule), |limits, quota| limits.with(*quota)), now);
        }
        let is = world.ledger.snapshot(now);
        for (was, is) in was.iter().zip(&is) {
            // Two quotas of one kind and period cannot be told apart when one changes.
            for (i, (old, new)) in was.budgets.iter().zip(&is.budgets).enumerate() {
                let twin = was.budgets.iter().enumerate().any(|(j, b)| i != j && same_law(&b.quota, &old.quota));
                if twin {
                    continue;
                }
                let used = |quota: &Quota, left: i64| {
                    let full = Budget::new(*quota, now).capacity();
                    full - i128::from(left)
                };
                let (old, new) = (used(&old.quota, old.remaining), used(&new.quota, new.remaining));
                assert!((old - new).abs() <= 1, "{:?}: {old} used, then {new}", is.budgets[i].quota);
            }
        }
        assert_within(&world.ledger, now);
        // Then, any others.
        for (scope, quotas) in changed.iter().enumerate().take(world.plan.scopes.len()) {
            world.ledger.set_limits(scope, &limits(quotas), now);
            assert_within(&world.ledger, now);
        }
        let mut at = now;
        for (placed, used) in settles {
            let Some(call) = out.pop() else { break };
            at = at.at_uptime(at.uptime + later);
            let latest = call.placed.or_else(|| {
                placed.then(|| world.ledger.place(&call.charged, at, at))
            });
            let usage = crate::quota::Usage::new(used, used);
            world.ledger.settle(&call.charged, latest.as_ref(), &End::Released(usage), at);
            assert_within(&world.ledger, at);
        }
        for call in out {
            world.ledger.settle(&call.charged, call.placed.as_ref(), &End::Cancelled, at);
            assert_within(&world.ledger, at);
        }
        let far = Now { uptime: at.uptime + (1 << 62), utc: at.utc + (1 << 62) };
        for scope in world.ledger.snapshot(far) {
            for budget in scope.budgets {
                let full = Budget::new(budget.quota, far).capacity();
                // Nothing flows into a bucket without a limit: it stays in debt and admits nothing.
                if budget.quota.limit() == 0 {
                    continue;
                }
                // What the last few calls used beyond their reservation is paid by then, too.
                assert_eq!(i128::from(budget.remaining), full, "{:?} is not whole", budget.quota);
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_disturbs_only_aligned_windows_and_not_for_long(
        plan in draw::plan(Range::Usual),
        ops in prop::collection::vec(
            prop_oneof![8 => draw::op(Range::Usual, 9), 1 => any::<i16>().prop_map(Op::Step)], 1..70),
        input in 0_u64..60,
    ) {
        let mut world = World::new(plan, BEGIN);
        for op in ops {
            world.run(op);
            world.check_levels();
            for book in 0..world.ids.len() {
                world.check_start(book, Cost::input(input));
                world.check_soonest(book, Cost::input(input));
            }
            world.check_restart(1_000);
        }
        // Two windows later, whatever the clock was: everything that has ended is forgotten.
        while !world.out.is_empty() {
            world.settle(0, &End::Cancelled);
        }
        // The books notice.
        world.ledger.snapshot(world.now);
        for (scope, budgets) in world.model.iter().enumerate() {
            for (i, budget) in budgets.iter().enumerate() {
                let Window::Fixed { period, .. } = budget.quota.window() else { continue };
                let far = world.now.uptime + u64::try_from(3 * ns(period)).unwrap();
                let left = world.ledger.clone().snapshot(world.now.at_uptime(far))[scope].budgets[i].remaining;
                assert_eq!(i128::from(left), budget.capacity(), "{:?} is not whole", budget.quota);
            }
        }
    }
}
