//! The names of the budgets, and how they are shown.

use crate::config::LawKind;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// One of the budgets a provider may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// Requests per minute.
    Rpm,
    /// Requests per day.
    Rpd,
    /// Tokens per minute.
    Tpm,
    /// Tokens per day.
    Tpd,
    /// Calls in flight.
    Concurrency,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rpm => "rpm",
            Self::Rpd => "rpd",
            Self::Tpm => "tpm",
            Self::Tpd => "tpd",
            Self::Concurrency => "concurrency",
        })
    }
}

/// How one budget stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The most that fits into one period.
    pub limit: u64,
    /// What counts against the limit, rounded up. More than the limit while in debt.
    pub used: u64,
    /// How long until nothing counts any more if nothing else is charged.
    pub reset: Duration,
    /// The length of the period.
    pub period: Duration,
    /// By which law it is counted.
    pub law: LawKind,
}

impl Level {
    /// What is left, rounded down; zero while in debt.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// How all budgets of a provider stand right after a decision. `None` for budgets it does not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Levels {
    /// Requests per minute.
    pub rpm: Option<Level>,
    /// Requests per day.
    pub rpd: Option<Level>,
    /// Tokens per minute.
    pub tpm: Option<Level>,
    /// Tokens per day.
    pub tpd: Option<Level>,
    /// Calls in flight.
    pub in_flight: u64,
}
