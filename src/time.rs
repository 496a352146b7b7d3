//! The only reader of clocks.
//!
//! Everything below the gate takes a [`Now`] as an argument, so the same code runs under a paused
//! clock, in a simulation and in a program. Uptime drives refills and waits; UTC decides only in
//! which aligned window an instant lies.

#[cfg(any(tollgate_loom, tollgate_shuttle))]
pub mod stand_in;

use std::time::Duration;
#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
pub(crate) use tokio::time::{Sleep, sleep};

#[cfg(any(tollgate_loom, tollgate_shuttle))]
pub(crate) use stand_in::{Sleep, instant, sleep};
#[cfg(any(tollgate_loom, tollgate_shuttle))]
use stand_in::{system_instant, system_utc};

/// One instant on both clocks, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// Since [`ORIGIN`] before the clock was made. Never goes back.
    pub(crate) uptime: u64,
    /// Since the Unix epoch. May be corrected in either direction.
    pub(crate) utc: u64,
}

impl Now {
    /// The instant `ago` nanoseconds earlier, or the clock's beginning.
    pub(crate) fn before(self, ago: u64) -> Now {
        Now { uptime: self.uptime.saturating_sub(ago), utc: self.utc.saturating_sub(ago) }
    }

    /// The instant at which uptime is `uptime`, on the same UTC scale.
    #[inline]
    pub(crate) fn at_uptime(self, uptime: u64) -> Now {
        let utc = self.utc.saturating_add(uptime).saturating_sub(self.uptime);
        Now { uptime, utc }
    }
}

/// Nanoseconds of a duration, as far as 64 bits go (584 years).
#[inline]
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

/// What uptime begins with, so that what was charged before a restart has an uptime, too.
const ORIGIN: u64 = 600 * 86_400 * 1_000_000_000;
/// How often UTC is compared with the system's clock.
const RECHECK: u64 = 1_000_000_000;
/// How far two clocks may drift apart between two comparisons and still count as one.
const TOGETHER: Duration = Duration::from_millis(20);

/// Where uptime is counted from. Reads the clock without the lock under which [`Clock`] lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(Instant);

impl Origin {
    /// The uptime now.
    #[inline]
    pub(crate) fn uptime(self) -> u64 {
        ORIGIN + nanos(instant().saturating_duration_since(self.0))
    }

    /// The tokio instant at which uptime is `uptime`.
    pub(crate) fn instant_at(self, uptime: u64) -> Instant {
        self.0 + Duration::from_nanos(uptime.saturating_sub(ORIGIN))
    }
}

/// Turns uptimes into [`Now`].
///
/// UTC is an anchor plus tokio's elapsed time, so that a test which pauses or advances tokio's
/// clock moves both. The anchor is set anew from the system's clock only while tokio's clock and
/// the operating system's monotonic one advance together: they do in a running program, also when
/// the machine was suspended or its wall clock was corrected, and do not under a paused clock.
#[derive(Debug)]
pub(crate) struct Clock {
    anchor: Now,
    last: u64,
    /// Both monotonic clocks when they were last compared.
    checked: u64,
    checked_system: std::time::Instant,
}

impl Clock {
    pub(crate) fn new() -> (Origin, Self) {
        let anchor = Now { uptime: ORIGIN, utc: system_utc() };
        let clock = Clock { anchor, last: ORIGIN, checked: ORIGIN, checked_system: system_instant() };
        (Origin(instant()), clock)
    }

    /// The instant of an uptime that was read, never earlier than one seen before: two threads may
    /// read the clock in one order and arrive here in the other.
    #[inline]
    pub(crate) fn at(&mut self, uptime: u64) -> Now {
        self.last = uptime.max(self.last);
        if self.last - self.checked >= RECHECK {
            self.recheck();
        }
        self.last()
    }

    /// The last instant seen.
    #[inline]
    pub(crate) fn last(&self) -> Now {
        self.anchor.at_uptime(self.last)
    }

    #[cold]
    fn recheck(&mut self) {
        let system = system_instant();
        let tokio_went = Duration::from_nanos(self.last - self.checked);
        let system_went = system.saturating_duration_since(self.checked_system);
        if tokio_went.abs_diff(system_went) <= TOGETHER {
            self.anchor = Now { uptime: self.last, utc: system_utc() };
        }
        (self.checked, self.checked_system) = (self.last, system);
    }
}

/// Tokio's clock, for who only sleeps.
#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
fn system_instant() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
fn system_utc() -> u64 {
    nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
