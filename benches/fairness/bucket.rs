//! What every contender has to keep, and the plain bucket of those that bring none.

use std::time::Duration;

use std::sync::Mutex;
use tokio::time::Instant;

/// What an account may do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// Tokens that the bucket holds, and that flow back in each [`PERIOD`].
    pub(crate) tokens: u32,
    /// Requests, likewise.
    pub(crate) requests: u32,
    /// Calls in flight at one instant.
    pub(crate) slots: usize,
}

/// One call of 175 tokens each second.
pub(crate) const SMALL_ACCOUNT: Account = Account { tokens: 10_000, requests: 600, slots: 20 };
/// Forty times that: a slack of 250 ms pays for several calls.
pub(crate) const LARGE_ACCOUNT: Account = Account { tokens: 400_000, requests: 24_000, slots: 800 };
/// The time in which a whole bucket flows back.
pub(crate) const PERIOD: Duration = Duration::from_secs(60);

/// A bucket that starts full, exact to the nanosecond.
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What is in it, times the nanoseconds of a period: a nanosecond then brings `limit`.
    level: u64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(limit: u32) -> Self {
        let limit = u64::from(limit);
        Bucket { limit, state: Mutex::new(State { level: limit * period(), at: Instant::now() }) }
    }

    /// Takes `amount`, or says how long it takes until there is as much.
    pub(crate) fn take(&self, amount: u32) -> Result<(), Duration> {
        let mut state = self.state.lock().expect("nobody panics under it");
        let now = Instant::now();
        let brought = (now - state.at).as_nanos() as u64 * self.limit;
        state.level = (state.level + brought).min(self.limit * period());
        state.at = now;
        let price = u64::from(amount) * period();
        match state.level.checked_sub(price) {
            Some(left) => state.level = left,
            None => return Err(Duration::from_nanos((price - state.level).div_ceil(self.limit))),
        }
        Ok(())
    }
}

fn period() -> u64 {
    PERIOD.as_nanos() as u64
}
