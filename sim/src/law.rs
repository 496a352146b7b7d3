//! The three laws by which a provider counts one budget.
//!
//! Each is a plain state machine in whole numbers. Times are nanoseconds since the Unix epoch (UTC) and never go back.

mod fixed;
mod refill;
mod sliding;

use crate::config::LawKind;
use fixed::Fixed;
use refill::Refill;
use sliding::Sliding;

/// One budget of a provider: a limit, and the law by which what was charged is forgotten.
#[derive(Debug)]
pub(crate) enum Law {
    /// A token bucket: see [`LawKind::Refill`].
    Refill(Refill),
    /// Aligned windows: see [`LawKind::Fixed`].
    Fixed(Fixed),
    /// A moving window: see [`LawKind::Sliding`].
    Sliding(Sliding),
}

impl Law {
    /// An unused budget of `limit` units per `period` nanoseconds.
    ///
    /// # Panics
    /// If `period` is zero.
    pub(crate) fn new(kind: LawKind, limit: u64, period: u64) -> Self {
        assert!(period > 0, "a budget needs a period longer than zero");
        match kind {
            LawKind::Refill => Self::Refill(Refill::new(limit, period)),
            LawKind::Fixed => Self::Fixed(Fixed::new(limit, period)),
            LawKind::Sliding => Self::Sliding(Sliding::new(limit, period)),
        }
    }

    /// The most that fits into one period.
    pub(crate) fn limit(&self) -> u64 {
        match self {
            Self::Refill(law) => law.limit(),
            Self::Fixed(law) => law.limit(),
            Self::Sliding(law) => law.limit(),
        }
    }

    /// Changes the limit from `now` on.
    pub(crate) fn set_limit(&mut self, now: u64, limit: u64) {
        match self {
            Self::Refill(law) => law.set_limit(now, limit),
            Self::Fixed(law) => law.set_limit(limit),
            Self::Sliding(law) => law.set_limit(limit),
        }
    }

    /// What counts against the limit at `now`, rounded up. More than the limit while the budget is in debt.
    pub(crate) fn used(&mut self, now: u64) -> u64 {
        match self {
            Self::Refill(law) => law.used(now),
            Self::Fixed(law) => law.used(now),
            Self::Sliding(law) => law.used(now),
        }
    }

    /// The first instant, not before `now`, at which `amount` fits if nothing else is charged until then.
    ///
    /// `None` if it never fits, because it is more than the limit.
    pub(crate) fn earliest(&mut self, now: u64, amount: u64) -> Option<u64> {
        if amount > self.limit() {
            return None;
        }
        Some(match self {
            Self::Refill(law) => law.earliest(now, amount),
            Self::Fixed(law) => law.earliest(now, amount),
            Self::Sliding(law) => law.earliest(now, amount),
        })
    }

    /// Counts `amount` at `now`, whether or not it fits: the caller has asked [`earliest`](Self::earliest), or
    /// charges an answer that has already been given.
    pub(crate) fn charge(&mut self, now: u64, amount: u64) {
        match self {
            Self::Refill(law) => law.charge(now, amount),
            Self::Fixed(law) => law.charge(now, amount),
            Self::Sliding(law) => law.charge(now, amount),
        }
    }

    /// The first instant, not before `now`, at which nothing counts against the limit any more.
    ///
    /// A budget in aligned windows says the end of the current window even while it is unused.
    pub(crate) fn full_again(&mut self, now: u64) -> u64 {
        match self {
            Self::Refill(law) => law.full_again(now),
            Self::Fixed(law) => law.full_again(now),
            Self::Sliding(law) => law.full_again(now),
        }
    }
}
