use std::time::Duration;

use leaky_bucket::RateLimiter;
use tokio::sync::OwnedSemaphorePermit;

use super::{Contender, Slots};
use crate::TOKENS;

/// Three leaky buckets and a tokio semaphore, awaited in turn.
#[derive(Debug)]
pub struct LeakyBuckets {
    slots: Slots,
    buckets: [RateLimiter; 3],
}

impl Contender for LeakyBuckets {
    const NAME: &str = "3 leaky buckets + semaphore";
    type Pass = OwnedSemaphorePermit;

    fn with_slots(slots: u32) -> Self {
        let bucket = || {
            let most = usize::MAX / 4;
            let interval = Duration::from_millis(100);
            RateLimiter::builder().max(most).initial(most).refill(most / 8).interval(interval).build()
        };
        LeakyBuckets { slots: Slots::with_slots(slots), buckets: [bucket(), bucket(), bucket()] }
    }

    #[inline]
    async fn enter(&self) -> OwnedSemaphorePermit {
        let [requests, minute, day] = &self.buckets;
        let slot = self.slots.enter().await;
        requests.acquire_one().await;
        minute.acquire(TOKENS as usize).await;
        day.acquire(TOKENS as usize).await;
        slot
    }

    /// There is nothing to settle, since leaky-bucket cannot give back.
    #[inline]
    fn end(&self, slot: OwnedSemaphorePermit) {
        drop(slot);
    }
}
