//! The real books and the model side by side.

use super::super::{Charged, End, Ledger, Placed, Refused};
use super::model::{Answer, Budget, Span, ns};
use super::ops::{Op, Plan, Size, Wait};
use super::prices;
use crate::ledger::BookId;
use crate::quota::{Cost, Quota, Unit, Window};
use crate::time::Now;

/// A call that is out.
#[derive(Clone, Debug)]
pub(super) struct Out {
    number: usize,
    book: usize,
    pub(super) cost: Cost,
    pub(super) at: Now,
    pub(super) placed: Option<Placed>,
    pub(super) charged: Charged,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) ids: Vec<BookId>,
    pub(super) ledger: Ledger,
    pub(super) model: Vec<Vec<Budget>>,
    pub(super) now: Now,
    pub(super) out: Vec<Out>,
    calls: usize,
    /// The clock was set: which window it is is another matter, and aligned windows are not exact.
    pub(super) stepped: bool,
    /// A usage was larger than any books could hold: they keep as much debt as they can.
    pub(super) absurd: bool,
}

impl World {
    pub(super) fn new(plan: Plan, now: Now) -> Self {
        let (layout, ids) = plan.layout();
        let budget = |quota: &Quota| Budget::new(*quota, now);
        let model = plan.scopes.iter().map(|(quotas, _)| quotas.iter().map(budget).collect()).collect();
        let ledger = Ledger::new(layout, now);
        World { plan, ids, ledger, model, now, out: vec![], calls: 0, stepped: false, absurd: false }
    }

    fn budget(&self, pick: u8) -> Option<&Budget> {
        let all: Vec<&Budget> = self.model.iter().flatten().collect();
        (!all.is_empty()).then(|| all[usize::from(pick) % all.len()])
    }

    /// The budgets of a book with what a call takes of each.
    pub(super) fn amounts(&self, book: usize, cost: &Cost) -> Vec<(usize, usize, u64)> {
        let rule = self.plan.rule(book);
        let mut amounts = Vec::new();
        for &scope in &self.plan.books[book] {
            for (i, budget) in self.model[scope].iter().enumerate() {
                amounts.push((scope, i, prices::reserve(rule, budget.quota.unit(), cost)));
            }
        }
        amounts
    }

    /// What the contracts say to a call at an instant.
    pub(super) fn answer(&self, book: usize, cost: &Cost, now: Now) -> Answer {
        let amounts = self.amounts(book, cost);
        let answers: Vec<Answer> =
            amounts.iter().map(|&(scope, i, amount)| self.model[scope][i].pays(amount, now)).collect();
        let order = [Answer::Never, Answer::No, Answer::Either];
        order.into_iter().find(|answer| answers.contains(answer)).unwrap_or(Answer::Yes)
    }

    fn size(&self, size: Size) -> u64 {
        let near = |n: i128, off: i8| u64::try_from(n + i128::from(off)).unwrap_or(0).min(1 << 41);
        match size {
            Size::Exactly(amount) => amount,
            Size::Share(share) => {
                let tokens = self
                    .model
                    .iter()
                    .flatten()
                    .filter(|budget| !matches!(budget.quota.unit(), Unit::Requests | Unit::InFlight));
                let least = tokens.map(|budget| budget.quota.capacity()).min().unwrap_or(100);
                least * u64::from(share) / 255
            }
            Size::Left { budget, off } => {
                self.budget(budget).map_or(0, |budget| near(budget.remaining(self.now).1, off))
            }
            Size::Most { budget, off } => {
                self.budget(budget).map_or(0, |budget| near(i128::from(budget.quota.capacity()), off))
            }
        }
    }

    fn wait(&mut self, by: i128) {
        let by = u64::try_from(by).unwrap_or(0).min(1 << 61);
        // Far enough for every period; beyond, 64 bits of nanoseconds end.
        if self.now.uptime.max(self.now.utc) < 1 << 62 {
            self.now = Now { uptime: self.now.uptime + by, utc: self.now.utc + by };
        }
    }

    /// How far it is to an instant at which something may change.
    fn to_edge(&self, budget: &Budget, which: u8) -> i128 {
        let quota = &budget.quota;
        let (limit, guard) = (i128::from(quota.limit()).max(1), ns(quota.jitter_guard()));
        let utc = i128::from(self.now.utc);
        match quota.window() {
            Window::Refill { period, .. } => (ns(period) * (i128::from(which) + 1)).div_euclid(limit),
            Window::Fixed { period, offset } => {
                // The provider's edge, a guard before it, and a guard after it.
                let edge = ns(offset) + guard * (i128::from(which % 3) - 1);
                (edge - utc).rem_euclid(ns(period))
            }
            Window::Sliding { period } => {
                let kept = usize::from(which) % budget.entries.len().max(1);
                let placed = budget.entries.get(kept).and_then(|entry| entry.placed);
                placed.map_or(guard, |span| {
                    i128::from(span.to.uptime) + ns(period) + guard - i128::from(self.now.uptime)
                })
            }
            Window::Held => 0,
        }
    }

    /// Does one operation to both, and checks what can be said about it.
    pub(super) fn run(&mut self, op: Op) {
        match op {
            Op::Wait(Wait::Nanos(by)) => self.wait(i128::from(by)),
            Op::Wait(Wait::Share(pick, share)) => {
                let period = self.budget(pick).and_then(|budget| budget.quota.window().period());
                self.wait(period.map_or(1, ns) * i128::from(share) / 1_000);
            }
            Op::Wait(Wait::Edge { budget, which, off }) => {
                let far = self.budget(budget).map_or(0, |budget| self.to_edge(budget, which));
                self.wait(far + i128::from(off));
            }
            Op::Admit { book, input, output } => {
                let cost = Cost::input(self.size(input)).max_output(self.size(output));
                self.admit(usize::from(book) % self.ids.len(), cost);
            }
            Op::Place { call, latest } => {
                let since = |call: &Out| self.now.uptime - call.at.uptime;
                let later = |by: u64| (u128::from(by) * u128::from(latest) / 255) as u64;
                let picked = self.pick(call);
                if let Some(i) = picked {
                    let ago = since(&self.out[i]) - later(since(&self.out[i]));
                    self.place(i, self.now.before(ago));
                }
            }
            Op::PlaceOld { call, budget, off } => {
                let window = self.budget(budget).map_or(0, |budget| {
                    budget.quota.window().period().map_or(0, ns) + ns(budget.quota.jitter_guard())
                });
                if let Some(i) = self.pick(call) {
                    let most = self.now.uptime - self.out[i].at.uptime;
                    let ago = u64::try_from(window + i128::from(off)).unwrap_or(0);
                    self.place(i, self.now.before(ago.min(most)));
                }
            }
            Op::Settle { call, how } => {
                if let Some(i) = self.pick(call) {
                    let end = how.end(&self.out[i].cost);
                    self.settle(i, &end);
                }
            }
            Op::SettleUntimed { call, how, gap } => {
                if let Some(i) = self.pick(call) {
                    let end = how.end(&self.out[i].cost);
                    self.settle_untimed(i, &end, gap);
                }
            }
            Op::Step(by) => {
                self.stepped |= by != 0;
                self.now.utc = self.now.utc.saturating_add_signed(i64::from(by) * 1_000_000_000);
            }
        }
    }

    fn pick(&self, call: u8) -> Option<usize> {
        (!self.out.is_empty()).then(|| usize::from(call) % self.out.len())
    }

    fn admit(&mut self, book: usize, cost: Cost) {
        let expected = self.answer(book, &cost, self.now);
        let trusts_model = !self.absurd && !self.stepped;
        let before = self.seen();
        let answer = self.ledger.admit(self.ids[book], cost, self.now);
        if trusts_model {
            let fits = match expected {
                Answer::Yes => answer.is_ok(),
                Answer::No => matches!(answer, Err(Refused::NotYet)),
                Answer::Either => !matches!(answer, Err(Refused::Never)),
                Answer::Never => matches!(answer, Err(Refused::Never)),
            };
            assert!(fits, "admit {cost:?}: expected {expected:?}, got {answer:?}");
        }
        let Ok(charged) = answer else {
            assert_eq!(before, self.seen(), "a refused call has changed the books");
            return;
        };
        for (scope, i, amount) in self.amounts(book, &cost) {
            self.model[scope][i].take(self.calls, amount, self.now);
        }
        self.out.push(Out { number: self.calls, book, cost, at: self.now, placed: None, charged });
        self.calls += 1;
    }

    fn place(&mut self, i: usize, latest: Now) {
        if self.out[i].placed.is_some() {
            return;
        }
        self.out[i].placed = Some(self.ledger.place(&self.out[i].charged, latest, self.now));
        let call = &self.out[i];
        let rule = self.plan.rule(call.book);
        for &scope in &self.plan.books[call.book] {
            for budget in self.model[scope].iter_mut().filter(|b| !prices::late(rule, b.quota.unit())) {
                budget.place(call.number, Span { from: latest, to: latest }, self.now);
            }
        }
    }

    pub(super) fn settle(&mut self, i: usize, end: &End) {
        let call = self.out.remove(i);
        self.ledger.settle(&call.charged, call.placed.as_ref(), end, self.now);
        self.end(&call, end, Span { from: self.now, to: self.now });
    }

    fn settle_untimed(&mut self, i: usize, end: &End, gap: u32) {
        self.ledger.snapshot(self.now);
        let last = self.now;
        if !self.ledger.settles_untimed(&self.out[i].charged, end, last) {
            return self.settle(i, end);
        }
        let call = self.out.remove(i);
        self.wait(i128::from(gap));
        self.ledger.settle(&call.charged, call.placed.as_ref(), end, last);
        self.ledger.snapshot(self.now);
        self.end(&call, end, Span { from: last, to: last });
    }

    fn end(&mut self, call: &Out, end: &End, when: Span) {
        let rule = self.plan.rule(call.book);
        for &scope in &self.plan.books[call.book] {
            for budget in &mut self.model[scope] {
                let price = prices::price(rule, budget.quota.unit(), &call.cost, end);
                let taken = prices::reserve(rule, budget.quota.unit(), &call.cost);
                self.absurd |= budget.is_absurd(taken, price);
                budget.end(call.number, price, when);
                self.absurd |= budget.owes_too_much(when.to);
            }
        }
    }
}
