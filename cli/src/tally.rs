//! What a run has done so far, for all to read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters that the run's tasks add to. Each stands for itself, so their order does not matter.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests of the file, as far as that is known; 0 where it is not.
    pub(crate) total: AtomicU64,
    /// Done by an earlier run.
    pub(crate) skipped: AtomicU64,
    /// Results of this run.
    pub(crate) done: AtomicU64,
    /// Those of them without a 2xx answer.
    pub(crate) failed: AtomicU64,
    /// Lines that are no requests, and have no custom_id to be told under in the results.
    pub(crate) bad: AtomicU64,
    /// Tries after the first.
    pub(crate) retries: AtomicU64,
    /// Answers of the endpoint, of any status.
    pub(crate) answers: AtomicU64,
    /// Requests that have left and are not answered.
    pub(crate) in_flight: AtomicU64,
    /// Tokens of the prompts, as the provider counted them.
    pub(crate) input_tokens: AtomicU64,
    /// Tokens of the answers, as the provider counted them.
    pub(crate) output_tokens: AtomicU64,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Counts a request as in flight for as long as it lives.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a Tally);

impl<'a> InFlight<'a> {
    pub(crate) fn new(tally: &'a Tally) -> Self {
        count(&tally.in_flight);
        InFlight(tally)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
