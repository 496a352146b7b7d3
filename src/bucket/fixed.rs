//! Aligned windows: a minute on the clock, a day that starts at UTC midnight or at an offset.
//!
//! A call that leaves just before a window ends may be charged to the next one. Until its answer's
//! head is in, it counts in both; after that, in every window that the span from its sending to
//! the latest instant of its charge touches, with the guard on either side.

use std::time::Duration;

use super::Spent;
use crate::time::{Now, nanos};

/// No call goes on for longer when nothing else is heard of: providers hang up (DeepSeek after 10
/// minutes, api-docs.deepseek.com/quick_start/rate_limit, read November 2026).
const SOON: u64 = 600 * 1_000_000_000;

#[derive(Clone, Debug)]
#[repr(C)] // What every call writes comes first: two threads pass on one cache line for it.
pub(crate) struct Fixed {
    /// What counts in the current window, open charges included.
    used: u64,
    /// Charges whose answers have no head yet: they count in every window until they have.
    open: u64,
    /// What was taken by calls that are not settled.
    unsettled: u64,
    /// The instant of UTC at which the current window ends.
    until: u64,
    limit: u64,
    period: u64,
    guard: u64,
    offset: u64,
    /// The number of the current window: it begins a guard after the provider's does.
    window: u64,
    /// What is known to count in the next window too.
    next: u64,
}

impl Fixed {
    pub(super) fn new(limit: u64, period: Duration, offset: Duration, guard: Duration, now: Now) -> Self {
        let (period, offset, guard) = (nanos(period), nanos(offset), nanos(guard));
        let mut fixed = Fixed {
            limit,
            period,
            offset,
            guard,
            window: 0,
            until: 0,
            used: 0,
            next: 0,
            open: 0,
            unsettled: 0,
        };
        fixed.enter(fixed.begun(now));
        fixed
    }

    pub(super) fn is_aligned(&self, period: Duration, offset: Duration) -> bool {
        self.period == nanos(period) && self.offset == nanos(offset)
    }

    pub(super) fn set(&mut self, limit: u64, guard: Duration) {
        self.limit = limit;
        self.guard = nanos(guard);
        self.enter(self.window);
    }

    fn enter(&mut self, window: u64) {
        self.window = window;
        self.until = self.begin_of(window.saturating_add(1));
    }

    /// The instant of UTC at which a window has surely begun at the provider, too.
    fn begin_of(&self, window: u64) -> u64 {
        window.saturating_mul(self.period).saturating_add(self.offset + self.guard)
    }

    #[inline]
    pub(super) fn advance(&mut self, now: Now) {
        // Inside the window: most calls.
        if now.utc < self.until.saturating_sub(self.period) || now.utc >= self.until {
            self.advance_over_the_edge(now);
        }
    }

    #[cold]
    #[inline(never)]
    fn advance_over_the_edge(&mut self, now: Now) {
        let begun = self.begun(now);
        if begun > self.window {
            let carried = if begun == self.window + 1 { self.next } else { 0 };
            self.used = carried.saturating_add(self.open);
            self.next = 0;
            self.enter(begun);
        } else if begun.saturating_add(1) < self.window {
            // The wall clock was set back far: what was used stays used. Where it was set back a
            // little, the books wait until it has caught up.
            self.enter(begun);
        }
    }

    /// The instant of UTC until which a call that ends soon after ends in the current window.
    pub(super) fn goes_on_until(&self) -> u64 {
        self.until.saturating_sub(SOON)
    }

    #[inline]
    pub(super) fn can_pay(&self, amount: u64) -> bool {
        amount <= self.limit.saturating_sub(self.used)
    }

    #[inline]
    pub(super) fn take(&mut self, amount: u64) {
        self.used = self.used.saturating_add(amount);
        self.open += amount;
        self.unsettled += amount;
    }

    pub(super) fn start(&self, amount: u64, now: Now) -> Option<u64> {
        let fits = |used: u64| amount <= self.limit.saturating_sub(used);
        if fits(self.used) {
            Some(now.uptime)
        } else if fits(self.next.saturating_add(self.open)) {
            Some(self.boundary(1, now))
        } else if fits(self.open) {
            Some(self.boundary(2, now))
        } else {
            None
        }
    }

    pub(super) fn forget_unsettled(&mut self) {
        self.used = self.used.saturating_sub(self.unsettled);
        (self.next, self.open, self.unsettled) = (0, 0, 0);
    }

    /// The uptime at which the window `ahead` of the current one begins.
    fn boundary(&self, ahead: u64, now: Now) -> u64 {
        let begin = self.begin_of(self.window.saturating_add(ahead));
        now.uptime.saturating_add(begin.saturating_sub(now.utc))
    }

    #[inline]
    pub(super) fn place(&mut self, amount: u64, latest: Now) {
        self.open -= amount;
        let last = self.last_touched(latest);
        if last < self.window {
            self.used = self.used.saturating_sub(amount);
        } else if last > self.window {
            self.next = self.next.saturating_add(amount);
        }
    }

    #[inline]
    pub(super) fn settle(&mut self, placed: Option<Now>, taken: u64, price: u64, now: Now) {
        let latest = placed.unwrap_or(now);
        if placed.is_none() {
            self.place(taken, now);
        }
        self.unsettled -= taken;
        let last = self.last_touched(latest);
        let spills = last > self.window;
        if price > taken {
            let more = price - taken;
            self.used = self.used.saturating_add(more);
            self.next = self.next.saturating_add(if spills { more } else { 0 });
        } else if last >= self.window {
            let less = taken - price;
            self.used = self.used.saturating_sub(less);
            self.next = self.next.saturating_sub(if spills { less } else { 0 });
        }
    }

    /// Whether an instant of UTC lies in the current window, or after it.
    pub(super) fn is_current(&self, utc: u64) -> bool {
        utc >= self.until.saturating_sub(self.period)
    }

    pub(super) fn open(&self) -> u64 {
        self.open
    }

    pub(super) fn unsettled(&self) -> u64 {
        self.unsettled
    }

    pub(super) fn correct(&mut self, by: i64) {
        let amount = by.unsigned_abs();
        if by < 0 {
            self.used = self.used.saturating_add(amount);
        } else {
            // What is open comes off later, and what counts in the next window counts in this one.
            self.used = self.used.saturating_sub(amount).max(self.open.saturating_add(self.next));
        }
    }

    pub(super) fn remaining(&self) -> i64 {
        let left = i128::from(self.limit) - i128::from(self.used);
        left.max(i128::from(i64::MIN)) as i64
    }

    pub(super) fn spent(&self, now: Now) -> Spent {
        // Only what may count in the next window, too, is dated now.
        let spills = self.next.saturating_add(self.open).min(self.used);
        Spent { charges: vec![(self.begin_of(self.window), self.used - spills), (now.utc, spills)] }
    }

    pub(super) fn take_up(&mut self, amount: u64, then: Now) {
        let last = self.last_touched(then);
        if last >= self.window {
            self.used = self.used.saturating_add(amount);
        }
        if last > self.window {
            self.next = self.next.saturating_add(amount);
        }
    }

    /// The window that has surely begun at the provider, too.
    #[inline]
    fn begun(&self, now: Now) -> u64 {
        now.utc.saturating_sub(self.offset + self.guard) / self.period
    }

    /// The last window in which a charge made at `latest` may have been counted.
    #[inline]
    fn last_touched(&self, latest: Now) -> u64 {
        let end = self.until.saturating_sub(2 * self.guard);
        if latest.utc < end && latest.utc >= end.saturating_sub(self.period) {
            return self.window; // Nearly always, and a division is dear.
        }
        latest.utc.saturating_add(self.guard).saturating_sub(self.offset) / self.period
    }
}
