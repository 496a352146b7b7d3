//! What is told of a run.

use std::time::Duration;

use crate::bucket::{Account, PERIOD};
use crate::play::Outcome;
use crate::trace::{Call, RUN, Size, Tenant};

/// Figures of a run with calls of two sizes.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Tokens admitted in parts of those that there were.
    pub(crate) utilisation: f64,
    pub(crate) small: Waits,
    pub(crate) large: Waits,
    pub(crate) late: Late,
}

/// Waits of the calls of one size that were admitted, in order.
#[derive(Debug)]
pub(crate) struct Waits {
    pub(crate) calls: usize,
    waits: Vec<Duration>,
}

/// By how much a large call started later than first come, first served at the worst.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Late {
    /// Negative if each started earlier.
    pub(crate) seconds: f64,
    /// The call still waited when the run ended: it is later by at least as much.
    pub(crate) at_least: bool,
}

impl Figures {
    pub(crate) fn new(account: Account, calls: &[Call], outcome: &Outcome, first_come: &Outcome) -> Self {
        Figures {
            utilisation: utilisation(account, calls, outcome),
            small: Waits::new(calls, outcome, Size::Small),
            large: Waits::new(calls, outcome, Size::Large),
            late: Late::worst(calls, outcome, first_come),
        }
    }
}

fn utilisation(account: Account, calls: &[Call], outcome: &Outcome) -> f64 {
    let admitted = calls.iter().zip(&outcome.starts).filter(|(_, start)| start.is_some());
    let tokens: u32 = admitted.map(|(call, _)| call.tokens).sum();
    let there_were = f64::from(account.tokens) * (1.0 + RUN.as_secs_f64() / PERIOD.as_secs_f64());
    f64::from(tokens) / there_were
}

impl Waits {
    fn new(calls: &[Call], outcome: &Outcome, size: Size) -> Self {
        let ours = || calls.iter().zip(&outcome.starts).filter(|(call, _)| call.size == size);
        let wait = |(call, start): (&Call, &Option<Duration>)| start.map(|start| start - call.arrival);
        let mut waits: Vec<_> = ours().filter_map(wait).collect();
        waits.sort_unstable();
        Waits { calls: ours().count(), waits }
    }

    pub(crate) fn served(&self) -> usize {
        self.waits.len()
    }

    /// The least wait that `percent` of the admitted calls did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let rank = (self.waits.len() * percent).div_ceil(100).max(1);
        self.waits.get(rank - 1).map(Duration::as_secs_f64)
    }
}

impl Late {
    fn worst(calls: &[Call], outcome: &Outcome, first_come: &Outcome) -> Self {
        let starts = outcome.starts.iter().zip(&first_come.starts);
        let large = calls.iter().zip(starts).filter(|(call, _)| call.size == Size::Large);
        let late = large.filter_map(|(_, (start, first_come))| {
            let seconds = start.unwrap_or(RUN).as_secs_f64() - (*first_come)?.as_secs_f64();
            Some(Late { seconds, at_least: start.is_none() })
        });
        late.max_by(|a, b| a.seconds.total_cmp(&b.seconds)).expect("a large call was served")
    }
}

/// What the quiet tenant got of the tokens.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Of the tokens admitted while both waited.
    pub(crate) quiet: f64,
    /// How many tokens these were.
    pub(crate) contested: u64,
    /// What it asked for, of all that was asked for.
    pub(crate) asked: f64,
}

impl Shares {
    pub(crate) fn new(calls: &[Call], outcome: &Outcome) -> Self {
        let [quiet, busy] = outcome.contested;
        let asked = |calls: &mut dyn Iterator<Item = &Call>| -> f64 {
            calls.map(|call| f64::from(call.tokens)).sum()
        };
        let quiet_asked = asked(&mut calls.iter().filter(|call| call.tenant == Tenant::Quiet));
        Shares {
            quiet: quiet as f64 / (quiet + busy) as f64,
            contested: quiet + busy,
            asked: quiet_asked / asked(&mut calls.iter()),
        }
    }
}
