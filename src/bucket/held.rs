//! Calls in flight: nothing comes back by waiting, only by a call that ends.

/// A count with a ceiling.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    limit: u64,
    used: u64,
}

impl Held {
    pub(super) fn new(limit: u64) -> Self {
        Held { limit, used: 0 }
    }

    pub(super) fn set(&mut self, limit: u64) {
        self.limit = limit;
    }

    #[inline]
    pub(super) fn can_pay(&self, amount: u64) -> bool {
        amount <= self.limit.saturating_sub(self.used)
    }

    #[inline]
    pub(super) fn take(&mut self, amount: u64) {
        self.used += amount;
    }

    #[inline]
    pub(super) fn give_back(&mut self, amount: u64) {
        debug_assert!(self.used >= amount, "a slot was given back twice");
        self.used -= amount;
    }

    pub(super) fn remaining(&self) -> i64 {
        self.limit as i64 - self.used as i64
    }
}
