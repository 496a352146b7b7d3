//! A provider on a running clock, shared by many tasks.

use crate::budget::Levels;
use crate::clock::Clock;
use crate::config::Config;
use crate::log::{Entry, Summary};
use crate::provider::{Decision, Fault, Provider, Refusal, Request, Ticket, TooLarge};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep_until;

/// A [`Provider`] behind a lock, with tokio's clock: under paused time it lives in virtual time. Clones are the same provider.
#[derive(Debug, Clone)]
pub struct SharedProvider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    provider: Mutex<Provider>,
    clock: Clock,
}

/// Why a call was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Not yet.
    Refused(Box<Refusal>),
    /// Never.
    TooLarge(Box<TooLarge>),
}

/// A call in flight. Dropping it ends the call early: the slot is free at once.
#[derive(Debug)]
pub struct Slot {
    provider: SharedProvider,
    /// `None` once the call is over.
    ticket: Option<Ticket>,
    made: u64,
    at: u64,
    latency: Duration,
    output_tokens: u64,
    charged: u64,
    fault: Option<Fault>,
    levels: Levels,
}

impl SharedProvider {
    /// A provider whose clock shows the system's UTC time now, and runs with tokio's from then on.
    pub fn new(config: Config) -> Self {
        Self::with_clock(config, Clock::system())
    }

    /// A provider whose clock shows `utc` now, in nanoseconds since the Unix epoch, and runs with tokio's from then on.
    pub fn starting_at(config: Config, utc: u64) -> Self {
        Self::with_clock(config, Clock::showing(utc))
    }

    fn with_clock(config: Config, clock: Clock) -> Self {
        let provider = Mutex::new(Provider::new(config.clone()));
        Self(Arc::new(Inner { config, provider, clock }))
    }

    /// What it was built from.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The provider's time, in nanoseconds since the Unix epoch.
    pub fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// Decides about a call that arrives now.
    ///
    /// # Errors
    /// [`Denied`] if it is refused; then nothing was charged.
    pub fn admit(&self, request: &Request) -> Result<Slot, Denied> {
        let decision = {
            let mut provider = self.lock();
            // The clock is read under the lock, so that decisions are made in the order of their instants.
            let now = self.now();
            provider.decide(now, request)
        };
        match decision {
            Decision::Refused(refusal) => Err(Denied::Refused(refusal.into())),
            Decision::TooLarge(refusal) => Err(Denied::TooLarge(refusal.into())),
            Decision::Admitted(admission) => Ok(Slot {
                provider: self.clone(),
                ticket: Some(admission.ticket),
                made: 0,
                at: admission.at,
                latency: admission.latency,
                output_tokens: admission.output_tokens,
                charged: admission.charged,
                fault: admission.fault,
                levels: admission.levels,
            }),
        }
    }

    /// How the budgets stand now.
    pub fn levels(&self) -> Levels {
        let mut provider = self.lock();
        let now = self.now();
        provider.levels(now)
    }

    /// What the log adds up to so far.
    pub fn summary(&self) -> Summary {
        self.lock().summary()
    }

    /// A copy of the log so far.
    pub fn log(&self) -> Vec<Entry> {
        self.lock().log().to_vec()
    }

    /// A panic elsewhere cannot leave the books half-written, so they are still good to use.
    fn lock(&self) -> MutexGuard<'_, Provider> {
        self.0.provider.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// When the call was let in and charged, in nanoseconds since the Unix epoch.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// How long the call takes in all.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// Tokens of the whole answer; zero if the call fails.
    pub fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// Tokens charged at admission.
    pub fn charged(&self) -> u64 {
        self.charged
    }

    /// How the call fails, if it does.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The budgets right after the charge.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    /// Returns once the `part`-th of `parts` equal shares of the latency has passed.
    pub async fn until(&self, part: u32, parts: u32) {
        sleep_until(self.provider.0.clock.instant(self.at) + self.latency * part / parts).await;
    }

    /// Notes that `tokens` of the answer exist by now: what an early end is charged where output is.
    pub fn made(&mut self, tokens: u64) {
        self.made = tokens;
    }

    /// Waits for the latency and ends the call; returns the tokens of the answer.
    pub async fn answer(self) -> u64 {
        self.until(1, 1).await;
        self.finish()
    }

    /// Ends the call now, with all of its answer; returns the tokens of the answer.
    pub fn finish(mut self) -> u64 {
        self.made = self.output_tokens;
        self.output_tokens
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut provider = self.provider.lock();
            let now = self.provider.now();
            provider.finish_early(now, ticket, self.made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ChargeRule, Latency};

    const SECOND: u64 = 1_000_000_000;

    fn config() -> Config {
        let latency = Latency::constant(Duration::from_secs(2));
        Config {
            concurrency: Some(1),
            tpm: Some(100),
            charge: ChargeRule::RealUsage,
            latency,
            ..Config::default()
        }
    }

    fn request(output_tokens: u64) -> Request {
        Request { id: 1, input_tokens: 10, max_output_tokens: None, output_tokens: Some(output_tokens) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_holds_its_slot_for_its_latency_in_virtual_time() {
        let provider = SharedProvider::starting_at(config(), 5 * SECOND);
        let slot = provider.admit(&request(7)).expect("room");
        assert!(matches!(provider.admit(&request(7)), Err(Denied::Refused(_))));
        assert_eq!(slot.answer().await, 7);
        assert_eq!(provider.now(), 7 * SECOND);
        let ends: Vec<_> = provider.log().iter().map(|entry| (entry.at, entry.charged)).collect();
        assert_eq!(ends, [(5 * SECOND, 10), (5 * SECOND, 0), (7 * SECOND, 7)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_call_frees_its_slot_and_is_charged_for_what_it_made() {
        let provider = SharedProvider::starting_at(config(), 0);
        let mut slot = provider.admit(&request(50)).expect("room");
        slot.made(20);
        drop(slot);
        assert_eq!(provider.summary().tokens_charged, 30);
        assert_eq!(provider.levels().in_flight, 0);
    }
}
