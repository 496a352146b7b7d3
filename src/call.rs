//! Estimate, acquire, send, observe, retry and release in one go.

mod story;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use crate::ledger::End;
use crate::limiter::{Acquire, Limiter};
use crate::permit::Permit;
use crate::provider::{Headers, Verdict};
use crate::quota::{Cost, Usage};
use crate::time;

pub use story::{Attempt, CallError, GaveUp, Outcome, Refused, Story};

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
        Usage::of_answer(self)
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
        Usage::of_answer(&self.1)
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
        Usage::of_answer(&body)
    }

    fn verdict(&self) -> Option<Verdict> {
        let status = http::Response::status(self);
        Verdict::of_answer(status, self.headers(), Some(self.body().as_ref()))
    }
}

impl Limiter {
    /// Makes one call: estimates it, waits for leave, sends it with `send`, settles it with what the answer
    /// says, and tries it again where that is worth it.
    ///
    /// Each attempt waits for leave anew, in line behind those that wait already, and each pays for
    /// itself. What is worth another attempt, and after which wait, [`Verdict::retry`] says; how often
    /// and for how long, the limiter's [`Retries`](crate::Retries). The provider's wait counts from its answer, and
    /// no slot is held meanwhile. A refusal closes its budget for every call, as [`Permit::refused`] does: who
    /// was refused waits for that and for its own back-off side by side, and who was not sent yet waits in line.
    ///
    /// An attempt that came to no answer (`send` gave an error) is taken as [`Verdict::Failed`]: it is tried again after a
    /// back-off, and what it reserved stays charged, since nobody knows whether it arrived. Where that must
    /// not happen twice, use [`Retries::none`](crate::Retries::none).
    ///
    /// # Cancel safety
    ///
    /// Dropped while it waits for leave or between two attempts, it holds nothing. Dropped, or unwound by a
    /// panic in `send`, while an attempt is out, the slot is free again and what was reserved stays charged.
    ///
    /// # Errors
    ///
    /// [`CallError`] says how far it came. A refusal is one, with the last answer, what it means and what became of
    /// each attempt: [`CallError::Refused`].
    ///
    /// # Panics
    ///
    /// If it has to wait outside a tokio runtime whose time is enabled.
    ///
    /// # Example: one chat request, and what to do when it is refused for good
    ///
    /// ```
    /// # use tollgate::{Cost, Limiter, Limits, Usage};
    /// use tollgate::CallError;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn post(_: &(&str, Cost)) -> Result<Usage, std::io::Error> { Ok(Usage::new(1_187, 212)) }
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
    ///
    /// let request = ("gpt-4o-mini", Cost::input(1_200).max_output(500));
    /// match limiter.call(&request, |request| post(request)).await {
    ///     Ok(used) => assert_eq!(used.tokens(), 1_399),
    ///     Err(CallError::Refused(refused)) => println!("{refused}; it said {:?}", refused.answer),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn call<'a, R, F, Fut, A, E>(&self, request: &'a R, send: F) -> Result<A, CallError<A, E>>
    where
        R: Request + ?Sized,
        F: FnMut(&'a R) -> Fut,
        Fut: Future<Output = Result<A, E>>,
        A: Answer,
        E: fmt::Display,
    {
        let mut send = send;
        let send = || send(request);
        // Whether anything was sent, only `send` knows.
        let unsent = |_: &E| false;
        let (answer, usage, permit) = match request.expected() {
            Expected::Cost(model, cost) => {
                self.attempts(|| self.acquire(model, cost), send, unsent, |_| {}).await?
            }
            #[cfg(feature = "tiktoken")]
            Expected::Body(body) => {
                let estimator = self.estimator();
                let estimate = estimator.request(body).await?;
                let learn = |usage: &Usage| estimator.learn(&estimate, usage);
                let acquire = || self.acquire(estimate.model(), estimate.cost());
                self.attempts(acquire, send, unsent, learn).await?
            }
        };
        match usage {
            Some(usage) => permit.release(usage).await,
            None => drop(permit),
        }
        Ok(answer)
    }

    /// Makes attempts until one is answered. What was used is for the caller to settle: of a streamed answer,
    /// only the head may be there. `unsent` knows the errors of attempts that never left this machine.
    pub(crate) async fn attempts<Fut, A, E>(
        &self,
        acquire: impl Fn() -> Acquire,
        mut send: impl FnMut() -> Fut,
        unsent: impl Fn(&E) -> bool,
        learn: impl Fn(&Usage),
    ) -> Result<(A, Option<Usage>, Permit), CallError<A, E>>
    where
        Fut: Future<Output = Result<A, E>>,
        A: Answer,
        E: fmt::Display,
    {
        let retrying = self.retrying();
        let begin = time::instant();
        let mut permit = acquire().await?;
        let mut waited = time::instant() - begin;
        retrying.first_attempt();

        let mut attempts = Vec::new();
        let (mut slept, mut slept_in_all) = (Duration::ZERO, Duration::ZERO);
        loop {
            let sent = send().await;
            let ended = time::instant();
            let (in_vain, verdict, closed) = match sent {
                Ok(answer) => match read(&permit, &answer, &learn) {
                    (None, usage) => return Ok((answer, usage, permit)),
                    (Some(verdict), _) => {
                        let closed = permit.in_vain(&End::Refused(verdict));
                        (InVain::Refused(answer, verdict), verdict, closed)
                    }
                },
                Err(error) => {
                    let end = if unsent(&error) { End::Cancelled } else { End::Lost };
                    let closed = permit.in_vain(&end);
                    (InVain::NoAnswer(error), Verdict::Failed, closed)
                }
            };
            attempts.push(Attempt { slept, waited, outcome: in_vain.outcome() });
            let give_up = |attempts, gave_up| {
                in_vain.into_error(Story { attempts, took: time::instant() - begin, gave_up })
            };

            let made = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
            let next = match retrying.next(made, slept_in_all, &verdict, closed) {
                Ok(next) => next,
                Err(enough) => return Err(give_up(attempts, enough.into())),
            };
            tokio::time::sleep_until(ended + next.wait).await;
            slept = next.wait;
            slept_in_all += slept;
            let asked = time::instant();
            permit = match acquire().await {
                Ok(permit) => permit,
                Err(error) => return Err(give_up(attempts, GaveUp::NotAdmitted(error))),
            };
            waited = time::instant() - asked;
            next.sent();
        }
    }
}

/// Tells the books and the estimator what an answer says. Not `async`: the answer need not be `Sync`.
fn read<A: Answer>(permit: &Permit, answer: &A, learn: impl Fn(&Usage)) -> (Option<Verdict>, Option<Usage>) {
    let (verdict, usage) = (answer.verdict(), answer.usage());
    permit.observe_as(answer.status().unwrap_or(200), &Head(answer), verdict.is_some());
    usage.iter().for_each(learn);
    (verdict, usage)
}

/// What the last attempt came to.
enum InVain<A, E> {
    Refused(A, Verdict),
    NoAnswer(E),
}

impl<A, E: fmt::Display> InVain<A, E> {
    fn outcome(&self) -> Outcome {
        match self {
            InVain::Refused(_, verdict) => Outcome::Refused(*verdict),
            InVain::NoAnswer(error) => Outcome::NoAnswer(error.to_string()),
        }
    }

    fn into_error(self, story: Story) -> CallError<A, E> {
        match self {
            InVain::Refused(answer, verdict) => {
                CallError::Refused(Box::new(Refused { answer, verdict, story }))
            }
            InVain::NoAnswer(error) => CallError::Send { error, story: Box::new(story) },
        }
    }
}

/// The head of an answer as header fields.
struct Head<'a, A: ?Sized>(&'a A);

impl<A: Answer + ?Sized> Headers for Head<'_, A> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.0.each_header(visit);
    }
}
