//! After everything has happened, everybody is served, and every budget is full again.

use std::time::Duration;

use tollgate::{Usage, Window};

use crate::books::Charge;
use crate::price::End;
use crate::world::World;

/// A budget that was shut opens after this at the latest, and each call that tries may take 2 s (`Blocking`).
const SHUT: i128 = 60_000_000_000;
/// What a waiter may be delayed beside its budgets: the slack, the lapse of a grant, an open charge.
const BESIDE: i128 = 11_000_000_000;

/// No leap is longer: 36 years.
const MOST: i128 = 1 << 60;

impl World {
    /// Ends all calls, and lets time pass until nobody waits.
    pub(crate) async fn finish(&mut self) {
        if self.stopped {
            self.resume();
        }
        self.end_all();
        let bound = self.bound();
        self.wait_for(bound, false).await;
        let left: Vec<_> = self.waiters.iter().filter(|waiter| waiter.polled).collect();
        self.hold(left.is_empty(), || {
            format!(
                "still waiting after {bound} ns: {left:#?}; {:?}; {:#?}",
                self.limiter.snapshot(),
                self.books
            )
        });
        // Those that nobody polled come back.
        for i in (0..self.waiters.len()).rev() {
            self.waiters[i].polled = true;
            self.poll(i);
        }
        let bound = self.bound();
        self.wait_for(bound, true).await;
        self.hold(self.waiters.is_empty() && self.limiter.waiting() == 0, || {
            format!("still waiting after {bound} ns: {:#?}", self.waiters)
        });
        self.look();
        self.slots_are_free();
        let long = self.bound() + 3 * self.longest_period();
        self.jump(nanos(long)).await;
        self.look();
        // No clock goes on for as long as some debts would take.
        if long < MOST {
            self.everything_is_full();
        }
    }

    fn end_all(&mut self) {
        while let Some(out) = self.out.last() {
            let cost = out.charge.cost;
            let usage = Usage::new(cost.input_tokens(), cost.max_output_tokens());
            self.end(self.out.len() - 1, End::Released(usage));
            self.serve();
        }
    }

    /// A time in which everybody can be served, one after the other, each from full budgets.
    fn bound(&self) -> i128 {
        let (now, seen) = (self.time.now(), self.time.key());
        let calls: Vec<Charge> = self.waiters.iter().map(|waiter| waiter.charge).collect();
        let fills = self.books.fills_in(&calls, now, seen);
        let shut = if self.refused_once { SHUT } else { 0 };
        (calls.len() as i128 + 1) * (fills + BESIDE + shut)
    }

    fn longest_period(&self) -> i128 {
        let periods = self.books.budgets().filter_map(|budget| budget.quota().window().period());
        periods.max().map_or(0, |period| period.as_nanos() as i128)
    }

    async fn wait_for(&mut self, bound: i128, all: bool) {
        let end = self.time.now() + bound;
        let mut step = 1_000_000;
        self.serve();
        self.end_all();
        while self.waiters.iter().any(|waiter| all || waiter.polled) && self.time.now() < end {
            // Calls end as soon as they are admitted, or their slots would never be free.
            let before = self.waiters.len();
            self.pass(nanos(step)).await;
            self.end_all();
            self.listen();
            self.nobody_waits_for_nothing();
            step =
                if self.waiters.len() < before { 1_000_000 } else { (step * 2).min(bound / 64 + 1_000_000) };
        }
    }

    /// As many slots are taken as calls are out: none.
    fn slots_are_free(&self) {
        for budget in self.limiter.snapshot().scopes().iter().flat_map(|scope| &scope.budgets) {
            if budget.quota.window() == Window::Held {
                self.hold(budget.remaining == budget.quota.limit() as i64, || {
                    format!("a slot was lost: {budget:?}")
                });
            }
        }
    }

    fn everything_is_full(&self) {
        if self.adrift {
            return;
        }
        for (scope, budgets) in self.limiter.snapshot().scopes().iter().zip(self.order()) {
            for (shown, budget) in scope.budgets.iter().zip(self.books.in_scope(budgets)) {
                // Of no refill, debt is for good.
                let dry = budget.quota().limit() == 0 && shown.remaining < 0;
                self.hold(dry || i128::from(shown.remaining) == budget.capacity(), || {
                    format!("not full in the end: {shown:?}, {}: {budget:#?}", budget.capacity())
                });
            }
        }
    }
}

fn nanos(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.min(MOST)).unwrap_or(0))
}
