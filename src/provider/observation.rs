mod draft;
mod family;
mod gather;
mod names;
mod value;
mod window;

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Headers, instant, span};
use gather::Gathered;

pub use family::Family;

/// An answer has at most so many readings; more are left out.
pub(super) const READINGS: usize = 16;

/// What the header fields of one answer say about limits and waits, whichever provider or relay sent it.
///
/// Each part stands alone: what an answer does not say, or says with a value that cannot be (negative,
/// in the past, beyond a year or 2^53), is `None`, and spoils nothing else. No clock is read: instants are
/// measured against the answer's own `Date`.
///
/// # Example: what is left after a call
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Family, Observation};
///
/// let head = [
///     ("x-ratelimit-limit-tokens", "200000"),
///     ("x-ratelimit-remaining-tokens", "199400"),
///     ("x-ratelimit-reset-tokens", "180ms"),
/// ];
/// let observation = Observation::read(200, &head, None);
/// let [tokens] = observation.readings() else { unreachable!() };
/// assert_eq!((tokens.family, tokens.remaining), (Family::Tokens, Some(199_400)));
/// // 600 tokens come back in 180 ms: the limit is per minute.
/// assert_eq!(tokens.window, Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Observation {
    all: [Reading; READINGS],
    len: usize,
    pub(super) retry_after: Option<Duration>,
    pub(super) exhausted_for: Option<Duration>,
    pub(super) should_retry: Option<bool>,
    pub(super) processing_time: Option<Duration>,
    pub(super) charged_tokens: Option<u64>,
    pub(super) date: Option<SystemTime>,
}

/// What an answer says about one of the provider's budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reading {
    /// What is counted.
    pub family: Family,
    /// How much there is in a window; never 0.
    pub limit: Option<u64>,
    /// How much of it is left, rounded down; Anthropic rounds tokens to thousands.
    pub remaining: Option<u64>,
    /// How long after the answer the budget is whole again, cut to the provider's step (mostly 1 ms; 1 s
    /// where it names an instant). From providers that empty their windows at once: when they do.
    pub reset: Option<Duration>,
    /// The same as an instant on the provider's clock, where the answer names one.
    pub resets_at: Option<SystemTime>,
    /// The period that the limit is for, where the answer or its dialect tells.
    pub window: Option<Duration>,
    /// Whether `window` was computed from the other numbers. It is right for budgets that refill
    /// evenly; one that is emptied at once may fit by chance.
    pub window_inferred: bool,
    /// Whether a relay repeats this from the provider behind it. It is the relay's whole account
    /// then, of which its own readings give a share.
    pub upstream: bool,
}

impl Observation {
    /// Reads the header fields of an answer with this HTTP status, in one pass.
    ///
    /// `utc_now` takes the place of the answer's `Date` where there is none; without either, an instant
    /// gives no [`Reading::reset`].
    pub fn read<H: Headers + ?Sized>(status: u16, headers: &H, utc_now: Option<SystemTime>) -> Self {
        let mut gathered = Gathered::new();
        headers.each(&mut |name, value| gathered.take(name, value));
        gathered.conclude(status, utc_now)
    }

    /// What each budget was said to be, in the order of the fields; at most 16.
    pub fn readings(&self) -> &[Reading] {
        self.all.get(..self.len).unwrap_or_default()
    }

    /// How long the provider said to wait, on a status of 400 or above; never zero.
    ///
    /// From `retry-after-ms`, else `retry-after` in seconds or as a date. (On success it is ignored:
    /// Anthropic sent one of 59 s on a 200, openllmetry cassettes, read November 2026.)
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// How long a refused call should wait, by everything that its answer says: what
    /// [`retry_after`](Self::retry_after) tells, else what its `body` does, else the longest reset of a
    /// budget with nothing left.
    pub fn wait(&self, body: Option<Duration>) -> Option<Duration> {
        self.retry_after.or(body).or(self.exhausted_for)
    }

    /// Whether the provider said that trying again makes sense (`x-should-retry`).
    ///
    /// Not to be taken for granted: Cerebras says no where the same call passes seconds later.
    pub fn should_retry(&self) -> Option<bool> {
        self.should_retry
    }

    /// How long the provider itself worked on the answer, rounded down.
    ///
    /// OpenAI says it in `openai-processing-ms` (whole milliseconds; seen on recorded answers of 2023
    /// to 2026, openllmetry and dd-trace-py cassettes), and relays that speak its dialect repeat it.
    pub fn processing_time(&self) -> Option<Duration> {
        self.processing_time
    }

    /// The tokens that the provider charged for this call, where its header fields say so.
    ///
    /// Mistral does (`x-ratelimit-tokens-query-cost`; openllmetry cassettes, read November 2026).
    pub fn charged_tokens(&self) -> Option<u64> {
        self.charged_tokens
    }

    /// The provider's clock when it answered, to the second (`Date`).
    pub fn date(&self) -> Option<SystemTime> {
        self.date
    }

    /// What says nothing.
    pub(super) const EMPTY: Self = {
        let none = Reading {
            family: Family::Requests,
            limit: None,
            remaining: None,
            reset: None,
            resets_at: None,
            window: None,
            window_inferred: false,
            upstream: false,
        };
        Observation {
            all: [none; READINGS],
            len: 0,
            retry_after: None,
            exhausted_for: None,
            should_retry: None,
            processing_time: None,
            charged_tokens: None,
            date: None,
        }
    };

    pub(super) fn push(&mut self, reading: Reading) {
        if let Some(place) = self.all.get_mut(self.len) {
            *place = reading;
            self.len += 1;
        }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("readings", &self.readings())
            .field("retry_after", &self.retry_after)
            .field("exhausted_for", &self.exhausted_for)
            .field("should_retry", &self.should_retry)
            .field("processing_time", &self.processing_time)
            .field("charged_tokens", &self.charged_tokens)
            .field("date", &self.date)
            .finish()
    }
}

#[cfg(test)]
mod tests;
