//! No limiter at all: send, and try again when it was refused.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_sim::ErrorAnswer;

use crate::contenders::{Admission, Contender, Pass, back_off, slot, slots, told_in_seconds};
use crate::scenarios::Scenario;
use crate::traces::Call;

/// Honours `Retry-After` in whole seconds, as async-openai does, and else backs off.
#[derive(Debug)]
pub(crate) struct RetryOnly {
    slots: Option<Arc<Semaphore>>,
}

#[derive(Debug)]
struct Sent(#[expect(dead_code, reason = "is held")] Option<OwnedSemaphorePermit>);

impl RetryOnly {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        RetryOnly { slots: slots(scenario) }
    }
}

impl Contender for RetryOnly {
    fn admit(&self, _call: &Call) -> Admission {
        if self.slots.is_none() {
            return Box::pin(ready(Box::new(Sent(None)) as Box<dyn Pass>));
        }
        let slot = slot(self.slots.clone());
        Box::pin(async move { Box::new(Sent(slot.await)) as Box<dyn Pass> })
    }
}

impl Pass for Sent {
    fn refused(self: Box<Self>, call: &Call, answer: &ErrorAnswer, tried: u32) -> Duration {
        told_in_seconds(answer).unwrap_or_else(|| back_off(call, tried))
    }
}
