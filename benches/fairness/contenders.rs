//! tollgate and what people put together instead of it.
//!
//! A call costs what it reserved, so that nobody has anything to give back.
//!
//! The assemblies take the slot first, then the request, then the tokens, as most programs that use them do. The
//! other way round a call that waits for its slot has its tokens already, and keeps them from others.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tollgate::{Cost, Limiter, Limits, Model, Quota, Unit, Usage, Waiting};

use crate::bucket::{Account, Bucket, PERIOD};
use crate::governed::{Governor, Time, governor, ready};
use crate::trace::{Call, Tenant};

/// Ends an admitted call.
pub(crate) type End = Box<dyn FnOnce() + Send>;
/// Waits until a call may go.
pub(crate) type Admission = Pin<Box<dyn Future<Output = End> + Send>>;

/// Whatever lets calls go.
pub(crate) trait Contender: fmt::Debug {
    /// Queues a call.
    fn admit(&self, call: Call) -> Admission;
}

/// A contender to be made under the clock that it shall see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) build: fn(Account) -> Box<dyn Contender>,
}

const FIRST_COME: Entry =
    Entry { name: "first come, first served", build: |account| Box::new(FirstCome::new(account)) };
const DEFAULT: Entry = Entry {
    name: "tollgate (slack 250 ms)",
    build: |account| Box::new(Tollgate::new(account, Duration::from_millis(250), false)),
};
const NO_SLACK: Entry = Entry {
    name: "tollgate, slack 0",
    build: |account| Box::new(Tollgate::new(account, Duration::ZERO, false)),
};
const MORE_SLACK: Entry = Entry {
    name: "tollgate, slack 10 s",
    build: |account| Box::new(Tollgate::new(account, Duration::from_secs(10), false)),
};
const TENANTS: Entry = Entry {
    name: "tollgate, two tenants",
    build: |account| Box::new(Tollgate::new(account, Duration::from_millis(250), true)),
};
const GOVERNOR: Entry =
    Entry { name: "governor + semaphore", build: |account| Box::new(Governors::new(account)) };
const LEAKY: Entry =
    Entry { name: "leaky-bucket + semaphore", build: |account| Box::new(LeakyBuckets::new(account)) };
const RETRY: Entry = Entry { name: "sleep and retry", build: |account| Box::new(Retry::new(account)) };

/// For calls of two sizes. The first is what the others are held against.
pub(crate) const ALL: [Entry; 8] =
    [FIRST_COME, DEFAULT, NO_SLACK, MORE_SLACK, TENANTS, GOVERNOR, LEAKY, RETRY];
/// For calls of two sizes on the large account.
pub(crate) const ON_LARGE: [Entry; 7] = [FIRST_COME, DEFAULT, NO_SLACK, TENANTS, GOVERNOR, LEAKY, RETRY];
/// For calls of two tenants.
pub(crate) const WITH_TENANTS: [Entry; 5] = [TENANTS, FIRST_COME, GOVERNOR, LEAKY, RETRY];

/// tollgate with the three quotas.
#[derive(Debug)]
struct Tollgate {
    model: Model,
    /// Whether it is told whose call it is.
    tenants: bool,
}

impl Tollgate {
    fn new(account: Account, slack: Duration, tenants: bool) -> Self {
        // No guard: the peers have none.
        let quota = |unit, limit: u32| Quota::refill(unit, limit.into(), PERIOD).guard(Duration::ZERO);
        let limits = Limits::new()
            .with(quota(Unit::Tokens, account.tokens))
            .with(quota(Unit::Requests, account.requests))
            .concurrency(account.slots as u64);
        let builder = Limiter::builder().model("m", limits).waiting(Waiting::new().slack(slack));
        let limiter = builder.build().expect("the limits are valid");
        Tollgate { model: limiter.model("m").expect("it was just given"), tenants }
    }

    fn of(&self, tenant: Tenant) -> Model {
        let model = self.model.clone();
        if self.tenants { model.tenant(tenant.name()) } else { model }
    }
}

impl Contender for Tollgate {
    fn admit(&self, call: Call) -> Admission {
        let tokens = u64::from(call.tokens);
        let acquire = self.of(call.tenant).acquire(Cost::input(tokens));
        Box::pin(async move {
            let permit = acquire.await.expect("within the limits, and it may wait");
            let end: End = Box::new(move || {
                let _settled = permit.release(Usage::new(tokens, 0));
            });
            end
        })
    }
}

/// The yardstick: one line, and who is at its head blocks it.
#[derive(Clone, Debug)]
struct FirstCome {
    /// tokio's mutex lets in who came first.
    head: Arc<Mutex<()>>,
    requests: Arc<Bucket>,
    tokens: Arc<Bucket>,
    slots: Arc<Semaphore>,
}

impl FirstCome {
    fn new(account: Account) -> Self {
        FirstCome {
            head: Arc::default(),
            requests: Arc::new(Bucket::new(account.requests)),
            tokens: Arc::new(Bucket::new(account.tokens)),
            slots: Arc::new(Semaphore::new(account.slots)),
        }
    }
}

impl Contender for FirstCome {
    fn admit(&self, call: Call) -> Admission {
        let this = self.clone();
        Box::pin(async move {
            let _head = this.head.lock().await;
            let slot = slot(this.slots).await;
            wait_for(&this.requests, 1).await;
            wait_for(&this.tokens, call.tokens).await;
            slot
        })
    }
}

async fn wait_for(bucket: &Bucket, amount: u32) {
    while let Err(wait) = bucket.take(amount) {
        sleep(wait).await;
    }
}

/// Waits for a slot, which the end of the call gives back.
async fn slot(slots: Arc<Semaphore>) -> End {
    let slot: OwnedSemaphorePermit = slots.acquire_owned().await.expect("never closed");
    Box::new(move || drop(slot))
}

/// Two governors and a semaphore.
#[derive(Clone, Debug)]
struct Governors {
    requests: Arc<Governor>,
    tokens: Arc<Governor>,
    slots: Arc<Semaphore>,
    time: Arc<Time>,
}

impl Governors {
    fn new(account: Account) -> Self {
        let time = Time::default();
        let governor = |limit| Arc::new(governor(limit, PERIOD, &time));
        let (requests, tokens) = (governor(account.requests), governor(account.tokens));
        Governors { requests, tokens, slots: Arc::new(Semaphore::new(account.slots)), time: Arc::new(time) }
    }
}

impl Contender for Governors {
    fn admit(&self, call: Call) -> Admission {
        let this = self.clone();
        Box::pin(async move {
            let slot = slot(this.slots).await;
            ready(&this.requests, &this.time, 1).await;
            ready(&this.tokens, &this.time, call.tokens).await;
            slot
        })
    }
}

/// Two leaky buckets and a semaphore. They sleep by tokio's clock.
#[derive(Clone, Debug)]
struct LeakyBuckets {
    requests: Arc<leaky_bucket::RateLimiter>,
    tokens: Arc<leaky_bucket::RateLimiter>,
    slots: Arc<Semaphore>,
}

impl LeakyBuckets {
    fn new(account: Account) -> Self {
        LeakyBuckets {
            requests: leaky(account.requests, Duration::from_millis(100)),
            tokens: leaky(account.tokens, Duration::from_millis(30)),
            slots: Arc::new(Semaphore::new(account.slots)),
        }
    }
}

/// A full bucket of `limit` that wakes up at each `interval`, in which a whole number flows back.
fn leaky(limit: u32, interval: Duration) -> Arc<leaky_bucket::RateLimiter> {
    let refill = u128::from(limit) * interval.as_nanos() / PERIOD.as_nanos();
    let bucket = leaky_bucket::RateLimiter::builder()
        .max(limit as usize)
        .initial(limit as usize)
        .refill(refill as usize)
        .interval(interval)
        .build();
    Arc::new(bucket)
}

impl Contender for LeakyBuckets {
    fn admit(&self, call: Call) -> Admission {
        let this = self.clone();
        Box::pin(async move {
            let slot = slot(this.slots).await;
            this.requests.acquire(1).await;
            this.tokens.acquire(call.tokens as usize).await;
            slot
        })
    }
}

/// Plain buckets that are asked again and again, and a semaphore.
#[derive(Clone, Debug)]
struct Retry {
    requests: Arc<Bucket>,
    tokens: Arc<Bucket>,
    slots: Arc<Semaphore>,
}

impl Retry {
    fn new(account: Account) -> Self {
        Retry {
            requests: Arc::new(Bucket::new(account.requests)),
            tokens: Arc::new(Bucket::new(account.tokens)),
            slots: Arc::new(Semaphore::new(account.slots)),
        }
    }
}

impl Contender for Retry {
    fn admit(&self, call: Call) -> Admission {
        let this = self.clone();
        Box::pin(async move {
            let slot = slot(this.slots).await;
            retry(&this.requests, 1).await;
            retry(&this.tokens, call.tokens).await;
            slot
        })
    }
}

async fn retry(bucket: &Bucket, amount: u32) {
    const PAUSE: Duration = Duration::from_millis(100);
    while bucket.take(amount).is_err() {
        sleep(PAUSE).await;
    }
}
