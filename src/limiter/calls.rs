//! What a call in one go takes from its limiter beside leave: an estimator, a policy of retries.

use std::sync::Arc;

use super::Limiter;
use crate::retry::{Retries, Retrying};

/// What [`Limiter::call`] goes by beside the budgets.
#[derive(Clone, Default)]
pub(super) struct Calls {
    retrying: Arc<Retrying>,
    #[cfg(feature = "tiktoken")]
    estimator: Arc<crate::estimate::Estimator>,
}

impl Limiter {
    /// The same limiter, with another [`Estimator`](crate::estimate::Estimator) for the calls that are made with [`Limiter::call`].
    ///
    /// # Example: reserve what the answers to one kind of call probably hold
    ///
    /// ```
    /// use tollgate::estimate::{Estimator, Forecast};
    /// use tollgate::{Limiter, Limits};
    ///
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
    /// let estimator = Estimator::builder().forecast(Forecast::Learned { percentile: 80 }).build();
    /// let summaries = limiter.with_estimator(estimator.key("summaries"));
    /// let titles = limiter.with_estimator(estimator.key("titles")); // the same budgets
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    #[cfg(feature = "tiktoken")]
    pub fn with_estimator(&self, estimator: crate::estimate::Estimator) -> Limiter {
        let calls = Calls { estimator: Arc::new(estimator), ..Calls::clone(&self.calls) };
        Limiter { inner: self.inner.clone(), calls: Arc::new(calls) }
    }

    /// What estimates the calls that are made with [`Limiter::call`]: to warm it up, and to see what it has learned.
    #[cfg(feature = "tiktoken")]
    pub fn estimator(&self) -> &crate::estimate::Estimator {
        &self.calls.estimator
    }

    /// The same limiter, with another policy for trying again the calls that are made with [`Limiter::call`].
    ///
    /// Its calls share the budgets of the limits with all others, and a budget of retries of their own: make
    /// it once and clone it, not anew for each call.
    ///
    /// # Example: calls that are tried once, beside those that are tried again
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Limiter, Limits, Retries};
    ///
    /// let patient = Limiter::builder()
    ///     .model("gpt-4o-mini", Limits::new().tpm(200_000))
    ///     .build()?
    ///     .with_retries(Retries::new().most_attempts(8).most_wait(Duration::from_secs(3_600)));
    /// let once = patient.with_retries(Retries::none()); // the same budgets
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn with_retries(&self, retries: Retries) -> Limiter {
        let mut calls = Calls::clone(&self.calls);
        calls.retrying = Arc::new(Retrying::new(retries));
        Limiter { inner: self.inner.clone(), calls: Arc::new(calls) }
    }

    pub(crate) fn retrying(&self) -> &Retrying {
        &self.calls.retrying
    }
}
