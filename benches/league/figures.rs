//! What is told of a run, by the provider's log.

use std::time::Duration;

use tollgate_sim::{Config, NeverFits, Outcome as Said, TraceRequest, oracle};

use crate::drive::Outcome;
use crate::scenarios::{Counted, Scenario, WORKERS};
use crate::traces::{Call, prices};

/// When each call was let in and answered within the run, in nanoseconds since it began, and what was refused.
#[derive(Debug)]
pub(crate) struct Story {
    /// `None` where nobody asked: calls of a backlog that the oracle serves.
    asked: Vec<Option<u64>>,
    admitted: Vec<Option<u64>>,
    answered: Vec<bool>,
    refused: u64,
}

impl Story {
    pub(crate) fn of(scenario: &Scenario, outcome: &Outcome) -> Self {
        let mut story = Story {
            asked: outcome.asked.iter().map(|at| at.map(|at| at - outcome.begin)).collect(),
            admitted: vec![None; scenario.calls.len()],
            answered: vec![false; scenario.calls.len()],
            refused: 0,
        };
        for entry in &outcome.log {
            let call = entry.id as usize;
            match entry.outcome {
                Said::Admitted => story.admitted[call] = Some(entry.at - outcome.begin),
                Said::Finished => story.answered[call] = true,
                Said::Refused => story.refused += 1,
                other => unreachable!("{other:?}"),
            }
        }
        story
    }

    /// What the oracle makes of the same calls. Of a backlog it has no more out than the contenders have.
    pub(crate) fn of_oracle(scenario: &Scenario, begin: u64) -> Result<Self, NeverFits> {
        let call = |call: &Call| TraceRequest {
            id: call.id,
            input_tokens: call.input,
            max_output_tokens: Some(call.max_output),
            arrival: call.arrival.unwrap_or_default(),
        };
        let trace: Vec<TraceRequest> = scenario.calls.iter().map(call).collect();
        let workers = if scenario.is_open() { u64::MAX } else { WORKERS };
        let slots = scenario.config.concurrency.unwrap_or(u64::MAX).min(workers);
        let run = oracle(&Config { concurrency: Some(slots), ..scenario.config.clone() }, &trace, begin)?;
        let end = scenario.horizon.as_nanos() as u64;
        let within = |&at: &u64| Some(at - begin).filter(|&at| at <= end);
        Ok(Story {
            asked: scenario.calls.iter().map(|call| Some(call.arrival?.as_nanos() as u64)).collect(),
            admitted: run.admissions.iter().map(within).collect(),
            answered: run.finished.iter().map(|at| within(at).is_some()).collect(),
            refused: 0,
        })
    }
}

/// Figures of one contender on one trace.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// Calls answered within the run.
    pub(crate) answered: usize,
    /// What they cost at the provider, in tokens or calls.
    pub(crate) goodput: u64,
    /// 429s in parts of all that was sent.
    pub(crate) refused: f64,
    /// How many 429s these were.
    pub(crate) refusals: u64,
    /// Of calls with a prompt and a cap of fewer than [`SMALL`] tokens together.
    pub(crate) small: Waits,
    /// Of those with [`LARGE`] tokens and more.
    pub(crate) large: Waits,
    /// Of those for whose answers people wait, where there are some.
    pub(crate) interactive: Waits,
    /// Jain's index over the size classes: of what each was served in parts of what it asked for.
    pub(crate) fairness: f64,
}

/// Waits of the calls that were let in, in order.
#[derive(Clone, Debug)]
pub(crate) struct Waits(Vec<Duration>);

pub(crate) const SMALL: u64 = 500;
pub(crate) const LARGE: u64 = 2_000;

impl Figures {
    pub(crate) fn new(scenario: &Scenario, story: &Story) -> Self {
        let prices = match scenario.counted {
            Counted::Tokens => prices(&scenario.config, &scenario.calls),
            Counted::Calls => vec![1; scenario.calls.len()],
        };
        let answered = || prices.iter().zip(&story.answered).filter(|(_, answered)| **answered);
        let sent = story.refused + story.admitted.iter().flatten().count() as u64;
        let waits = |which: &dyn Fn(&Call) -> bool| Waits::new(scenario, story, which);
        Figures {
            answered: answered().count(),
            goodput: answered().map(|(price, _)| price).sum(),
            refused: story.refused as f64 / sent.max(1) as f64,
            refusals: story.refused,
            small: waits(&|call| !call.interactive && call.tokens() < SMALL),
            large: waits(&|call| !call.interactive && call.tokens() >= LARGE),
            interactive: waits(&|call| call.interactive),
            fairness: fairness(scenario, story),
        }
    }

    /// Goodput in parts of the oracle's.
    pub(crate) fn share_of(&self, oracle: &Figures) -> f64 {
        self.goodput as f64 / oracle.goodput.max(1) as f64
    }
}

impl Waits {
    fn new(scenario: &Scenario, story: &Story, which: &dyn Fn(&Call) -> bool) -> Self {
        let calls = scenario.calls.iter().zip(story.asked.iter().zip(&story.admitted));
        let ours = calls.filter(|(call, _)| which(call));
        let wait = |(_, (asked, admitted)): (_, (&Option<u64>, &Option<u64>))| Some((*admitted)? - (*asked)?);
        let mut waits: Vec<Duration> = ours.filter_map(wait).map(Duration::from_nanos).collect();
        waits.sort_unstable();
        Waits(waits)
    }

    pub(crate) fn served(&self) -> usize {
        self.0.len()
    }

    /// The least wait in seconds that `percent` of the calls did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Option<f64> {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map(Duration::as_secs_f64)
    }
}

/// 1 where each size class was served the same share of the tokens that its calls ask for, 1/3 where only one was served
/// at all. Of a backlog, what was asked for is what was taken up.
fn fairness(scenario: &Scenario, story: &Story) -> f64 {
    let mut classes = [(0, 0); 3];
    for (index, call) in scenario.calls.iter().enumerate().filter(|(_, call)| !call.interactive) {
        let tokens = call.tokens();
        let class = usize::from(tokens >= SMALL) + usize::from(tokens >= LARGE);
        if story.asked[index].is_some() || story.admitted[index].is_some() {
            classes[class].0 += tokens;
        }
        if story.admitted[index].is_some() {
            classes[class].1 += tokens;
        }
    }
    let shares = classes.iter().filter(|(asked, _)| *asked > 0);
    let shares: Vec<f64> = shares.map(|&(asked, served)| served as f64 / asked as f64).collect();
    let (sum, squares): (f64, f64) = shares.iter().fold((0.0, 0.0), |(a, b), x| (a + x, b + x * x));
    if squares == 0.0 { 1.0 } else { sum * sum / (shares.len() as f64 * squares) }
}
