use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::error::{AcquireError, UnknownModel};
use crate::gate::{Eta, Gate, Waits};
use crate::ledger::{BookId, Charged, Request};
use crate::observe::Asked;
use crate::permit::Permit;
use crate::queue::Key;
use crate::quota::{Cost, Priority};

/// Waits for leave to make one call; made by [`Limiter::acquire`](crate::Limiter::acquire).
///
/// It takes its place in the queue at the first poll. It need not be polled again for others to
/// get on; a grant that it does not take within 250 ms goes back whole, and is given to it anew when
/// it is polled.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    /// Gone when the future is done.
    pub(super) gate: Option<Arc<Gate>>,
    pub(super) request: Request,
    pub(super) place: Option<Key>,
    beside: Option<Box<Beside>>,
}

/// What few calls have.
#[derive(Debug)]
enum Beside {
    /// The model has no limits.
    Unknown(UnknownModel),
    /// Somebody observes, and was told that the call asks.
    Asked(Asked),
}

impl Acquire {
    #[inline]
    pub(super) fn new(gate: Arc<Gate>, book: BookId, cost: Cost) -> Self {
        Acquire::like(gate, Request::new(book, cost))
    }

    #[inline]
    pub(super) fn like(gate: Arc<Gate>, request: Request) -> Self {
        Acquire { gate: Some(gate), request, place: None, beside: None }
    }

    pub(super) fn unknown(model: UnknownModel) -> Self {
        let request = Request::new(BookId::default(), Cost::default());
        Acquire { gate: None, request, place: None, beside: Some(Box::new(Beside::Unknown(model))) }
    }

    /// Waits no longer than this, counted from the first poll: fails at once when the wait is
    /// known to be longer, and at that time otherwise. Where a clock has leapt over that time, as of a
    /// machine that slept, it may still be admitted.
    ///
    /// # Example: rather fail than wait for more than two seconds
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tollgate::{AcquireError, Cost, Limiter, Limits};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let limiter = Limiter::builder().model("gpt-4o", Limits::new().rpm(1)).build()?;
    /// # let first = limiter.acquire("gpt-4o", Cost::input(10)).await?;
    /// let wait = Duration::from_secs(2);
    /// match limiter.acquire("gpt-4o", Cost::input(10)).within(wait).await {
    ///     Err(AcquireError::NotYet(why)) => println!("{why}"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok(()) }
    /// ```
    pub fn within(mut self, wait: Duration) -> Self {
        self.request.within = Some(wait);
        self
    }

    /// How urgent it is beside others that wait.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.request.priority = priority;
        self
    }

    /// Whose call it is. Tenants whose calls wait share the budget by their weights, whatever the number
    /// and size of their calls; each is served first come first served. The call is charged to the
    /// tenant's own quotas, too, where it has some.
    pub fn tenant(mut self, tenant: &str) -> Self {
        if let Some(gate) = &self.gate {
            self.request = gate.of_tenant(self.request, tenant);
        }
        self
    }

    /// As [`Limiter::try_acquire`](crate::Limiter::try_acquire).
    #[inline]
    pub(super) fn try_now(gate: &Arc<Gate>, request: Request) -> Result<Permit, AcquireError> {
        let asked = gate.asks(&request);
        let decided = gate.try_acquire(&request);
        if let Some(asked) = asked {
            asked.decided(decided.as_ref().map(|_| ()));
        }
        decided.map(|charged| Permit::new(gate.clone(), charged))
    }

    /// What comes before each look at the gate.
    #[inline]
    pub(super) fn begin(&mut self) -> Result<(), AcquireError> {
        if self.beside.is_some() {
            return self.unless_unknown();
        }
        let gate = self.gate.as_ref().expect("polled after it was done");
        self.beside = gate.asks(&self.request).map(|asked| Box::new(Beside::Asked(asked)));
        Ok(())
    }

    #[cold]
    fn unless_unknown(&mut self) -> Result<(), AcquireError> {
        if let Some(Beside::Asked(_)) = self.beside.as_deref() {
            return Ok(());
        }
        match self.beside.take().map(|beside| *beside) {
            Some(Beside::Unknown(unknown)) => Err(unknown.into()),
            _ => Ok(()),
        }
    }

    /// What comes after the last.
    #[inline]
    pub(super) fn finish(&mut self, decided: Result<Charged, AcquireError>) -> Result<Permit, AcquireError> {
        if let Some(beside) = self.beside.take()
            && let Beside::Asked(asked) = *beside
        {
            asked.decided(decided.as_ref().map(|_| ()));
        }
        let gate = self.gate.take().expect("it was not done");
        decided.map(|charged| Permit::new(gate, charged))
    }

    /// When it will start, seen from now and from its place in the queue; `None` once it is done.
    pub fn eta(&self) -> Option<Eta> {
        self.gate.as_ref().map(|gate| gate.eta(&self.request, self.place))
    }
}

impl Future for Acquire {
    type Output = Result<Permit, AcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.begin()?;
        let gate = this.gate.as_ref().expect("polled after it was done");
        let decided = ready!(gate.poll_acquire(&this.request, &mut this.place, cx, Waits::Polled));
        Poll::Ready(this.finish(decided))
    }
}

impl Drop for Acquire {
    #[inline]
    fn drop(&mut self) {
        if let (Some(gate), Some(place)) = (&self.gate, self.place) {
            gate.give_up(place);
        }
    }
}
