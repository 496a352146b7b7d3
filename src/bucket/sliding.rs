//! Never more than the limit in any interval of one period.
//!
//! Charges are kept in at most 1,024 slots; a slot leaves with its newest charge, so a charge may
//! stay up to 0.15 % of the period longer than it must, and never less.

use std::collections::VecDeque;
use std::time::Duration;

use super::Spent;
use crate::time::{Now, nanos};

const SLOTS: u64 = 1_024;
/// No sum of charges is larger: leaves room to add to it.
const MOST: u64 = 1 << 62;

#[derive(Clone, Debug)]
pub(crate) struct Sliding {
    limit: u64,
    period: u64,
    guard: u64,
    /// The span of a slot: period and guard, which is below half a period, fill 1,022 of them.
    width: u64,
    /// Oldest first, by number.
    slots: VecDeque<Slot>,
    /// The newest charge that has left: its slot's number may be used again by a late one.
    left: u64,
    /// The sum of the slots.
    placed: u64,
    /// Charges whose answers have no head yet: they do not age.
    open: u64,
    /// What was taken by calls that are not settled.
    unsettled: u64,
    /// Everything that has aged out so far.
    freed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    number: u64,
    /// The uptime of the newest charge in it.
    newest: u64,
    amount: u64,
}

impl Sliding {
    pub(super) fn new(limit: u64, period: Duration, guard: Duration) -> Self {
        let period = nanos(period);
        Sliding {
            limit,
            period,
            guard: nanos(guard),
            width: (period + period / 2).div_ceil(SLOTS - 2),
            slots: VecDeque::new(),
            left: 0,
            placed: 0,
            open: 0,
            unsettled: 0,
            freed: 0,
        }
    }

    pub(super) fn spans(&self, period: Duration) -> bool {
        self.period == nanos(period)
    }

    pub(super) fn set(&mut self, limit: u64, guard: Duration) {
        self.limit = limit;
        self.guard = nanos(guard);
    }

    #[inline]
    pub(super) fn advance(&mut self, now: Now) {
        while let Some(oldest) = self.slots.front()
            && self.leaves(oldest) <= now.uptime
        {
            self.placed -= oldest.amount;
            self.freed = self.freed.saturating_add(oldest.amount);
            self.left = oldest.newest;
            self.slots.pop_front();
        }
    }

    #[inline]
    pub(super) fn can_pay(&self, amount: u64) -> bool {
        amount <= self.limit.saturating_sub(self.used())
    }

    #[inline]
    pub(super) fn take(&mut self, amount: u64) {
        self.open += amount;
        self.unsettled += amount;
    }

    pub(super) fn start(&self, amount: u64, now: Now) -> Option<u64> {
        if self.can_pay(amount) {
            return Some(now.uptime);
        }
        let mut missing = self.used().saturating_add(amount).saturating_sub(self.limit);
        for slot in &self.slots {
            missing = missing.saturating_sub(slot.amount);
            if missing == 0 {
                return Some(self.leaves(slot));
            }
        }
        None
    }

    /// What was placed and is not settled comes off where it would stay longest.
    pub(super) fn forget_unsettled(&mut self) {
        let mut back = std::mem::take(&mut self.unsettled) - std::mem::take(&mut self.open);
        for slot in self.slots.iter_mut().rev() {
            let off = slot.amount.min(back);
            slot.amount -= off;
            self.placed -= off;
            back -= off;
        }
    }

    pub(super) fn place(&mut self, amount: u64, latest: Now) {
        self.place_part(amount, amount, latest);
    }

    /// Of an open charge, so much was charged. What was not never makes its slot leave later.
    fn place_part(&mut self, taken: u64, charged: u64, latest: Now) {
        self.open -= taken;
        if charged > 0 {
            self.add(charged, latest.uptime);
        }
    }

    pub(super) fn settle(&mut self, placed: Option<Now>, taken: u64, price: u64, now: Now) {
        self.unsettled -= taken;
        if placed.is_none() {
            self.place_part(taken, price.min(taken), now);
        }
        if price > taken {
            // When the excess was charged nobody knows.
            self.add(price - taken, now.uptime);
        } else if let Some(latest) = placed.filter(|latest| latest.uptime > self.left)
            && let Ok(found) = self.find(latest.uptime)
        {
            let less = (taken - price).min(self.slots[found].amount);
            self.slots[found].amount -= less;
            self.placed -= less;
        }
    }

    /// What leaves soon: the provider may have let go of it already, since slots leave late.
    pub(super) fn leaves_soon(&self, now: Now) -> u64 {
        let soon = now.uptime.saturating_add(2 * self.width + 2 * self.guard);
        self.slots.iter().take_while(|slot| self.leaves(slot) <= soon).map(|slot| slot.amount).sum()
    }

    pub(super) fn unsettled(&self) -> u64 {
        self.unsettled
    }

    pub(super) fn freed(&self) -> u64 {
        self.freed
    }

    /// What others have taken ages from now; what was not taken comes off where it would leave first.
    pub(super) fn correct(&mut self, by: i64, now: Now) {
        if by < 0 {
            return self.add(by.unsigned_abs(), now.uptime);
        }
        let mut back = by.unsigned_abs();
        for slot in &mut self.slots {
            let off = slot.amount.min(back);
            slot.amount -= off;
            self.placed -= off;
            self.freed = self.freed.saturating_add(off);
            back -= off;
        }
    }

    pub(super) fn remaining(&self) -> i64 {
        let left = i128::from(self.limit) - i128::from(self.used());
        left.max(i128::from(i64::MIN)) as i64
    }

    pub(super) fn spent(&self, now: Now) -> Spent {
        let utc = |uptime: u64| now.at_uptime(uptime).utc;
        let placed = self.slots.iter().map(|slot| (utc(slot.newest), slot.amount));
        Spent { charges: placed.chain([(now.utc, self.open)]).filter(|charge| charge.1 > 0).collect() }
    }

    pub(super) fn take_up(&mut self, amount: u64, then: Now) {
        self.add(amount, then.uptime);
    }

    fn used(&self) -> u64 {
        self.placed.saturating_add(self.open)
    }

    fn leaves(&self, slot: &Slot) -> u64 {
        slot.newest.saturating_add(self.period + self.guard)
    }

    fn number(&self, uptime: u64) -> u64 {
        uptime / self.width
    }

    /// Charges arrive almost in order, so the place is at the back or near it.
    fn find(&self, uptime: u64) -> Result<usize, usize> {
        let number = self.number(uptime);
        self.slots.binary_search_by_key(&number, |slot| slot.number)
    }

    fn add(&mut self, amount: u64, uptime: u64) {
        let amount = amount.min(MOST - self.placed.min(MOST));
        match self.find(uptime) {
            Ok(found) => {
                let slot = &mut self.slots[found];
                slot.newest = slot.newest.max(uptime);
                slot.amount += amount;
            }
            Err(place) => {
                let slot = Slot { number: self.number(uptime), newest: uptime, amount };
                self.slots.insert(place, slot);
            }
        }
        self.placed += amount;
    }
}
