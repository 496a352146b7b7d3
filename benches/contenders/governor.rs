use std::num::NonZeroU32;

use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::OwnedSemaphorePermit;

use super::{Contender, Slots};
use crate::TOKENS;

type Governor = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;

/// Three governors and a tokio semaphore, awaited in turn: requests, tokens of the minute, tokens of the day.
#[derive(Debug)]
pub struct Governors {
    slots: Slots,
    limiters: [Governor; 3],
}

impl Contender for Governors {
    const NAME: &str = "3 governors + semaphore";
    type Pass = OwnedSemaphorePermit;

    /// governor counts in 32 bits, so its minute and its day are a second's worth at the same rate.
    fn with_slots(slots: u32) -> Self {
        let quota = || RateLimiter::direct(Quota::per_second(NonZeroU32::MAX));
        Governors { slots: Slots::with_slots(slots), limiters: [quota(), quota(), quota()] }
    }

    #[inline]
    async fn enter(&self) -> OwnedSemaphorePermit {
        let tokens = NonZeroU32::new(TOKENS).expect("not zero");
        let [requests, minute, day] = &self.limiters;
        let slot = self.slots.enter().await;
        requests.until_ready().await;
        minute.until_n_ready(tokens).await.expect("within the burst");
        day.until_n_ready(tokens).await.expect("within the burst");
        slot
    }

    /// There is nothing to settle, since governor cannot give back.
    #[inline]
    fn end(&self, slot: OwnedSemaphorePermit) {
        drop(slot);
    }
}
