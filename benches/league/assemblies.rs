//! What people put together of other crates: a semaphore where calls in flight are limited, then requests, then tokens, then
//! the day's tokens, awaited in turn. Neither crate can give back.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_sim::{ChargeRule, Config};

use crate::contenders::{Admission, Contender, Pass, most, slot, slots};
use crate::governed::{Governor, Time, governor, ready};
use crate::scenarios::Scenario;
use crate::traces::Call;

/// A call that was let go; it may hold a slot.
#[derive(Debug)]
struct Gone(#[expect(dead_code, reason = "is held")] Option<OwnedSemaphorePermit>);

impl Pass for Gone {}

/// A governor for each limit.
#[derive(Clone, Debug)]
pub(crate) struct Governors {
    requests: Arc<Governor>,
    tokens: Vec<Arc<Governor>>,
    time: Arc<Time>,
    slots: Option<Arc<Semaphore>>,
    charge: ChargeRule,
}

impl Governors {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let config = &scenario.config;
        let time = Time::default();
        let governor = |(limit, period)| Arc::new(governor(limit, period, &time));
        Governors {
            requests: governor(requests(config)),
            tokens: tokens(config).map(governor).collect(),
            slots: slots(scenario),
            charge: config.charge,
            time: Arc::new(time),
        }
    }
}

impl Contender for Governors {
    fn admit(&self, call: &Call) -> Admission {
        let (this, amount) = (self.clone(), most(self.charge, call));
        Box::pin(async move {
            let slot = slot(this.slots).await;
            ready(&this.requests, &this.time, 1).await;
            for tokens in &this.tokens {
                ready(tokens, &this.time, amount).await;
            }
            Box::new(Gone(slot)) as Box<dyn Pass>
        })
    }
}

/// A leaky bucket for each limit. They sleep by tokio's clock.
#[derive(Debug)]
pub(crate) struct LeakyBuckets {
    config: Config,
    /// Requests first. Made with the first call: their steps count from then, and a run begins at no certain time after its
    /// contender was made.
    buckets: OnceLock<Buckets>,
    slots: Option<Arc<Semaphore>>,
}

type Buckets = Arc<[leaky_bucket::RateLimiter]>;

impl LeakyBuckets {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        LeakyBuckets { config: scenario.config.clone(), buckets: OnceLock::new(), slots: slots(scenario) }
    }

    fn buckets(&self) -> Buckets {
        let limits = || std::iter::once(requests(&self.config)).chain(tokens(&self.config));
        self.buckets.get_or_init(|| limits().map(leaky).collect()).clone()
    }
}

impl Contender for LeakyBuckets {
    fn admit(&self, call: &Call) -> Admission {
        let (buckets, slots) = (self.buckets(), self.slots.clone());
        let amount = most(self.config.charge, call) as usize;
        Box::pin(async move {
            let slot = slot(slots).await;
            let amounts = std::iter::once(1).chain(std::iter::repeat(amount));
            for (bucket, amount) in buckets.iter().zip(amounts) {
                bucket.acquire(amount).await;
            }
            Box::new(Gone(slot)) as Box<dyn Pass>
        })
    }
}

/// A full bucket that gets a whole number back at each step: 200 ms for the fewest requests, 10 ms for tokens.
fn leaky((limit, period): (u32, Duration)) -> leaky_bucket::RateLimiter {
    let steps = [10, 50, 100, 200].map(Duration::from_millis);
    let refill = |step: Duration| u128::from(limit) * step.as_nanos();
    let whole = |step: &Duration| refill(*step).is_multiple_of(period.as_nanos());
    let interval = *steps.iter().find(|step| whole(step)).expect("the limits are round numbers");
    leaky_bucket::RateLimiter::builder()
        .max(limit as usize)
        .initial(limit as usize)
        .refill((refill(interval) / period.as_nanos()) as usize)
        .interval(interval)
        .build()
}

fn requests(config: &Config) -> (u32, Duration) {
    (narrow(config.rpm.expect("all scenarios limit requests")), config.minute)
}

fn tokens(config: &Config) -> impl Iterator<Item = (u32, Duration)> {
    let limits = [(config.tpm, config.minute), (config.tpd, config.day)];
    limits.into_iter().filter_map(|(limit, period)| Some((narrow(limit?), period)))
}

/// governor counts in 32 bits: enough here, too few for the day of a large account.
fn narrow(limit: u64) -> u32 {
    u32::try_from(limit).expect("the limits are small")
}
