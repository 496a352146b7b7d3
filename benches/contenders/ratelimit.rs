use ratelimit::{Ratelimiter, TryWaitError};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::{Contender, Slots};
use crate::TOKENS;

/// Three ratelimits and a tokio semaphore, asked in turn.
#[derive(Debug)]
pub struct RateLimits {
    slots: Slots,
    limiters: [Ratelimiter; 3],
}

/// ratelimit cannot be awaited and has no queue: one tries, sleeps for as long as it says, and tries again.
#[inline]
async fn take(limiter: &Ratelimiter, amount: u64) {
    loop {
        match limiter.try_wait_n(amount) {
            Ok(()) => return,
            Err(TryWaitError::Insufficient(wait)) => sleep(wait).await,
            Err(never) => panic!("{never}"),
        }
    }
}

impl Contender for RateLimits {
    const NAME: &str = "3 ratelimits + semaphore";
    type Pass = OwnedSemaphorePermit;

    fn with_slots(slots: u32) -> Self {
        // It counts millionths in 64 bits.
        let most = u64::MAX / 1_000_000;
        let limiter = || {
            let limiter = Ratelimiter::builder(1_000_000_000).max_tokens(most).initial_available(most);
            limiter.build().expect("the limits are valid")
        };
        RateLimits { slots: Slots::with_slots(slots), limiters: [limiter(), limiter(), limiter()] }
    }

    #[inline]
    async fn enter(&self) -> OwnedSemaphorePermit {
        let [requests, minute, day] = &self.limiters;
        let slot = self.slots.enter().await;
        take(requests, 1).await;
        take(minute, TOKENS.into()).await;
        take(day, TOKENS.into()).await;
        slot
    }

    /// There is nothing to settle, since ratelimit cannot give back.
    #[inline]
    fn end(&self, slot: OwnedSemaphorePermit) {
        drop(slot);
    }
}
