//! Limits that nobody gave: learned from the provider's answers, from a careful beginning on.

use std::time::Duration;

use super::books::{Budget, Scope};
use super::{Charged, Ledger};
use crate::event::Event;
use crate::provider::Reading;
use crate::quota::{Limits, Quota, Unit};
use crate::time::Now;

/// How many calls are out at once at the beginning.
const FIRST: u64 = 4;
/// A window that was computed counts when so many answers in a row agree on it.
const AGREE: u8 = 3;
/// A limit whose window so many answers could not tell is taken for one per minute: most are.
const UNTOLD: u8 = 12;
/// Of so many limits at once the windows are being found out.
const CANDIDATES: usize = 8;
/// More budgets than any provider has, and few enough to go over with each call.
const BUDGETS: usize = 16;
const MINUTE: Duration = Duration::from_secs(60);
/// As many as anybody would want.
const LIFTED: u64 = 1 << 32;

/// How far the limits of a scope are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Learning {
    /// None is: the number of calls in flight is what holds them back.
    careful: bool,
    candidates: Vec<Candidate>,
}

/// A limit whose window is being found out.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    unit: Unit,
    limit: u64,
    period: Option<Duration>,
    agree: u8,
    answers: u8,
}

impl Learning {
    /// The window of a limit, if it is known well enough.
    fn window(&mut self, unit: Unit, limit: u64, reading: &Reading) -> Option<Duration> {
        if !reading.window_inferred && reading.window.is_some() {
            return reading.window;
        }
        let known = self.candidates.iter().position(|it| it.unit == unit && it.limit == limit);
        let index = known.unwrap_or_else(|| {
            self.candidates.truncate(CANDIDATES - 1);
            self.candidates.insert(0, Candidate { unit, limit, period: None, agree: 0, answers: 0 });
            0
        });
        let candidate = &mut self.candidates[index];
        candidate.answers = candidate.answers.saturating_add(1);
        let again = candidate.period == reading.window;
        candidate.agree = if again { candidate.agree.saturating_add(1) } else { 1 };
        candidate.period = reading.window;
        let told = reading.window.filter(|_| candidate.agree >= AGREE);
        told.or_else(|| (candidate.answers >= UNTOLD).then_some(MINUTE))
    }
}

impl Scope {
    pub(super) fn begin_to_learn(&mut self, limits: &Limits, born: u64, now: Now) {
        self.learning = None;
        if !limits.are_learned() {
            return;
        }
        let careful = self.budgets.is_empty();
        self.learning = Some(Learning { careful, ..Learning::default() });
        if careful {
            self.budgets.push(Budget::new(&Quota::concurrency(FIRST), born, now));
        }
    }

    /// The budget of calls in flight that holds them back at the beginning.
    fn pace(&mut self) -> Option<&mut Budget> {
        let careful = self.learning.as_ref().is_some_and(|learning| learning.careful);
        self.budgets.iter_mut().find(|budget| careful && budget.unit == Unit::InFlight)
    }
}

impl Ledger {
    /// An answer names a limit that no budget keeps.
    pub(super) fn learn_limit(&mut self, charged: &Charged, reading: &Reading, now: Now) {
        let (Some(unit), Some(limit)) = (reading.family.unit(), reading.limit) else { return };
        let Some(remaining) = reading.remaining.filter(|_| unit != Unit::InFlight) else { return };
        let scopes = &self.books[charged.book.index()].scopes;
        let learns = |scope: &&usize| self.scopes[**scope].learning.is_some();
        let Some(&scope) = scopes.iter().find(learns) else { return };
        let scope = &mut self.scopes[scope];
        let learning = scope.learning.as_mut();
        let Some(period) = learning.and_then(|learning| learning.window(unit, limit, reading)) else {
            return;
        };
        let quota = Quota::refill(unit, limit, period);
        if quota.validate().is_err() || scope.budgets.len() >= BUDGETS {
            return;
        }
        // Of one family there may be several readings, and answers that are still on their way.
        if scope
            .budgets
            .iter()
            .any(|budget| budget.unit == unit && budget.quota.window().period() == Some(period))
        {
            return;
        }
        let mut budget = Budget::new(&quota, self.seq, now);
        let used = i64::try_from(limit.saturating_sub(remaining)).unwrap_or(i64::MAX);
        budget.bucket.correct(-used, now);
        if let Some(pace) = scope.pace() {
            pace.adopt(Quota::concurrency(LIFTED), now);
        }
        if let Some(learning) = &mut scope.learning {
            learning.careful = false;
        }
        scope.budgets.push(budget);
        self.events.push(Event::LimitLearned { scope: scope.name.clone(), quota });
        for book in &mut self.books {
            book.calm_until = 0;
        }
    }

    /// Until a limit is known: one call more with each answer, half as many with a refusal.
    pub(super) fn learn_pace(&mut self, charged: &Charged, answered: bool, now: Now) {
        for &scope in &self.books[charged.book.index()].scopes {
            if let Some(pace) = self.scopes[scope].pace() {
                let calls = pace.quota.limit();
                // That a few calls pass says nothing about more, unless about as many were out as may be.
                let out = calls.saturating_sub(u64::try_from(pace.bucket.remaining()).unwrap_or(0));
                let next = match answered {
                    true if 2 * out < calls => continue,
                    true => calls + 1,
                    false => (calls / 2).max(1),
                };
                pace.adopt(Quota::concurrency(next), now);
            }
        }
    }
}
