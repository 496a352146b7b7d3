//! Random calls, paths, answers and other users.

use proptest::prelude::*;
use tollgate_sim::LawKind;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Heard,
    /// The head comes with the whole answer.
    HeardAtTheEnd,
    /// Nobody looks at the head.
    Unheard,
    /// Nobody knows how it ended.
    Dropped,
    HeardAndDropped,
    /// Never sent.
    Cancelled,
}

/// Tokens and milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) input: u64,
    pub(crate) max_output: u64,
    pub(crate) output: u64,
    pub(crate) up: u64,
    pub(crate) latency: u64,
    pub(crate) down: u64,
    pub(crate) fate: Fate,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// So many milliseconds after the step before.
    Call(u64, Call),
    Other(u64, u64),
}

impl Call {
    pub(crate) fn probe() -> Self {
        Call { input: 1, max_output: 0, output: 0, up: 0, latency: 0, down: 0, fate: Fate::Heard }
    }

    pub(crate) fn of(tokens: u64) -> Self {
        Call { input: tokens, max_output: 0, output: 0, up: 5, latency: 50, down: 5, fate: Fate::Heard }
    }
}

pub(crate) fn law() -> impl Strategy<Value = LawKind> {
    prop_oneof![Just(LawKind::Refill), Just(LawKind::Fixed), Just(LawKind::Sliding)]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Heard), 4 => Just(Fate::HeardAtTheEnd), 2 => Just(Fate::Unheard),
        1 => Just(Fate::Dropped), 1 => Just(Fate::HeardAndDropped), 1 => Just(Fate::Cancelled),
    ]
}

fn call(fate: impl Strategy<Value = Fate>) -> impl Strategy<Value = Call> {
    let size = prop_oneof![4 => 1_u64..800, 1 => 800_u64..8_000];
    let latency = prop_oneof![3 => 0_u64..3_000, 1 => 3_000_u64..20_000];
    (size, 0_u64..1_000, 0_u64..=100, 0_u64..50, latency, 0_u64..50, fate).prop_map(
        |(input, max_output, share, up, latency, down, fate)| {
            let output = max_output * share / 100;
            Call { input, max_output, output, up, latency, down, fate }
        },
    )
}

/// Calls that all are answered and heard.
pub(crate) fn calls() -> impl Strategy<Value = Vec<Call>> {
    let fate = prop_oneof![2 => Just(Fate::Heard), 1 => Just(Fate::HeardAtTheEnd)];
    prop::collection::vec(call(fate), 40..80)
}

/// As much of a trace as happens within half a minute: nothing leaves a window that slides.
pub(crate) fn young(law: LawKind, mut steps: Vec<Step>) -> Vec<Step> {
    let mut at = 0;
    if law == LawKind::Sliding {
        steps.retain(|step| {
            let (Step::Call(gap, _) | Step::Other(gap, _)) = step;
            at += gap;
            at < 30_000
        });
    }
    steps
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0_u64..30, 3 => 0_u64..1_000, 1 => 1_000_u64..15_000]
}

/// `others` is how many of ten steps are of other users.
pub(crate) fn steps(others: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 - others => (gap(), call(fate())).prop_map(|(gap, call)| Step::Call(gap, call)),
        others => (gap(), 1_u64..6_000).prop_map(|(gap, tokens)| Step::Other(gap, tokens)),
    ];
    prop::collection::vec(step, 5..70)
}
