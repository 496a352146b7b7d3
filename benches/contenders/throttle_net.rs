use std::sync::Arc;
use std::time::Duration;

use throttle_net::{Bulkhead, MultiLimiter, OwnedBulkheadPermit, Throttle};

use super::Contender;
use crate::TOKENS;

/// throttle-net's limiter of several dimensions, and its bulkhead for the slots.
///
/// What it does less: the dimensions are taken one after the other, and given back where one refuses, and
/// the bulkhead is no part of that step; all are buckets, none a calendar day; a charge ages from the sending.
#[derive(Debug)]
pub struct ThrottleNet {
    slots: Arc<Bulkhead>,
    budgets: MultiLimiter,
}

const COSTS: [(&str, u32); 3] = [("requests", 1), ("minute", TOKENS), ("day", TOKENS)];

impl Contender for ThrottleNet {
    const NAME: &str = "throttle-net";
    type Pass = OwnedBulkheadPermit;

    /// It counts in 32 bits, so its minute and its day are a second's worth at the same rate.
    fn with_slots(slots: u32) -> Self {
        let most = || Throttle::per_duration(u32::MAX, Duration::from_secs(1));
        let budgets =
            COSTS.iter().fold(MultiLimiter::builder(), |all, (name, _)| all.dimension(*name, most()));
        ThrottleNet { slots: Arc::new(Bulkhead::new(slots)), budgets: budgets.build() }
    }

    #[inline]
    async fn enter(&self) -> OwnedBulkheadPermit {
        let slot = self.slots.acquire_owned().await.expect("it waits without end");
        self.budgets.acquire_costs(&COSTS).await.expect("within the burst");
        slot
    }

    #[inline]
    fn end(&self, slot: OwnedBulkheadPermit) {
        self.budgets.settle_costs(&COSTS, &COSTS);
        drop(slot);
    }
}
