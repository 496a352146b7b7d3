//! Estimate, acquire, send, observe and release in one go.

use std::future::Future;

use crate::error::AcquireError;
use crate::limiter::Limiter;
use crate::provider::{Headers, Verdict};
use crate::quota::{Cost, Usage};

/// A request whose model and cost can be told before it is sent.
///
/// Ready-made for a pair of a model's name and a [`Cost`], and, with the feature `tiktoken`, for a
/// request body as `serde_json::Value`.
pub trait Request {
    /// What the call is expected to cost, or what tells it.
    fn expected(&self) -> Expected<'_>;
}

/// What a call is expected to cost, or what tells it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Expected<'a> {
    /// The model's name and the cost.
    Cost(&'a str, Cost),
    /// The JSON that is sent, for the limiter's [`Estimator`](crate::estimate::Estimator).
    #[cfg(feature = "tiktoken")]
    Body(&'a serde_json::Value),
}

impl<N: AsRef<str>> Request for (N, Cost) {
    fn expected(&self) -> Expected<'_> {
        Expected::Cost(self.0.as_ref(), self.1)
    }
}

#[cfg(feature = "tiktoken")]
impl Request for serde_json::Value {
    fn expected(&self) -> Expected<'_> {
        Expected::Body(self)
    }
}

/// What came back, as far as it says so.
///
/// Ready-made for [`Usage`], with the feature `json` for a body as `serde_json::Value` alone or with
/// its status, and with the feature `http` for `http::Response` of anything that can be seen as bytes.
pub trait Answer {
    /// The HTTP status, where there is one.
    fn status(&self) -> Option<u16> {
        None
    }

    /// Calls `visit` with the name and the value of each header field, where there are any: what
    /// [`Headers::each`] does.
    fn each_header<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        let _ = visit;
    }

    /// What the call really used. Without it, what was reserved stays charged.
    fn usage(&self) -> Option<Usage>;

    /// Why the provider said no, if it did. Unless an answer knows better, its status and its header
    /// tell.
    fn verdict(&self) -> Option<Verdict> {
        Verdict::of_answer(self.status()?, &Head(self), None)
    }
}

impl Answer for Usage {
    fn usage(&self) -> Option<Usage> {
        Some(*self)
    }
}

#[cfg(feature = "json")]
impl Answer for serde_json::Value {
    fn usage(&self) -> Option<Usage> {
        crate::provider::usage_of(self)
    }

    fn verdict(&self) -> Option<Verdict> {
        Verdict::of_json(200, self)
    }
}

#[cfg(feature = "json")]
impl<S: Copy + Into<u16>> Answer for (S, serde_json::Value) {
    fn status(&self) -> Option<u16> {
        Some(self.0.into())
    }

    fn usage(&self) -> Option<Usage> {
        crate::provider::usage_of(&self.1)
    }

    fn verdict(&self) -> Option<Verdict> {
        Verdict::of_json(self.0.into(), &self.1)
    }
}

#[cfg(feature = "http")]
impl<B: AsRef<[u8]>> Answer for http::Response<B> {
    fn status(&self) -> Option<u16> {
        Some(http::Response::status(self).as_u16())
    }

    fn each_header<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.headers().each(visit);
    }

    fn usage(&self) -> Option<Usage> {
        let body = serde_json::from_slice(self.body().as_ref()).ok()?;
        crate::provider::usage_of(&body)
    }

    fn verdict(&self) -> Option<Verdict> {
        let status = http::Response::status(self);
        Verdict::of_answer(status, self.headers(), Some(self.body().as_ref()))
    }
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E> {
    /// Its cost could not be told; nothing was sent.
    #[cfg(feature = "tiktoken")]
    #[error("the cost of the request cannot be told: {0}")]
    Estimate(#[from] crate::estimate::EstimateError),
    /// It was not admitted; nothing was sent.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// Sending it failed. What was reserved stays charged: nobody knows whether it arrived.
    #[error("the call failed: {0}")]
    Send(E),
}

impl Limiter {
    /// Makes one call: estimates it, waits for leave, sends it with `send`, and settles it with what
    /// the answer says.
    ///
    /// An answer that is a refusal ends the call with its [`Verdict`] and is given back like any other
    /// answer.
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for leave, it has taken nothing. Dropped, or unwound by a panic in `send`,
    /// while the call is out, the slot is free again and what was reserved stays charged.
    ///
    /// # Errors
    ///
    /// [`CallError`] says how far it came.
    ///
    /// # Example: one chat request
    ///
    /// ```
    /// # use tollgate::{Cost, Limiter, Limits, Usage};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn post(_: &(&str, Cost)) -> Result<Usage, std::io::Error> { Ok(Usage::new(1_187, 212)) }
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
    ///
    /// let request = ("gpt-4o-mini", Cost::input(1_200).max_output(500));
    /// let used = limiter.call(&request, |request| async { post(request).await }).await?;
    /// # assert_eq!(used.tokens(), 1_399);
    /// # Ok(()) }
    /// ```
    pub async fn call<'a, R, F, Fut, A, E>(&self, request: &'a R, send: F) -> Result<A, CallError<E>>
    where
        R: Request + ?Sized,
        F: FnOnce(&'a R) -> Fut,
        Fut: Future<Output = Result<A, E>>,
        A: Answer,
    {
        match request.expected() {
            Expected::Cost(model, cost) => self.send(request, send, model, cost, |_| {}).await,
            #[cfg(feature = "tiktoken")]
            Expected::Body(body) => {
                let estimator = self.estimator();
                let estimate = estimator.request(body).await?;
                let learn = |usage: &Usage| estimator.learn(&estimate, usage);
                self.send(request, send, estimate.model(), estimate.cost(), learn).await
            }
        }
    }

    async fn send<'a, R, F, Fut, A, E>(
        &self,
        request: &'a R,
        send: F,
        model: &str,
        cost: Cost,
        learn: impl Fn(&Usage),
    ) -> Result<A, CallError<E>>
    where
        R: Request + ?Sized,
        F: FnOnce(&'a R) -> Fut,
        Fut: Future<Output = Result<A, E>>,
        A: Answer,
    {
        let permit = self.acquire(model, cost).await?;
        let answer = send(request).await.map_err(CallError::Send)?;
        permit.observe(answer.status().unwrap_or(200), &Head(&answer));
        let usage = answer.usage();
        usage.iter().for_each(&learn);
        match (answer.verdict(), usage) {
            (Some(verdict), _) => permit.refused(verdict).await,
            (None, Some(usage)) => permit.release(usage).await,
            (None, None) => drop(permit),
        }
        Ok(answer)
    }
}

/// The head of an answer as header fields.
struct Head<'a, A: ?Sized>(&'a A);

impl<A: Answer + ?Sized> Headers for Head<'_, A> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.0.each_header(visit);
    }
}
