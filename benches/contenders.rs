//! Those that are compared. What one does less than the others is said where it is made.

mod governor;
mod leaky_bucket;
mod ratelimit;
mod semaphore;
mod throttle_net;
mod tollgate;

use std::future::Future;

pub use self::governor::Governors;
pub use self::leaky_bucket::LeakyBuckets;
pub use self::ratelimit::RateLimits;
pub use self::semaphore::Slots;
pub use self::throttle_net::ThrottleNet;
pub use self::tollgate::{ByHandle, ByName};

use crate::now;

/// One way to keep a call's limits: requests and tokens of a minute, tokens of a day, calls at once.
pub trait Contender: Send + Sync + Sized + 'static {
    /// What the tables call it.
    const NAME: &str;
    /// What a call holds while it is out.
    type Pass;

    /// Lets so many calls be out at once. The other limits are so high that they are never reached.
    fn with_slots(slots: u32) -> Self;

    /// Waits for leave.
    fn enter(&self) -> impl Future<Output = Self::Pass> + Send;

    /// The call has ended, with the usage that it reserved.
    fn end(&self, pass: Self::Pass);

    /// Slots for every call.
    fn new() -> Self {
        Self::with_slots(1 << 20)
    }

    /// Admits one call, which need not wait, and ends it.
    #[inline]
    fn call(&self) {
        self.end(now(self.enter()));
    }
}
