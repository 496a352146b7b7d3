//! The only reader of clocks.
#![allow(clippy::disallowed_methods, reason = "everything else here is told the time by this module")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// UTC as it was once, and tokio's clock since then. Times are nanoseconds since the Unix epoch.
#[derive(Debug)]
pub(crate) struct Clock {
    utc: u64,
    started: Instant,
}

impl Clock {
    /// A clock that shows the system's time now.
    pub(crate) fn system() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::showing(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }

    /// A clock that shows `utc` now.
    pub(crate) fn showing(utc: u64) -> Self {
        Self { utc, started: Instant::now() }
    }

    pub(crate) fn now(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.utc.saturating_add(elapsed)
    }

    /// The instant at which this clock shows `utc`.
    pub(crate) fn instant(&self, utc: u64) -> Instant {
        self.started + Duration::from_nanos(utc.saturating_sub(self.utc))
    }
}
