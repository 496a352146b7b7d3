//! What is compared: whatever says when a call may be sent, and what becomes of it when it was refused.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tollgate_sim::{ChargeRule, ErrorAnswer};

use crate::assemblies::{Governors, LeakyBuckets};
use crate::cookbook::Cookbook;
use crate::ours::Tollgate;
use crate::random::{mixed, unit};
use crate::retry_only::RetryOnly;
use crate::scenarios::Scenario;
use crate::throttled::ThrottleNet;
use crate::traces::Call;

/// Waits until a call may be sent.
pub(crate) type Admission = Pin<Box<dyn Future<Output = Box<dyn Pass>> + Send>>;

/// Whatever lets calls go.
pub(crate) trait Contender: fmt::Debug + Send + Sync {
    /// Asks for leave to send a call, the first time or again.
    fn admit(&self, call: &Call) -> Admission;
}

/// Leave to send a call once.
pub(crate) trait Pass: Send {
    /// The head of a good answer is in.
    fn head(&mut self, _fields: &[(String, String)]) {}

    /// The answer is complete and has so many tokens.
    fn answered(self: Box<Self>, _call: &Call, _output: u64) {}

    /// The provider said no, so many times before. Says how long to wait before leave is asked for again.
    fn refused(self: Box<Self>, call: &Call, answer: &ErrorAnswer, tried: u32) -> Duration {
        told_exactly(answer).unwrap_or_else(|| back_off(call, tried))
    }
}

/// A contender to be made under the clock that it shall see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) build: fn(&Scenario) -> Arc<dyn Contender>,
}

/// With the forecast that `Forecast`'s own page names for a provider that asks for no output at admission.
pub(crate) const TOLLGATE: Entry =
    Entry { name: "tollgate", build: |scenario| Arc::new(Tollgate::new(scenario, 1)) };
/// The same with others, which do not take part.
pub(crate) const FORECASTS: [Entry; 4] = [
    Entry { name: "1", ..TOLLGATE },
    Entry { name: "30", build: |scenario| Arc::new(Tollgate::new(scenario, 30)) },
    Entry { name: "60", build: |scenario| Arc::new(Tollgate::new(scenario, 60)) },
    Entry { name: "95", build: |scenario| Arc::new(Tollgate::new(scenario, 95)) },
];
pub(crate) const RETRY_ONLY: Entry =
    Entry { name: "retry only", build: |scenario| Arc::new(RetryOnly::new(scenario)) };

/// All but the oracle, which is the provider's own.
pub(crate) const ALL: [Entry; 6] = [
    TOLLGATE,
    RETRY_ONLY,
    Entry { name: "cookbook", build: |scenario| Arc::new(Cookbook::new(scenario)) },
    Entry { name: "governor", build: |scenario| Arc::new(Governors::new(scenario)) },
    Entry { name: "leaky-bucket", build: |scenario| Arc::new(LeakyBuckets::new(scenario)) },
    Entry { name: "throttle-net", build: |scenario| Arc::new(ThrottleNet::new(scenario)) },
];

/// What an assembly that cannot give back reserves: the most that the provider may charge.
pub(crate) fn most(charge: ChargeRule, call: &Call) -> u32 {
    let tokens = match charge {
        ChargeRule::InputOnly => call.input,
        ChargeRule::InputPlusMaxOutput | ChargeRule::RealUsage => call.tokens(),
    };
    u32::try_from(tokens).expect("no call is so large")
}

/// Slots where the provider limits calls in flight.
pub(crate) fn slots(scenario: &Scenario) -> Option<Arc<Semaphore>> {
    scenario.config.concurrency.map(|limit| Arc::new(Semaphore::new(limit as usize)))
}

/// Waits for a slot, which is free again when it is dropped.
pub(crate) async fn slot(slots: Option<Arc<Semaphore>>) -> Option<OwnedSemaphorePermit> {
    match slots {
        Some(slots) => Some(slots.acquire_owned().await.expect("never closed")),
        None => None,
    }
}

/// The wait that an answer tells, to the millisecond where it does: what OpenAI's own clients read.
pub(crate) fn told_exactly(answer: &ErrorAnswer) -> Option<Duration> {
    let millis = field(answer, "retry-after-ms").map(Duration::from_millis);
    millis.or_else(|| told_in_seconds(answer))
}

/// The wait that an answer tells in whole seconds.
pub(crate) fn told_in_seconds(answer: &ErrorAnswer) -> Option<Duration> {
    field(answer, "retry-after").map(Duration::from_secs)
}

fn field(answer: &ErrorAnswer, name: &str) -> Option<u64> {
    let value = answer.headers.iter().find(|(field, _)| field == name);
    value.and_then(|(_, value)| value.parse().ok())
}

/// 1 s, doubled with each try up to 60 s, of which a half is left to chance.
pub(crate) fn back_off(call: &Call, tried: u32) -> Duration {
    let bound = Duration::from_secs(1_u64 << tried.min(6)).min(Duration::from_secs(60));
    bound.mul_f64(0.5 + 0.5 * unit(mixed(mixed(call.id) ^ u64::from(tried))))
}
