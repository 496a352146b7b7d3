//! What must hold after every operation, whatever came before. Asks a copy of the books, so that
//! asking does not bring them up to date.

use super::super::{End, Ledger, ScopeSnapshot};
use super::model::{Answer, ns};
use super::world::World;
use crate::quota::{Cost, Window};
use crate::time::Now;

/// Costs that are asked about.
fn probes() -> [Cost; 3] {
    [Cost::input(0), Cost::input(7).max_output(3), Cost::input(40)]
}

impl World {
    /// All that can be seen of the books.
    pub(super) fn seen(&self) -> (Vec<ScopeSnapshot>, Vec<Option<Option<u64>>>) {
        let mut books = self.ledger.clone();
        let snapshot = books.snapshot(self.now);
        let probes = probes();
        let starts = self.ids.iter().flat_map(|&book| probes.iter().map(move |cost| (book, *cost)));
        let starts = starts.map(|(book, cost)| books.start(book, cost, self.now).map(|start| start.at));
        let starts = starts.collect();
        (snapshot, starts)
    }

    /// Each budget holds what the contracts say.
    pub(super) fn check_levels(&self) {
        for (scope, budgets) in self.ledger.clone().snapshot(self.now).iter().zip(&self.model) {
            for (real, budget) in scope.budgets.iter().zip(budgets) {
                let left = i128::from(real.remaining);
                let full = budget.capacity() + budget.rounding();
                assert!(left <= full, "{}: {left} is more than it can hold", budget.quota);
                assert!(left <= i128::from(budget.quota.capacity()));
                let aligned = matches!(budget.quota.window(), Window::Fixed { .. });
                if self.absurd || (self.stepped && aligned) {
                    continue;
                }
                let (least, most) = budget.remaining(self.now);
                assert!(left <= most, "{:?}: {left} left, {most} at the most", budget.quota);
                assert!(left >= least, "{:?}: {left} left, {least} at the least", budget.quota);
            }
        }
    }

    /// Refused until exactly the promised instant, admitted at it.
    pub(super) fn check_start(&self, book: usize, cost: Cost) {
        if self.answer(book, &cost, self.now) == Answer::Never {
            return;
        }
        let (id, now) = (self.ids[book], self.now);
        let mut books = self.ledger.clone();
        books.advance(id, now);
        let Some(start) = books.start(id, cost, now) else { return };
        let admits = |at: u64| books.clone().admit(id, cost, now.at_uptime(at)).is_ok();
        let trusts_model = !self.absurd && !self.stepped;
        // After 292 years the clock's end is near: that is never, too.
        let Some(at) = start.at.filter(|at| *at < 1 << 63) else {
            assert!(!admits(1 << 63), "{cost:?} is admitted without a call that ends");
            return;
        };
        assert!(at >= now.uptime);
        assert!(admits(at), "{cost:?} is refused at its promised start, {} ns from now", at - now.uptime);
        let expected = self.answer(book, &cost, now.at_uptime(at));
        assert!(!trusts_model || expected != Answer::No, "{cost:?} starts too early");
        if at > now.uptime {
            assert!(!admits(at - 1), "{cost:?} could start before {} ns from now", at - now.uptime);
            let expected = self.answer(book, &cost, now.at_uptime(at - 1));
            assert!(!trusts_model || expected != Answer::Yes, "{cost:?} starts too late");
        }
    }

    /// However fast everything comes back, nobody starts before the books at their best can pay.
    pub(super) fn check_soonest(&self, book: usize, cost: Cost) {
        if self.answer(book, &cost, self.now) == Answer::Never {
            return;
        }
        let (id, now) = (self.ids[book], self.now);
        let mut books = self.ledger.clone();
        let mut best = books.clone();
        best.at_best(now);
        let soonest = best.start(id, cost, now).and_then(|start| start.at).unwrap_or(now.uptime);
        for call in &self.out {
            books.settle(&call.charged, call.placed.as_ref(), &End::Cancelled, now);
        }
        books.advance(id, now);
        let start = books.start(id, cost, now).map_or(Some(now.uptime), |start| start.at);
        assert!(start.is_none_or(|start| start >= soonest), "{cost:?} starts early");
    }

    /// A program that starts again from a snapshot knows all that was used and believes in no more.
    pub(super) fn check_restart(&self, later: u64) {
        let mut world = self.clone();
        // Whoever restores does not know how calls have ended: they count as charged.
        while !world.out.is_empty() {
            world.settle(0, &End::Lost);
        }
        let past = self.ledger.clone().snapshot(self.now);
        let then = self.now.at_uptime(self.now.uptime + later);
        let (layout, _) = self.plan.layout();
        // Another machine: its uptime has nothing to do with this one's.
        let fresh = Now { uptime: 900 * 86_400_000_000_000 + 12_345, utc: then.utc };
        let mut restored = Ledger::new(layout, fresh);
        assert!(past.iter().all(|scope| restored.restore(scope, fresh)));
        let restored = restored.snapshot(fresh);
        let kept = world.ledger.snapshot(then);
        for ((restored, kept), budgets) in restored.iter().zip(&kept).zip(&world.model) {
            for ((new, old), budget) in restored.budgets.iter().zip(&kept.budgets).zip(budgets) {
                let left = i128::from(new.remaining);
                assert!(left <= budget.capacity() + budget.rounding());
                if self.absurd || self.stepped {
                    continue;
                }
                let least = match old.quota.window() {
                    Window::Held => continue,
                    Window::Refill { .. } => i128::from(old.remaining) - 1 - budget.rounding(),
                    Window::Fixed { .. } => i128::from(old.remaining),
                    // Slots are cut anew.
                    Window::Sliding { period } => budget.remaining_sliding(then, 2 * (ns(period) / 500 + 2)),
                };
                assert!(new.remaining <= old.remaining, "{:?}: a restart gives back calls", old.quota);
                assert!(left >= least, "{:?}: a restart leaves {left}, not {least}", old.quota);
            }
        }
    }

    /// When all calls have ended and time enough has passed, every budget is whole again.
    pub(super) fn check_recovers(&mut self) {
        while !self.out.is_empty() {
            self.settle(0, &End::Cancelled);
        }
        if self.absurd {
            return;
        }
        let now = Now { uptime: self.now.uptime + (1 << 62), utc: self.now.utc + (1 << 62) };
        for (scope, budgets) in self.ledger.clone().snapshot(now).iter().zip(&self.model) {
            for (real, budget) in scope.budgets.iter().zip(budgets) {
                if !budget.fills_within(1 << 62) {
                    continue;
                }
                let (left, full) = (i128::from(real.remaining), budget.capacity());
                assert!(left >= full - budget.rounding(), "{:?}: only {left} of {full}", budget.quota);
            }
        }
    }
}
