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

mod answers;
mod books;
mod door;
mod law;
mod learn;
mod levels;
mod pass;
mod snapshot;
#[cfg(test)]
mod tests;
mod truth;

use std::time::Duration;

use crate::event::Event;
use crate::provider::Verdict;
use crate::quota::{Amounts, Cost, Priority, Quota, Rule, Unit, Usage};
use crate::time::Now;

pub(crate) use answers::Stopped;

pub(crate) use crate::bucket::Placed;
use crate::bucket::Settled;
use books::{Book, Budget, Scope};
pub(crate) use books::{BookId, Layout};
pub use levels::Level;
pub use snapshot::{BudgetSnapshot, ScopeSnapshot, Snapshot};

/// Every budget of one group, and who is charged to which.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    scopes: Vec<Scope>,
    books: Vec<Book>,
    /// The number of the next call.
    seq: u64,
    /// Counts what is told of calls that are out.
    order: u64,
    /// How many budgets are shut.
    doors: usize,
    /// Whether the provider has said anything of any budget.
    spoken: bool,
    /// Set when the account takes no calls.
    stopped: Option<Stopped>,
    /// What is to be told of.
    pub(crate) events: Vec<Event>,
}

/// A call that wants to be admitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) book: BookId,
    pub(crate) cost: Cost,
    /// How long it is willing to wait.
    pub(crate) within: Option<Duration>,
    pub(crate) priority: Priority,
    pub(crate) tenant: Tenant,
}

/// A tenant by a keyed hash of its name; 0 for calls that name none.
pub(crate) type Tenant = u64;

impl Request {
    pub(crate) fn new(book: BookId, cost: Cost) -> Self {
        Request { book, cost, within: None, priority: Priority::default(), tenant: 0 }
    }
}

/// What an admitted call has taken, to be settled once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charged {
    pub(crate) book: BookId,
    seq: u64,
    /// The rule by which it was taken: the book's may change while the call is out.
    rule: Rule,
    pub(crate) cost: Cost,
    /// The uptime at which it was taken.
    pub(crate) at: u64,
}

/// Why a call was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A budget cannot pay now.
    NotYet,
    /// The call is too large: see [`Ledger::exceeded`].
    Never,
}

/// What a call is too large for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// A quota's capacity, with what the call costs of it.
    Quota { quota: Quota, cost: u64 },
    /// The most tokens that a prompt may hold.
    Prompt { longest: u64 },
}

/// When a call could start, and the budget that is the last to be able to pay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Uptime; `None` where a call in flight must end first.
    pub(crate) at: Option<u64>,
    pub(crate) quota: Quota,
    pub(crate) amount: u64,
    pub(crate) remaining: i64,
    /// Whether it could pay earlier, had the provider not shut it.
    pub(crate) closed: bool,
}

/// How a call ended: see [`Permit`](crate::Permit).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[cfg_attr(not(feature = "observe"), allow(unreachable_pub, reason = "nobody can observe"))]
pub enum End {
    /// Complete, with its true usage.
    Released(Usage),
    /// The provider said no: the request is charged, its tokens by the verdict.
    Refused(Verdict),
    /// The provider said no after a part of the answer: that part is charged.
    #[cfg_attr(not(feature = "json"), allow(dead_code, reason = "only a stream breaks off"))]
    Broken(Verdict, Usage),
    /// Never sent: everything comes back.
    Cancelled,
    /// Sent, outcome unknown: what was reserved stays charged.
    Lost,
}

impl Ledger {
    /// Takes the call's cost from every budget of its book, or nothing.
    #[inline]
    pub(crate) fn admit(&mut self, book: BookId, cost: Cost, now: Now) -> Result<Charged, Refused> {
        let Book { rule, oversize, longest_prompt, .. } = self.books[book.index()];
        if longest_prompt.is_some_and(|longest| cost.input_tokens() > longest) {
            return Err(Refused::Never);
        }
        let amounts = rule.reserve(&cost);
        let mut pays = !self.spoken || self.lets_try(book, &amounts, now)?;
        for &scope in &self.books[book.index()].scopes {
            for budget in &mut self.scopes[scope].budgets {
                let amount = amounts[budget.unit];
                if amount > budget.capacity && !budget.drains(oversize) {
                    return Err(Refused::Never);
                }
                pays &= budget.advance_and_look(amount, now);
            }
        }
        if !pays {
            return Err(Refused::NotYet);
        }
        if now.utc >= self.books[book.index()].calm_until {
            self.look_how_calm(book);
        }
        let seq = self.seq;
        self.seq += 1;
        for &scope in &self.books[book.index()].scopes {
            for budget in &mut self.scopes[scope].budgets {
                budget.bucket.take(amounts[budget.unit]);
            }
        }
        if self.spoken {
            self.note_taken(book, &amounts, seq, now.uptime);
        }
        Ok(Charged { book, seq, rule, cost, at: now.uptime })
    }

    /// The bound that no wait brings the call below.
    pub(crate) fn exceeded(&self, book: BookId, cost: Cost) -> Option<Exceeded> {
        let Book { rule, oversize, longest_prompt, ref scopes, .. } = self.books[book.index()];
        if let Some(longest) = longest_prompt.filter(|&longest| cost.input_tokens() > longest) {
            return Some(Exceeded::Prompt { longest });
        }
        let budgets = scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        let amounts = rule.reserve(&cost);
        let mut of_each = budgets.map(|budget| (budget, amounts[budget.unit]));
        let exceeds = |budget: &Budget, amount| amount > budget.capacity && !budget.drains(oversize);
        let (budget, amount) = of_each.find(|&(budget, amount)| exceeds(budget, amount))?;
        Some(Exceeded::Quota { quota: budget.quota, cost: amount })
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
            let at = budget.start(amount, now);
            let closed = at != budget.pays(amount, now);
            Start { at, quota: budget.quota, amount, remaining, closed }
        });
        // Every budget that can pay at one instant can pay later, so the last one decides.
        starts.max_by_key(|start| start.at.unwrap_or(u64::MAX))
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
    pub(crate) fn place(&mut self, charged: &Charged, latest: Now, now: Now) -> Placed {
        self.order += 1;
        let placed = Placed { at: now.uptime, order: self.order, latest };
        self.for_each(charged, |budget, amount| {
            budget.bucket.advance(now);
            if !charged.rule.known_at_the_end(budget.unit) {
                budget.bucket.place(charged.at, amount, placed);
            }
        });
        placed
    }

    /// Ends a call: its true price takes the place of what was reserved. `placed` is what
    /// [`Ledger::place`] said, if it was called.
    pub(crate) fn settle(&mut self, charged: &Charged, placed: Option<&Placed>, end: &End, now: Now) {
        self.advance(charged.book, now);
        self.settle_now(charged, placed, end, now);
    }

    /// As [`Ledger::settle`], at the last instant that the books know.
    #[inline]
    pub(crate) fn settle_now(&mut self, charged: &Charged, placed: Option<&Placed>, end: &End, now: Now) {
        let prices = end.prices(charged.rule, &charged.cost);
        self.order += 1;
        let settled = Settled { order: self.order, now };
        self.for_each(charged, |budget, taken| {
            let placed = placed.filter(|_| !charged.rule.known_at_the_end(budget.unit));
            budget.bucket.settle(charged.at, placed, taken, prices[budget.unit], settled);
        });
        if self.spoken {
            self.note_end(charged, placed.is_some(), end);
        }
    }

    /// Whether the call may be settled as of `last`, the last instant that the books know, although
    /// it ends later. Spares reading the clock. Debt begins when it is told of: it is never made older.
    #[inline]
    pub(crate) fn settles_untimed(&self, charged: &Charged, end: &End, last: Now) -> bool {
        last.utc < self.books[charged.book.index()].calm_until && !end.exceeds(&charged.cost)
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

impl Charged {
    /// The tokens that were reserved, and those that a call which ended like this has cost.
    pub(crate) fn tokens(&self, end: &End) -> (u64, u64) {
        let price = end.prices(self.rule, &self.cost);
        (self.rule.reserve(&self.cost)[Unit::Tokens], price[Unit::Tokens])
    }
}

impl End {
    /// What the provider said, if it said no.
    #[inline]
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        match self {
            End::Refused(verdict) | End::Broken(verdict, _) => Some(*verdict),
            End::Released(_) | End::Cancelled | End::Lost => None,
        }
    }

    /// Whether more was used than was expected.
    #[inline]
    fn exceeds(&self, cost: &Cost) -> bool {
        let End::Released(usage) = self else { return false };
        usage.input_tokens() > cost.input_tokens() || usage.output_tokens() > cost.expected_output_tokens()
    }

    /// What a call that ended like this has cost, by unit.
    #[inline]
    fn prices(&self, rule: Rule, cost: &Cost) -> Amounts {
        match self {
            End::Released(usage) | End::Broken(_, usage) => rule.price(cost, usage),
            End::Lost | End::Refused(Verdict::Failed) => rule.reserve(cost),
            End::Cancelled => Amounts::default(),
            End::Refused(Verdict::Rejected) => {
                rule.price(&Cost::input(cost.input_tokens()), &Usage::new(cost.input_tokens(), 0))
            }
            // A limit, a full provider, an account or a model that is shut: nobody read the prompt.
            End::Refused(_) => Amounts::new(1, 0, 0, 0, 0),
        }
    }
}
