//! A provider on a running clock, shared by many tasks.

use crate::budget::{Budget, Levels};
use crate::clock::Clock;
use crate::config::Config;
use crate::log::{Entry, Outcome, Summary};
use crate::provider::{Break, Decision, Fault, Provider, Refusal, Request, StreamFault, Ticket, TooLarge};
use crate::trouble::Trouble;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep_until;

/// A [`Provider`] behind a lock, with tokio's clock: under paused time it lives in virtual time. Clones are the same provider.
#[derive(Debug, Clone)]
pub struct SharedProvider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    provider: Provider,
    /// What is wrong, and until when.
    trouble: Option<(Trouble, u64)>,
}

/// Why a call was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denied {
    /// Not yet.
    Refused(Box<Refusal>),
    /// Never.
    TooLarge(Box<TooLarge>),
    /// Whatever the budgets say: the provider is in trouble.
    TurnedAway(Trouble),
}

/// A call in flight. Dropping it is what a client that leaves does: the slot is free at once, and what was [`made`](Slot::made)
/// is charged where output is.
#[derive(Debug)]
pub struct Slot {
    provider: SharedProvider,
    /// `None` once the call is over.
    ticket: Option<Ticket>,
    made: u64,
    /// How the call ends when this is dropped.
    end: Outcome,
    at: u64,
    latency: Duration,
    output_tokens: u64,
    charged: u64,
    input_tokens: u64,
    fault: Option<Fault>,
    breaks: Option<Break>,
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
        let state = Mutex::new(State { provider: Provider::new(config.clone()), trouble: None });
        Self(Arc::new(Inner { config, state, clock }))
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
            let mut state = self.lock();
            // The clock is read under the lock, so that decisions are made in the order of their instants.
            let now = self.now();
            if let Some((trouble, _)) = state.trouble.filter(|&(_, end)| now < end) {
                state.provider.turn_away(now, request, trouble);
                return Err(Denied::TurnedAway(trouble));
            }
            state.provider.decide(now, request)
        };
        match decision {
            Decision::Refused(refusal) => Err(Denied::Refused(refusal.into())),
            Decision::TooLarge(refusal) => Err(Denied::TooLarge(refusal.into())),
            Decision::Admitted(admission) => Ok(Slot {
                provider: self.clone(),
                ticket: Some(admission.ticket),
                made: 0,
                end: Outcome::Abandoned,
                at: admission.at,
                latency: admission.latency,
                output_tokens: admission.output_tokens,
                charged: admission.charged,
                input_tokens: request.input_tokens,
                fault: admission.fault,
                breaks: admission.breaks,
                levels: admission.levels,
            }),
        }
    }

    /// Changes the limit of a budget that is kept, from now on; see [`Provider::set_limit`].
    ///
    /// # Panics
    /// If the budget is not kept.
    pub fn set_limit(&self, budget: Budget, limit: u64) {
        let mut state = self.lock();
        let now = self.now();
        state.provider.set_limit(now, budget, limit);
    }

    /// Turns every call away from now on, for `span`; [`Duration::MAX`] is for good. Calls that are in flight go on. It takes the
    /// place of a trouble that lasts, and a `span` of zero ends it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate_sim::{Config, Denied, Request, SharedProvider, Trouble};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let provider = SharedProvider::new(Config::default());
    /// let request = Request { id: 1, input_tokens: 10, max_output_tokens: None, output_tokens: None };
    /// provider.trouble(Trouble::Outage, Duration::from_secs(30));
    /// let denied = provider.admit(&request).unwrap_err();
    /// assert_eq!(denied, Denied::TurnedAway(Trouble::Outage));
    /// assert_eq!(provider.refusal("gpt-4o", &request, &denied).status, 503);
    /// # }
    /// ```
    pub fn trouble(&self, trouble: Trouble, span: Duration) {
        let mut state = self.lock();
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        state.trouble = Some((trouble, self.now().saturating_add(span)));
    }

    /// How the budgets stand now.
    pub fn levels(&self) -> Levels {
        let mut state = self.lock();
        let now = self.now();
        state.provider.levels(now)
    }

    /// What the log adds up to so far.
    pub fn summary(&self) -> Summary {
        self.lock().provider.summary()
    }

    /// A copy of the log so far.
    pub fn log(&self) -> Vec<Entry> {
        self.lock().provider.log().to_vec()
    }

    /// A panic elsewhere cannot leave the books half-written, so they are still good to use.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Where the answer goes wrong, if it does and is streamed.
    pub fn breaks(&self) -> Option<Break> {
        self.breaks
    }

    /// The budgets right after the charge.
    pub fn levels(&self) -> Levels {
        self.levels
    }

    pub(crate) fn provider(&self) -> &SharedProvider {
        &self.provider
    }

    /// The id of the call.
    pub(crate) fn id(&self) -> u64 {
        self.ticket.as_ref().map_or(0, Ticket::id)
    }

    /// The tokens that the call really uses.
    pub(crate) fn cost(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
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
        self.end = Outcome::Finished;
        self.output_tokens
    }

    /// Ends the call now, with what was made of its answer so far.
    pub fn break_off(mut self, fault: StreamFault) {
        self.end = Outcome::Broken(fault);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut state = self.provider.lock();
            let now = self.provider.now();
            state.provider.end(now, ticket, self.made, self.end);
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
        assert_eq!(
            provider.log().last().map(|entry| (entry.outcome, entry.charged)),
            Some((Outcome::Abandoned, 20))
        );
        assert_eq!(provider.levels().in_flight, 0);
    }
}
