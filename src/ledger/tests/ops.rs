//! Operations that are plain numbers.
//!
//! An operation means something in every state (a call's number is taken modulo the calls that
//! are out), so any sequence of them can be run, shortened and shared.

use super::super::{End, Layout};
use crate::ledger::BookId;
use crate::provider::Verdict;
use crate::quota::{Cost, Limits, Quota, Rule, Usage};

/// One thing that happens to the books.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Wait(Wait),
    Admit {
        book: u8,
        input: Size,
        output: Size,
    },
    /// The head of a call's answer is in; `latest` in 255ths of the time since its admission.
    Place {
        call: u8,
        latest: u8,
    },
    /// The head was in exactly one window (and `off`) ago, as far as that is after the admission.
    PlaceOld {
        call: u8,
        budget: u8,
        off: i8,
    },
    Settle {
        call: u8,
        how: How,
    },
    /// A call ends in the next `gap` nanoseconds, and nobody reads the clock.
    SettleUntimed {
        call: u8,
        how: How,
        gap: u32,
    },
    /// The system's clock is corrected, by seconds.
    Step(i16),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    Nanos(u32),
    /// Thousandths of a budget's period.
    Share(u8, u16),
    /// To an instant at which a budget changes, and `off` from it.
    Edge {
        budget: u8,
        which: u8,
        off: i8,
    },
}

/// How large a call is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Size {
    Exactly(u64),
    /// 255ths of what a budget can hold.
    Share(u8),
    /// What is left of a budget, and `off`.
    Left {
        budget: u8,
        off: i8,
    },
    /// What a budget can hold at the most, and `off`.
    Most {
        budget: u8,
        off: i8,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// 100ths of what was reserved, of input and output, and 100ths of that input from the cache.
    Released(u8, u8, u8),
    /// Input, output, and what of the input came from the cache.
    Used(u64, u64, u64),
    /// Refused after so many 100ths of what was reserved, of input and output.
    Broken(u8, u8),
    Limited,
    TooLarge,
    Rejected,
    Failed,
    Cancelled,
    Lost,
}

/// Scopes with their quotas and rule, and which of them each book is charged to.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) scopes: Vec<(Vec<Quota>, Rule)>,
    pub(super) books: Vec<Vec<usize>>,
}

impl How {
    /// The end of a call that was expected to cost `cost`.
    pub(super) fn end(self, cost: &Cost) -> End {
        let share = |amount: u64, of: u8| (u128::from(amount) * u128::from(of) / 100) as u64;
        match self {
            How::Released(input, output, cached) => {
                let input = share(cost.input_tokens(), input);
                let output = share(cost.max_output_tokens(), output);
                End::Released(Usage::new(input, output).cached_input(share(input, cached)))
            }
            How::Used(input, output, cached) => End::Released(Usage::new(input, output).cached_input(cached)),
            How::Broken(input, output) => {
                let seen =
                    Usage::new(share(cost.input_tokens(), input), share(cost.max_output_tokens(), output));
                End::Broken(Verdict::overloaded(None), seen)
            }
            How::Limited => End::Refused(Verdict::rate_limited(None)),
            How::TooLarge => End::Refused(Verdict::too_large()),
            How::Rejected => End::Refused(Verdict::Rejected),
            How::Failed => End::Refused(Verdict::Failed),
            How::Cancelled => End::Cancelled,
            How::Lost => End::Lost,
        }
    }
}

/// No quota, and a rule.
pub(super) fn limits_by(rule: Rule) -> Limits {
    let limits = Limits::new().charge(rule.charge).output_weight(rule.output_weight);
    if rule.cached_is_free { limits.cached_input_is_free() } else { limits }
}

impl Plan {
    pub(super) fn layout(&self) -> (Layout, Vec<BookId>) {
        let mut layout = Layout::default();
        for (i, (quotas, rule)) in self.scopes.iter().enumerate() {
            let limits = quotas.iter().fold(limits_by(*rule), |limits, quota| limits.with(*quota));
            limits.validate().unwrap();
            layout.scope(format!("scope {i}"), limits);
        }
        let ids = self.books.iter().map(|scopes| layout.book("model", scopes.clone(), None)).collect();
        (layout, ids)
    }

    /// The first scope of a book says what is charged.
    pub(super) fn rule(&self, book: usize) -> Rule {
        self.books[book].first().map_or(Rule::default(), |&scope| self.scopes[scope].1)
    }
}
