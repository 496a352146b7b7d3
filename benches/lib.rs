//! What is measured: one call's admission and end over RPM, TPM, TPD and concurrency, by tollgate
//! and by the assemblies that people make of other crates.
//!
//! Every contender polls the same way: a future that is ready at once. The limits are so high that
//! nobody waits.

#![forbid(unsafe_code)]

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use governor::clock::DefaultClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate::{Cost, Limiter, Limits, Model, Usage};

/// Tokens that each call reserves and uses.
pub const TOKENS: u32 = 10;
const MODEL: &str = "gpt-4o-mini";

/// Polls a future that does not wait.
///
/// # Panics
///
/// If it does.
#[inline(always)]
pub fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a contender had to wait: its limits are too low"),
    }
}

/// tollgate with RPM, TPM, TPD and concurrency.
#[derive(Clone, Debug)]
pub struct Tollgate {
    limiter: Limiter,
    model: Model,
}

impl Tollgate {
    /// Limits that are never reached.
    pub fn new() -> Self {
        let limits = Limits::new()
            .rpm(60_000_000_000)
            .tpm(600_000_000_000)
            .tpd(1_000_000_000_000)
            .concurrency(1 << 20);
        let limiter = Limiter::builder().model(MODEL, limits).build().expect("the limits are valid");
        let model = limiter.model(MODEL).expect("it was just given");
        Tollgate { limiter, model }
    }

    /// One call by the model's handle.
    #[inline]
    pub fn by_handle(&self) {
        let permit = now(self.model.acquire(Cost::input(u64::from(TOKENS)))).expect("never over");
        permit.release(Usage::new(u64::from(TOKENS), 0));
    }

    /// One call by the model's name.
    #[inline]
    pub fn by_name(&self) {
        let permit = now(self.limiter.acquire(MODEL, Cost::input(u64::from(TOKENS)))).expect("never over");
        permit.release(Usage::new(u64::from(TOKENS), 0));
    }
}

impl Default for Tollgate {
    fn default() -> Self {
        Tollgate::new()
    }
}

type Governor = RateLimiter<NotKeyed, InMemoryState, DefaultClock>;

/// Three governors and a tokio semaphore, awaited in turn: requests, tokens of the minute, tokens of the day.
#[derive(Clone, Debug)]
pub struct Governors {
    limiters: Arc<[Governor; 3]>,
    slots: Arc<Semaphore>,
}

impl Governors {
    /// Limits that are never reached: governor counts in 32 bits, so its day is a second's worth
    /// at the same rate.
    pub fn new() -> Self {
        let most = NonZeroU32::MAX;
        let quota = || RateLimiter::direct(Quota::per_second(most));
        Governors {
            limiters: Arc::new([quota(), quota(), quota()]),
            slots: Arc::new(Semaphore::new(1 << 20)),
        }
    }

    /// One call. There is nothing to settle, since governor cannot give back.
    #[inline]
    pub fn call(&self) {
        let tokens = NonZeroU32::new(TOKENS).expect("not zero");
        let [requests, minute, day] = &*self.limiters;
        let slot: OwnedSemaphorePermit = now(self.slots.clone().acquire_owned()).expect("never closed");
        now(requests.until_ready());
        now(minute.until_n_ready(tokens)).expect("within the burst");
        now(day.until_n_ready(tokens)).expect("within the burst");
        drop(slot);
    }
}

impl Default for Governors {
    fn default() -> Self {
        Governors::new()
    }
}

/// Three leaky buckets and a tokio semaphore, awaited in turn.
#[derive(Clone, Debug)]
pub struct LeakyBuckets {
    buckets: Arc<[leaky_bucket::RateLimiter; 3]>,
    slots: Arc<Semaphore>,
}

impl LeakyBuckets {
    /// Limits that are never reached.
    pub fn new() -> Self {
        let bucket = || {
            let most = usize::MAX / 4;
            let interval = Duration::from_millis(100);
            leaky_bucket::RateLimiter::builder()
                .max(most)
                .initial(most)
                .refill(most / 8)
                .interval(interval)
                .build()
        };
        LeakyBuckets {
            buckets: Arc::new([bucket(), bucket(), bucket()]),
            slots: Arc::new(Semaphore::new(1 << 20)),
        }
    }

    /// One call. There is nothing to settle, since leaky-bucket cannot give back.
    #[inline]
    pub fn call(&self) {
        let [requests, minute, day] = &*self.buckets;
        let slot: OwnedSemaphorePermit = now(self.slots.clone().acquire_owned()).expect("never closed");
        now(requests.acquire(1));
        now(minute.acquire(TOKENS as usize));
        now(day.acquire(TOKENS as usize));
        drop(slot);
    }
}

impl Default for LeakyBuckets {
    fn default() -> Self {
        LeakyBuckets::new()
    }
}
