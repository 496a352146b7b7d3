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

/// When the head of an answer came in, and what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    /// The uptime at which that was told.
    pub(crate) at: u64,
    /// What was told at one instant, in order; never 0.
    pub(crate) order: u64,
    /// The latest instant at which the provider can have charged the call.
    pub(crate) latest: Now,
}

/// When a call ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    /// As in [`Placed`].
    pub(crate) order: u64,
    pub(crate) now: Now,
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
    #[inline(always)] // Saving its registers would be a third of its work.
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

    /// Takes `amount`. The charge is open.
    #[inline]
    pub(crate) fn take(&mut self, amount: u64) {
        match self {
            Bucket::Refill(bucket) => bucket.take(amount),
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

    /// The nanoseconds in which `amount` flows back: none where it comes back at one instant, and
    /// forever where only a call that ends gives it back.
    pub(crate) fn flows_back_after(&self, amount: u64) -> u64 {
        match self {
            Bucket::Refill(bucket) => bucket.flows_back_after(amount),
            Bucket::Fixed(_) | Bucket::Sliding(_) => 0,
            Bucket::Held(_) => u64::MAX,
        }
    }

    /// As if every call that is out had ended and cost nothing, and any number could be out at once.
    pub(crate) fn forget_unsettled(&mut self) {
        match self {
            Bucket::Refill(bucket) => bucket.forget_unsettled(),
            Bucket::Fixed(bucket) => bucket.forget_unsettled(),
            Bucket::Sliding(bucket) => bucket.forget_unsettled(),
            Bucket::Held(bucket) => bucket.set(u64::MAX >> 1),
        }
    }

    /// The head of the answer to an open charge, taken at the uptime `sent`, is in: it ages.
    #[inline]
    pub(crate) fn place(&mut self, sent: u64, amount: u64, placed: Placed) {
        match self {
            Bucket::Refill(bucket) => bucket.place(sent, amount, placed),
            Bucket::Fixed(bucket) => bucket.place(amount, placed.latest),
            Bucket::Sliding(bucket) => bucket.place(amount, placed.latest),
            Bucket::Held(_) => {}
        }
    }

    /// The charge of `taken`, taken at the uptime `sent`, turns out to be `price`. An open one is placed now.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        sent: u64,
        placed: Option<&Placed>,
        taken: u64,
        price: u64,
        now: Settled,
    ) {
        let Settled { order, now } = now;
        match self {
            Bucket::Refill(bucket) => bucket.settle(sent, placed, order, taken, price),
            Bucket::Fixed(bucket) => bucket.settle(placed.map(|placed| placed.latest), taken, price, now),
            Bucket::Sliding(bucket) => bucket.settle(placed.map(|placed| placed.latest), taken, price, now),
            Bucket::Held(bucket) => bucket.give_back(taken),
        }
    }

    /// The instant of UTC until which a call that ends may be settled as of the last `advance`: not
    /// where the instant decides when its charge ages.
    pub(crate) fn calm_until(&self) -> u64 {
        match self {
            Bucket::Refill(_) | Bucket::Held(_) => u64::MAX,
            Bucket::Fixed(bucket) => bucket.goes_on_until(),
            Bucket::Sliding(_) => 0,
        }
    }

    /// Puts the level right by so much: what the provider says it is.
    pub(crate) fn correct(&mut self, by: i64, now: Now) {
        match self {
            Bucket::Refill(bucket) => bucket.correct(by),
            Bucket::Fixed(bucket) => bucket.correct(by),
            Bucket::Sliding(bucket) => bucket.correct(by, now),
            Bucket::Held(_) => {}
        }
    }

    /// What flows in within so many nanoseconds, little by little.
    pub(crate) fn flows_in(&self, nanos: u64) -> u64 {
        match self {
            Bucket::Refill(bucket) => bucket.flows_in(nanos),
            Bucket::Fixed(_) | Bucket::Sliding(_) | Bucket::Held(_) => 0,
        }
    }

    /// Everything that has aged out so far, a charge at a time.
    pub(crate) fn freed(&self) -> u64 {
        match self {
            Bucket::Sliding(bucket) => bucket.freed(),
            Bucket::Refill(_) | Bucket::Fixed(_) | Bucket::Held(_) => 0,
        }
    }

    /// What ages out so soon that the provider may have let go of it already.
    pub(crate) fn leaves_soon(&self, now: Now) -> u64 {
        match self {
            Bucket::Sliding(bucket) => bucket.leaves_soon(now),
            Bucket::Refill(_) | Bucket::Fixed(_) | Bucket::Held(_) => 0,
        }
    }

    /// Whether what was left at this instant of UTC says anything about what is left now.
    pub(crate) fn knows(&self, utc: u64) -> bool {
        match self {
            Bucket::Fixed(bucket) => bucket.is_current(utc),
            Bucket::Refill(_) | Bucket::Sliding(_) | Bucket::Held(_) => true,
        }
    }

    /// Charges that come off by themselves when their heads are in: they were made in an earlier window.
    pub(crate) fn double_counted(&self) -> u64 {
        match self {
            Bucket::Fixed(bucket) => bucket.open(),
            Bucket::Refill(_) | Bucket::Sliding(_) | Bucket::Held(_) => 0,
        }
    }

    /// What was taken by calls that are not settled; of slots in flight nothing is told.
    pub(crate) fn unsettled(&self) -> u64 {
        match self {
            Bucket::Refill(bucket) => bucket.unsettled(),
            Bucket::Fixed(bucket) => bucket.unsettled(),
            Bucket::Sliding(bucket) => bucket.unsettled(),
            Bucket::Held(_) => 0,
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
                let mut spent = self.spent(now);
                if let Bucket::Fixed(_) = self {
                    // It knows only in which window a charge was made: under another law it ages from now.
                    spent.charges.iter_mut().for_each(|charge| charge.0 = now.utc);
                }
                *self = Bucket::new(quota, now);
                self.take_up(&spent, now);
                false
            }
        }
    }
}
