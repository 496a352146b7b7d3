//! Cases that were found, each named for what its user would suffer.

use std::time::Duration;

use super::super::End;
use super::ops::{How, Op, Plan, Size, Wait};
use super::world::World;
use super::{BEGIN, compare};
use crate::quota::{Cost, Quota, Rule, Unit, Usage};
use crate::time::Now;

const SECOND: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn one(quota: Quota) -> Plan {
    Plan { scopes: vec![(vec![quota], Rule::default())], books: vec![vec![0]] }
}

fn admit(input: u64) -> Op {
    Op::Admit { book: 0, input: Size::Exactly(input), output: Size::Exactly(0) }
}

fn settle(call: u8, used: u64) -> Op {
    Op::Settle { call, how: How::Used(used, 0, 0) }
}

/// Waits in steps that an operation can hold.
fn wait(seconds: u32) -> Vec<Op> {
    (0..seconds).map(|_| Op::Wait(Wait::Nanos(1_000_000_000))).collect()
}

#[test]
fn a_refund_after_another_call_ran_into_debt_gives_no_more_than_the_true_prices_leave() {
    let quota = Quota::refill(Unit::Tokens, 1_000, MINUTE).guard(Duration::ZERO);
    // Two calls are out; the bucket fills up again and spills; one costs 300 more than it reserved.
    let ops = [vec![admit(500), admit(10)], wait(60), vec![settle(1, 310), settle(0, 100)]].concat();
    let mut world = compare(one(quota), &ops);
    let left = world.ledger.snapshot(world.now)[0].budgets[0].remaining;
    assert_eq!(left, 700, "full and spilling at the true prices, less the debt");
}

#[test]
fn a_refund_of_a_charge_that_has_aged_takes_nothing_off_a_later_charge() {
    let quota = Quota::sliding(Unit::InputTokens, 100, MINUTE).guard(Duration::ZERO);
    let mut world = World::new(one(quota), BEGIN);
    let at = |nanos: u64| BEGIN.at_uptime(BEGIN.uptime + nanos);
    let id = world.ids[0];
    let first = world.ledger.admit(id, Cost::input(50), at(0)).unwrap();
    let second = world.ledger.admit(id, Cost::input(50), at(1)).unwrap();
    let placed = world.ledger.place(&first, at(2), at(2));
    // The first has left its window. The answer to the second began a little after the first's and
    // is told only now.
    let now = at(2 + 60 * SECOND);
    world.ledger.place(&second, at(1_000), now);
    world.ledger.settle(&first, Some(&placed), &End::Released(Usage::new(0, 0)), now);
    let left = world.ledger.snapshot(now)[0].budgets[0].remaining;
    assert_eq!(left, 50, "the second call's tokens are still in the window");
}

#[test]
fn a_restart_just_before_midnight_does_not_cost_the_next_day() {
    let day = Duration::from_secs(86_400);
    let quota = Quota::fixed(Unit::Requests, 1_000, day);
    let noon = Now { uptime: BEGIN.uptime, utc: 20_000 * 86_400 * SECOND + 43_200 * SECOND };
    let mut world = World::new(one(quota), noon);
    for _ in 0..1_000 {
        world.run(admit(0));
        world.run(Op::Place { call: 0, latest: 255 });
        world.run(Op::Settle { call: 0, how: How::Released(100, 100, 0) });
    }
    let late = noon.at_uptime(noon.uptime + 43_200 * SECOND - 10_000_000);
    let past = world.ledger.snapshot(late);
    let tomorrow = late.at_uptime(late.uptime + 60 * SECOND);
    assert_eq!(world.ledger.clone().snapshot(tomorrow)[0].budgets[0].remaining, 1_000);
    let mut restored = World::new(world.plan.clone(), late).ledger;
    restored.restore(&past[0], late);
    assert_eq!(restored.snapshot(tomorrow)[0].budgets[0].remaining, 1_000);
}

#[test]
fn a_call_that_ended_at_the_next_edge_after_a_long_idle_counts_beyond_it_too() {
    let guard = Duration::from_millis(50);
    let quota = Quota::fixed(Unit::Tokens, 100, MINUTE).guard(guard);
    let midnight = Now { uptime: BEGIN.uptime, utc: 20_000 * 86_400 * SECOND + SECOND };
    let mut world = World::new(one(quota), midnight);
    let id = world.ids[0];
    let call = world.ledger.admit(id, Cost::input(60), midnight).unwrap();
    // It ends 10 ms before the third minute, after a long idle.
    let end = midnight.at_uptime(midnight.uptime + 119 * SECOND - 10_000_000);
    world.ledger.settle(&call, None, &End::Released(Usage::new(60, 0)), end);
    assert_eq!(world.ledger.snapshot(end)[0].budgets[0].remaining, 40);
    // Before the edge and at once after it, the provider may have counted it in the third minute.
    let third = end.at_uptime(end.uptime + SECOND);
    assert_eq!(world.ledger.snapshot(third)[0].budgets[0].remaining, 40);
}

#[test]
fn a_call_that_costs_nothing_of_a_budget_in_debt_is_not_told_to_wait_where_it_may_go() {
    for quota in [
        Quota::sliding(Unit::Tokens, 10, MINUTE),
        Quota::fixed(Unit::Tokens, 10, MINUTE),
        Quota::refill(Unit::Tokens, 10, MINUTE),
    ] {
        let world = compare(one(quota), &[admit(5), settle(0, 100)]);
        world.check_start(0, Cost::input(0));
    }
}

#[test]
fn an_absurd_usage_does_not_promise_a_start_at_which_the_call_is_refused() {
    let quota = Quota::sliding(Unit::Tokens, 10, MINUTE);
    // The second call stays out, so that even when the first has aged 5 are taken.
    let world = compare(one(quota), &[admit(5), admit(5), settle(0, u64::MAX)]);
    world.check_start(0, Cost::input(8));
}
