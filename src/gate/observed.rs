//! What is seen of a gate from outside: its books, its queue, and what observers are told of its calls.

use std::time::Duration;

use super::Gate;
use crate::ledger::{Charged, End, Level, Request, ScopeSnapshot};
use crate::observe::{Asked, Ended};

impl Gate {
    pub(crate) fn snapshot(&self) -> Vec<ScopeSnapshot> {
        let (mut state, now) = self.enter();
        state.ledger.snapshot(now)
    }

    pub(crate) fn levels(&self) -> Vec<Level> {
        let (mut state, now) = self.enter();
        state.ledger.levels(now)
    }

    /// How many calls are in line.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// A call asks for leave; nothing where nobody observes.
    #[inline]
    pub(crate) fn asks(&self, request: &Request) -> Option<Asked> {
        if self.observers.is_empty() {
            return None;
        }
        Some(Asked::new(&self.observers, &self.models[request.book.index()], request.cost))
    }

    /// A call was settled.
    #[inline]
    pub(crate) fn ended(&self, charged: &Charged, end: &End) {
        if !self.observers.is_empty() {
            self.tell_end(charged, end);
        }
    }

    #[cold]
    fn tell_end(&self, charged: &Charged, end: &End) {
        let (reserved, price) = charged.tokens(end);
        self.observers.ended(&Ended {
            model: &self.models[charged.book.index()],
            cost: charged.cost,
            end: *end,
            reserved,
            charged: price,
            after: Duration::from_nanos(self.origin.uptime().saturating_sub(charged.at)),
        });
    }
}
