//! A budget that the provider has shut, and the one call that is sent to see whether it is open again.
//!
//! A 429 tells that the provider's books differ from these: whatever they say, every further call to the
//! same budget would be refused, and some providers count refused calls. So nobody passes until the provider's
//! time. Then one call goes, the probe: answered, it opens the door for all; refused, the door stays shut for
//! longer. Calls that were out already when the door was shut say nothing about it, but for a later time that the
//! provider tells one of them. Nor does a probe that ends otherwise: dropped, failed, or refused for another
//! reason than this budget. Then the next call tries. A provider refuses at once and answers when it is ready, so when a
//! probe has heard nothing for a while, another goes.

use std::time::{Duration, SystemTime};

use super::answers::Place;
use super::books::Scope;
use super::truth::Truth;
use super::{BookId, Charged, Ledger, Refused};
use crate::event::Event;
use crate::quota::Amounts;
use crate::time::{Now, nanos};

/// The shortest time that a door is shut for, where the provider names none.
const FIRST: u64 = 500_000_000;
/// The longest.
const LONGEST: u64 = 30_000_000_000;
/// A call that is refused hears so sooner.
const SOON: u64 = 2_000_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    /// The uptime at which it was last shut.
    shut: u64,
    /// The uptime from which one call may try.
    pub(super) until: u64,
    /// The number of the first call that tries since then. All later ones that pass here do, too.
    probes: Option<u64>,
    /// The uptime at which the last one went, until it is heard of.
    went: Option<u64>,
    /// How many probes were refused in a row.
    strikes: u32,
}

impl Door {
    /// Shut at `now`, for the `wait` that the provider named.
    pub(super) fn shut(now: u64, wait: Option<u64>) -> Door {
        Door {
            shut: now,
            until: now.saturating_add(wait.unwrap_or(FIRST)),
            probes: None,
            went: None,
            strikes: 0,
        }
    }

    /// A call that was sent at `sent` was refused, too.
    pub(super) fn refuse(&mut self, seq: u64, sent: u64, now: u64, wait: Option<u64>) {
        let is_probe = self.is_probe(seq);
        if is_probe {
            (self.probes, self.went) = (None, None);
            self.strikes = (self.strikes + 1).min(16);
        }
        let own = (FIRST << self.strikes.min(10)).min(LONGEST);
        if is_probe || sent >= self.shut || wait.is_some() {
            self.until = self.until.max(now.saturating_add(wait.unwrap_or(own)));
            self.shut = now;
        }
    }

    /// Whether a call may try now.
    pub(super) fn lets_try(&self, now: u64) -> bool {
        now >= self.opens()
    }

    /// The uptime from which a call may try, or another one.
    pub(super) fn opens(&self) -> u64 {
        self.went.map_or(self.until, |went| self.until.max(went.saturating_add(SOON)))
    }

    pub(super) fn send(&mut self, seq: u64, now: u64) {
        self.probes.get_or_insert(seq);
        self.went = Some(now);
    }

    pub(super) fn is_probe(&self, seq: u64) -> bool {
        self.probes.is_some_and(|first| seq >= first)
    }

    /// A probe ended and nobody knows how: the next call tries.
    pub(super) fn lose(&mut self) {
        self.went = None;
    }
}

impl Ledger {
    /// Shuts a budget until the provider's time.
    pub(super) fn shut(
        &mut self,
        (scope, index): Place,
        charged: &Charged,
        wait: Option<Duration>,
        now: Now,
    ) {
        let Scope { name, budgets, .. } = &mut self.scopes[scope];
        let budget = &mut budgets[index];
        let quota = budget.quota;
        // A wait of nothing would spin.
        let wait = wait.map(nanos).filter(|&wait| wait > 0);
        let door = &mut budget.truth().door;
        let is_news = door.is_none_or(|door| door.is_probe(charged.seq));
        match door {
            Some(door) => door.refuse(charged.seq, charged.at, now.uptime, wait),
            None => {
                *door = Some(Door::shut(now.uptime, wait));
                self.doors += 1;
            }
        }
        let until = door.map_or(now.uptime, |door| door.until);
        if is_news {
            let wait = Duration::from_nanos(until.saturating_sub(now.uptime));
            self.events.push(Event::Closed { scope: name.clone(), quota, wait });
        }
    }

    /// A call got an answer that is no refusal by a limit: where it was the probe, the door is open.
    pub(crate) fn answered(&mut self, charged: &Charged) {
        self.at_doors(charged, |door| door.is_some_and(|it| it.is_probe(charged.seq)).then(|| *door = None));
    }

    /// A call ended without an answer.
    pub(super) fn unanswered(&mut self, charged: &Charged) {
        self.at_doors(charged, |door| {
            if let Some(door) = door.as_mut().filter(|door| door.is_probe(charged.seq)) {
                door.lose();
            }
            None
        });
    }

    fn at_doors(&mut self, charged: &Charged, mut visit: impl FnMut(&mut Option<Door>) -> Option<()>) {
        if self.doors == 0 {
            return;
        }
        let amounts = charged.rule.reserve(&charged.cost);
        for &scope in &self.books[charged.book.index()].scopes {
            let scope = &mut self.scopes[scope];
            for budget in scope.budgets.iter_mut().filter(|budget| amounts[budget.unit] > 0) {
                let Some(truth) = &mut budget.truth else { continue };
                if visit(&mut truth.door).is_some() {
                    self.doors -= 1;
                    self.events.push(Event::Reopened { scope: scope.name.clone(), quota: budget.quota });
                }
            }
        }
    }

    /// Opens every door.
    pub(super) fn open_doors(&mut self) {
        let budgets = self.scopes.iter_mut().flat_map(|scope| &mut scope.budgets);
        budgets.filter_map(|budget| budget.truth.as_mut()).for_each(|truth| truth.door = None);
        self.doors = 0;
    }

    /// Whether every door that a call meets lets one try; an error where none does for good.
    #[cold]
    pub(super) fn lets_try(&mut self, book: BookId, amounts: &Amounts, now: Now) -> Result<bool, Refused> {
        if let Some(stopped) = self.stopped {
            let ends = stopped.until.and_then(|until| until.duration_since(SystemTime::UNIX_EPOCH).ok());
            if ends.is_none_or(|at| nanos(at) > now.utc) {
                return Err(Refused::Never);
            }
            self.stopped = None;
        }
        if self.doors == 0 {
            return Ok(true);
        }
        let budgets = self.books[book.index()].scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        let mut met = budgets.filter(|budget| amounts[budget.unit] > 0);
        let shut = |truth: &Truth| truth.door.is_some_and(|door| !door.lets_try(now.uptime));
        Ok(!met.any(|budget| budget.truth.as_deref().is_some_and(shut)))
    }

    /// A call was just admitted: where a door is shut, it is the one that tries.
    #[cold]
    pub(super) fn note_taken(&mut self, book: BookId, amounts: &Amounts, seq: u64, now: u64) {
        for &scope in &self.books[book.index()].scopes {
            for budget in &mut self.scopes[scope].budgets {
                let amount = amounts[budget.unit];
                let Some(truth) = &mut budget.truth else { continue };
                truth.note(seq, amount, budget.bucket.freed(), now);
                if let Some(door) = truth.door.as_mut().filter(|_| amount > 0) {
                    door.send(seq, now);
                }
            }
        }
    }

    /// How long until the doors that a call met let one try; nothing where none is shut.
    pub(crate) fn closed_for(&self, charged: &Charged, now: Now) -> Duration {
        let amounts = charged.rule.reserve(&charged.cost);
        let scopes = &self.books[charged.book.index()].scopes;
        let budgets = scopes.iter().flat_map(|&scope| &self.scopes[scope].budgets);
        let met = budgets.filter(|budget| amounts[budget.unit] > 0);
        let until = met.filter_map(|budget| Some(budget.door()?.opens())).max().unwrap_or(0);
        Duration::from_nanos(until.saturating_sub(now.uptime))
    }
}
