//! All budgets of one group of models, and the one step in which a call is admitted.
//!
//! # How does admission work, and why?
//!
//! **The simplest design** gives each budget its own limiter and asks them in turn. A call takes a
//! request, then finds that the tokens do not suffice, and waits holding the request, or gives it
//! back and lets others see a state that never was. With RPM 60, TPM 60,000 and ten waiting calls of
//! 20,000 tokens, ten requests are taken for the three calls that can go.
//!
//! **All budgets or none.** Here one piece of data holds all budgets that can meet in a call, and
//! one function, [`Ledger::admit`], looks at all and then takes from all. Nothing can come between:
//! it has `&mut self`, no clock and no IO. What a refused call has taken is nothing.
//!
//! **A price that is not known yet.** A call reserves the most it can cost, and
//! [`Ledger::settle`] puts the true price in its place: what was not used comes back, what was
//! used beyond stays as debt. A refund restores no more than if the true price had been taken in the first
//! place. With TPM 60,000, a call that reserved 1,000 and used 200 gives back 800, unless the
//! bucket has been full since and would have spilled them.
//!
//! **An instant that is not known either.** The provider charges somewhere between the sending and
//! the head of the answer. [`Ledger::place`] tells the buckets when the head is in; until then a
//! charge does not age. Where the provider charges what was really used, the tokens are placed when the
//! call ends.
//!
//! **Consequences.** Every number is a function of the calls made and of `now`. So a simulation, a
//! test under a paused clock and a program run the same code, "when can it start" is answered by
//! arithmetic ([`Ledger::start`]), and a snapshot is a copy.

mod books;
mod snapshot;

use std::time::Duration;

use crate::provider::Verdict;
use crate::quota::{Amounts, Charge, Cost, Quota, Usage};
use crate::time::Now;

use books::{Book, Budget, Scope};
pub(crate) use books::{BookId, Layout};
pub use snapshot::{BudgetSnapshot, ScopeSnapshot, Snapshot};

/// Every budget of one group, and who is charged to which.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    scopes: Vec<Scope>,
    books: Vec<Book>,
    /// The number of the next call.
    seq: u64,
}

/// A call that wants to be admitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) book: BookId,
    pub(crate) cost: Cost,
    /// How long it is willing to wait.
    pub(crate) within: Option<Duration>,
}

/// What an admitted call has taken, to be settled once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charged {
    book: BookId,
    seq: u64,
    /// The rule by which it was taken: the book's may change while the call is out.
    rule: Charge,
    pub(crate) cost: Cost,
    /// The uptime at which it was taken.
    pub(crate) at: u64,
}

/// Calls of one book taken together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    pub(crate) calls: u64,
    pub(crate) cost: Cost,
}

impl Total {
    pub(crate) fn add(&mut self, cost: Cost) {
        *self = Total { calls: self.calls + 1, cost: self.cost.plus(cost) };
    }

    pub(crate) fn remove(&mut self, cost: Cost) {
        *self = Total { calls: self.calls - 1, cost: self.cost.minus(cost) };
    }
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A budget cannot pay now.
    NotYet,
    /// The call is larger than a quota: see [`Ledger::exceeded`].
    Never,
}

/// When a call could start, and the budget that is the last to be able to pay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Uptime; `None` where a call in flight must end first.
    pub(crate) at: Option<u64>,
    pub(crate) quota: Quota,
    pub(crate) amount: u64,
    pub(crate) remaining: i64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Complete, with its true usage.
    Released(Usage),
    /// The provider said no.
    Refused(Verdict),
    /// Never sent: everything comes back.
    Cancelled,
    /// Sent, outcome unknown: what was reserved stays charged.
    Lost,
}

impl Ledger {
    /// Takes the call's cost from every budget of its book, or nothing.
    #[inline]
    pub(crate) fn admit(&mut self, book: BookId, cost: Cost, now: Now) -> Result<Charged, Refused> {
        let Book { rule, ref scopes, .. } = self.books[book.index()];
        let amounts = rule.reserve(&cost);
        let mut pays = true;
        for &scope in scopes {
            for budget in &mut self.scopes[scope].budgets {
                let amount = amounts[budget.unit];
                if amount > budget.capacity {
                    return Err(Refused::Never);
                }
                pays &= budget.bucket.advance_and_look(amount, now);
            }
        }
        if !pays {
            return Err(Refused::NotYet);
        }
        let seq = self.seq;
        self.seq += 1;
        for &scope in scopes {
            for budget in &mut self.scopes[scope].budgets {
                budget.bucket.take(seq, amounts[budget.unit]);
            }
        }
        Ok(Charged { book, seq, rule, cost, at: now.uptime })
    }

    /// The quota that is too small for the call, with what the call costs of it.
    pub(crate) fn exceeded(&self, book: BookId, cost: Cost) -> Option<(Quota, u64)> {
        let Book { rule, ref scopes, .. } = self.books[book.index()];
        let budgets = scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        let amounts = rule.reserve(&cost);
        let mut of_each = budgets.map(|budget| (budget, amounts[budget.unit]));
        let (budget, amount) = of_each.find(|(budget, amount)| *amount > budget.capacity)?;
        Some((budget.quota, amount))
    }

    /// The earliest instant at which every budget can pay if nothing comes back before; `None`
    /// for a book without budgets. Speaks of the instant of the last `admit` or `advance`.
    pub(crate) fn start(&self, book: BookId, cost: Cost, now: Now) -> Option<Start> {
        let Book { rule, ref scopes, .. } = self.books[book.index()];
        let budgets = scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        let amounts = rule.reserve(&cost);
        let starts = budgets.map(|budget| {
            let amount = amounts[budget.unit];
            let remaining = budget.bucket.remaining();
            Start { at: budget.bucket.start(amount, now), quota: budget.quota, amount, remaining }
        });
        // Every budget that can pay at one instant can pay later, so the last one decides.
        starts.max_by_key(|start| start.at.unwrap_or(u64::MAX))
    }

    /// A lower bound of the uptime at which a call that joins the line now can start: everything
    /// in flight comes back at once and the calls ahead cost no more than they must. `ahead` is
    /// what waits, by book.
    pub(crate) fn soonest(&self, book: BookId, cost: Cost, ahead: &[Total], now: Now) -> u64 {
        let Book { rule, ref scopes, .. } = self.books[book.index()];
        let mut soonest = now.uptime;
        for &scope in scopes {
            let sharing = || self.books.iter().zip(ahead).filter(|(book, _)| book.scopes.contains(&scope));
            for budget in &self.scopes[scope].budgets {
                let least =
                    |(book, total): (&Book, &Total)| book.rule.least(total.calls, &total.cost)[budget.unit];
                let first = sharing().map(least).fold(0, u64::saturating_add);
                let own = rule.reserve(&cost)[budget.unit];
                soonest = soonest.max(budget.bucket.soonest(first.saturating_add(own), now));
            }
        }
        soonest
    }

    /// The uptime at which a call starts after those `ahead`, if nothing comes back before; `None`
    /// if one of them needs something to. Admits them all: for a copy of the books.
    pub(crate) fn start_after(&mut self, ahead: &[Request], request: &Request, now: Now) -> Option<u64> {
        let mut at = now;
        for call in ahead.iter().chain([request]) {
            self.advance(call.book, at);
            if let Some(start) = self.start(call.book, call.cost, at) {
                at = now.at_uptime(start.at?.max(at.uptime));
            }
            self.admit(call.book, call.cost, at).ok()?;
        }
        Some(at.uptime)
    }

    /// Lets time pass for every budget of a book.
    pub(crate) fn advance(&mut self, book: BookId, now: Now) {
        for &scope in &self.books[book.index()].scopes {
            for budget in &mut self.scopes[scope].budgets {
                budget.bucket.advance(now);
            }
        }
    }

    /// The head of the call's answer is in: it was charged at `latest` at the latest, but for what
    /// the provider can only know at the end.
    pub(crate) fn place(&mut self, charged: &Charged, latest: Now, now: Now) {
        self.for_each(charged, |budget, amount| {
            budget.bucket.advance(now);
            if !charged.rule.known_at_the_end(budget.unit) {
                budget.bucket.place(amount, latest);
            }
        });
    }

    /// Ends a call: its true price takes the place of what was reserved. `placed` is the instant that
    /// [`Ledger::place`] was told, if it was.
    #[inline]
    pub(crate) fn settle(&mut self, charged: &Charged, placed: Option<Now>, end: &End, now: Now) {
        let &Charged { rule, seq, .. } = charged;
        let prices = end.prices(rule, &charged.cost);
        self.for_each(charged, |budget, taken| {
            budget.bucket.advance(now);
            let latest = match placed {
                Some(placed) if !rule.known_at_the_end(budget.unit) => placed,
                _ => {
                    budget.bucket.place(taken, now);
                    now
                }
            };
            budget.bucket.settle(seq, taken, prices[budget.unit], latest);
        });
    }

    /// Whether [`Ledger::settle_untimed`] does for this call: no window of its book slides.
    #[inline]
    pub(crate) fn settles_untimed(&self, charged: &Charged) -> bool {
        !self.books[charged.book.index()].slides
    }

    /// As [`Ledger::settle`], without knowing the time: after the last instant that the budgets
    /// know, and before the next.
    #[inline]
    pub(crate) fn settle_untimed(&mut self, charged: &Charged, placed: Option<Now>, end: &End) {
        let &Charged { rule, seq, .. } = charged;
        let prices = end.prices(rule, &charged.cost);
        self.for_each(charged, |budget, taken| {
            let placed = placed.filter(|_| !rule.known_at_the_end(budget.unit));
            budget.bucket.settle_untimed(seq, taken, prices[budget.unit], placed);
        });
    }

    /// Visits what the call was charged to, and only that: a budget that was made later never
    /// knew of it.
    #[inline]
    fn for_each(&mut self, charged: &Charged, mut visit: impl FnMut(&mut Budget, u64)) {
        let amounts = charged.rule.reserve(&charged.cost);
        for &scope in &self.books[charged.book.index()].scopes {
            for budget in &mut self.scopes[scope].budgets {
                if budget.born <= charged.seq {
                    visit(budget, amounts[budget.unit]);
                }
            }
        }
    }
}

impl End {
    /// What a call that ended like this has cost, by unit.
    #[inline]
    fn prices(&self, rule: Charge, cost: &Cost) -> Amounts {
        match self {
            End::Released(usage) => rule.price(cost, usage),
            End::Lost | End::Refused(Verdict::Failed) => rule.reserve(cost),
            End::Cancelled => Amounts::default(),
            End::Refused(Verdict::Rejected) => {
                rule.price(&Cost::input(cost.input_tokens()), &Usage::new(cost.input_tokens(), 0))
            }
            End::Refused(_) => Amounts { requests: 1, ..Amounts::default() },
        }
    }
}
