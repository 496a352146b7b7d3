//! Random plans and operations, weighted towards the states in which limiters go wrong.

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

use crate::op::{Call, Head, No, Op, Used, Wait};
use crate::plan::Plan;

/// A limiter and what happens to it.
#[derive(Clone, Debug, Arbitrary)]
pub struct Case {
    pub plan: Plan,
    pub ops: Vec<Op>,
}

/// Most operations of one case; more only make it slow.
pub(crate) const MOST: usize = 120;

fn any_of<T: for<'a> Arbitrary<'a> + std::fmt::Debug>(bytes: usize) -> impl Strategy<Value = T> {
    prop::collection::vec(any::<u8>(), bytes).prop_map(|bytes| {
        // What is missing is taken for zeros.
        T::arbitrary(&mut Unstructured::new(&bytes)).expect("any bytes will do")
    })
}

fn call() -> impl Strategy<Value = Call> {
    any_of::<Call>(28)
}

fn wait() -> impl Strategy<Value = Wait> {
    any_of::<Wait>(7)
}

/// Some of four calls, so that many are alike.
fn few(calls: [Call; 4]) -> impl Strategy<Value = Call> {
    (prop::bool::weighted(0.7), prop::sample::select(calls.to_vec()), call())
        .prop_map(|(known, one_of, new)| if known { one_of } else { new })
}

fn exact_op(calls: [Call; 4]) -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => few(calls).prop_map(Op::Try),
        3 => (any::<u8>(), any_of::<Used>(8)).prop_map(|(permit, used)| Op::Release { permit, used }),
        1 => any::<u8>().prop_map(Op::Cancel),
        1 => any::<u8>().prop_map(Op::Lose),
        1 => (any::<u8>(), prop::sample::select(vec![No::TooLarge, No::Rejected, No::Failed, No::Model]))
            .prop_map(|(permit, no)| Op::Refuse { permit, no }),
        4 => wait().prop_map(Op::Pass),
        4 => wait().prop_map(Op::Jump),
    ]
}

fn any_op(calls: [Call; 4]) -> impl Strategy<Value = Op> {
    let within = || prop_oneof![4 => Just(None), 1 => any::<u16>().prop_map(Some)];
    prop_oneof![
        10 => (few(calls), within(), prop::bool::weighted(0.8))
            .prop_map(|(call, within, polled)| Op::Acquire { call, within, polled }),
        3 => few(calls).prop_map(Op::Try),
        2 => any::<u8>().prop_map(Op::Poll),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(waiter, polled)| Op::Attend(waiter, polled)),
        2 => any::<u8>().prop_map(Op::Leave),
        6 => (any::<u8>(), any_of::<Used>(8)).prop_map(|(permit, used)| Op::Release { permit, used }),
        1 => (any::<u8>(), any_of::<No>(10)).prop_map(|(permit, no)| Op::Refuse { permit, no }),
        1 => any::<u8>().prop_map(Op::Cancel),
        1 => any::<u8>().prop_map(Op::Lose),
        2 => (any::<u8>(), any_of::<Head>(12)).prop_map(|(permit, head)| Op::Observe { permit, head }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(scope, eighths)| Op::SetLimits { scope, eighths }),
        1 => (any::<bool>(), any::<u8>()).prop_map(|(tenant, weight)| Op::SetWeight { tenant, weight }),
        1 => prop_oneof![Just(Op::Restart), Just(Op::Resume)],
        7 => wait().prop_map(Op::Pass),
        2 => wait().prop_map(Op::Jump),
    ]
}

fn calls() -> impl Strategy<Value = [Call; 4]> {
    (any::<bool>(), [call(), call(), call(), call()]).prop_map(|(one_line, calls)| {
        let Call { tenant, priority, .. } = calls[0];
        calls.map(|call| if one_line { Call { tenant, priority, ..call } } else { call })
    })
}

/// Cases in which the answer to each call is known exactly: nobody waits, nothing is observed, no guard.
pub fn exact() -> impl Strategy<Value = Case> {
    let ops = calls().prop_flat_map(|calls| prop::collection::vec(exact_op(calls), 1..60));
    (any_of::<Plan>(120), ops).prop_map(|(plan, ops)| Case { plan, ops })
}

/// Cases in which everything may happen.
pub fn everything() -> impl Strategy<Value = Case> {
    let ops = calls().prop_flat_map(|calls| prop::collection::vec(any_op(calls), 1..60));
    (any_of::<Plan>(120), ops).prop_map(|(plan, ops)| Case { plan, ops })
}
