//! A token bucket: holds a burst, refilled evenly.
//!
//! The level is kept in parts of a unit so small that one tick of time brings a whole number of
//! them: with a limit of 200,000 in 60 s, a nanosecond brings 1 part and a token is 300,000 parts.
//! Nothing is rounded but the instant itself, to the tick, which is longer than a nanosecond only
//! where 64 bits would not hold the level.
//!
//! Debt is held up to 2^61 parts, and forgotten beyond: with a round limit that is 26,000 times a day's limit
//! at least, and whatever the limit it is no less than the limit, nor than the burst.
//!
//! # Why is an open charge kept apart?
//!
//! The provider's bucket begins to refill when a charge arrives there, not when it leaves here. Books
//! that take it at once from a full bucket begin too early, by the time that the first connection took, and
//! stay ahead: measured, a first call that took 12 ms to arrive drew a 429 for every second call. So the
//! level holds what is left after the charges whose arrival is known, and what is open is taken off when
//! asked. A bucket that is full but for open charges stands still, and a charge that is placed in the past lets flow in
//! what would have flowed since.
//!
//! A call may take minutes to answer. After 5 to 10 s an open charge counts as placed: a request that has
//! not arrived by then does not arrive.

use std::time::Duration;

use super::peaks::{Moment, Peaks};
use super::{Placed, Spent};
use crate::time::{Now, nanos};

/// The most a level may be away from zero: leaves room to add two of them.
const MOST: i64 = 1 << 61;
/// An open charge is placed when the generation after the one it was made in is over.
const GENERATION: u64 = 5_000_000_000;

#[derive(Clone, Debug)]
#[repr(C)] // What every call writes comes first: two threads pass on one cache line for it.
pub(crate) struct Refill {
    /// In parts, open charges not taken off. May be negative: debt.
    level: i64,
    /// The uptime of the last whole tick that was brought in.
    at: u64,
    /// Open charges of this generation, in parts.
    open: i64,
    /// Since which uptime it is full; of no meaning while it is not.
    full_since: u64,
    /// Open charges of the generation before.
    older: i64,
    /// The uptime at which this generation is over.
    turns: u64,
    /// The most it holds in parts, the guard taken off.
    capacity: i64,
    /// Parts per unit.
    unit: u64,
    /// Parts that each tick brings.
    rate: u64,
    /// Nanoseconds in a tick.
    tick: u64,
    /// Charges that are placed and not settled, in parts: what may come back.
    unsettled: i64,
    peaks: Peaks,
}

impl Refill {
    pub(super) fn new(limit: u64, period: Duration, burst: u64, guard: Duration, now: Now) -> Self {
        if limit == 0 {
            return Refill::full(0, 1, 0, 1, now);
        }
        let period = nanos(period);
        let mut tick = 1;
        let (unit, rate) = loop {
            // Rounded up: a longer period is a slower bucket.
            let ticks = period.div_ceil(tick);
            let shared = gcd(limit, ticks);
            let unit = ticks / shared;
            if u128::from(unit) * u128::from(burst.max(limit)) <= MOST as u128 {
                break (unit, limit / shared);
            }
            tick *= 10;
        };
        let full = (burst * unit) as i64;
        let guarded = (nanos(guard).div_ceil(tick)).saturating_mul(rate).min(full as u64 / 2) as i64;
        Refill::full(full - guarded, unit, rate, tick, now)
    }

    fn full(capacity: i64, unit: u64, rate: u64, tick: u64, now: Now) -> Self {
        Refill {
            level: capacity,
            at: now.uptime,
            open: 0,
            older: 0,
            turns: (now.uptime / GENERATION + 1) * GENERATION,
            capacity,
            unit,
            rate,
            tick,
            full_since: now.uptime,
            unsettled: 0,
            peaks: Peaks::default(),
        }
    }

    #[inline]
    pub(super) fn advance(&mut self, now: Now) {
        if now.uptime >= self.turns {
            self.turn(now.uptime);
        }
        self.flow(now.uptime);
    }

    #[inline]
    pub(super) fn can_pay(&self, amount: u64) -> bool {
        amount == 0 || self.level - self.open - self.older >= self.needed(amount)
    }

    #[inline]
    pub(super) fn take(&mut self, amount: u64) {
        self.open = self.open.saturating_add(self.parts(amount)).min(MOST);
    }

    pub(super) fn start(&self, amount: u64, now: Now) -> u64 {
        if self.can_pay(amount) {
            return now.uptime;
        }
        if self.rate == 0 {
            return u64::MAX;
        }
        let needed = self.needed(amount);
        let Refill { mut level, mut at, mut open, mut older, mut turns, .. } = *self;
        loop {
            let target = needed + open + older;
            if target <= self.capacity || open + older == 0 {
                let ticks = ((target - level).max(0) as u64).div_ceil(self.rate);
                return at.saturating_add(ticks.saturating_mul(self.tick)).max(now.uptime);
            }
            // Full but for what is open: it flows on when the oldest of that counts as placed.
            let ticks = turns.saturating_sub(at) / self.tick;
            let room = (self.capacity - level).max(0) as u64;
            let brought = ticks.saturating_mul(self.rate);
            if brought >= room {
                (level, at) = (level.max(self.capacity), turns);
            } else {
                (level, at) = (level + brought as i64, at + ticks * self.tick);
            }
            level -= older;
            (older, open, turns) = (open, 0, turns + GENERATION);
        }
    }

    /// An open charge, made at `sent`, arrived at `latest` at the latest.
    pub(super) fn place(&mut self, sent: u64, amount: u64, placed: Placed) {
        let parts = self.parts(amount);
        if self.close(sent, parts) {
            self.note_peak(placed.order);
            self.put(parts, placed.latest.uptime);
            self.unsettled = self.unsettled.saturating_add(parts).min(MOST);
        }
    }

    /// A charge turns out to be `price`. It was placed, or is open and counts from the last instant that is
    /// known.
    #[inline]
    pub(super) fn settle(&mut self, sent: u64, placed: Option<&Placed>, order: u64, taken: u64, price: u64) {
        let (taken, price) = (self.parts(taken), self.parts(price));
        if placed.is_none() && self.close(sent, taken) {
            self.note_peak(order);
            self.lower(price);
            return;
        }
        let turned = (turn_of(sent), 0);
        let since: Moment = placed.map_or(turned, |placed| turned.min((placed.at, placed.order)));
        if price < taken {
            let given = self.peaks.refund(since, taken - price, self.level, self.capacity);
            self.level += given;
            if given > 0 {
                self.full_since = self.at;
            }
        } else if price > taken {
            self.note_peak(order);
            self.lower(price - taken);
        }
        self.unsettled = (self.unsettled - taken).max(0);
        if self.unsettled == 0 {
            self.peaks.clear();
        }
    }

    pub(super) fn flows_back_after(&self, amount: u64) -> u64 {
        let ticks = (self.parts(amount) as u64).checked_div(self.rate).unwrap_or(u64::MAX);
        ticks.saturating_mul(self.tick)
    }

    pub(super) fn forget_unsettled(&mut self) {
        self.level = self.level.saturating_add(self.unsettled).min(self.capacity.max(self.level));
        (self.open, self.older, self.unsettled) = (0, 0, 0);
    }

    pub(super) fn unsettled(&self) -> u64 {
        let parts = self.open.saturating_add(self.older).saturating_add(self.unsettled);
        (parts.max(0) as u64).div_ceil(self.unit)
    }

    pub(super) fn flows_in(&self, nanos: u64) -> u64 {
        (nanos / self.tick).saturating_mul(self.rate) / self.unit
    }

    pub(super) fn correct(&mut self, by: i64) {
        let parts = self.parts(by.unsigned_abs());
        self.note_peak(0);
        if by < 0 {
            self.lower(parts);
        } else {
            self.level = self.level.saturating_add(parts).min(self.capacity.max(self.level));
            self.full_since = self.at;
        }
    }

    pub(super) fn remaining(&self) -> i64 {
        (self.level - self.open - self.older).div_euclid(self.unit as i64)
    }

    pub(super) fn spent(&self, now: Now) -> Spent {
        let used = (self.capacity - (self.level - self.open - self.older)).max(0) as u64;
        Spent { charges: vec![(now.utc, used.div_ceil(self.unit))] }
    }

    /// `amount` was taken `ago` nanoseconds of UTC before now.
    pub(super) fn take_up(&mut self, amount: u64, ago: u64) {
        let brought = (ago / self.tick).saturating_mul(self.rate).min(MOST as u64) as i64;
        self.lower((self.parts(amount) - brought).max(0));
    }

    /// Becomes `other`, which is new and full, less what is used of this one.
    pub(super) fn follow(&mut self, other: Refill) {
        let (from, to) = (i128::from(self.unit), i128::from(other.unit));
        // Rounded up: never a higher level than it was.
        let scale = |parts: i64| {
            let scaled = (i128::from(parts) * to + from - 1).div_euclid(from);
            scaled.min(i128::from(MOST)) as i64
        };
        let (old, new) = (self.capacity, other.capacity);
        let carry = |level: i64| (new - scale(old.saturating_sub(level))).max(-MOST);
        // Rounded down: a refund ends at the highest level there was, and that was no lower.
        let missing = |level: i64| i128::from(old.saturating_sub(level)) * to / from;
        let mut peaks = std::mem::take(&mut self.peaks);
        peaks.map(|level| (new - missing(level).min(i128::from(MOST)) as i64).max(-MOST));
        *self = Refill {
            level: carry(self.level),
            open: scale(self.open),
            older: scale(self.older),
            turns: self.turns,
            unsettled: scale(self.unsettled),
            peaks,
            ..other
        };
    }

    /// A generation, or several, are over: what was made in the one before the last is placed.
    #[cold]
    #[inline(never)]
    fn turn(&mut self, uptime: u64) {
        for _ in 0..2 {
            if self.turns <= uptime {
                self.flow(self.turns);
                self.note_peak(0);
                self.lower(self.older);
                self.unsettled = self.unsettled.saturating_add(self.older).min(MOST);
                (self.older, self.open) = (self.open, 0);
                self.turns += GENERATION;
            }
        }
        self.turns = self.turns.max((uptime / GENERATION + 1) * GENERATION);
    }

    #[inline]
    fn flow(&mut self, uptime: u64) {
        let elapsed = uptime.saturating_sub(self.at);
        let ticks = if self.tick == 1 { elapsed } else { elapsed / self.tick };
        let brought = ticks.saturating_mul(self.rate);
        let room = (self.capacity - self.level).max(0) as u64;
        if brought < room {
            self.level += brought as i64;
            self.at += ticks * self.tick;
            return;
        }
        if room > 0 {
            // Only a charge that is open now can be placed before now, and find it full.
            self.full_since = if self.open + self.older == 0 { uptime } else { self.fills(room) };
            self.level = self.capacity;
        }
        self.at = uptime;
    }

    /// The uptime at which the `room` left is filled.
    #[inline(never)] // Rare, and divides.
    fn fills(&self, room: u64) -> u64 {
        self.at + room.div_ceil(self.rate) * self.tick
    }

    /// Takes an open charge out of its generation; says whether it was still open.
    #[inline]
    fn close(&mut self, sent: u64, parts: i64) -> bool {
        let generation = if turn_of(sent) == self.turns + GENERATION {
            &mut self.open
        } else if turn_of(sent) == self.turns {
            &mut self.older
        } else {
            return false;
        };
        *generation = (*generation - parts).max(0);
        true
    }

    /// Takes a charge off as of an uptime that may be past.
    fn put(&mut self, parts: i64, latest: u64) {
        let mut missing = parts;
        if self.level >= self.capacity && self.rate > 0 {
            // What has spilled since would have flowed into the room that it made.
            let since = latest.max(self.full_since);
            let spilled = (self.at.saturating_sub(since) / self.tick).saturating_mul(self.rate);
            if spilled >= parts as u64 {
                self.full_since = since + (parts as u64).div_ceil(self.rate) * self.tick;
                return;
            }
            missing -= spilled as i64;
        }
        self.lower(missing);
    }

    /// Notes how full it is, before that changes, for those who may get something back.
    #[inline]
    fn note_peak(&mut self, order: u64) {
        if self.unsettled > 0 && self.level > self.capacity - self.unsettled {
            self.peaks.note((self.at, order), self.level);
        }
    }

    /// A call as large as the whole burst goes when the bucket is as full as the guard lets it be.
    #[inline]
    fn needed(&self, amount: u64) -> i64 {
        if self.rate == 0 { self.parts(amount) } else { self.parts(amount).min(self.capacity) }
    }

    #[inline]
    fn parts(&self, amount: u64) -> i64 {
        amount.saturating_mul(self.unit).min(MOST as u64) as i64
    }

    #[inline]
    fn lower(&mut self, parts: i64) {
        self.level = (self.level - parts).max(-MOST);
    }
}

/// The uptime at which a charge made at `sent` counts as placed.
#[inline]
fn turn_of(sent: u64) -> u64 {
    (sent / GENERATION + 2) * GENERATION
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
