//! Random plans and operations, weighted towards the states in which books go wrong: nearly
//! empty, at an edge, many calls out, long idle.

use std::time::Duration;

use proptest::prelude::*;

use super::ops::{How, Op, Plan, Size, Wait};
use crate::quota::{Charge, Quota, Rule, Unit};

/// Which numbers a quota may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Such that nothing is rounded.
    Usual,
    Extreme,
}

fn period(range: Range) -> BoxedStrategy<u64> {
    // Few lengths, so that edges of several budgets fall together.
    let usual = prop_oneof![
        Just(1_000_000_u64),
        Just(60_000_000_000),
        Just(30_000_000_000),
        Just(180_000_000_000),
        Just(86_400_000_000_000),
        Just(7_919_003),
        Just(1_000_003),
    ];
    let day = 86_400_000_000_000_u64;
    match range {
        Range::Usual => usual.boxed(),
        Range::Extreme => {
            prop_oneof![usual, Just(366 * day), Just(366 * day - 1), 1_000_000..366 * day,].boxed()
        }
    }
}

fn limit(range: Range) -> BoxedStrategy<u64> {
    match range {
        Range::Usual => {
            prop_oneof![1 => Just(0_u64), 6 => 1_u64..12, 8 => 12_u64..300, 3 => 300_u64..8_000].boxed()
        }
        Range::Extreme => {
            prop_oneof![Just(1_u64 << 40), Just((1 << 40) - 1), Just(1), 1..1_u64 << 40, 1_u64..300].boxed()
        }
    }
}

pub(super) fn quota(range: Range) -> impl Strategy<Value = Quota> {
    let unit = prop_oneof![
        2 => Just(Unit::Requests), 4 => Just(Unit::Tokens),
        2 => Just(Unit::InputTokens), 2 => Just(Unit::OutputTokens), 1 => Just(Unit::InFlight),
    ];
    let share = prop_oneof![Just(0_u64), Just(1), Just(60), Just(125), Just(499)];
    (unit, limit(range), period(range), 0_u8..3, limit(range), share, 0_u64..1_000).prop_map(
        |(unit, limit, period, kind, burst, guard, offset)| {
            let share = |thousandths: u64| Duration::from_nanos(period / 1_000 * thousandths);
            let length = Duration::from_nanos(period);
            let quota = match kind {
                _ if unit == Unit::InFlight => return Quota::concurrency(limit.min(60)),
                0 => Quota::refill(unit, limit, length)
                    .burst(if burst % 3 == 0 { limit } else { burst }.max(1)),
                1 => Quota::fixed(unit, limit, length).resets_at(share(offset)),
                _ => Quota::sliding(unit, limit, length),
            };
            quota.guard(share(guard))
        },
    )
}

pub(super) fn rule(range: Range) -> impl Strategy<Value = Rule> {
    let charge = prop_oneof![
        3 => Just(Charge::Usage), 1 => Just(Charge::InputPlusMaxOutput),
        1 => Just(Charge::LargerOfInputAndMaxOutput), 1 => Just(Charge::InputOnly),
    ];
    let output_weight = match range {
        Range::Usual => prop_oneof![6 => Just(1_u16), 3 => Just(5), 1 => 0_u16..16].boxed(),
        // Weights make calls so large that several together owe more than 64 bits of parts hold.
        Range::Extreme => Just(1_u16).boxed(),
    };
    (charge, output_weight, any::<bool>()).prop_map(|(charge, output_weight, cached_is_free)| Rule {
        charge,
        output_weight,
        cached_is_free,
    })
}

pub(super) fn plan(range: Range) -> impl Strategy<Value = Plan> {
    let scope = (prop::collection::vec(quota(range), 1..4), rule(range));
    prop::collection::vec(scope, 1..=3).prop_flat_map(|scopes| {
        let book = prop::sample::subsequence((0..scopes.len()).collect::<Vec<_>>(), 1..=scopes.len());
        (Just(scopes), prop::collection::vec(book.prop_shuffle(), 1..=3))
            .prop_map(|(scopes, books)| Plan { scopes, books })
    })
}

fn off() -> impl Strategy<Value = i8> {
    prop_oneof![4 => -1_i8..=1, 1 => any::<i8>()]
}

fn size(range: Range) -> BoxedStrategy<Size> {
    let usual = prop_oneof![
        4 => (0_u64..12).prop_map(Size::Exactly),
        6 => (0_u8..90).prop_map(Size::Share),
        1 => any::<u8>().prop_map(Size::Share),
        3 => (any::<u8>(), off()).prop_map(|(budget, off)| Size::Left { budget, off }),
        1 => (any::<u8>(), off()).prop_map(|(budget, off)| Size::Most { budget, off }),
    ];
    match range {
        Range::Usual => usual.boxed(),
        Range::Extreme => prop_oneof![6 => usual, 1 => any::<u64>().prop_map(Size::Exactly)].boxed(),
    }
}

fn how(range: Range) -> BoxedStrategy<How> {
    let cached = || prop_oneof![2 => Just(0_u8), 1 => 0_u8..=110];
    let released = |(input, output, cached)| How::Released(input, output, cached);
    let usual = prop_oneof![
        8 => (0_u8..=100, 0_u8..=100, cached()).prop_map(released),
        2 => (90_u8..=250, 0_u8..=250, cached()).prop_map(released),
        1 => (0_u8..=100, 0_u8..=100).prop_map(|(input, output)| How::Broken(input, output)),
        1 => Just(How::Limited), 1 => Just(How::TooLarge), 1 => Just(How::Rejected),
        1 => Just(How::Failed), 2 => Just(How::Cancelled), 1 => Just(How::Lost),
    ];
    let any_number = || prop_oneof![Just(u64::MAX), any::<u64>(), 0_u64..1 << 42];
    match range {
        Range::Usual => usual.boxed(),
        Range::Extreme => prop_oneof![
            8 => usual,
            1 => (any_number(), any_number(), any_number())
                .prop_map(|(input, output, cached)| How::Used(input, output, cached)),
        ]
        .boxed(),
    }
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        3 => prop_oneof![0_u32..3, any::<u32>()].prop_map(Wait::Nanos),
        6 => (any::<u8>(), 0_u16..400).prop_map(|(budget, share)| Wait::Share(budget, share)),
        1 => (any::<u8>(), 400_u16..5_000).prop_map(|(budget, share)| Wait::Share(budget, share)),
        6 => (any::<u8>(), any::<u8>(), off()).prop_map(|(budget, which, off)| Wait::Edge { budget, which, off }),
    ]
}

/// `ends` is the weight of a call's end: where it is low, many are out.
pub(super) fn op(range: Range, ends: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => wait().prop_map(Op::Wait),
        12 => (any::<u8>(), size(range), size(range))
            .prop_map(|(book, input, output)| Op::Admit { book, input, output }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(call, latest)| Op::Place { call, latest }),
        2 => (any::<u8>(), any::<u8>(), off())
            .prop_map(|(call, budget, off)| Op::PlaceOld { call, budget, off }),
        ends => (any::<u8>(), how(range)).prop_map(|(call, how)| Op::Settle { call, how }),
        ends.div_ceil(3) => (any::<u8>(), how(range), prop_oneof![Just(0_u32), any::<u32>()])
            .prop_map(|(call, how, gap)| Op::SettleUntimed { call, how, gap }),
    ]
}

pub(super) fn ops(range: Range) -> impl Strategy<Value = Vec<Op>> {
    prop_oneof![
        6 => prop::collection::vec(op(range, 9), 1..70),
        1 => prop::collection::vec(op(range, 1), 60..120),
    ]
}
