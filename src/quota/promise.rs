use std::fmt;
use std::time::Duration;

use super::{Text, Unit};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// The largest limit that can be kept exactly in 64-bit integers over every period.
const MAX_LIMIT: u64 = 1 << 40;
const MIN_PERIOD: Duration = Duration::from_millis(1);
const MAX_PERIOD: Duration = Duration::from_secs(366 * 86_400);
/// The guard where none is set: a thousandth of the period, and at most this.
const MAX_DEFAULT_GUARD: Duration = Duration::from_millis(50);

/// One promise of a provider: so many of a unit in a window.
///
/// # Example: ten requests per second beside the minute's quota, and a day that resets at 08:00 UTC
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Limits, Quota, Unit};
///
/// let day = Duration::from_secs(86_400);
/// let limits = Limits::new()
///     .rpm(600)
///     .with(Quota::refill(Unit::Requests, 10, Duration::from_secs(1)))
///     .with(Quota::fixed(Unit::Requests, 1_500, day).resets_at(Duration::from_secs(8 * 3_600)));
/// # assert_eq!(limits.quotas().len(), 3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    unit: Unit,
    limit: u64,
    window: Window,
    guard: Duration,
}

/// The law by which a quota is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Window {
    /// A token bucket: it holds `burst`, starts full, and is refilled evenly with the limit each
    /// `period`. OpenAI and Groq keep minutes and days so.
    Refill {
        /// The time in which the whole limit flows back.
        period: Duration,
        /// The most that can be taken at one instant.
        burst: u64,
    },
    /// Aligned windows: the count starts anew at UTC midnight plus `offset`, and every `period`
    /// from there.
    Fixed {
        /// The length of a window.
        period: Duration,
        /// How far the windows are shifted against UTC midnight, less than `period`.
        offset: Duration,
    },
    /// Never more than the limit in any interval of this length.
    Sliding {
        /// The length of the interval.
        period: Duration,
    },
    /// Never more than the limit at one instant; given back when a call ends.
    Held,
}

/// A quota that no provider could keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidQuota {
    field: &'static str,
    reason: String,
}

impl InvalidQuota {
    /// The field at fault: `limit`, `period`, `burst`, `resets_at`, `guard` or `unit`.
    pub fn field(&self) -> &'static str {
        self.field
    }

    pub(super) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        InvalidQuota { field, reason: reason.into() }
    }

    pub(super) fn of(self, quota: &Quota) -> Self {
        InvalidQuota { reason: format!("{} ({quota})", self.reason), ..self }
    }
}

impl Quota {
    /// A bucket that holds `limit` and is refilled with it evenly over each `period`.
    pub fn refill(unit: Unit, limit: u64, period: Duration) -> Self {
        Quota::new(unit, limit, Window::Refill { period, burst: limit })
    }

    /// `limit` in each window of `period`, aligned to UTC midnight.
    pub fn fixed(unit: Unit, limit: u64, period: Duration) -> Self {
        Quota::new(unit, limit, Window::Fixed { period, offset: Duration::ZERO })
    }

    /// Never more than `limit` in any interval of `period`.
    pub fn sliding(unit: Unit, limit: u64, period: Duration) -> Self {
        Quota::new(unit, limit, Window::Sliding { period })
    }

    /// At most `calls` in flight at any instant.
    pub fn concurrency(calls: u64) -> Self {
        Quota::new(Unit::InFlight, calls, Window::Held)
    }

    pub(super) fn new(unit: Unit, limit: u64, window: Window) -> Self {
        let guard = match window.period() {
            Some(period) => (period / 1_000).min(MAX_DEFAULT_GUARD),
            None => Duration::ZERO,
        };
        Quota { unit, limit, window, guard }
    }

    /// Lets a refilled bucket hold `burst` instead of its limit. Other windows have no burst and
    /// stay as they are.
    pub fn burst(mut self, burst: u64) -> Self {
        if let Window::Refill { burst: held, .. } = &mut self.window {
            *held = burst;
        }
        self
    }

    /// Lets fixed windows start `offset` after UTC midnight instead of at it. Other windows are
    /// not aligned and stay as they are.
    pub fn resets_at(mut self, offset: Duration) -> Self {
        if let Window::Fixed { offset: held, .. } = &mut self.window {
            *held = offset;
        }
        self
    }

    /// Sets the margin against jitter on the way to the provider: windows end that much later,
    /// and a bucket holds that much less of its refill, but half of its burst at least.
    ///
    /// Two calls that leave a minute apart can arrive a few milliseconds less than a minute
    /// apart. The default is a thousandth of the period, at most 50 ms; it costs that share of
    /// the throughput at the most.
    pub fn guard(mut self, guard: Duration) -> Self {
        self.guard = guard;
        self
    }

    /// The same with another limit. A burst keeps its proportion to it.
    pub(crate) fn with_limit(mut self, limit: u64) -> Self {
        if let Window::Refill { burst, .. } = &mut self.window {
            let scaled = u128::from(*burst) * u128::from(limit) / u128::from(self.limit.max(1));
            *burst = u64::try_from(scaled).unwrap_or(u64::MAX).max(1);
        }
        self.limit = limit;
        self
    }

    /// The same counted by another law over the same period.
    pub(crate) fn with_window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// What is counted.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// How many of the unit in each window. 0 admits nothing.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How it is counted.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The margin against jitter.
    pub fn jitter_guard(&self) -> Duration {
        self.guard
    }

    /// The most one call may cost: the burst of a bucket, the limit of a window.
    pub fn capacity(&self) -> u64 {
        match self.window {
            Window::Refill { burst, .. } if self.limit > 0 => burst,
            _ => self.limit,
        }
    }

    /// Says what is wrong with the quota, if anything.
    ///
    /// # Errors
    ///
    /// Names the field: a limit or burst above 2^40, a period below 1 ms or above 366 days, a
    /// guard of half a period or more, an offset that is not below the period, or calls in flight
    /// counted over time.
    pub fn validate(&self) -> Result<(), InvalidQuota> {
        let fail = |field, reason: String| Err(InvalidQuota::new(field, reason));
        if self.limit > MAX_LIMIT {
            return fail("limit", format!("{} is above {MAX_LIMIT}, the most there can be", self.limit));
        }
        if (self.unit == Unit::InFlight) != (self.window == Window::Held) {
            return fail("unit", format!("{} cannot be counted over a {}", self.unit, self.window.kind()));
        }
        if let Window::Refill { burst, .. } = self.window
            && (burst > MAX_LIMIT || (burst == 0 && self.limit > 0))
        {
            return fail("burst", format!("{burst} is not between 1 and {MAX_LIMIT}"));
        }
        let Some(period) = self.window.period() else { return Ok(()) };
        if !(MIN_PERIOD..=MAX_PERIOD).contains(&period) {
            return fail("period", format!("{} is not between 1ms and 366days", Text(period)));
        }
        if self.guard >= period / 2 {
            return fail("guard", format!("{} is not below half of the period", Text(self.guard)));
        }
        if let Window::Fixed { offset, .. } = self.window
            && offset >= period
        {
            return fail("resets_at", format!("{} is not below the period", Text(offset)));
        }
        Ok(())
    }

    /// The field's short name where it has one: `RPM`, `TPD`, `OTPM`, `concurrency`.
    pub fn abbreviation(&self) -> Option<&'static str> {
        let period = self.window.period();
        Some(match (self.unit, period) {
            (Unit::InFlight, None) => "concurrency",
            (Unit::Requests, Some(MINUTE)) => "RPM",
            (Unit::Requests, Some(DAY)) => "RPD",
            (Unit::Tokens, Some(MINUTE)) => "TPM",
            (Unit::Tokens, Some(DAY)) => "TPD",
            (Unit::InputTokens, Some(MINUTE)) => "ITPM",
            (Unit::OutputTokens, Some(MINUTE)) => "OTPM",
            _ => return None,
        })
    }
}

impl Window {
    /// The length of the window; `None` for calls in flight.
    pub fn period(&self) -> Option<Duration> {
        match *self {
            Window::Refill { period, .. } | Window::Fixed { period, .. } | Window::Sliding { period } => {
                Some(period)
            }
            Window::Held => None,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Window::Refill { .. } => "refill",
            Window::Fixed { .. } => "fixed",
            Window::Sliding { .. } => "sliding",
            Window::Held => "held",
        }
    }
}

/// `TPM 200000`, `10 requests per 1s`: what an error says.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.abbreviation(), self.window.period()) {
            (Some(name), _) => write!(f, "{name} {}", self.limit),
            (None, Some(period)) => write!(f, "{} {} per {}", self.limit, self.unit, Text(period)),
            (None, None) => write!(f, "{} {}", self.limit, self.unit),
        }
    }
}
