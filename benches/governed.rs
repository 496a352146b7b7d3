//! governor under virtual time.
//!
//! Its own futures sleep by the system's clock, which no test can pause. This is the same loop over tokio's timers:
//! ask, sleep for as long as governor says, ask again.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use governor::clock::{Clock, FakeRelativeClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::{Instant, sleep};

pub(crate) type Governor = RateLimiter<NotKeyed, InMemoryState, FakeRelativeClock, NoOpMiddleware<Nanos>>;

/// A governor that lets `limit` pass in each `period`, and all of them at once at first.
pub(crate) fn governor(limit: u32, period: Duration, time: &Time) -> Governor {
    let burst = NonZeroU32::new(limit).expect("not zero");
    let quota = Quota::with_period(period / limit).expect("not zero").allow_burst(burst);
    RateLimiter::direct_with_clock(quota, time.clock.clone())
}

/// governor's `until_n_ready`.
pub(crate) async fn ready(governor: &Governor, time: &Time, amount: u32) {
    let amount = NonZeroU32::new(amount).expect("not zero");
    loop {
        time.catch_up();
        match governor.check_n(amount).expect("within the burst") {
            Ok(()) => return,
            Err(refused) => sleep(refused.wait_time_from(time.clock.now())).await,
        }
    }
}

/// Lets governor's fake clock show tokio's time.
#[derive(Debug)]
pub(crate) struct Time {
    clock: FakeRelativeClock,
    shown: Mutex<Instant>,
}

impl Default for Time {
    fn default() -> Self {
        Time { clock: FakeRelativeClock::default(), shown: Mutex::new(Instant::now()) }
    }
}

impl Time {
    fn catch_up(&self) {
        let mut shown = self.shown.lock().expect("nobody panics under it");
        let now = Instant::now();
        self.clock.advance(now - *shown);
        *shown = now;
    }
}
