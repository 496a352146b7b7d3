//! The end of a reservation, exactly once.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::gate::Gate;
use crate::ledger::{Charged, End, Placed};
use crate::provider::{Headers, Observation, Verdict};
use crate::quota::{Cost, Usage};

/// Leave to make one call. Its cost is taken from every budget until it ends.
///
/// It ends exactly once, in one of four ways:
///
/// | what happened | how to say it | what it costs |
/// |---|---|---|
/// | an answer with its usage | [`release`](Permit::release) | what was used, by the provider's rule |
/// | the provider said no | [`refused`](Permit::refused) | what it charges for that |
/// | the call was never sent | [`cancel`](Permit::cancel) | nothing |
/// | anything else: a panic, a timeout, a lost connection | drop it | what was reserved |
///
/// The slot in flight is free again in each case.
///
/// # Example: settle a call with what it used
///
/// ```
/// use tollgate::{Cost, Limiter, Limits, Usage};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
/// let permit = limiter.acquire("gpt-4o-mini", Cost::input(1_200).max_output(500)).await?;
/// // ... send the request, read the answer ...
/// permit.observe(200_u16, &[("openai-processing-ms", "640")]);
/// permit.release(Usage::new(1_187, 212)).await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped counts as a call whose outcome is not known"]
pub struct Permit {
    gate: Arc<Gate>,
    charged: Charged,
    /// Set when the head of the answer is in.
    placed: OnceLock<Placed>,
    ended: bool,
}

impl Permit {
    #[inline]
    pub(crate) fn new(gate: Arc<Gate>, charged: Charged) -> Self {
        Permit { gate, charged, placed: OnceLock::new(), ended: false }
    }

    /// What is reserved.
    pub fn cost(&self) -> Cost {
        self.charged.cost
    }

    /// Tells what the head of the answer says. Call it as soon as the head is in.
    ///
    /// The provider has charged the call by now, so from here on the charge ages in its windows;
    /// where the head tells how long the provider worked on the answer (`openai-processing-ms`), from that
    /// much earlier. What it says of limits and of what is left of them corrects the books, down and up, as
    /// far as is safe with the other calls that are out. The first head counts; a later call changes nothing.
    /// Where an error comes with status 200, give it the status that it stands for.
    pub fn observe<H: Headers + ?Sized>(&self, status: impl Into<u16>, headers: &H) {
        let status = status.into();
        self.observe_as(status, headers, status >= 400);
    }

    /// The same, told by other means whether the call was refused.
    pub(crate) fn observe_as<H: Headers + ?Sized>(&self, status: u16, headers: &H, refused: bool) {
        self.placed.get_or_init(|| {
            self.gate.observe(&self.charged, refused, &Observation::read(status, headers, None))
        });
    }

    /// Ends a call whose answer is complete: its true price takes the place of what was reserved.
    /// What was not used comes back at once; what was used beyond stays as debt.
    ///
    /// The books are settled when this returns, whether or not the future is awaited.
    #[inline]
    pub fn release(self, usage: Usage) -> Settled {
        self.end(&End::Released(usage))
    }

    /// Ends a call that the provider refused: it costs its request, and of its tokens what the
    /// [`Verdict`] says: none, its input, or all that was reserved.
    ///
    /// A limit that was hit is shut for every call until the provider's time; then one call goes to see
    /// whether it is open again. So is the model, where the provider is full. Where the account takes no more
    /// calls, none is sent: they fail with [`AcquireError::Stopped`](crate::AcquireError::Stopped).
    ///
    /// The books are settled when this returns, whether or not the future is awaited.
    pub fn refused(self, verdict: Verdict) -> Settled {
        self.end(&End::Refused(verdict))
    }

    /// Ends a call that the provider broke off: what had come of the answer is charged, and a limit is shut
    /// as by [`Permit::refused`].
    #[cfg(feature = "json")]
    pub(crate) fn broken(self, verdict: Verdict, seen: Usage) -> Settled {
        self.end(&End::Broken(verdict, seen))
    }

    /// Ends a call that was never sent: everything comes back.
    ///
    /// The books are settled when this returns, whether or not the future is awaited.
    pub fn cancel(self) -> Settled {
        self.end(&End::Cancelled)
    }

    /// Ends a call that may be tried again; says how long no call goes to the same budgets.
    pub(crate) fn in_vain(mut self, end: &End) -> Duration {
        self.settle(end);
        self.gate.closed_for(&self.charged)
    }

    #[inline]
    fn end(mut self, end: &End) -> Settled {
        self.settle(end);
        Settled(())
    }

    #[inline]
    fn settle(&mut self, end: &End) {
        self.ended = true;
        self.gate.settle(&self.charged, self.placed.get(), end);
        self.gate.ended(&self.charged, end);
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if !self.ended {
            self.settle(&End::Lost);
        }
    }
}

/// Resolves when the books are settled everywhere: at once where they are kept in this process.
#[derive(Debug)]
pub struct Settled(());

impl Future for Settled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}
