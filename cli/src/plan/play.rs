//! A run under a virtual clock: the limiter is the real one, only the answers are made up.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tollgate::{Acquire, AcquireError, Builder, Cost, Model, Permit, Usage};

/// Nobody waits for longer, and the wall clock of the limiter ends some centuries on.
const CENTURY: Duration = Duration::from_secs(100 * 366 * 86_400);

/// A request, as far as its limits care.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// Its place among the names of the models.
    pub(super) model: u32,
    pub(super) input: u64,
    pub(super) output: u64,
}

impl Call {
    pub(super) fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What is to be played.
#[derive(Debug)]
pub(super) struct Play<'a> {
    pub(super) builder: Builder,
    pub(super) models: &'a [String],
    pub(super) calls: &'a [Call],
    /// Requests that wait or are in flight, at most.
    pub(super) queue: usize,
    pub(super) latency: Duration,
    /// How much of its cap an answer uses.
    pub(super) output_share: f64,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Played {
    pub(super) started: SystemTime,
    /// From the start until the last request is admitted.
    pub(super) admitted: Duration,
    /// From the start until the last answer.
    pub(super) ended: Duration,
    /// After a century.
    pub(super) given_up: bool,
}

impl Play<'_> {
    /// Plays to the end, on this thread.
    pub(super) fn run(&self) -> Result<Played> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.context("cannot start")?.block_on(self.play())
    }

    /// In the order and with the queue of the engine of a run.
    async fn play(&self) -> Result<Played> {
        let started = SystemTime::now();
        let limiter = self.builder.clone().build().context("cannot use these limits")?;
        let models = self.models.iter().map(|name| limiter.model(name)).collect::<Result<Vec<Model>, _>>()?;
        let start = Instant::now();
        let mut tasks: JoinSet<Option<Duration>> = JoinSet::new();
        let mut last = Duration::ZERO;
        let gives_up = || start.elapsed() > CENTURY;
        for call in self.calls {
            while tasks.len() >= self.queue {
                let admitted = tasks.join_next().await.transpose()?.flatten();
                last = last.max(admitted.unwrap_or_default());
            }
            if gives_up() {
                break;
            }
            let cost = Cost::input(call.input).max_output(call.output);
            let queued = queue_up(models[call.model as usize].acquire(cost)).await;
            let usage = Usage::new(call.input, (call.output as f64 * self.output_share) as u64);
            let latency = self.latency;
            tasks.spawn(async move {
                let permit = match queued {
                    Ok(decided) => decided,
                    Err(waits) => waits.await,
                };
                // What is refused although it fits meets a full queue, as in a run, and costs nothing.
                let permit = permit.ok()?;
                let admitted = start.elapsed();
                sleep(latency).await;
                permit.release(usage).await;
                Some(admitted)
            });
        }
        while !gives_up()
            && let Some(admitted) = tasks.join_next().await
        {
            last = last.max(admitted?.unwrap_or_default());
        }
        Ok(Played { started, admitted: last, ended: start.elapsed(), given_up: gives_up() })
    }
}

/// Takes the call's place in line, which the first poll does: tasks are first polled in any order.
async fn queue_up(mut acquire: Acquire) -> Result<Result<Permit, AcquireError>, Acquire> {
    match poll_fn(|cx| Poll::Ready(Pin::new(&mut acquire).poll(cx))).await {
        Poll::Ready(decided) => Ok(decided),
        Poll::Pending => Err(acquire),
    }
}
