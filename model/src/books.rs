//! All budgets of the limiter, as the contracts say they are.

use tollgate::{Cost, Limits, Oversize, Quota};

use crate::budget::{Answer, Budget, Key};
use crate::price::{self, End};

/// A call as the books see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) number: usize,
    pub(crate) own: bool,
    pub(crate) limited: bool,
    pub(crate) cost: Cost,
}

/// The group's scope, the one of the model with limits of its own, and the tenant's.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    limits: [Option<Limits>; 3],
    budgets: [Vec<Budget>; 3],
}

/// What the contracts say to a call, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) answer: Answer,
    /// No budget is too small for it, but its prompt is too long.
    pub(crate) too_long: bool,
}

impl Books {
    pub(crate) fn new(limits: &[Option<Limits>; 3], phase: impl Fn(&Quota) -> i128) -> Books {
        let budgets = limits.each_ref().map(|limits| {
            let quotas = limits.iter().flat_map(|limits| limits.quotas());
            quotas.map(|quota| Budget::new(*quota, phase(quota))).collect()
        });
        Books { limits: limits.clone(), budgets }
    }

    /// The scopes that a call is charged to; the first says the rule.
    fn scopes(&self, charge: &Charge) -> Vec<usize> {
        let own = charge.own.then_some(1);
        let limited = charge.limited.then_some(2);
        let all = own.into_iter().chain([0]).chain(limited);
        all.filter(|&scope| self.limits[scope].is_some()).collect()
    }

    fn rule(&self, charge: &Charge) -> &Limits {
        self.limits[self.scopes(charge)[0]].as_ref().expect("only scopes that are there")
    }

    pub(crate) fn limits(&self, scope: usize) -> Option<&Limits> {
        self.limits[scope].as_ref()
    }

    pub(crate) fn budgets(&self) -> impl Iterator<Item = &Budget> {
        self.budgets.iter().flatten()
    }

    pub(crate) fn in_scope(&self, scope: usize) -> &[Budget] {
        &self.budgets[scope]
    }

    /// What a call takes of each of its budgets, as long as the rule is the one it was given.
    pub(crate) fn amounts(&self, charge: &Charge) -> Vec<(usize, usize, u64)> {
        let rule = self.rule(charge);
        let of = |scope: usize| {
            let budgets = self.budgets[scope].iter().enumerate();
            budgets
                .map(move |(i, budget)| (scope, i, price::reserve(rule, budget.quota().unit(), &charge.cost)))
        };
        self.scopes(charge).into_iter().flat_map(of).collect()
    }

    pub(crate) fn take(&mut self, charge: &Charge, key: Key) {
        for (scope, i, amount) in self.amounts(charge) {
            self.budgets[scope][i].take(charge.number, amount, key);
        }
    }

    /// The head of the answer is in.
    pub(crate) fn place(&mut self, charge: &Charge, latest: i128, key: Key) {
        let rule = self.rule(charge).clone();
        for (scope, i, _) in self.amounts(charge) {
            let budget = &mut self.budgets[scope][i];
            if !price::is_late(&rule, budget.quota().unit()) {
                budget.place(charge.number, latest, key);
            }
        }
    }

    pub(crate) fn end(&mut self, charge: &Charge, end: &End, from: i128, key: Key) {
        let rule = self.rule(charge).clone();
        for (scope, i, _) in self.amounts(charge) {
            let budget = &mut self.budgets[scope][i];
            let price = price::price(&rule, budget.quota().unit(), &charge.cost, end);
            budget.end(charge.number, price, from, key);
        }
    }

    pub(crate) fn change(&mut self, scope: usize, limits: &Limits, key: Key) {
        for (budget, quota) in self.budgets[scope].iter_mut().zip(limits.quotas()) {
            budget.change(*quota, key);
        }
        self.limits[scope] = Some(limits.clone());
    }

    /// The provider said what is left of every budget of a unit.
    pub(crate) fn raise(&mut self, fits: impl Fn(&Quota) -> bool, left: u64, key: Key) {
        for budget in self.budgets.iter_mut().flatten().filter(|budget| fits(&budget.quota())) {
            budget.raise(left, key);
        }
    }

    pub(crate) fn owe_too_much(&self, seen: Key) -> bool {
        self.budgets().any(|budget| budget.owes_too_much(seen))
    }

    pub(crate) fn at_best(&self, key: Key) -> Books {
        let budgets =
            self.budgets.each_ref().map(|budgets| budgets.iter().map(|it| it.at_best(key)).collect());
        Books { limits: self.limits.clone(), budgets }
    }

    /// What the contracts say to a call that comes at `now`, by what was known at `seen`.
    pub(crate) fn answer(&self, charge: &Charge, now: i128, seen: Key) -> Verdict {
        let bounds =
            self.scopes(charge).into_iter().filter_map(|scope| self.limits[scope].as_ref()?.prompt_bound());
        let too_long = bounds.min().is_some_and(|most| charge.cost.input_tokens() > most);
        let drains = self.rule(charge).oversize_rule() == Oversize::DrainAndGo;
        let of = |&(scope, i, amount): &(usize, usize, u64)| {
            self.budgets[scope][i].pays(amount, drains, now, seen)
        };
        let answers: Vec<Answer> = self.amounts(charge).iter().map(of).collect();
        let worst = [Answer::Never, Answer::No, Answer::Either].into_iter().find(|it| answers.contains(it));
        let answer = if too_long { Answer::Never } else { worst.unwrap_or(Answer::Yes) };
        Verdict { answer, too_long }
    }

    /// Whether a call could go at `now`, and would leave enough for another of whatever both take.
    pub(crate) fn suffice(&self, charge: &Charge, other: &Charge, now: i128, seen: Key) -> bool {
        let others = self.amounts(other);
        let both = |&(scope, i, amount): &(usize, usize, u64)| {
            let more = others.iter().find(|it| (it.0, it.1) == (scope, i)).map_or(0, |it| it.2);
            amount == 0 || self.budgets[scope][i].holds(amount.saturating_add(more), now, seen)
        };
        self.answer(charge, now, seen).answer == Answer::Yes && self.amounts(charge).iter().all(both)
    }

    /// The first budget for which an admission at `key` was too much.
    pub(crate) fn broken_by(&self, charge: &Charge, key: Key) -> Option<(usize, usize)> {
        let broken = |&(scope, i, amount): &(usize, usize, u64)| !self.budgets[scope][i].bore(amount, key);
        self.amounts(charge).into_iter().find(broken).map(|(scope, i, _)| (scope, i))
    }

    /// A time after which every budget is full, if so much more is taken by each of the `calls` and ends at once.
    pub(crate) fn fills_in(&self, calls: &[Charge], now: i128, seen: Key) -> i128 {
        let all = (0..3).flat_map(|scope| (0..self.budgets[scope].len()).map(move |i| (scope, i)));
        let of = |(scope, i): (usize, usize)| {
            let amounts = calls.iter().flat_map(|call| self.amounts(call));
            let more = amounts.filter(|it| (it.0, it.1) == (scope, i)).map(|it| it.2);
            self.budgets[scope][i].fills_in(more.fold(0, u64::saturating_add), now, seen)
        };
        all.map(of).max().unwrap_or(0)
    }
}
