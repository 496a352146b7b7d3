//! One budget's arithmetic, in integers: no clock, no IO, no queue.
//!
//! Each kind answers the same questions: can it pay, take it, when could it pay, correct it.
//! Rounding goes against the caller, so that the books never show more than the provider's.
//!
//! # When was it charged?
//!
//! The provider charges a call somewhere between its sending and the head of its answer. A
//! window that ages the charge from the sending ages it too early, and a later call is refused. So
//! a charge is first *open*: it counts in full and does not age. When the head is in, it is
//! *placed* at the latest instant at which the provider can have charged it, and ages from there.

mod fixed;
mod held;
mod peaks;
mod refill;
mod sliding;

use serde::{Deserialize, Serialize};

use crate::quota::{Quota, Window};
use crate::time::Now;

use fixed::Fixed;
use held::Held;
use refill::Refill;
use sliding::Sliding;

/// What is left of one quota.
#[derive(Clone, Debug)]
pub(crate) enum Bucket {
    Refill(Refill),
    Fixed(Fixed),
    Sliding(Sliding),
    Held(Held),
}

/// What a restart must not forget of a bucket, in units and UTC nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Charges by the instant from which they age, oldest first.
    pub(crate) charges: Vec<(u64, u64)>,
}

impl Bucket {
    /// A bucket of which nothing is used.
    pub(crate) fn new(quota: &Quota, now: Now) -> Self {
        match quota.window() {
            Window::Refill { period, burst } => {
                Bucket::Refill(Refill::new(quota.limit(), period, burst, quota.jitter_guard(), now))
            }
            Window::Fixed { period, offset } => {
                Bucket::Fixed(Fixed::new(quota.limit(), period, offset, quota.jitter_guard(), now))
            }
            Window::Sliding { period } => {
                Bucket::Sliding(Sliding::new(quota.limit(), period, quota.jitter_guard()))
            }
            Window::Held => Bucket::Held(Held::new(quota.limit())),
        }
    }

    /// Lets time pass. Every other call speaks of the instant of the last `advance`.
    #[inline]
    pub(crate) fn advance(&mut self, now: Now) {
        match self {
            Bucket::Refill(bucket) => bucket.advance(now),
            Bucket::Fixed(bucket) => bucket.advance(now),
            Bucket::Sliding(bucket) => bucket.advance(now),
            Bucket::Held(_) => {}
        }
    }

    /// Lets time pass, and says whether `amount` can be taken now.
    #[inline]
    pub(crate) fn advance_and_look(&mut self, amount: u64, now: Now) -> bool {
        match self {
            Bucket::Refill(bucket) => {
                bucket.advance(now);
                bucket.can_pay(amount)
            }
            Bucket::Fixed(bucket) => {
                bucket.advance(now);
                bucket.can_pay(amount)
            }
            Bucket::Sliding(bucket) => {
                bucket.advance(now);
                bucket.can_pay(amount)
            }
            Bucket::Held(bucket) => bucket.can_pay(amount),
        }
    }

    /// Takes `amount` for the call numbered `seq`. The charge is open.
    #[inline]
    pub(crate) fn take(&mut self, seq: u64, amount: u64) {
        match self {
            Bucket::Refill(bucket) => bucket.take(seq, amount),
            Bucket::Fixed(bucket) => bucket.take(amount),
            Bucket::Sliding(bucket) => bucket.take(amount),
            Bucket::Held(bucket) => bucket.take(amount),
        }
    }

    /// The uptime at which `amount` could be taken if nothing came back before; `None` if only a
    /// call that ends can make room.
    pub(crate) fn start(&self, amount: u64, now: Now) -> Option<u64> {
        match self {
            Bucket::Refill(bucket) => Some(bucket.start(amount, now)),
            Bucket::Fixed(bucket) => bucket.start(amount, now),
            Bucket::Sliding(bucket) => bucket.start(amount, now),
            Bucket::Held(bucket) => bucket.can_pay(amount).then_some(now.uptime),
        }
    }

    /// No less than `amount` in all, in portions, can be taken before this uptime, even if every
    /// call that is out ends now and costs nothing.
    pub(crate) fn soonest(&self, amount: u64, now: Now) -> u64 {
        match self {
            Bucket::Refill(bucket) => bucket.soonest(amount, now),
            Bucket::Fixed(bucket) => bucket.soonest(amount, now),
            Bucket::Sliding(bucket) => bucket.soonest(amount, now),
            Bucket::Held(_) => now.uptime,
        }
    }

    /// An open charge was made at `latest` at the latest, and ages from there.
    #[inline]
    pub(crate) fn place(&mut self, amount: u64, latest: Now) {
        match self {
            Bucket::Fixed(bucket) => bucket.place(amount, latest),
            Bucket::Sliding(bucket) => bucket.place(amount, latest),
            Bucket::Refill(_) | Bucket::Held(_) => {}
        }
    }

    /// The charge of `taken` that was placed at `latest` turns out to be `price`.
    #[inline]
    pub(crate) fn settle(&mut self, seq: u64, taken: u64, price: u64, latest: Now) {
        match self {
            Bucket::Refill(bucket) => bucket.settle(seq, taken, price),
            Bucket::Fixed(bucket) => bucket.settle(taken, price, latest),
            Bucket::Sliding(bucket) => bucket.settle(taken, price, latest),
            Bucket::Held(bucket) => bucket.give_back(taken),
        }
    }

    /// As `place` and `settle`, at an instant between the last `advance` and the next. Not for a
    /// sliding window, which has to know it.
    #[inline]
    pub(crate) fn settle_untimed(&mut self, seq: u64, taken: u64, price: u64, placed: Option<Now>) {
        match (self, placed) {
            // A refill that comes before or after a refund makes the same level.
            (Bucket::Refill(bucket), _) => bucket.settle(seq, taken, price),
            (Bucket::Fixed(bucket), Some(placed)) => bucket.settle(taken, price, placed),
            (Bucket::Fixed(bucket), None) => bucket.settle_untimed(taken, price),
            (Bucket::Held(bucket), _) => bucket.give_back(taken),
            (Bucket::Sliding(_), _) => unreachable!("the ledger settles a sliding window in time"),
        }
    }

    /// What is left, in whole units, rounded down; below zero is debt.
    pub(crate) fn remaining(&self) -> i64 {
        match self {
            Bucket::Refill(bucket) => bucket.remaining(),
            Bucket::Fixed(bucket) => bucket.remaining(),
            Bucket::Sliding(bucket) => bucket.remaining(),
            Bucket::Held(bucket) => bucket.remaining(),
        }
    }

    /// What counts against the quota now, open charges included, for a restart to take up.
    pub(crate) fn spent(&self, now: Now) -> Spent {
        match self {
            Bucket::Refill(bucket) => bucket.spent(now),
            Bucket::Fixed(bucket) => bucket.spent(now),
            Bucket::Sliding(bucket) => bucket.spent(now),
            Bucket::Held(_) => Spent { charges: Vec::new() },
        }
    }

    /// Takes up what was spent before a restart, or under another law.
    pub(crate) fn take_up(&mut self, spent: &Spent, now: Now) {
        for &(utc, amount) in &spent.charges {
            let then = now.before(now.utc.saturating_sub(utc));
            match self {
                Bucket::Refill(bucket) => bucket.take_up(amount, now.utc.saturating_sub(utc)),
                Bucket::Fixed(bucket) => bucket.take_up(amount, Now { utc, ..then }),
                Bucket::Sliding(bucket) => bucket.take_up(amount, then),
                Bucket::Held(_) => {}
            }
        }
        self.advance(now);
    }

    /// Follows a changed quota. What was used stays used. Says whether calls that are out can
    /// still be settled against it: not where the law itself has changed.
    pub(crate) fn follow(&mut self, quota: &Quota, now: Now) -> bool {
        let guard = quota.jitter_guard();
        match (&mut *self, quota.window()) {
            (Bucket::Refill(bucket), Window::Refill { period, burst }) => {
                bucket.follow(Refill::new(quota.limit(), period, burst, guard, now));
                true
            }
            (Bucket::Fixed(bucket), Window::Fixed { period, offset })
                if bucket.is_aligned(period, offset) =>
            {
                bucket.set(quota.limit(), guard);
                true
            }
            (Bucket::Sliding(bucket), Window::Sliding { period }) if bucket.spans(period) => {
                bucket.set(quota.limit(), guard);
                true
            }
            (Bucket::Held(bucket), Window::Held) => {
                bucket.set(quota.limit());
                true
            }
            _ => {
                let spent = self.spent(now);
                *self = Bucket::new(quota, now);
                self.take_up(&spent, now);
                false
            }
        }
    }
}
