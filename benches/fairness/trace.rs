//! The calls that arrive: from a seed, the same for every contender.

use std::time::Duration;

use crate::bucket::{Account, PERIOD};
use crate::random::Random;

/// How long calls arrive, and how long a run lasts.
pub(crate) const RUN: Duration = Duration::from_secs(600);

const SEED: u64 = 0x746f_6c6c_6761_7465;
/// Costs of small calls.
const SMALL: std::ops::RangeInclusive<u32> = 50..=300;
/// By how much the small calls alone ask for more than is refilled.
const OVERLOAD: f64 = 2.0;
/// Calls of the quiet tenant in a second: more than half the refill of the small account pays for.
const QUIET: f64 = 0.7;
/// How many calls the busy tenant makes for one of the quiet one.
const BUSY: f64 = 100.0;

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Since the run began.
    pub(crate) arrival: Duration,
    pub(crate) tokens: u32,
    /// How long it keeps its slot once it is admitted.
    pub(crate) held: Duration,
    pub(crate) tenant: Tenant,
    pub(crate) size: Size,
}

/// Whether it is one of the few that ask for most of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

/// Whose call it is. Small and large calls are of two tenants, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// Large calls, or few calls.
    Quiet,
    /// Small calls, or many.
    Busy,
}

impl Tenant {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tenant::Quiet => "quiet",
            Tenant::Busy => "busy",
        }
    }
}

/// Small calls at twice the refill, and each minute a large one of 80 % of the bucket.
pub(crate) fn sizes(account: Account) -> Vec<Call> {
    let mut random = Random(SEED);
    let mean = f64::from(SMALL.start() + SMALL.end()) / 2.0;
    let rate = OVERLOAD * f64::from(account.tokens) / PERIOD.as_secs_f64() / mean;
    let mut calls = small(&mut random, rate, Tenant::Busy);
    // In the middle of each minute, so that the last one has half a minute left.
    let arrivals = (0..RUN.as_secs() / 60).map(|minute| Duration::from_secs(minute * 60 + 30));
    calls.extend(arrivals.map(|arrival| Call {
        arrival,
        tokens: account.tokens / 5 * 4,
        held: held(&mut random),
        tenant: Tenant::Quiet,
        size: Size::Large,
    }));
    calls.sort_by_key(|call| call.arrival);
    calls
}

/// Small calls of two tenants of the small account that both want more than their half.
pub(crate) fn tenants() -> Vec<Call> {
    let mut random = Random(SEED);
    let mut calls = small(&mut random, QUIET, Tenant::Quiet);
    calls.extend(small(&mut random, QUIET * BUSY, Tenant::Busy));
    calls.sort_by_key(|call| call.arrival);
    calls
}

/// Calls that arrive at random, `rate` in a second.
fn small(random: &mut Random, rate: f64, tenant: Tenant) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut arrival = gap(random, rate);
    while arrival < RUN {
        let tokens = between(random, *SMALL.start(), *SMALL.end());
        calls.push(Call { arrival, tokens, held: held(random), tenant, size: Size::Small });
        arrival += gap(random, rate);
    }
    calls
}

fn between(random: &mut Random, least: u32, most: u32) -> u32 {
    least + (random.next() % u64::from(most - least + 1)) as u32
}

/// The time to the next arrival. Whole milliseconds, as tokio's timers count.
fn gap(random: &mut Random, rate: f64) -> Duration {
    let seconds = -(1.0 - random.unit()).ln() / rate;
    Duration::from_millis((seconds * 1_000.0).round() as u64)
}

fn held(random: &mut Random) -> Duration {
    Duration::from_millis(u64::from(between(random, 500, 2_000)))
}
