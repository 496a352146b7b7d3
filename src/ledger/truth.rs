//! What the provider says about a budget, and what the books make of it.
//!
//! # When may the books be corrected, and by how much?
//!
//! **The simplest design** puts the provider's `remaining` in the place of the level. It is wrong whenever
//! other calls are out: the answer to call A says what was left when A was charged, and the calls that were
//! sent since are not in it. With 20 calls of 500 tokens in flight the level would jump up by 10,000 with
//! every answer, and the next twenty calls would be refused.
//!
//! **What is consistent** with an answer is a range. Let `told` be what it says was left, `back` what has
//! flowed back since the call was sent, `after` what was taken for calls that were sent after it was charged, and
//! `unheard` what was taken for all calls whose answers were not in when it was sent: these, and those
//! that were on their way.
//!
//! ```text
//! told - unheard        nothing has flowed back, and none of them was counted
//! told - after + back   the answer is as old as the call, and all before it were counted
//! ```
//!
//! Answers are made up when a call is charged (OpenAI's say `limit - charge` whatever the answer takes to
//! write: openllmetry and dd-trace-py cassettes, read November 2026), so a level above the upper end is lowered
//! to it: somebody else uses the key, or calls cost more than the rule says. A level below the lower
//! end is raised to it: no call that is out can make less of `told` than that. In between nothing is known
//! better than the books know it. Calls that were sent later, but before it is known to have been charged, may have
//! overtaken it on the way, and be in `told`: they are not in `after`. Worked example, TPM 60,000: a call is
//! sent while calls of 2,000 tokens are out, 3,000 are taken for later ones, and after 2 s its answer says
//! 10,000. The level is somewhere in 5,000..=9,000.
//!
//! **Late charges.** Where the price is known at the end only, a call is heard when it ends.
//!
//! **Out of order.** What an answer says is as old as its call. Once a call that was sent later has been
//! heard, an earlier one corrects nothing: it would undo what the newer one knew better.
//!
//! **Limits** are adopted where the configured one was the provider's own, after two answers that agree. A
//! configured limit below the provider's is a share that somebody chose: it is never raised, and the
//! level neither.

use std::collections::VecDeque;

use super::books::Budget;
use super::door::Door;
use super::law::Signs;
use crate::provider::Reading;
use crate::quota::{Quota, Unit, Window};
use crate::time::{Now, nanos};

/// How many calls are remembered: an answer to an older one corrects nothing.
const CALLS: usize = 4_096;
/// By which part of a budget its margin grows.
const WIDER: u64 = 64;

/// What is known of one budget since the provider first spoke of it.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Everything that was taken since.
    taken: u64,
    /// Of that, what was surely counted by the provider: the answer is in.
    heard: u64,
    /// What was taken before by calls that have not ended: nothing else is known of them.
    before: u64,
    /// The number of the first call that is in the sums.
    began: Option<u64>,
    /// The number of the first call that was charged to the budget.
    born: u64,
    /// The sums after each call, oldest first.
    calls: VecDeque<Mark>,
    /// The number of the newest call whose answer has corrected the level.
    newest: u64,
    follows: Follows,
    /// A limit that an answer told and the next one may confirm.
    other_limit: Option<u64>,
    /// The uptime at which the margin was last changed.
    margin_at: u64,
    pub(super) door: Option<Door>,
    pub(super) signs: Signs,
    /// The percentage of the budget that was last told of.
    pub(super) told_share: u8,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    seq: u64,
    taken: u64,
    heard: u64,
    before: u64,
    /// What had aged out of the budget when it was sent.
    freed: u64,
    /// The uptime at which it was sent.
    sent: u64,
}

/// How the configured limit stands to the provider's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Follows {
    #[default]
    Unknown,
    /// It is the provider's.
    Whole,
    /// It is less, on purpose; never more than this.
    Share(u64),
}

/// What one answer says about a budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The number of the call.
    pub(super) seq: u64,
    /// What was left when it was charged.
    pub(super) remaining: u64,
    /// What the call has taken here.
    pub(super) own: u64,
    /// Whether it was refused: then that is not in what was left.
    pub(super) refused: bool,
    /// Nanoseconds since it was sent.
    pub(super) since: u64,
    /// The uptime by which it was charged.
    pub(super) charged_by: u64,
    /// Whether prices are known at the end only.
    pub(super) late: bool,
    /// Whether the level may be raised.
    pub(super) may_raise: bool,
}

/// A copy of the books is made to see who could go when, and hears no answers.
impl Clone for Truth {
    fn clone(&self) -> Self {
        Truth { door: self.door, ..Truth::default() }
    }
}

impl Truth {
    /// A call was charged.
    pub(super) fn note(&mut self, seq: u64, amount: u64, freed: u64, sent: u64) {
        self.began.get_or_insert(seq);
        self.taken = self.taken.saturating_add(amount);
        if self.calls.len() >= CALLS {
            self.calls.pop_front();
        }
        let (taken, heard, before) = (self.taken, self.heard, self.before);
        self.calls.push_back(Mark { seq, taken, heard, before, freed, sent });
    }

    /// A call was charged and taken back at once, as if it had never been; says whether it was.
    pub(super) fn forget(&mut self, seq: u64, amount: u64) -> bool {
        let was_last = self.calls.back().is_some_and(|last| last.seq == seq);
        if was_last {
            self.calls.pop_back();
            self.taken = self.taken.saturating_sub(amount);
        }
        was_last
    }

    /// The answer to a call is in.
    pub(super) fn hear_of(&mut self, seq: u64, amount: u64) {
        if self.sums_up(seq) {
            self.heard = self.heard.saturating_add(amount);
        }
    }

    /// A call has ended.
    pub(super) fn end_of(&mut self, seq: u64, amount: u64) {
        if !self.sums_up(seq) && self.born <= seq {
            self.before = self.before.saturating_sub(amount);
        }
    }

    /// Whether a call is in the sum of what was taken.
    fn sums_up(&self, seq: u64) -> bool {
        self.began.is_some_and(|began| began <= seq)
    }

    /// Another limit was configured: how it stands to the provider's is not known any more.
    pub(super) fn reconfigured(&mut self) {
        (self.follows, self.other_limit) = (Follows::Unknown, None);
    }

    /// The sums when a call was sent.
    fn mark(&self, seq: u64) -> Option<Mark> {
        let found = self.calls.binary_search_by_key(&seq, |mark| mark.seq).ok()?;
        Some(self.calls[found])
    }

    /// What was taken for calls that were charged after a marked one, for certain.
    ///
    /// Calls overtake one another on their way. One that was sent later, but before the marked one is known to have
    /// been charged, may be in what its answer tells.
    fn after(&self, mark: Mark, charged_by: u64) -> u64 {
        let sent_by = self.calls.partition_point(|call| call.sent < charged_by);
        let counted = sent_by.checked_sub(1).map_or(0, |last| self.calls[last].taken);
        self.taken.saturating_sub(counted.max(mark.taken))
    }

    /// Whether the limit that is followed is the provider's own.
    fn is_whole(&self, limit: u64) -> bool {
        match self.follows {
            Follows::Unknown => false,
            Follows::Whole => true,
            Follows::Share(most) => limit < most,
        }
    }

    /// Takes note of the limit that an answer tells; says which one to adopt, if another.
    fn hear(&mut self, limit: u64, current: u64) -> Option<u64> {
        match self.follows {
            Follows::Unknown if limit > current => self.follows = Follows::Share(current),
            Follows::Unknown if limit == current => self.follows = Follows::Whole,
            _ => {}
        }
        let wanted = match self.follows {
            Follows::Share(most) => limit.min(most),
            Follows::Unknown | Follows::Whole => limit,
        };
        if wanted == current {
            self.other_limit = None;
            return None;
        }
        if self.other_limit != Some(wanted) {
            self.other_limit = Some(wanted);
            return None;
        }
        self.other_limit = None;
        if self.follows == Follows::Unknown {
            self.follows = Follows::Whole;
        }
        Some(wanted)
    }
}

impl Budget {
    /// What is known of it from the provider; begins to be kept now.
    pub(super) fn truth(&mut self) -> &mut Truth {
        let new = || Truth { before: self.bucket.unsettled(), born: self.born, ..Truth::default() };
        self.truth.get_or_insert_with(|| Box::new(new()))
    }

    /// What the provider has shut it with.
    pub(super) fn door(&self) -> Option<Door> {
        self.truth.as_ref().and_then(|truth| truth.door)
    }

    /// How well a reading fits: the more the better; `None` where it is about another budget.
    pub(super) fn fits(&self, reading: &Reading) -> Option<u8> {
        if reading.family.unit() != Some(self.unit) {
            return None;
        }
        let same_limit = reading.limit == Some(self.quota.limit());
        let same_window = reading.window.is_some() && reading.window == self.quota.window().period();
        let other_window = reading.window.is_some() && !reading.window_inferred && !same_window;
        match (same_limit, same_window) {
            _ if other_window => None,
            (true, true) => Some(4),
            (true, false) => Some(3),
            (false, true) => Some(2),
            // A limit that changes under a window that cannot be told.
            (false, false) => self.is_whole().then_some(1),
        }
    }

    fn is_whole(&self) -> bool {
        self.truth.as_ref().is_some_and(|truth| truth.is_whole(self.quota.limit()))
    }

    /// Whether the level may be raised to what a reading tells: not where it speaks of another limit, or cannot be.
    pub(super) fn may_rise(&self, reading: &Reading) -> bool {
        let limit = self.quota.limit();
        let same_limit = reading.limit.is_none_or(|told| told == limit);
        same_limit && reading.remaining.is_some_and(|left| left <= limit) && self.is_whole()
    }

    /// A refusal that the books did not foresee: something more stays unused.
    pub(super) fn widen(&mut self, now: Now) {
        if self.unit == Unit::InFlight {
            return; // A slot comes back when its call ends, and no time makes good for one that stays unused.
        }
        self.margin = (self.margin + self.capacity / WIDER + 1).min(self.capacity / 2);
        self.truth().margin_at = now.uptime;
    }

    /// Another period without one: something less.
    pub(super) fn narrow(&mut self, now: Now) {
        let Some(period) = self.quota.window().period().filter(|_| self.margin > 0) else { return };
        let Some(truth) = &mut self.truth else { return };
        let at = &mut truth.margin_at;
        if now.uptime.saturating_sub(*at) >= nanos(period) {
            *at = now.uptime;
            self.margin -= self.margin.div_ceil(8);
        }
    }

    /// Hears a limit; says whether another was adopted.
    pub(super) fn hear(&mut self, limit: u64, now: Now) -> bool {
        let configured = self.quota.limit();
        let Some(limit) = self.truth().hear(limit, configured) else { return false };
        let quota = self.quota.with_limit(limit);
        quota.validate().is_ok() && {
            self.adopt(quota, now);
            true
        }
    }

    /// Goes on under another quota of the same unit and period.
    pub(super) fn adopt(&mut self, quota: Quota, now: Now) {
        self.bucket.advance(now);
        self.bucket.follow(&quota, now);
        self.capacity = quota.capacity();
        self.margin = self.margin.min(self.capacity / 2);
        self.quota = quota;
    }

    /// Corrects the level to what is consistent with an answer.
    pub(super) fn reconcile(&mut self, told: &Told, now: Now) {
        if self.unit == Unit::InFlight {
            return;
        }
        let Some(truth) = &mut self.truth else { return };
        let Some(mark) = truth.mark(told.seq).filter(|mark| mark.seq >= truth.newest) else { return };
        truth.newest = mark.seq;
        let after = truth.after(mark, told.charged_by);
        let late = if told.late { told.own } else { 0 };
        let out = truth.taken.saturating_sub(mark.heard).saturating_sub(told.own);
        let unheard = out.saturating_add(late).saturating_add(mark.before);
        if !self.bucket.knows(now.utc.saturating_sub(told.since)) {
            return;
        }
        let slack = rounded_to(told.remaining) + signed(self.bucket.leaves_soon(now));
        let (remaining, ours) = (signed(told.remaining), self.bucket.remaining());
        let aged = self.bucket.freed().saturating_sub(mark.freed);
        let back = self.bucket.flows_in(told.since).saturating_add(aged);
        let own = if told.refused { told.own } else { 0 };
        let most = remaining + slack + signed(back) - signed(after) - signed(own);
        let least = remaining - slack - signed(unheard) - signed(self.bucket.double_counted());
        if ours > most.max(least) {
            let surprise = ours.saturating_sub(most.max(least)).unsigned_abs();
            self.bucket.correct(most.max(least) - ours, now);
            // What somebody else took once may be taken again while the next call is on its way.
            // A bucket loses nothing by it, since what stays in it flows on; a window does.
            let most = match self.quota.window() {
                Window::Refill { .. } => (3 * surprise).min(self.capacity / 32),
                _ => surprise.min(self.capacity / 128),
            };
            self.margin = self.margin.max(most);
        } else if ours < least && told.may_raise {
            self.bucket.correct(least.saturating_sub(ours), now);
        }
    }
}

/// How far a level may be off that was rounded: Anthropic's are, to thousands
/// (docs.anthropic.com/en/api/rate-limits, read November 2026).
fn rounded_to(remaining: u64) -> i64 {
    if remaining > 0 && remaining.is_multiple_of(1_000) { 1_000 } else { 1 }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount.min(1 << 60)).unwrap_or(i64::MAX)
}
