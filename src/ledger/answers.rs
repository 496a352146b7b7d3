//! What answers and refusals do to the books; why is told in [`super::truth`].

use std::time::{Duration, SystemTime};

use super::books::Scope;
use super::law;
use super::truth::{Told, Truth};
use super::{BookId, Charged, End, Ledger, Placed};
use crate::event::Event;
use crate::provider::{AccountProblem, Hit, Observation, Verdict};
use crate::quota::{Charge, Rule, Unit};
use crate::time::{Now, nanos};

/// An account that takes no calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped {
    pub(crate) problem: AccountProblem,
    pub(crate) until: Option<SystemTime>,
}

/// Where a budget is.
pub(super) type Place = (usize, usize);

/// No call is on its way to the provider for longer, or overtaken by one that was sent later still.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// Percentages that are told of when they are passed, from the highest on.
const TOLD: [u8; 2] = [95, 80];
/// Budgets over shorter periods are meant to be used up.
const LONG: Duration = Duration::from_secs(3_600);

impl Ledger {
    /// The head of the answer to a call is in: its levels and limits put the books right.
    /// `placed` is what [`Ledger::place`] said.
    pub(crate) fn observe(
        &mut self,
        charged: &Charged,
        placed: &Placed,
        refused: bool,
        seen: &Observation,
        now: Now,
    ) {
        self.spoken |= !seen.readings().is_empty();
        self.note_head(charged);
        let charged_by = charged_by(charged, placed.latest);
        for reading in seen.readings().iter().filter(|reading| !reading.upstream) {
            let fits =
                |ledger: &Self, (scope, index): Place| ledger.scopes[scope].budgets[index].fits(reading);
            let Some((scope, index)) = self.best(charged, fits) else {
                self.learn_limit(charged, reading, now);
                continue;
            };
            let taken = charged.rule.reserve(&charged.cost);
            let Scope { name, budgets, .. } = &mut self.scopes[scope];
            let budget = &mut budgets[index];
            let (before, unit) = (budget.quota, budget.unit);
            if reading.limit.is_some_and(|limit| budget.hear(limit, now)) {
                let to = budget.quota;
                self.events.push(Event::LimitChanged { scope: name.clone(), from: before, to });
                self.calm(scope);
                continue;
            }
            let out = now.uptime - charged.at;
            let sent = now.utc.saturating_sub(out);
            let window = budget.quota.window();
            if let Some(window) = budget.truth().signs.read(reading, window, sent, out) {
                let from = budget.quota;
                budget.adopt(from.with_window(window), now);
                budget.born = self.seq;
                let to = budget.quota;
                self.events.push(Event::WindowChanged { scope: name.clone(), from, to });
                self.calm(scope);
            }
            let budget = &mut self.scopes[scope].budgets[index];
            let Some(remaining) = reading.remaining else { continue };
            let may_raise = !refused && budget.may_rise(reading);
            let late = charged.rule.known_at_the_end(unit);
            let (seq, own) = (charged.seq, taken[unit]);
            let told = Told { seq, remaining, own, refused, since: out, charged_by, late, may_raise };
            budget.reconcile(&told, now);
        }
        if !refused {
            self.for_each(charged, |budget, _| budget.narrow(now));
            self.learn_pace(charged, true, now);
            self.tell_use(charged.book);
        }
    }

    /// The provider said no to a call that is settled.
    pub(crate) fn refused(&mut self, charged: &Charged, verdict: Verdict, now: Now) {
        self.spoken = true;
        match verdict {
            Verdict::RateLimited { hit, retry_after, .. } => self.limited(charged, hit, retry_after, now),
            Verdict::Overloaded { retry_after, .. } => {
                if let Some(place) = self.tightest(charged, |unit| unit == Unit::Requests) {
                    self.shut(place, charged, retry_after, now);
                }
            }
            Verdict::Account { problem, until } => {
                let before = self.stopped.replace(Stopped { problem, until });
                // Once for all the calls that were out.
                let model = self.model(charged.book).to_owned();
                let event = Event::Stopped { model, problem, until };
                self.events.extend(before.is_none().then_some(event));
            }
            _ => {}
        }
        // A probe that was refused for another reason says nothing of the doors that it was to try.
        self.unanswered(charged);
    }

    fn limited(&mut self, charged: &Charged, hit: Hit, retry_after: Option<Duration>, now: Now) {
        self.learn_charge(charged, &hit);
        let named = |ledger: &Self, (scope, index): Place| {
            let budget = &ledger.scopes[scope].budgets[index];
            let period = budget.quota.window().period();
            let fits = hit.unit == Some(budget.unit) && (hit.period.is_none() || hit.period == period);
            fits.then(|| 1 + u8::from(hit.limit == Some(budget.quota.limit())))
        };
        let unit = |unit| hit.unit.is_none_or(|hit| hit == unit);
        let found = self.best(charged, named);
        let Some(place) = found.or_else(|| self.tightest(charged, unit)) else { return };
        let (scope, index) = place;
        let budget = &mut self.scopes[scope].budgets[index];
        let out = now.uptime - charged.at;
        if let (Some(limit), Some(used)) = (hit.limit, hit.used)
            && limit == budget.quota.limit()
        {
            // The numbers are exact, and the call itself is not in them.
            let late = charged.rule.known_at_the_end(budget.unit);
            let remaining = limit.saturating_sub(used);
            let (seq, own) = (charged.seq, 0);
            let (refused, may_raise, charged_by) = (false, false, charged_by(charged, now));
            let told = Told { seq, remaining, own, refused, since: out, charged_by, late, may_raise };
            budget.reconcile(&told, now);
        }
        let sent = now.utc.saturating_sub(out);
        if let Some(window) = law::of_refusal(&hit, retry_after, budget.quota.window(), sent) {
            let from = budget.quota;
            budget.adopt(from.with_window(window), now);
            budget.born = self.seq;
            let to = budget.quota;
            self.events.push(Event::WindowChanged { scope: self.scopes[scope].name.clone(), from, to });
            self.calm(scope);
        }
        let budget = &mut self.scopes[scope].budgets[index];
        let is_shut = budget.truth().door.is_some();
        if !is_shut {
            if budget.unit == Unit::InFlight {
                self.learn_pace(charged, false, now);
            }
            let budget = &mut self.scopes[scope].budgets[index];
            // Once for all the calls that were out.
            budget.widen(now);
        }
        self.shut(place, charged, retry_after, now);
    }

    /// Why no call is sent at all, if none is.
    pub(crate) fn stopped(&self) -> Option<Stopped> {
        self.stopped
    }

    /// Lets calls be sent again.
    pub(crate) fn resume(&mut self) {
        self.stopped = None;
        self.open_doors();
    }

    /// Whether what a refused call wanted shows another rule than the one it was charged by.
    fn learn_charge(&mut self, charged: &Charged, hit: &Hit) {
        let (Some(Unit::Tokens), Some(wanted)) = (hit.unit, hit.requested) else { return };
        let of = |rule: Rule| rule.reserve(&charged.cost)[Unit::Tokens];
        let near = |amount: u64| wanted.abs_diff(amount) <= 8 + wanted / 50;
        let by = charged.rule.charge;
        let most = of(charged.rule.with(Charge::InputPlusMaxOutput));
        let input = charged.cost.input_tokens();
        // What usage is reserved at may be a forecast; what the provider wants at admission is the input.
        if near(most) == near(input) || (by == Charge::Usage && near(input)) {
            return;
        }
        let charge = if near(most) { Charge::InputPlusMaxOutput } else { Charge::Usage };
        let book = &mut self.books[charged.book.index()];
        if near(of(charged.rule)) && by != Charge::Usage || book.rule.charge == charge {
            return;
        }
        let from = std::mem::replace(&mut book.rule.charge, charge);
        let model = book.model.clone();
        self.events.push(Event::ChargeChanged { model, from, to: charge });
    }

    /// The budget that a call was charged to, not its tenant's own, that fits best.
    fn best(&self, charged: &Charged, fits: impl Fn(&Self, Place) -> Option<u8>) -> Option<Place> {
        let fit = |place| fits(self, place).map(|fit| (fit, place));
        // Of equals the first.
        self.places(charged)
            .filter_map(fit)
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
            .map(|(_, place)| place)
    }

    /// The budget that a call was charged to of which least would be left with the call in it: of a call
    /// that was refused, all but its request has come back.
    fn tightest(&self, charged: &Charged, unit: impl Fn(Unit) -> bool) -> Option<Place> {
        let amounts = charged.rule.reserve(&charged.cost);
        let budget = |&(scope, index): &Place| &self.scopes[scope].budgets[index];
        let charges = |place: &Place| {
            let met = budget(place).unit;
            met != Unit::InFlight && amounts[met] > 0 && unit(met)
        };
        let left = |place: &Place| {
            let budget = budget(place);
            let back = if budget.unit == Unit::Requests { 0 } else { amounts[budget.unit] };
            let left = i128::from(budget.bucket.remaining()) - i128::from(back);
            (left << 20) / i128::from(budget.capacity.max(1))
        };
        let any = |place: &Place| amounts[budget(place).unit] > 0;
        let found = self.places(charged).filter(charges).min_by_key(left);
        found.or_else(|| self.places(charged).find(any))
    }

    fn places(&self, charged: &Charged) -> impl Iterator<Item = Place> {
        let book = &self.books[charged.book.index()];
        let shared = book.scopes.iter().filter(|&&scope| Some(scope) != book.own);
        let of = |&scope: &usize| (0..self.scopes[scope].budgets.len()).map(move |index| (scope, index));
        let known = |&(scope, index): &Place| self.scopes[scope].budgets[index].born <= charged.seq;
        shared.flat_map(of).filter(known)
    }

    /// Tells when long budgets are nearly used up.
    fn tell_use(&mut self, book: BookId) {
        for &scope in &self.books[book.index()].scopes {
            let scope = &mut self.scopes[scope];
            for budget in &mut scope.budgets {
                if budget.quota.window().period().is_none_or(|period| period < LONG) || budget.capacity == 0 {
                    continue;
                }
                let used = i128::from(budget.capacity) - i128::from(budget.bucket.remaining());
                let percent = (used * 100 / i128::from(budget.capacity)).clamp(0, 100) as u8;
                let passed = TOLD.into_iter().find(|&mark| percent >= mark).unwrap_or(0);
                let told = budget.truth.as_ref().map_or(0, |truth| truth.told_share);
                if passed > told {
                    let (scope, quota) = (scope.name.clone(), budget.quota);
                    self.events.push(Event::Used { scope, quota, percent: passed });
                }
                if passed > told || percent.saturating_add(5) < told {
                    budget.truth().told_share = passed;
                    // From here on its calls are to be noted.
                    self.spoken = true;
                }
            }
        }
    }

    /// Calls may not be settled as of an earlier instant any more.
    fn calm(&mut self, scope: usize) {
        for book in self.books.iter_mut().filter(|book| book.scopes.contains(&scope)) {
            book.calm_until = 0;
        }
    }

    /// What happens to doors, and to what is known, when a call ends. `placed` is whether its head was seen.
    #[cold]
    pub(super) fn note_end(&mut self, charged: &Charged, placed: bool, end: &End) {
        let cancelled = matches!(end, End::Cancelled);
        self.for_each_truth(charged, |truth, unit, taken| {
            let forgotten = cancelled && truth.forget(charged.seq, taken);
            if forgotten {
                return;
            }
            if !placed || charged.rule.known_at_the_end(unit) {
                truth.hear_of(charged.seq, taken);
            }
            truth.end_of(charged.seq, taken);
        });
        match end {
            End::Released(_)
            | End::Refused(Verdict::Rejected | Verdict::TooLarge { .. } | Verdict::Model { .. }) => {
                self.answered(charged);
            }
            End::Cancelled | End::Lost | End::Refused(Verdict::Failed) => self.unanswered(charged),
            End::Refused(_) | End::Broken(..) => {}
        }
    }

    /// The head of the answer to a call is in.
    pub(super) fn note_head(&mut self, charged: &Charged) {
        self.for_each_truth(charged, |truth, unit, taken| {
            if !charged.rule.known_at_the_end(unit) {
                truth.hear_of(charged.seq, taken);
            }
        });
    }

    /// What is known of the budgets that the call was charged to, also where they count by another law since.
    fn for_each_truth(&mut self, charged: &Charged, mut visit: impl FnMut(&mut Truth, Unit, u64)) {
        let amounts = charged.rule.reserve(&charged.cost);
        for &scope in &self.books[charged.book.index()].scopes {
            for budget in &mut self.scopes[scope].budgets {
                if let Some(truth) = &mut budget.truth {
                    visit(truth, budget.unit, amounts[budget.unit]);
                }
            }
        }
    }
}

/// The uptime by which the provider has charged a call: as soon as it arrived, and not after `latest`.
fn charged_by(charged: &Charged, latest: Now) -> u64 {
    latest.uptime.min(charged.at.saturating_add(nanos(ON_ITS_WAY)))
}
