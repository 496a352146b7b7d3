//! Who is told what becomes of calls: the seam for metrics, traces and logs.

use std::any::Any;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::AcquireError;
use crate::event::Event;
use crate::ledger::End;
use crate::provider::Verdict;
use crate::quota::Cost;
use crate::time;

/// Is told what becomes of a limiter's calls: see [`Limiter::add_observer`](crate::Limiter::add_observer).
///
/// It is told where the call is, by the task or thread that polls, ends or drops it, and outside of every
/// lock. Whoever acquires waits for it, so it is to be quick. A panic of its own ends there, and changes nothing for
/// the call. The features `metrics` and `tracing` bring one each.
///
/// Calls to a model that the limiter does not know are not told of: their names come from outside, and there may be any
/// number of them.
///
/// # Example: say on the console who has waited for more than a second
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Asking, Decision, Kept, Limiter, Limits, Observer};
///
/// struct Console;
///
/// impl Observer for Console {
///     fn decided(&self, call: &Asking<'_>, _: Decision<'_>, waited: Duration, _: Option<Kept>) {
///         if waited > Duration::from_secs(1) {
///             eprintln!("{}: waited for {waited:?}", call.model);
///         }
///     }
/// }
///
/// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
/// limiter.add_observer(Console);
/// # Ok::<(), tollgate::BuildError>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A call asks for leave, and may have to wait. What this gives is kept with the call until that is decided.
    fn asks(&self, call: &Asking<'_>) -> Option<Kept> {
        let _ = call;
        None
    }

    /// It is decided whether the call may go, after so long. `kept` is what [`Observer::asks`] gave.
    fn decided(&self, call: &Asking<'_>, decision: Decision<'_>, waited: Duration, kept: Option<Kept>) {
        let _ = (call, decision, waited, kept);
    }

    /// A call that was admitted is over, and settled.
    fn ended(&self, call: &Ended<'_>) {
        let _ = call;
    }

    /// What [`Limiter::events`](crate::Limiter::events) tells of, too.
    fn happened(&self, event: &Event) {
        let _ = event;
    }
}

/// What an [`Observer`] keeps with a call that asks for leave.
pub type Kept = Box<dyn Any + Send + Sync>;

/// A call that asks for leave.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Asking<'a> {
    /// The name or pattern under which the model's limits were given.
    pub model: &'a str,
    /// What it is expected to cost.
    pub cost: Cost,
}

/// What becomes of a call that asks for leave.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Decision<'a> {
    /// It may go.
    Admitted,
    /// It may not.
    Refused(&'a AcquireError),
    /// It was dropped before that was decided: by a timeout around it, or because
    /// [another model](crate::Limiter::acquire_any) was free first.
    GivenUp,
}

impl Decision<'_> {
    /// Why it may not go, as a label: the error's name in snake case, `given_up`; none where it may.
    pub fn error_type(&self) -> Option<&'static str> {
        Some(match self {
            Decision::Admitted => return None,
            Decision::GivenUp => "given_up",
            Decision::Refused(AcquireError::ExceedsQuota(_)) => "exceeds_quota",
            Decision::Refused(AcquireError::PromptTooLong(_)) => "prompt_too_long",
            Decision::Refused(AcquireError::Stopped(_)) => "stopped",
            Decision::Refused(AcquireError::NotYet(_)) => "not_yet",
            Decision::Refused(AcquireError::QueueFull(_)) => "queue_full",
            Decision::Refused(AcquireError::UnknownModel(_)) => "unknown_model",
        })
    }
}

/// A call that is over.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ended<'a> {
    /// The name or pattern under which the model's limits were given.
    pub model: &'a str,
    /// What it was expected to cost.
    pub cost: Cost,
    /// How it ended.
    pub end: End,
    /// The tokens that were taken from a budget of tokens, or would have been were there one.
    pub reserved: u64,
    /// The tokens that it was charged in their place.
    pub charged: u64,
    /// How long after it was admitted.
    pub after: Duration,
}

impl Ended<'_> {
    /// Why the provider refused it, as a label: the verdict's name in snake case; none where it did not.
    pub fn error_type(&self) -> Option<&'static str> {
        Some(match self.end.verdict()? {
            Verdict::RateLimited { .. } => "rate_limited",
            Verdict::Overloaded { .. } => "overloaded",
            Verdict::TooLarge { .. } => "too_large",
            Verdict::Account { .. } => "account",
            Verdict::Model { .. } => "model",
            Verdict::Rejected => "rejected",
            Verdict::Failed => "failed",
        })
    }
}

/// Those that are told, in the order in which they came.
#[derive(Default)]
pub(crate) struct Observers {
    first: OnceLock<Box<Link>>,
}

struct Link {
    observer: Box<dyn Observer>,
    next: Observers,
}

impl Observers {
    /// Without the feature there are none, and the compiler sees it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        cfg!(not(feature = "observe")) || self.first.get().is_none()
    }

    #[cfg(feature = "observe")]
    pub(crate) fn add(&self, observer: Box<dyn Observer>) {
        let mut end = &self.first;
        let mut link = Box::new(Link { observer, next: Observers::default() });
        while let Err(back) = end.set(link) {
            link = back;
            end = &end.get().expect("it is taken").next.first;
        }
    }

    pub(crate) fn happened(&self, event: &Event) {
        self.each().for_each(|observer| unwinds_no_further(|| observer.happened(event)).unwrap_or_default());
    }

    pub(crate) fn ended(&self, call: &Ended<'_>) {
        self.each().for_each(|observer| unwinds_no_further(|| observer.ended(call)).unwrap_or_default());
    }

    fn each(&self) -> impl Iterator<Item = &dyn Observer> {
        let first = self.first.get();
        std::iter::successors(first, |link| link.next.first.get()).map(|link| &*link.observer)
    }
}

/// The books are half-way through a change where somebody is told: no panic of an observer may get there.
fn unwinds_no_further<T>(tell: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(tell)).ok()
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").finish_non_exhaustive()
    }
}

/// A call that asks for leave while somebody observes. Dropped, it tells that it was given up.
pub(crate) struct Asked {
    observers: Arc<Observers>,
    model: Arc<str>,
    cost: Cost,
    since: Instant,
    kept: Vec<Option<Kept>>,
    is_decided: bool,
}

impl Asked {
    #[cold]
    pub(crate) fn new(observers: &Arc<Observers>, model: &Arc<str>, cost: Cost) -> Self {
        let asking = Asking { model, cost };
        let kept = |observer: &dyn Observer| unwinds_no_further(|| observer.asks(&asking)).flatten();
        let kept = observers.each().map(kept).collect();
        let (observers, model) = (observers.clone(), model.clone());
        Asked { observers, model, cost, since: time::instant(), kept, is_decided: false }
    }

    #[cold]
    pub(crate) fn decided(mut self, outcome: Result<(), &AcquireError>) {
        self.is_decided = true;
        self.tell(outcome.map_or_else(Decision::Refused, |()| Decision::Admitted));
    }

    fn tell(&mut self, decision: Decision<'_>) {
        let asking = Asking { model: &self.model, cost: self.cost };
        let waited = self.since.elapsed();
        // Whoever came since was not told that it asks.
        for (observer, kept) in self.observers.each().zip(&mut self.kept) {
            let kept = kept.take();
            unwinds_no_further(|| observer.decided(&asking, decision, waited, kept)).unwrap_or_default();
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_decided {
            self.tell(Decision::GivenUp);
        }
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}
