//! Waiting for leave with a thread, outside of any runtime.

use super::{Acquire, Limiter, Model};
use crate::error::AcquireError;
use crate::permit::Permit;
use crate::quota::Cost;

impl Limiter {
    /// As [`Limiter::acquire`], for code without a runtime: parks the thread until every budget of `model` can
    /// pay `cost`. Threads and tasks stand in one line and share the same budgets.
    ///
    /// Options are given to [`Limiter::acquire`], whose future then waits with [`Acquire::wait_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`].
    ///
    /// # Panics
    ///
    /// On a thread that drives asynchronous tasks, which would stop them: await [`Limiter::acquire`] there.
    /// In `tokio::task::spawn_blocking` it works.
    ///
    /// # Example: call with a blocking client
    ///
    /// ```
    /// use tollgate::{Cost, Limiter, Limits, Usage};
    ///
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().rpm(500).concurrency(10)).build()?;
    ///
    /// let permit = limiter.acquire_blocking("gpt-4o-mini", Cost::input(1_200).max_output(500))?;
    /// // let answer = ureq::post(url).send_json(&request)?;
    /// let _settled = permit.release(Usage::new(1_187, 212)); // nothing to wait for
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn acquire_blocking(&self, model: &str, cost: Cost) -> Result<Permit, AcquireError> {
        self.acquire(model, cost).wait_blocking()
    }
}

impl Model {
    /// As [`Limiter::acquire_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`], but for the model, which is known.
    ///
    /// # Panics
    ///
    /// As [`Limiter::acquire_blocking`].
    #[track_caller]
    pub fn acquire_blocking(&self, cost: Cost) -> Result<Permit, AcquireError> {
        self.acquire(cost).wait_blocking()
    }
}

impl Acquire {
    /// Parks the thread until the call is admitted or refused, instead of being awaited: for code without a
    /// runtime. A call that was polled before keeps its place.
    ///
    /// Time is the operating system's: a paused tokio clock does not go on for a parked thread.
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`].
    ///
    /// # Panics
    ///
    /// As [`Limiter::acquire_blocking`].
    ///
    /// # Example: wait for two seconds at most
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tollgate::{AcquireError, Cost, Limiter, Limits};
    /// # let limiter = Limiter::builder().model("gpt-4o", Limits::new().rpm(1)).build()?;
    /// # let first = limiter.acquire_blocking("gpt-4o", Cost::input(10))?;
    /// let wait = Duration::from_secs(2);
    /// match limiter.acquire("gpt-4o", Cost::input(10)).within(wait).wait_blocking() {
    ///     Err(AcquireError::NotYet(why)) => println!("{why}"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn wait_blocking(mut self) -> Result<Permit, AcquireError> {
        // Nothing is guarded by it: tokio panics where a thread that drives tasks would block.
        drop(tokio::sync::Mutex::new(()).blocking_lock());
        self.begin()?;
        let gate = self.gate.as_ref().expect("it was not done");
        let decided = gate.acquire_parked(&self.request, &mut self.place);
        self.finish(decided)
    }
}
