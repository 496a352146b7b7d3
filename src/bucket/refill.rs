//! A token bucket: holds a burst, refilled evenly.
//!
//! The level is kept in parts of a unit so small that one tick of time brings a whole number of
//! them: with a limit of 200,000 in 60 s, a nanosecond brings 1 part and a token is 300,000 parts.
//! Nothing is rounded but the instant itself, to the tick, which is longer than a nanosecond only
//! where 64 bits would not hold the level.

use std::time::Duration;

use super::Spent;
use super::peaks::Peaks;
use crate::time::{Now, nanos};

/// The most a level may be away from zero: leaves room to add two of them.
const MOST: i64 = 1 << 61;

#[derive(Clone, Debug)]
#[repr(C)] // What every call writes lies together, to cost two threads as few cache lines as can be.
pub(crate) struct Refill {
    /// In parts. May be negative: debt.
    level: i64,
    /// The uptime of the last whole tick that was brought in.
    at: u64,
    /// Units taken by calls that are not settled.
    unsettled: u64,
    /// The most it holds in parts, the guard taken off.
    capacity: i64,
    /// Parts per unit.
    unit: u64,
    /// Parts that each tick brings.
    rate: u64,
    /// Nanoseconds in a tick.
    tick: u64,
    /// The parts that the guard takes off the burst.
    guarded: i64,
    peaks: Peaks,
}

impl Refill {
    pub(super) fn new(limit: u64, period: Duration, burst: u64, guard: Duration, now: Now) -> Self {
        if limit == 0 {
            return Refill::full(0, 0, 1, 0, 1, now);
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
        Refill::full(full, guarded, unit, rate, tick, now)
    }

    fn full(burst: i64, guarded: i64, unit: u64, rate: u64, tick: u64, now: Now) -> Self {
        let capacity = burst - guarded;
        let peaks = Peaks::default();
        Refill { level: capacity, capacity, guarded, unit, rate, tick, at: now.uptime, peaks, unsettled: 0 }
    }

    #[inline]
    pub(super) fn advance(&mut self, now: Now) {
        let elapsed = now.uptime.saturating_sub(self.at);
        let ticks = if self.tick == 1 { elapsed } else { elapsed / self.tick };
        let brought = ticks.saturating_mul(self.rate);
        let room = (self.capacity - self.level).max(0) as u64;
        if brought >= room {
            self.level = self.level.max(self.capacity);
            self.at = now.uptime;
        } else {
            self.level += brought as i64;
            self.at += ticks * self.tick;
        }
    }

    #[inline]
    pub(super) fn can_pay(&self, amount: u64) -> bool {
        self.level >= self.needed(amount)
    }

    #[inline]
    pub(super) fn take(&mut self, seq: u64, amount: u64) {
        if self.unsettled > 0 && self.level > self.capacity - self.parts(self.unsettled) {
            self.peaks.charge(seq, self.level);
        }
        self.unsettled += amount;
        self.lower(self.parts(amount));
    }

    pub(super) fn start(&self, amount: u64, now: Now) -> u64 {
        self.filled(self.needed(amount) - self.level, now)
    }

    pub(super) fn soonest(&self, amount: u64, now: Now) -> u64 {
        let best = self.level.saturating_add(self.parts(self.unsettled)).min(self.capacity);
        self.filled(self.parts(amount) - self.guarded - best, now)
    }

    /// The uptime at which the `missing` parts will have flowed in.
    fn filled(&self, missing: i64, now: Now) -> u64 {
        if missing <= 0 {
            return now.uptime;
        }
        if self.rate == 0 {
            return u64::MAX;
        }
        let ticks = (missing as u64).div_ceil(self.rate);
        self.at.saturating_add(ticks.saturating_mul(self.tick))
    }

    #[inline]
    pub(super) fn settle(&mut self, seq: u64, taken: u64, price: u64) {
        self.unsettled -= taken;
        if price < taken {
            let refund = self.parts(taken) - self.parts(price);
            self.level += self.peaks.refund(seq, refund, self.level, self.capacity);
        } else if price > taken {
            self.lower(self.parts(price - taken));
        }
        if self.unsettled == 0 {
            self.peaks.clear();
        }
    }

    pub(super) fn remaining(&self) -> i64 {
        self.level.div_euclid(self.unit as i64)
    }

    pub(super) fn spent(&self, now: Now) -> Spent {
        let used = (self.capacity - self.level).max(0) as u64;
        Spent { charges: vec![(now.utc, used.div_ceil(self.unit))] }
    }

    /// `amount` was taken `ago` nanoseconds of UTC before now.
    pub(super) fn take_up(&mut self, amount: u64, ago: u64) {
        let brought = (ago / self.tick).saturating_mul(self.rate).min(MOST as u64) as i64;
        self.lower((self.parts(amount) - brought).max(0));
    }

    /// Becomes `other`, which is new and full, less what is used of this one.
    pub(super) fn follow(&mut self, other: Refill) {
        let (from, to) = (self.unit, other.unit);
        let capacity = self.capacity;
        // What is missing from full, carried over rounded up: never a higher level than it was.
        let carry = |level: i64| {
            let missing = i128::from(capacity - level) * i128::from(to);
            let missing = (missing + i128::from(from) - 1).div_euclid(i128::from(from));
            (i128::from(other.capacity) - missing).max(-i128::from(MOST)) as i64
        };
        let mut peaks = std::mem::take(&mut self.peaks);
        peaks.map(carry);
        *self = Refill { level: carry(self.level), peaks, unsettled: self.unsettled, ..other };
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

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}
