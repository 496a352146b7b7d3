//! The run itself: a bounded number of requests, each waiting for leave, in flight, or waiting to be tried
//! again.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tollgate::estimate::Estimator;
use tollgate::{Acquire, AcquireError, Limiter, Permit, Verdict};

use crate::batch::Request;
use crate::feed::Item;
use crate::progress::Console;
use crate::retry::{Meaning, Policy};
use crate::send::{Answer, Endpoint, Tried};
use crate::stop::{Reason, Stop};
use crate::tally::{InFlight, Tally, count};

/// How often the sink is given the time to save what it keeps.
const BEAT: Duration = Duration::from_secs(2);
/// So many requests in a row that came to no answer in any of their tries mean that none will.
const UNANSWERED: u64 = 10;
/// So many refusals in a row for limits that no wait brings back mean that this run gets no further.
const FUTILE: u64 = 10;

/// Everything that a request needs to become a result.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) limiter: Limiter,
    pub(crate) endpoint: Endpoint,
    /// Learns from each answer.
    pub(crate) estimator: Estimator,
    pub(crate) policy: Policy,
    /// Requests that are held in memory.
    pub(crate) queue: usize,
    pub(crate) stop: Stop,
    pub(crate) tally: Arc<Tally>,
    pub(crate) console: Console,
    /// Requests since the last answer that came to none.
    pub(crate) unanswered: AtomicU64,
    /// Refusals since the last good answer for limits that no wait brings back.
    pub(crate) futile: AtomicU64,
}

/// Takes results, one at a time.
pub(crate) trait Sink {
    fn take(&mut self, finished: &Finished) -> Result<()>;

    /// Called every few seconds.
    fn beat(&mut self) {}
}

/// A request that needs no further try.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) custom_id: String,
    pub(crate) outcome: Outcome,
    /// How long it waited for its budgets, in all of its tries.
    pub(crate) waited: Duration,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    /// No answer: a code for programs, a message for people.
    Failed(&'static str, String),
}

impl Finished {
    pub(crate) fn is_success(&self) -> bool {
        // An error may come in an answer whose status is a good one.
        matches!(&self.outcome, Outcome::Answered(answer)
            if (200..300).contains(&answer.status) && answer.verdict.is_none())
    }
}

/// What a try leads to.
enum Next {
    Done(Outcome),
    /// If there is a further try, in this way; if not, with this outcome.
    Again(Pause, Outcome),
    /// The run is over before this request is done.
    Stopped,
}

/// What comes before a further try. Nothing is held meanwhile.
#[derive(Clone, Copy)]
enum Pause {
    /// A wait of one's own choice.
    BackOff,
    /// The time that the provider told: the gate is shut until then, and lets one call try.
    Until(Instant),
}

/// A place in the queue of the limiter, or what has come of it already.
struct Queued {
    state: QueueState,
    since: Instant,
}

enum QueueState {
    Waits(Acquire),
    Decided(Result<Permit, AcquireError>),
}

impl Engine {
    /// Works through `items`, or until it is to stop; then what is in flight is finished.
    ///
    /// # Errors
    ///
    /// If the input cannot be read on, once what was read is done; or at once if the sink fails: what is in
    /// flight then is lost.
    pub(crate) async fn run(
        self: &Arc<Self>,
        mut items: mpsc::Receiver<Item>,
        sink: &mut impl Sink,
    ) -> Result<()> {
        let mut tasks = JoinSet::new();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unreadable = None;
        let mut open = true;
        while open || !tasks.is_empty() {
            tokio::select! {
                biased;
                () = self.stop.wanted(), if open => open = false,
                Some(joined) = tasks.join_next() => {
                    if let Some(finished) = joined.context("a request ended by a fault of the program")? {
                        self.hand_over(&finished, sink)?;
                    }
                }
                _ = beat.tick() => sink.beat(),
                item = items.recv(), if open && tasks.len() < self.queue => match item {
                    Some(Item::Request(request)) => {
                        let queued = self.queue_up(&request).await;
                        let engine = Arc::clone(self);
                        tasks.spawn(async move { engine.complete(request, queued).await });
                    }
                    Some(Item::Unsendable { custom_id, why }) => {
                        let outcome = Outcome::Failed("bad_request_line", why);
                        self.hand_over(&Finished { custom_id, outcome, waited: Duration::ZERO }, sink)?;
                    }
                    Some(Item::Failed(error)) => {
                        unreadable = Some(error);
                        open = false;
                    }
                    None => open = false,
                },
            }
        }
        unreadable.map_or(Ok(()), |error| Err(error).context("the requests cannot be read on"))
    }

    fn hand_over(&self, finished: &Finished, sink: &mut impl Sink) -> Result<()> {
        sink.take(finished)?;
        count(&self.tally.done);
        if !finished.is_success() {
            count(&self.tally.failed);
        }
        Ok(())
    }

    /// Takes the request's place in the queue, which the first poll does. Tasks are first polled in any
    /// order; this keeps the order of the file.
    async fn queue_up(&self, request: &Request) -> Queued {
        let mut acquire = self.limiter.acquire(request.estimate.model(), request.estimate.cost());
        let state = match poll_fn(|cx| Poll::Ready(Pin::new(&mut acquire).poll(cx))).await {
            Poll::Ready(decided) => QueueState::Decided(decided),
            Poll::Pending => QueueState::Waits(acquire),
        };
        Queued { state, since: Instant::now() }
    }

    /// Tries one request until it is done; `None` if the run stops before.
    async fn complete(&self, request: Request, queued: Queued) -> Option<Finished> {
        let mut place = queued;
        let mut waited = Duration::ZERO;
        let answers_before = self.tally.answers.load(Relaxed);
        let mut tried = 0;
        let outcome = loop {
            tried += 1;
            match self.try_once(&request, place, &mut waited).await {
                Next::Done(outcome) => break outcome,
                Next::Again(pause, _) if self.policy.has_more(tried) => {
                    count(&self.tally.retries);
                    place = self.queue_up_after(pause, tried, &request).await?;
                }
                Next::Again(_, outcome) => {
                    if let Some(why) = self.hopeless(&outcome, answers_before) {
                        self.stop.because(Reason::Hopeless(why));
                        return None;
                    }
                    break outcome;
                }
                Next::Stopped => return None,
            }
        };
        if let Outcome::Failed(_, why) = &outcome {
            self.console.warn(&format!("{}: {why}", request.custom_id));
        }
        Some(Finished { custom_id: request.custom_id, outcome, waited })
    }

    /// Takes the request's next place in the queue; `None` if the run stops before.
    async fn queue_up_after(&self, pause: Pause, tried: u32, request: &Request) -> Option<Queued> {
        let wait = match pause {
            Pause::BackOff => self.policy.back_off(tried),
            Pause::Until(told) => {
                let queued = self.queue_up(request).await;
                match queued.state {
                    // A model without budgets has no gate that could be shut, and waits by itself.
                    QueueState::Decided(Ok(permit)) if Instant::now() < told => {
                        permit.cancel().await;
                    }
                    _ => return Some(queued),
                }
                told.saturating_duration_since(Instant::now()) + self.policy.jitter()
            }
        };
        tokio::select! {
            () = self.stop.wanted() => return None,
            () = sleep(wait) => {}
        }
        Some(self.queue_up(request).await)
    }

    async fn try_once(&self, request: &Request, place: Queued, waited: &mut Duration) -> Next {
        let since = place.since;
        let admitted = match place.state {
            // Leave that the run no longer wants comes back whole.
            QueueState::Decided(Ok(permit)) if self.stop.reason().is_some() => {
                permit.cancel().await;
                return Next::Stopped;
            }
            QueueState::Decided(decided) => decided,
            QueueState::Waits(acquire) => tokio::select! {
                biased;
                () = self.stop.wanted() => return Next::Stopped,
                admitted = acquire => admitted,
            },
        };
        *waited += since.elapsed();
        let permit = match admitted {
            Ok(permit) => permit,
            Err(AcquireError::Stopped(stopped)) => {
                let verdict = Verdict::Account { problem: stopped.problem, until: stopped.until };
                return self.give_up(&verdict);
            }
            Err(error) => return Next::Done(Outcome::Failed(code(&error), error.to_string())),
        };
        let in_flight = InFlight::new(&self.tally);
        let tried_now = self.endpoint.send(request, permit).await;
        drop(in_flight);
        match tried_now {
            Tried::Answered(answer) => self.judge(request, answer),
            Tried::NotConnected(why) => {
                let why = format!("cannot connect to {}: {why}", self.endpoint.base());
                Next::Again(Pause::BackOff, Outcome::Failed(NOT_CONNECTED, why))
            }
            Tried::Broken(why) => Next::Again(Pause::BackOff, Outcome::Failed("connection_broken", why)),
            Tried::Impossible(why) => Next::Done(Outcome::Failed("bad_request_line", why)),
        }
    }

    fn judge(&self, request: &Request, answer: Answer) -> Next {
        count(&self.tally.answers);
        self.unanswered.store(0, Relaxed);
        if let Some(usage) = answer.usage {
            self.tally.input_tokens.fetch_add(usage.input_tokens(), Relaxed);
            self.tally.output_tokens.fetch_add(usage.output_tokens(), Relaxed);
            self.estimator.learn(&request.estimate, &usage);
        }
        let Some(verdict) = answer.verdict else {
            self.futile.store(0, Relaxed);
            return Next::Done(Outcome::Answered(answer));
        };
        match Meaning::of(&verdict) {
            Meaning::Final => Next::Done(Outcome::Answered(answer)),
            Meaning::TryAgain(None) => Next::Again(Pause::BackOff, Outcome::Answered(answer)),
            Meaning::TryAgain(Some(wait)) => {
                Next::Again(Pause::Until(Instant::now() + wait), Outcome::Answered(answer))
            }
            Meaning::Futile if self.futile.fetch_add(1, Relaxed) + 1 < FUTILE => {
                Next::Done(Outcome::Answered(answer))
            }
            Meaning::Futile | Meaning::Hopeless => self.give_up(&verdict),
        }
    }

    /// Ends the run: what is not done stays to be done by another.
    fn give_up(&self, verdict: &Verdict) -> Next {
        self.stop.because(Reason::Hopeless(format!("{}: {verdict}", self.endpoint.base())));
        Next::Stopped
    }

    /// Why no other request will fare better than one that is out of tries, if so: one clear error is
    /// worth more than ten thousand.
    fn hopeless(&self, outcome: &Outcome, answers_before: u64) -> Option<String> {
        let Outcome::Failed(code, why) = outcome else { return None };
        let tries = self.policy.tries;
        if *code == NOT_CONNECTED && self.tally.answers.load(Relaxed) == answers_before {
            return Some(format!("{why} (given up after {tries} tries)"));
        }
        let unanswered = self.unanswered.fetch_add(1, Relaxed) + 1;
        (unanswered >= UNANSWERED).then(|| {
            let base = self.endpoint.base();
            format!("{base}: {unanswered} requests in a row came to no answer in {tries} tries each; the last: {why}")
        })
    }
}

const NOT_CONNECTED: &str = "connection_failed";

fn code(error: &AcquireError) -> &'static str {
    match error {
        AcquireError::ExceedsQuota(_) => "exceeds_quota",
        AcquireError::PromptTooLong(_) => "prompt_too_long",
        AcquireError::UnknownModel(_) => "unknown_model",
        _ => "not_admitted",
    }
}
