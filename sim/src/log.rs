//! The record of everything a provider decided, and what it adds up to.

use crate::budget::Budget;
use crate::config::HeaderFamily;
use crate::provider::{Fault, StreamFault};
use crate::status;
use crate::trouble::Trouble;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// The call's id.
    pub id: u64,
    /// What happened.
    pub outcome: Outcome,
    /// The budget that refused, if one did.
    pub budget: Option<Budget>,
    /// Tokens charged by this event.
    pub charged: u64,
}

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Let in, and answered with status 200.
    Admitted,
    /// Let in and charged, then failed on purpose.
    Failed(Fault),
    /// Refused for now. Nothing was charged.
    Refused,
    /// Refused for good: larger than a limit. Nothing was charged.
    TooLarge,
    /// Turned away before any budget was asked. Nothing was charged.
    TurnedAway(Trouble),
    /// Over as it was meant to be: its slot is free.
    Finished,
    /// Over because its client left before the end: its slot is free. What was made until then is charged where output is.
    Abandoned,
    /// Over because its streamed answer went wrong on purpose: its slot is free. Charged as [`Abandoned`](Self::Abandoned).
    Broken(StreamFault),
}

impl Outcome {
    /// Whether it is the end of a call that was let in before, and not a decision.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Finished | Self::Abandoned | Self::Broken(_))
    }
}

/// What a log adds up to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Decisions made.
    pub requests: u64,
    /// Calls let in and answered with status 200.
    pub ok: u64,
    /// Calls let in and answered with status 500.
    pub server_errors: u64,
    /// Calls let in whose connection was dropped.
    pub dropped_connections: u64,
    /// Calls refused for now, by the budget that refused them.
    pub refused: BTreeMap<Budget, u64>,
    /// Calls larger than a limit.
    pub too_large: u64,
    /// Calls turned away while the provider was in trouble.
    #[serde(default)]
    pub turned_away: u64,
    /// Answers with status 429, whatever the reason. Groq's to what is too large have another, and so have some to calls
    /// that are turned away.
    #[serde(default)]
    pub status_429: u64,
    /// Calls whose client left before the end.
    #[serde(default)]
    pub abandoned: u64,
    /// Streamed answers that were cut.
    #[serde(default)]
    pub cut_streams: u64,
    /// Streamed answers that ended with an error.
    #[serde(default)]
    pub stream_errors: u64,
    /// Calls let in that are not over.
    #[serde(default)]
    pub in_flight: u64,
    /// Tokens charged in all.
    pub tokens_charged: u64,
    /// What was charged in each aligned window of one minute in which anything was, in order.
    pub windows: Vec<WindowTotal>,
    /// When the first call was let in, in nanoseconds since the Unix epoch.
    pub first_admission: Option<u64>,
    /// When the last call was let in, in nanoseconds since the Unix epoch.
    pub last_admission: Option<u64>,
    /// The most calls that were in flight at one instant.
    pub max_in_flight: u64,
}

/// What was charged in one aligned window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowTotal {
    /// When it began, in nanoseconds since the Unix epoch.
    pub start: u64,
    /// Calls let in.
    pub requests: u64,
    /// Tokens charged.
    pub tokens: u64,
}

impl Summary {
    /// Adds up `log`, with windows of `period` nanoseconds. `family` tells which answers have status 429.
    pub fn of(log: &[Entry], period: u64, family: HeaderFamily) -> Self {
        let mut summary = Self::default();
        for entry in log {
            summary.tokens_charged += entry.charged;
            match entry.outcome {
                Outcome::Admitted => summary.ok += 1,
                Outcome::Failed(Fault::ServerError) => summary.server_errors += 1,
                Outcome::Failed(Fault::DroppedConnection) => summary.dropped_connections += 1,
                Outcome::Refused => {
                    if let Some(budget) = entry.budget {
                        *summary.refused.entry(budget).or_default() += 1;
                    }
                }
                Outcome::TooLarge => summary.too_large += 1,
                Outcome::TurnedAway(_) => summary.turned_away += 1,
                Outcome::Finished => {}
                Outcome::Abandoned => summary.abandoned += 1,
                Outcome::Broken(StreamFault::Cut) => summary.cut_streams += 1,
                Outcome::Broken(StreamFault::Error) => summary.stream_errors += 1,
            }
            let admitted = matches!(entry.outcome, Outcome::Admitted | Outcome::Failed(_));
            if admitted {
                summary.in_flight += 1;
                summary.max_in_flight = summary.max_in_flight.max(summary.in_flight);
                summary.first_admission.get_or_insert(entry.at);
                summary.last_admission = Some(entry.at);
            }
            if entry.outcome.is_end() {
                summary.in_flight -= 1;
            } else {
                summary.requests += 1;
            }
            summary.status_429 += u64::from(status::of(family, entry.outcome) == Some(429));
            if admitted || entry.charged > 0 {
                summary.count(entry.at / period * period, u64::from(admitted), entry.charged);
            }
        }
        summary
    }

    /// Calls refused for now, by any budget.
    pub fn rejections(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Entries come in the order of time, so a window is either the last one or new.
    fn count(&mut self, start: u64, requests: u64, tokens: u64) {
        match self.windows.last_mut() {
            Some(window) if window.start == start => {
                window.requests += requests;
                window.tokens += tokens;
            }
            _ => self.windows.push(WindowTotal { start, requests, tokens }),
        }
    }
}
