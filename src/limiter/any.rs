use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Acquire;
use crate::error::AcquireError;
use crate::permit::Permit;
use crate::quota::Priority;

/// Waits for whichever model admits a call first; made by
/// [`Limiter::acquire_any`](crate::Limiter::acquire_any).
///
/// Dropping it takes nothing from any model.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct AcquireAny {
    waiting: Vec<(String, Acquire)>,
    /// What the last model that dropped out said.
    refused: Option<AcquireError>,
}

impl AcquireAny {
    pub(super) fn new(waiting: Vec<(String, Acquire)>, refused: Option<AcquireError>) -> Self {
        AcquireAny { waiting, refused }
    }

    /// As [`Acquire::within`], for every model.
    pub fn within(self, wait: Duration) -> Self {
        self.each(|acquire| acquire.within(wait))
    }

    /// As [`Acquire::priority`], for every model.
    pub fn priority(self, priority: Priority) -> Self {
        self.each(|acquire| acquire.priority(priority))
    }

    /// As [`Acquire::tenant`], for every model.
    pub fn tenant(self, tenant: &str) -> Self {
        self.each(|acquire| acquire.tenant(tenant))
    }

    fn each(self, change: impl Fn(Acquire) -> Acquire) -> Self {
        let waiting = self.waiting.into_iter().map(|(model, acquire)| (model, change(acquire)));
        AcquireAny { waiting: waiting.collect(), ..self }
    }
}

impl Future for AcquireAny {
    type Output = Result<(String, Permit), AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut at = 0;
        while at < self.waiting.len() {
            match Pin::new(&mut self.waiting[at].1).poll(cx) {
                Poll::Pending => at += 1,
                Poll::Ready(decided) => {
                    let (model, _) = self.waiting.remove(at);
                    match decided {
                        Ok(permit) => {
                            self.waiting.clear();
                            return Poll::Ready(Ok((model, permit)));
                        }
                        Err(error) => self.refused = Some(error),
                    }
                }
            }
        }
        if !self.waiting.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Err(self.refused.take().expect("polled after it was done")))
    }
}
