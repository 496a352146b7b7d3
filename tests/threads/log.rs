//! Calls of every kind from eight threads, and what can surely be said of them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tollgate::{Acquire, AcquireError, Charge, Cost, Limiter, Model, Permit, Usage, Verdict};

use super::Dice;
use super::audit::{Entry, When};

pub(crate) const MODELS: [&str; 2] = ["gpt-4o", "gpt-4o-mini"];
pub(crate) const TENANTS: [&str; 2] = ["alice", "bob"];
const THREADS: u64 = 8;
const TASKS: u64 = 4;

/// One admitted call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) model: usize,
    pub(crate) tenant: usize,
    pub(crate) admitted: When,
    /// Looked at just before the head was told, if it was.
    head: Option<u64>,
    pub(crate) ended: When,
    /// What it was expected to cost, and what it did: requests, tokens.
    reserved: [u64; 2],
    pub(crate) price: [u64; 2],
}

impl Call {
    /// What it took of requests or of tokens. A bucket that nobody waits for may settle a call as of the last
    /// instant that it knows; `is_bucket` has only what was told count.
    pub(crate) fn entry(&self, unit: usize, is_bucket: bool, charge: Charge) -> Entry {
        let Call { admitted, head, ended, reserved, price, .. } = *self;
        let at_the_end = unit == 1 && charge == Charge::Usage;
        let latest = match head {
            Some(head) if is_bucket || !at_the_end => Some(head),
            _ if is_bucket => None,
            _ => Some(ended.from),
        };
        Entry { admitted, latest, ended, reserved: reserved[unit], price: price[unit] }
    }
}

/// How the threads behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) begin: Instant,
    pub(crate) lasts: Duration,
    /// What the provider charges: what is used, or the input alone.
    pub(crate) charge: Charge,
    /// In every other span of this length, of which one begins so long after the run, nobody calls until
    /// shortly before its end.
    pub(crate) rests: Option<(Duration, u64)>,
}

impl Load {
    fn now(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }

    fn rest(&self, dice: &mut Dice) -> Option<Duration> {
        let (span, first) = self.rests?;
        let span = span.as_nanos() as u64;
        let spent = self.now() + span - first % span;
        let wakes = (spent / span + 1) * span - dice.below(6_000_000);
        (spent / span % 2 == 1 && spent < wakes).then(|| Duration::from_nanos(wakes - spent))
    }

    fn tokens(&self, input: u64, output: u64) -> u64 {
        if self.charge == Charge::InputOnly { input } else { input + output }
    }
}

/// Runs the load on eight threads, each with a runtime of its own; gives what was admitted.
pub(crate) fn run(limiter: &Limiter, load: Load) -> Vec<Call> {
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let limiter = limiter.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let task = |task| tokio::spawn(hammer(limiter.clone(), load, thread * TASKS + task + 1));
                    let tasks: Vec<_> = (0..TASKS).map(task).collect();
                    let mut calls = Vec::new();
                    for task in tasks {
                        let ended = tokio::time::timeout(Duration::from_secs(30), task).await;
                        calls.extend(ended.expect("nobody is stuck").unwrap());
                    }
                    calls
                })
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}

async fn hammer(limiter: Limiter, load: Load, seed: u64) -> Vec<Call> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut calls = Vec::new();
    while load.begin.elapsed() < load.lasts {
        if let Some(rest) = load.rest(&mut dice) {
            tokio::time::sleep(rest).await;
        }
        let (model, tenant) = (dice.below(2) as usize, dice.below(2) as usize);
        let handle = limiter.model(MODELS[model]).unwrap().tenant(TENANTS[tenant]);
        let cost = Cost::input(1 + dice.below(30)).max_output(dice.below(20));
        match admit(&handle, cost, &load, &mut dice).await {
            Some((permit, admitted)) => {
                let (head, ended, price) = end(permit, cost, &load, &mut dice).await;
                let reserved = [1, load.tokens(cost.input_tokens(), cost.max_output_tokens())];
                calls.push(Call { model, tenant, admitted, head, ended, reserved, price });
            }
            None => tokio::time::sleep(Duration::from_micros(dice.below(300))).await,
        }
    }
    calls
}

/// Tries, waits, waits for a while, or gives up waiting.
async fn admit(handle: &Model, cost: Cost, load: &Load, dice: &mut Dice) -> Option<(Permit, When)> {
    let (decided, admitted) = match dice.below(8) {
        0..=2 => {
            let from = load.now();
            let decided = handle.try_acquire(cost);
            (decided, When { from, to: load.now() })
        }
        3 | 4 => watched(handle.acquire(cost).within(Duration::from_micros(dice.below(3_000))), load).await,
        5 => {
            let mut acquire = handle.acquire(cost);
            let from = load.now();
            let first = Pin::new(&mut acquire).poll(&mut Context::from_waker(Waker::noop()));
            let to = load.now();
            let Poll::Ready(decided) = first else {
                tokio::time::sleep(Duration::from_micros(dice.below(2_000))).await;
                // Granted in the meantime or not.
                drop(acquire);
                return None;
            };
            (decided, When { from, to })
        }
        _ => watched(handle.acquire(cost), load).await,
    };
    match decided {
        Ok(permit) => Some((permit, admitted)),
        Err(AcquireError::NotYet(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Asks at least every millisecond, so that the instant of the grant is known to that.
async fn watched(mut acquire: Acquire, load: &Load) -> (Result<Permit, AcquireError>, When) {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut not_before = None;
    let decided = poll_fn(|cx| {
        while ticks.poll_tick(cx).is_ready() {}
        let at = load.now();
        let decided = Pin::new(&mut acquire).poll(cx);
        // What says "not yet" was not granted before it was asked.
        not_before = if decided.is_pending() { Some(at) } else { not_before.or(Some(at)) };
        decided
    });
    let decided = decided.await;
    let from = not_before.expect("it was polled");
    (decided, When { from, to: load.now() })
}

/// Ends a call in one of the ways there are: when its head came, when it ended, its price.
async fn end(permit: Permit, cost: Cost, load: &Load, dice: &mut Dice) -> (Option<u64>, When, [u64; 2]) {
    match dice.below(4) {
        0 => tokio::time::sleep(Duration::from_micros(dice.below(4_000))).await,
        1 => tokio::task::yield_now().await,
        _ => {}
    }
    let mut head = None;
    if dice.below(2) == 0 {
        head = Some(load.now());
        permit.observe(200_u16, &[("content-type", "application/json")]);
        if dice.below(3) < 2 {
            tokio::time::sleep(Duration::from_micros(dice.below(12_000))).await;
        }
    }
    let (input, most) = (cost.input_tokens(), cost.max_output_tokens());
    let from = load.now();
    let price = match dice.below(12) {
        0 | 1 => {
            let _settled = permit.cancel();
            [0, 0]
        }
        2 => {
            let _settled = permit.refused(Verdict::too_large());
            [1, 0]
        }
        3 => {
            let _settled = permit.refused(Verdict::Rejected);
            [1, input]
        }
        4 => {
            drop(permit);
            [1, load.tokens(input, most)]
        }
        way => {
            let more = if way == 5 { dice.below(40) } else { 0 };
            let (input, output) = (dice.below(input + 1) + more, dice.below(most + 1) + more);
            let _settled = permit.release(Usage::new(input, output));
            [1, load.tokens(input, output)]
        }
    };
    let ended = When { from, to: load.now() };
    (head, ended, price)
}
