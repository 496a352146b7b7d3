//! The best a client can do that serves strictly first come first served: one that reads the provider's own books.

use crate::budget::Budget;
use crate::config::Config;
use crate::log::Summary;
use crate::provider::{Decision, Earliest, Provider, Request, Ticket};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A call of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRequest {
    /// Names the call; see [`Request::id`].
    pub id: u64,
    /// Tokens of the input.
    pub input_tokens: u64,
    /// The most tokens the answer may have.
    pub max_output_tokens: Option<u64>,
    /// When the client wants to make it, counted from the start of the run.
    pub arrival: Duration,
}

/// What the oracle achieved. Instants are nanoseconds since the Unix epoch, one per call, in the order of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OracleRun {
    /// When the run began.
    pub start: u64,
    /// When each call was let in.
    pub admissions: Vec<u64>,
    /// When each call was over.
    pub finished: Vec<u64>,
    /// Tokens charged in all.
    pub tokens_charged: u64,
    /// The provider's own account of the run.
    pub summary: Summary,
}

impl OracleRun {
    /// From the start until the last call was let in.
    pub fn admitted_within(&self) -> Duration {
        self.since_start(&self.admissions)
    }

    /// From the start until the last call was over.
    pub fn makespan(&self) -> Duration {
        self.since_start(&self.finished)
    }

    fn since_start(&self, instants: &[u64]) -> Duration {
        Duration::from_nanos(instants.iter().max().map_or(0, |last| last - self.start))
    }
}

/// A trace that no client could ever finish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("call {id} is larger than a limit: {budget} would never let it in")]
pub struct NeverFits {
    /// The call.
    pub id: u64,
    /// The budget it does not fit into.
    pub budget: Budget,
}

/// Runs `trace` under virtual time against a fresh provider, strictly first come first served, and without one refusal.
///
/// `start` is the instant at which the run begins, in nanoseconds since the Unix epoch: it decides where aligned windows
/// turn. The head of the queue is let in at the first instant at which the provider would say yes; calls that arrive at
/// the same instant go in the order of the trace; a call that ends at an instant is over before the next one is let in.
///
/// # Errors
/// [`NeverFits`] if a call is larger than a limit.
///
/// ```
/// use std::time::Duration;
/// use tollgate_sim::{Config, TraceRequest, oracle};
///
/// let trace: Vec<_> = (0..3)
///     .map(|id| TraceRequest { id, input_tokens: 1, max_output_tokens: None, arrival: Duration::ZERO })
///     .collect();
/// let run = oracle(&Config { rpm: Some(1), ..Config::default() }, &trace, 0)?;
/// assert_eq!(run.admitted_within(), Duration::from_secs(120));
/// # Ok::<(), tollgate_sim::NeverFits>(())
/// ```
pub fn oracle(config: &Config, trace: &[TraceRequest], start: u64) -> Result<OracleRun, NeverFits> {
    let mut run = Run {
        provider: Provider::new(config.clone()),
        in_flight: BTreeMap::new(),
        admissions: vec![start; trace.len()],
        finished: vec![start; trace.len()],
    };
    let mut order: Vec<usize> = (0..trace.len()).collect();
    order.sort_by_key(|&index| trace[index].arrival);
    let mut now = start;
    for index in order {
        let arrival = start.saturating_add(nanos(trace[index].arrival));
        now = run.admit(now.max(arrival), index, &trace[index])?;
    }
    run.finish_up_to(u64::MAX);
    let summary = run.provider.summary();
    Ok(OracleRun {
        start,
        admissions: run.admissions,
        finished: run.finished,
        tokens_charged: summary.tokens_charged,
        summary,
    })
}

#[derive(Debug)]
struct Run {
    provider: Provider,
    /// By the instant of the end, then by the place in the trace.
    in_flight: BTreeMap<(u64, usize), Ticket>,
    admissions: Vec<u64>,
    finished: Vec<u64>,
}

impl Run {
    /// Lets one call in at the first possible instant from `now` on, and returns that instant.
    fn admit(&mut self, mut now: u64, index: usize, call: &TraceRequest) -> Result<u64, NeverFits> {
        let request = Request {
            id: call.id,
            input_tokens: call.input_tokens,
            max_output_tokens: call.max_output_tokens,
            output_tokens: None,
        };
        loop {
            // What ends until then is charged or frees a slot, so each instant found is asked about again.
            self.finish_up_to(now);
            now = match self.provider.earliest(now, &request) {
                Earliest::At(instant) if instant > now => instant,
                Earliest::At(_) | Earliest::Never => break,
                Earliest::AfterAFinish => match self.in_flight.keys().next() {
                    Some(&(end, _)) => end,
                    None => unreachable!("slots are taken, but no call is in flight"),
                },
            };
        }
        match self.provider.decide(now, &request) {
            Decision::Admitted(admission) => {
                let end = now.saturating_add(nanos(admission.latency));
                self.in_flight.insert((end, index), admission.ticket);
                self.admissions[index] = now;
                self.finished[index] = end;
                Ok(now)
            }
            Decision::TooLarge(refusal) => Err(NeverFits { id: call.id, budget: refusal.budget }),
            Decision::Refused(refusal) => {
                unreachable!("refused at its earliest instant: {refusal:?}")
            }
        }
    }

    fn finish_up_to(&mut self, now: u64) {
        while let Some(entry) = self.in_flight.first_entry() {
            let (end, _) = *entry.key();
            if end > now {
                break;
            }
            self.provider.finish(end, entry.remove());
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
