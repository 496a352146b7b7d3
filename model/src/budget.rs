//! What one budget must hold, computed anew for each question from everything that has happened to it.
//!
//! Written from the contracts in `DESIGN.md`, not from the library's code. There is no state that
//! could be wrong, only a history. Where a contract leaves room (when exactly a call was charged, how
//! late a slot leaves) the answer is a range.

mod edge;

use tollgate::{Quota, Window};

/// An instant and the number of the event: what came before what.
pub(crate) type Key = (i128, u64);

/// Which end of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Least,
    Most,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    Either,
    Never,
}

/// What one call has done to one budget.
#[derive(Clone, Debug)]
struct Entry {
    call: usize,
    at: Key,
    taken: u64,
    /// The latest instant of its charge, and when that was told.
    placed: Option<(i128, Key)>,
    /// Its price, the earliest instant at which the books can have had it, and when it was told.
    ended: Option<(u64, i128, Key)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// The quotas by when they began to count.
    quotas: Vec<(Key, Quota)>,
    entries: Vec<Entry>,
    /// What the provider said was left.
    told: Vec<(Key, u64)>,
    /// Where in a window the limiter began.
    phase: i128,
}

/// An open charge counts as placed after 5 to 10 s: at the end of the second span of 5 s.
const SPAN: i128 = 5_000_000_000;

fn ns(duration: std::time::Duration) -> i128 {
    duration.as_nanos() as i128
}

/// A bucket that holds one quota: the most that can be in it, what a nanosecond brings, and how many parts a unit has.
struct Flow {
    full: i128,
    rate: i128,
    unit: i128,
}

fn flow(quota: &Quota) -> Flow {
    let Window::Refill { period, burst } = quota.window() else { unreachable!("not a bucket") };
    let (unit, rate) = (ns(period), i128::from(quota.limit()));
    if rate == 0 {
        return Flow { full: 0, rate, unit };
    }
    let burst = i128::from(burst) * unit;
    // It holds a guard less of its refill, but half of its burst at least.
    Flow { full: burst - (rate * ns(quota.jitter_guard())).min(burst / 2), rate, unit }
}

impl Entry {
    fn price(&self, seen: Key) -> Option<(u64, i128, Key)> {
        self.ended.filter(|ended| ended.2 <= seen)
    }

    /// What counts from the admission on.
    fn kept(&self, seen: Key) -> i128 {
        self.price(seen).map_or(self.taken, |(price, ..)| price.min(self.taken)).into()
    }

    /// What was used beyond the reservation.
    fn excess(&self, seen: Key) -> i128 {
        self.price(seen).map_or(0, |(price, ..)| price.saturating_sub(self.taken)).into()
    }

    /// The latest instant at which it can have been charged, where that is known.
    fn latest(&self, seen: Key, bound: Bound) -> Option<i128> {
        let placed = self.placed.filter(|placed| placed.1 <= seen).map(|placed| placed.0);
        let ended = |(_, from, told): (u64, i128, Key)| if bound == Bound::Most { from } else { told.0 };
        placed.or_else(|| self.price(seen).map(ended))
    }

    fn told(&self, seen: Key) -> Option<i128> {
        let placed = self.placed.map(|placed| placed.1);
        let ended = self.ended.map(|ended| ended.2);
        placed.into_iter().chain(ended).filter(|told| *told <= seen).map(|told| told.0).min()
    }
}

impl Budget {
    pub(crate) fn new(quota: Quota, phase: i128) -> Budget {
        Budget { quotas: vec![((0, 0), quota)], entries: Vec::new(), told: Vec::new(), phase }
    }

    pub(crate) fn quota(&self) -> Quota {
        self.quotas.last().expect("there is one").1
    }

    fn quota_at(&self, seen: Key) -> &Quota {
        let known = self.quotas.iter().take_while(|(since, _)| *since <= seen);
        &known.last().expect("the first was there from the beginning").1
    }

    pub(crate) fn change(&mut self, quota: Quota, key: Key) {
        self.quotas.push((key, quota));
    }

    pub(crate) fn take(&mut self, call: usize, taken: u64, at: Key) {
        self.entries.push(Entry { call, at, taken, placed: None, ended: None });
    }

    pub(crate) fn place(&mut self, call: usize, latest: i128, told: Key) {
        let entry = self.entries.iter_mut().find(|entry| entry.call == call).expect("it was taken");
        entry.placed.get_or_insert((latest, told));
    }

    /// A call ends; `from` is the last instant at which the books surely read the clock.
    pub(crate) fn end(&mut self, call: usize, price: u64, from: i128, told: Key) {
        let entry = self.entries.iter_mut().find(|entry| entry.call == call).expect("it was taken");
        entry.ended = Some((price, from.max(entry.at.0), told));
    }

    /// The provider said what was left: the books may show as much, but no more.
    pub(crate) fn raise(&mut self, left: u64, key: Key) {
        self.told.push((key, left));
    }

    /// As if all that is out came back now.
    pub(crate) fn at_best(&self, key: Key) -> Budget {
        let mut best = self.clone();
        for entry in best.entries.iter_mut().filter(|entry| entry.ended.is_none()) {
            entry.ended = Some((0, key.0, key));
        }
        best
    }

    /// What is left at `now` by what was known at `seen`, in parts of a unit.
    fn left(&self, now: i128, seen: Key, bound: Bound) -> i128 {
        let limit = i128::from(self.quota_at(seen).limit());
        match self.quota_at(seen).window() {
            Window::Refill { .. } if bound == Bound::Least => {
                // With each change of its limit, a bucket may round by a unit.
                let changes = self.quotas.iter().skip(1).filter(|(since, _)| *since <= seen).count();
                self.level(now, seen, bound) - changes as i128 * self.unit(seen)
            }
            Window::Refill { .. } => self.level(now, seen, bound),
            Window::Fixed { .. } => limit - self.in_window(now, seen, bound),
            Window::Sliding { .. } => limit - self.in_interval(now, seen, bound),
            _ => limit - self.out(seen),
        }
    }

    fn known(&self, seen: Key) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.at <= seen)
    }

    fn out(&self, seen: Key) -> i128 {
        self.known(seen)
            .filter(|entry| entry.price(seen).is_none())
            .map(|entry| i128::from(entry.taken))
            .sum()
    }

    /// From when a charge counts in a bucket; `None` while it is open.
    fn counts_from(entry: &Entry, now: i128, seen: Key, bound: Bound) -> Option<i128> {
        let turn = (entry.at.0 / SPAN + 2) * SPAN;
        let told = entry.told(seen).map(|told| match bound {
            Bound::Most => entry.latest(seen, bound).unwrap_or(told),
            Bound::Least => told,
        });
        let counts = told.map_or(turn, |told| told.min(turn));
        (counts <= now).then_some(counts)
    }

    /// A bucket: a charge counts from the latest instant at which it can have been made, what was used
    /// beyond the reservation from when that was told, and what is open as of now.
    fn level(&self, now: i128, seen: Key, bound: Bound) -> i128 {
        enum Event<'a> {
            Take(i128),
            Change(&'a Quota),
            Raise(Key, i128),
        }
        let mut events: Vec<(i128, Event<'_>)> = Vec::new();
        let mut open = 0;
        for entry in self.known(seen) {
            match Self::counts_from(entry, now, seen, bound) {
                Some(from) => events.push((from, Event::Take(entry.kept(seen)))),
                None => open += i128::from(entry.taken),
            }
            if let Some((_, _, told)) = entry.price(seen).filter(|_| entry.excess(seen) > 0) {
                events.push((told.0, Event::Take(entry.excess(seen))));
            }
        }
        let changes = self.quotas.iter().skip(1).filter(|(since, _)| *since <= seen);
        events.extend(changes.map(|(since, quota)| (since.0, Event::Change(quota))));
        if bound == Bound::Most {
            let told = self.told.iter().filter(|(key, _)| *key <= seen);
            events.extend(told.map(|&(key, left)| (key.0, Event::Raise(key, left.into()))));
        }
        events.sort_by_key(|event| event.0);
        let mut law = flow(&self.quotas[0].1);
        let (mut level, mut then) = (law.full, 0);
        for (at, event) in events {
            level = law.full.min(level + law.rate * (at - then));
            then = at;
            match event {
                Event::Take(amount) => level -= amount * law.unit,
                Event::Change(quota) => {
                    let new = flow(quota);
                    (level, law) = (new.full - (law.full - level), new);
                }
                Event::Raise(key, left) => {
                    let owed = left + self.comes_off(key, now, seen);
                    level = level.max(law.full.min(owed * law.unit));
                }
            }
        }
        level = law.full.min(level + law.rate * (now - then));
        level - open * law.unit
    }

    /// Of what was taken before `key`, how much the replayed level does not hold yet, or gives back later.
    fn comes_off(&self, key: Key, now: i128, seen: Key) -> i128 {
        let before = self.known(key);
        let off = |entry: &Entry| {
            let placed = Self::counts_from(entry, now, seen, Bound::Most).is_some_and(|from| from <= key.0);
            let ended = entry.price(key).is_some();
            match (placed, ended) {
                (true, true) => 0,
                (true, false) => i128::from(entry.taken) - entry.kept(seen),
                (false, _) => entry.taken.into(),
            }
        };
        before.map(off).sum()
    }

    /// The window that has surely begun at the provider, too.
    fn window(&self, quota: &Quota, at: i128) -> i128 {
        (at + self.phase - ns(quota.jitter_guard()))
            .div_euclid(ns(quota.window().period().expect("a window")))
    }

    fn in_window(&self, now: i128, seen: Key, bound: Bound) -> i128 {
        let quota = self.quota_at(seen);
        let guard = ns(quota.jitter_guard());
        let window = self.window(quota, now);
        let of = |entry: &Entry| {
            // From the window of its admission to the last that the charge may have fallen into.
            let first = self.window(quota, entry.at.0);
            let last = entry.latest(seen, bound).map(|at| self.window(quota, at + 2 * guard).max(first));
            if first <= window && last.is_none_or(|last| window <= last) {
                return entry.kept(seen) + entry.excess(seen);
            }
            let told = entry.price(seen).is_some_and(|(_, _, told)| self.window(quota, told.0) == window);
            if told { entry.excess(seen) } else { 0 }
        };
        let raised = self.raised(seen, bound);
        self.known(seen).filter(|entry| raised.is_none_or(|raised| entry.at > raised)).map(of).sum()
    }

    /// A placed charge counts for a period and the guard; a slot leaves with its newest charge, up to
    /// 0.15 % of the period later.
    fn in_interval(&self, now: i128, seen: Key, bound: Bound) -> i128 {
        let quota = self.quota_at(seen);
        let period = ns(quota.window().period().expect("a window"));
        let late = if bound == Bound::Least { period * 3 / 2_000 + 2 } else { 0 };
        let stays = period + ns(quota.jitter_guard()) + late;
        let counts = |at: Option<i128>| at.is_none_or(|at| now - at < stays);
        let of = |entry: &Entry| {
            let kept = if counts(entry.latest(seen, bound)) { entry.kept(seen) } else { 0 };
            let told = entry.price(seen).map(|(_, _, told)| told.0);
            kept + if counts(told) { entry.excess(seen) } else { 0 }
        };
        let raised = self.raised(seen, bound);
        self.known(seen).filter(|entry| raised.is_none_or(|raised| entry.at > raised)).map(of).sum()
    }

    /// In a window, what was taken before the provider's word may be all forgotten.
    fn raised(&self, seen: Key, bound: Bound) -> Option<Key> {
        let told = self.told.iter().map(|told| told.0).rfind(|key| *key <= seen);
        told.filter(|_| bound == Bound::Most)
    }

    fn unit(&self, seen: Key) -> i128 {
        match self.quota_at(seen).window() {
            Window::Refill { period, .. } => ns(period),
            _ => 1,
        }
    }

    /// What is left in whole units, at the least and at the most.
    pub(crate) fn remaining(&self, now: i128, seen: Key) -> (i128, i128) {
        let [least, most] =
            [Bound::Least, Bound::Most].map(|bound| self.left(now, seen, bound).div_euclid(self.unit(seen)));
        // Once the provider has spoken, the books may know of less.
        (if self.is_told(seen) { i128::MIN } else { least }, most)
    }

    /// Whether more is owed than the library's 64 bits hold in their small parts of a unit: it keeps as much as it can.
    pub(crate) fn owes_too_much(&self, seen: Key) -> bool {
        let mut parts = (self.unit(seen), i128::from(self.quota_at(seen).limit()));
        while parts.1 > 0 {
            parts = (parts.1, parts.0 % parts.1);
        }
        self.left(seen.0, seen, Bound::Least) / parts.0 < -(1 << 60)
    }

    pub(crate) fn is_told(&self, seen: Key) -> bool {
        self.told.iter().any(|(key, _)| *key <= seen)
    }

    /// The most that can be left, in parts.
    fn full(&self, seen: Key) -> i128 {
        let quota = self.quota_at(seen);
        match quota.window() {
            Window::Refill { .. } => flow(quota).full,
            _ => quota.limit().into(),
        }
    }

    /// What is left when nothing is used, in whole units.
    pub(crate) fn capacity(&self) -> i128 {
        let seen = (i128::MAX, u64::MAX);
        self.full(seen).div_euclid(self.unit(seen))
    }

    /// Whether a call can take `amount` at `now`, as far as was known at `seen`.
    pub(crate) fn pays(&self, amount: u64, drains: bool, now: i128, seen: Key) -> Answer {
        let quota = self.quota_at(seen);
        let may_drain = drains && quota.capacity() > 0 && quota.window() != Window::Held;
        if amount > quota.capacity() && !may_drain {
            return Answer::Never;
        }
        if amount == 0 {
            return Answer::Yes;
        }
        // As large as the burst, or larger: it goes when the budget is as full as it gets.
        let needed = (i128::from(amount) * self.unit(seen)).min(self.full(seen));
        match [Bound::Least, Bound::Most].map(|bound| self.left(now, seen, bound) >= needed) {
            [true, _] if !self.is_told(seen) => Answer::Yes,
            [_, false] => Answer::No,
            _ => Answer::Either,
        }
    }

    /// Whether there is surely so much at `now`.
    pub(crate) fn holds(&self, amount: u64, now: i128, seen: Key) -> bool {
        let least = self.left(now, seen, Bound::Least);
        !self.is_told(seen) && least >= i128::from(amount) * self.unit(seen)
    }

    /// Whether a call that was admitted at `key` had leave: with it, and all that was admitted before, nothing
    /// is below zero but what a larger call than the budget drains.
    pub(crate) fn bore(&self, amount: u64, key: Key) -> bool {
        let unit = self.unit(key);
        let beyond = (self.full(key) - i128::from(amount) * unit).min(0);
        amount == 0 || self.left(key.0, key, Bound::Most) >= beyond
    }

    /// Nanoseconds after which the budget is full again, if `more` is taken and everything ends now.
    pub(crate) fn fills_in(&self, more: u64, now: i128, seen: Key) -> i128 {
        let quota = self.quota_at(seen);
        match quota.window() {
            Window::Refill { .. } => {
                let Flow { full, rate, unit } = flow(quota);
                let least = self.left(now, seen, Bound::Least).min(0);
                if rate == 0 { 0 } else { (full - least + i128::from(more) * unit) / rate + 1 }
            }
            Window::Fixed { period, .. } | Window::Sliding { period } => {
                2 * (ns(period) + ns(quota.jitter_guard())) + ns(period) / 500
            }
            _ => 0,
        }
    }
}
