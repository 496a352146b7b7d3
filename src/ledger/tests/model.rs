//! What every budget must hold, computed anew for every question from the whole history of calls.
//!
//! Nothing is carried along and nothing is forgotten, so there is no state that could be wrong. It
//! is written from the contracts, not from the buckets. Where a contract leaves room (the instant
//! of a settlement that was not told, a slot's rounding, merged peaks) the answer is a range.

use std::time::Duration;

use crate::quota::{Quota, Window};
use crate::time::Now;

/// The buckets merge their records of past levels when more calls than this are out.
const EXACT: usize = 32;

/// Between two instants, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) from: Now,
    pub(super) to: Now,
}

/// Which end of the range that the contracts leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Least,
    Most,
}

/// What one call has done to one budget.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) call: usize,
    pub(super) at: Now,
    pub(super) taken: u64,
    /// When it was charged at the latest; `None` while nobody knows.
    pub(super) placed: Option<Span>,
    /// When that was told.
    pub(super) told: Option<Now>,
    /// The true price, and when it was told.
    pub(super) ended: Option<(u64, Span)>,
}

#[derive(Clone, Debug)]
pub(super) struct Budget {
    pub(super) quota: Quota,
    born: u64,
    pub(super) entries: Vec<Entry>,
    /// More calls were out than the bucket keeps apart: from then on it may restore less.
    merged: bool,
}

/// What the model says to a call that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Either,
    Never,
}

pub(super) fn ns(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap()
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Entry {
    /// What counts from the admission on.
    pub(super) fn kept(&self) -> u64 {
        self.ended.map_or(self.taken, |(price, _)| price.min(self.taken))
    }

    /// What was used beyond the reservation.
    fn excess(&self) -> u64 {
        self.ended.map_or(0, |(price, _)| price.saturating_sub(self.taken))
    }
}

impl Budget {
    pub(super) fn new(quota: Quota, now: Now) -> Self {
        Budget { quota, born: now.uptime, entries: Vec::new(), merged: false }
    }

    pub(super) fn take(&mut self, call: usize, taken: u64, at: Now) {
        self.entries.push(Entry { call, at, taken, placed: None, told: None, ended: None });
        self.merged |= self.entries.iter().filter(|entry| entry.ended.is_none()).count() >= EXACT;
    }

    pub(super) fn place(&mut self, call: usize, latest: Span, told: Now) {
        let entry = self.entries.iter_mut().find(|entry| entry.call == call).unwrap();
        if entry.placed.is_none() {
            (entry.placed, entry.told) = (Some(latest), Some(told));
        }
    }

    pub(super) fn end(&mut self, call: usize, price: u64, when: Span) {
        self.place(call, when, when.to);
        let entry = self.entries.iter_mut().find(|entry| entry.call == call).unwrap();
        entry.ended = Some((price, when));
    }

    /// What is left, in parts of a unit as in [`Budget::parts`].
    fn left(&self, now: Now, bound: Bound) -> i128 {
        let limit = i128::from(self.quota.limit());
        match self.quota.window() {
            Window::Refill { .. } => self.level(now, bound),
            Window::Fixed { .. } => limit - self.in_window(self.window_at(now), bound),
            Window::Sliding { period } => {
                // A slot leaves with its newest charge: a little later, never sooner.
                let slack = if bound == Bound::Least { ns(period) / 500 + 2 } else { 0 };
                limit - self.in_interval(now, slack)
            }
            Window::Held => limit - self.out(),
        }
    }

    fn out(&self) -> i128 {
        self.entries.iter().map(|entry| if entry.ended.is_none() { i128::from(entry.taken) } else { 0 }).sum()
    }

    /// The largest parts of a unit of which every nanosecond brings a whole number, and how many.
    fn flow(&self) -> (i128, i128) {
        let limit = i128::from(self.quota.limit());
        match self.quota.window() {
            Window::Refill { period, .. } if limit > 0 => {
                let shared = gcd(limit, ns(period));
                (ns(period) / shared, limit / shared)
            }
            _ => (1, 0),
        }
    }

    fn parts(&self) -> i128 {
        self.flow().0
    }

    /// The bucket has to round: its smallest parts would not fit into 64 bits.
    fn rounds(&self) -> bool {
        let most = self.quota.limit().max(self.quota.capacity());
        i128::from(most) * self.parts() > 1 << 61
    }

    /// Whether 64 bits may not hold the debt that such calls run up.
    pub(super) fn is_absurd(&self, taken: u64, price: u64) -> bool {
        let large = i128::from(self.quota.capacity()) * self.parts() > 1 << 58;
        i128::from(price) * self.parts() > 1 << 58 && (!large || price > taken.saturating_mul(2))
            || price > 1 << 44
    }

    /// Whether 64 bits may not hold what is owed: several calls can run it up, each less than absurd.
    pub(super) fn owes_too_much(&self, now: Now) -> bool {
        let limit = self.quota.limit().max(self.quota.capacity());
        let most = if self.rounds() { i128::from(limit) } else { (1 << 61) / self.parts() };
        self.remaining(now).0 < -most
    }

    /// How far from the exact level a bucket that rounds may be, in units.
    pub(super) fn rounding(&self) -> i128 {
        let most = self.quota.limit().max(self.quota.capacity());
        if self.rounds() { i128::from(most >> 14) + 1 } else { 0 }
    }

    /// The most that can be left, in parts.
    fn full(&self) -> i128 {
        let limit = i128::from(self.quota.limit());
        match self.quota.window() {
            Window::Refill { .. } if limit == 0 => 0,
            Window::Refill { burst, .. } => {
                let (parts, rate) = self.flow();
                let burst = i128::from(burst) * parts;
                // However long the guard, it leaves half of the burst.
                burst - (rate * ns(self.quota.jitter_guard())).min(burst / 2)
            }
            _ => limit,
        }
    }

    /// Whether a budget of which everything is used is whole again after that many nanoseconds,
    /// whatever its debt in a test.
    pub(super) fn fills_within(&self, nanos: i128) -> bool {
        let owed: i128 = self.entries.iter().map(|e| i128::from(e.kept()) + i128::from(e.excess())).sum();
        let (parts, rate) = self.flow();
        rate == 0 || (owed + 1) * parts / rate < nanos
    }

    /// The most that can be left.
    pub(super) fn capacity(&self) -> i128 {
        self.full().div_euclid(self.parts())
    }

    /// A bucket's level: a charge counts from the latest instant at which it can have been made, what
    /// was used beyond the reservation from when that was told, and what is open as of now. An open
    /// charge counts from the end of the second span of 5 s after its own at the latest.
    fn level(&self, now: Now, bound: Bound) -> i128 {
        const SPAN: u64 = 5_000_000_000;
        let mut events: Vec<(u64, u64)> = Vec::new();
        let mut open = 0;
        for entry in &self.entries {
            let turn = (entry.at.uptime / SPAN + 2) * SPAN;
            let told = entry.told.map(|told| told.uptime).filter(|told| *told < turn);
            let latest = entry.placed.map(|span| span.to.uptime);
            match told {
                Some(told) => {
                    let from = if bound == Bound::Most { latest.unwrap_or(told) } else { told };
                    events.push((from, entry.kept()));
                }
                None if turn <= now.uptime => events.push((turn, entry.kept())),
                None => open += i128::from(entry.taken),
            }
            if entry.excess() > 0 {
                events.push((entry.ended.unwrap().1.to.uptime, entry.excess()));
            }
        }
        events.sort_by_key(|event| event.0);
        let (full, (_, rate)) = (self.full(), self.flow());
        let (mut level, mut then) = (full, self.born);
        for (at, amount) in events.into_iter().chain([(now.uptime, 0)]) {
            level = full.min(level.saturating_add(rate * i128::from(at - then)));
            level = level.saturating_sub(i128::from(amount) * self.parts());
            then = at;
        }
        level.saturating_sub(open * self.parts())
    }

    fn fixed(&self) -> (i128, i128, i128) {
        let Window::Fixed { period, offset } = self.quota.window() else { panic!("not a fixed window") };
        (ns(period), ns(offset), ns(self.quota.jitter_guard()))
    }

    /// The window that has surely begun at the provider, too.
    pub(super) fn window_at(&self, now: Now) -> i128 {
        let (period, offset, guard) = self.fixed();
        (i128::from(now.utc) - offset - guard).div_euclid(period)
    }

    /// The windows that a charge may be in: from the one of its admission to the last that it may
    /// have been made in.
    pub(super) fn touches(&self, entry: &Entry, window: i128, bound: Bound) -> bool {
        let (period, offset, guard) = self.fixed();
        let last = entry.placed.map(|span| {
            let latest = if bound == Bound::Most { span.from } else { span.to };
            (i128::from(latest.utc) + guard - offset).div_euclid(period)
        });
        let first = self.window_at(entry.at);
        first <= window && last.is_none_or(|last| window <= last.max(first))
    }

    fn in_window(&self, window: i128, bound: Bound) -> i128 {
        let counts = |entry: &Entry| {
            if self.touches(entry, window, bound) {
                return i128::from(entry.kept()) + i128::from(entry.excess());
            }
            let told = entry.ended.is_some_and(|(_, when)| {
                self.window_at(when.from) == window
                    || bound == Bound::Least && self.window_at(when.to) == window
            });
            if told { i128::from(entry.excess()) } else { 0 }
        };
        self.entries.iter().map(counts).sum()
    }

    /// A placed charge counts for a period and the guard; what was used beyond the reservation does
    /// from when that was told.
    fn in_interval(&self, now: Now, slack: i128) -> i128 {
        let Window::Sliding { period } = self.quota.window() else { panic!("not a sliding window") };
        let stays = ns(period) + ns(self.quota.jitter_guard()) + slack;
        let counts = |at: Option<Now>| at.is_none_or(|at| i128::from(now.uptime - at.uptime) < stays);
        let of = |entry: &Entry| {
            let placed = entry.placed.map(|span| span.to);
            let told = entry.ended.map(|(_, when)| when.to);
            let kept = if counts(placed) { entry.kept() } else { 0 };
            let excess = counts(told);
            i128::from(kept) + i128::from(if excess { entry.excess() } else { 0 })
        };
        self.entries.iter().map(of).sum()
    }

    /// What is left of a sliding window whose charges stay longer by `slack`.
    pub(super) fn remaining_sliding(&self, now: Now, slack: i128) -> i128 {
        i128::from(self.quota.limit()) - self.in_interval(now, slack)
    }

    /// What is left in whole units, at least and at most.
    pub(super) fn remaining(&self, now: Now) -> (i128, i128) {
        let [least, most] =
            [Bound::Least, Bound::Most].map(|bound| self.left(now, bound).div_euclid(self.parts()));
        let loose = self.merged && matches!(self.quota.window(), Window::Refill { .. });
        (if loose { i128::MIN } else { least - self.rounding() }, most + self.rounding())
    }

    /// Whether `amount` can be taken at `now`.
    pub(super) fn pays(&self, amount: u64, now: Now) -> Answer {
        if amount > self.quota.capacity() {
            return Answer::Never;
        }
        // What costs nothing goes, even where a budget is in debt.
        if amount == 0 {
            return Answer::Yes;
        }
        // A call as large as the burst goes when the bucket is as full as its guard lets it be.
        let needed = match self.quota.window() {
            Window::Refill { .. } => self.full().min(i128::from(amount) * self.parts()),
            _ => i128::from(amount),
        };
        let loose = self.rounds() || self.remaining(now).0 == i128::MIN;
        let slack = self.rounding() * self.parts();
        let most = self.left(now, Bound::Most) + slack >= needed;
        match [self.left(now, Bound::Least) >= needed, most] {
            [true, _] if !loose => Answer::Yes,
            [_, false] => Answer::No,
            _ => Answer::Either,
        }
    }
}
