use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::error::{AcquireError, UnknownModel};
use crate::gate::{Eta, Gate};
use crate::ledger::{BookId, Request};
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
    gate: Option<Arc<Gate>>,
    request: Request,
    place: Option<Key>,
    unknown: Option<Box<UnknownModel>>,
}

impl Acquire {
    #[inline]
    pub(super) fn new(gate: Arc<Gate>, book: BookId, cost: Cost) -> Self {
        Acquire::like(gate, Request::new(book, cost))
    }

    #[inline]
    pub(super) fn like(gate: Arc<Gate>, request: Request) -> Self {
        Acquire { gate: Some(gate), request, place: None, unknown: None }
    }

    pub(super) fn unknown(model: UnknownModel) -> Self {
        let request = Request::new(BookId::default(), Cost::default());
        Acquire { gate: None, request, place: None, unknown: Some(Box::new(model)) }
    }

    /// Waits no longer than this, counted from the first poll: fails at once when the wait is
    /// known to be longer, and at that time otherwise.
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
        if let Some(unknown) = this.unknown.take() {
            return Poll::Ready(Err(AcquireError::UnknownModel(*unknown)));
        }
        let gate = this.gate.as_ref().expect("polled after it was done");
        let decided = ready!(gate.poll_acquire(&this.request, &mut this.place, cx));
        let gate = this.gate.take().expect("it was just there");
        Poll::Ready(decided.map(|charged| Permit::new(gate, charged)))
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
