//! How long a file of requests will take under given limits.
//!
//! Nothing is worked out by formula: the same limiter that a run waits for is played under a virtual clock, with
//! the queue of a run and answers that all take as long. What it says is what a run would do if nothing were
//! refused, and nothing were in its budgets' way but the requests themselves.
//!
//! Which limit decides is told by playing again, with the limits of one kind alone each time.

mod kinds;
mod play;
mod report;

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::Serialize;
use tollgate::estimate::Estimate;
use tollgate::{AcquireError, Builder, Limiter};

use kinds::Kind;
use play::{Call, Play, Played};

/// Gathers the requests of a plan: 24 bytes each.
#[derive(Debug)]
pub(crate) struct Planner {
    builder: Builder,
    /// Nothing is ever taken from it: it tells whether a request fits at all.
    probe: Limiter,
    queue: usize,
    latency: Duration,
    output_share: Option<f64>,
    /// Names and patterns as they are configured.
    models: Vec<String>,
    places: HashMap<String, u32>,
    calls: Vec<Call>,
    never: u64,
}

/// How long the requests take, and why.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    requests: usize,
    /// Requests that the limits never admit; they are left out.
    never_admitted: u64,
    /// With all that the requests may use.
    tokens: u64,
    /// What all begin from: full budgets, at this instant.
    #[serde(serialize_with = "report::instant")]
    starts_at: SystemTime,
    #[serde(rename = "latency_seconds", serialize_with = "report::seconds")]
    latency: Duration,
    /// Requests that are held at once, as in a run.
    queue: usize,
    /// If every answer is as long as it may be.
    at_most: End,
    expected: Option<Expected>,
    /// The kind of limit that takes longest by itself; none where answers alone take as long.
    binding: Option<String>,
    /// How long it would take under the limits of one kind alone, longest first.
    alone: Vec<Alone>,
    /// If there were no limit of the binding kind.
    without_binding: Option<End>,
}

/// When the last request is over.
#[derive(Clone, Copy, Debug, Serialize)]
struct End {
    /// From the start until the last request is admitted.
    #[serde(rename = "admitted_after_seconds", serialize_with = "report::seconds")]
    admitted: Duration,
    /// From the start until the last answer.
    #[serde(rename = "ends_after_seconds", serialize_with = "report::seconds")]
    ended: Duration,
    #[serde(serialize_with = "report::maybe_instant")]
    ends_at: Option<SystemTime>,
    /// Whether it was given up after a century; then the rest would take longer still.
    given_up: bool,
}

#[derive(Debug, Serialize)]
struct Expected {
    output_share: f64,
    #[serde(flatten)]
    end: End,
}

#[derive(Debug, Serialize)]
struct Alone {
    limit: String,
    #[serde(flatten)]
    end: End,
}

impl Planner {
    pub(crate) fn new(
        builder: Builder,
        probe: Limiter,
        queue: usize,
        latency: Duration,
        output_share: Option<f64>,
    ) -> Self {
        Planner {
            builder,
            probe,
            queue,
            latency,
            output_share,
            models: Vec::new(),
            places: HashMap::new(),
            calls: Vec::new(),
            never: 0,
        }
    }

    /// Requests that were not taken into the plan.
    pub(crate) fn never(&self) -> u64 {
        self.never
    }

    /// Takes a request into the plan.
    ///
    /// # Errors
    ///
    /// Why the limits never admit it.
    pub(crate) fn add(&mut self, estimate: &Estimate) -> Result<(), String> {
        self.place(estimate).inspect_err(|_| self.never += 1)
    }

    fn place(&mut self, estimate: &Estimate) -> Result<(), String> {
        let cost = estimate.cost();
        let model = self.probe.model(estimate.model()).map_err(|unknown| unknown.to_string())?;
        match model.try_acquire(cost) {
            Ok(permit) => drop(permit.cancel()),
            Err(AcquireError::NotYet(_)) => {}
            Err(never) => return Err(never.to_string()),
        }
        let place = match self.places.get(model.name()) {
            Some(&place) => place,
            None => {
                let place = self.models.len() as u32;
                self.models.push(model.name().to_owned());
                self.places.insert(model.name().to_owned(), place);
                place
            }
        };
        let (input, output) = (cost.input_tokens(), cost.max_output_tokens());
        self.calls.push(Call { model: place, input, output });
        Ok(())
    }

    /// Plays the plan.
    ///
    /// # Errors
    ///
    /// If no thread can be started for it.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let kinds = kinds::of(&self.probe.snapshot());
        let play = |builder: Builder, share: f64| Play {
            builder,
            models: &self.models,
            calls: &self.calls,
            queue: self.queue,
            latency: self.latency,
            output_share: share,
        };
        let mut plays = vec![play(self.builder.clone(), 1.0), play(kinds::none(&self.builder)?, 1.0)];
        for kind in &kinds {
            plays.push(play(kinds::only(&self.builder, kind)?, 1.0));
        }
        plays.extend(self.output_share.map(|share| play(self.builder.clone(), share)));
        let mut played = all(&plays)?.into_iter();
        let at_most = played.next().context("nothing was played")?;
        let free = played.next().map_or(Duration::ZERO, |played| played.ended);
        let mut alone: Vec<Alone> = kinds
            .iter()
            .zip(played.by_ref())
            .map(|(kind, played)| Alone { limit: kind.to_string(), end: End::of(&played) })
            .collect();
        let expected = self.output_share.zip(played.next());
        let longest = kinds.iter().zip(&alone).max_by_key(|(_, alone)| alone.end.ended);
        let binding = longest
            .map(|(kind, _)| kind)
            .filter(|_| longest.is_some_and(|(_, alone)| alone.end.ended > free));
        let without_binding = match binding {
            Some(kind) if kinds.len() > 1 => {
                Some(End::of(&play(kinds::without(&self.builder, kind)?, 1.0).run()?))
            }
            _ => None,
        };
        let binding = binding.map(Kind::to_string);
        alone.sort_by_key(|alone| std::cmp::Reverse(alone.end.ended));
        Ok(Plan {
            requests: self.calls.len(),
            never_admitted: self.never,
            tokens: self.calls.iter().fold(0, |sum, call| sum.saturating_add(call.tokens())),
            starts_at: at_most.started,
            latency: self.latency,
            queue: self.queue,
            at_most: End::of(&at_most),
            expected: expected.map(|(output_share, played)| Expected { output_share, end: End::of(&played) }),
            binding,
            alone,
            without_binding,
        })
    }
}

impl End {
    fn of(played: &Played) -> End {
        let Played { started, admitted, ended, given_up } = *played;
        let ends_at = started.checked_add(ended).filter(|_| !given_up);
        End { admitted, ended, ends_at, given_up }
    }
}

/// Each in a thread of its own, since each has its own clock.
fn all(plays: &[Play<'_>]) -> Result<Vec<Played>> {
    thread::scope(|scope| {
        let start = |play| thread::Builder::new().spawn_scoped(scope, move || Play::run(play));
        let started =
            plays.iter().map(start).collect::<Result<Vec<_>, _>>().context("cannot start a thread")?;
        let joined = started.into_iter().map(|thread| match thread.join() {
            Ok(played) => played,
            Err(_) => anyhow::bail!("the plan ended by a fault of the program"),
        });
        joined.collect()
    })
}
