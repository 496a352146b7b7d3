//! The algorithm of OpenAI's `api_request_parallel_processor.py`.
//!
//! One loop with a step of a millisecond takes the next call, one that failed before any new one, and waits at it until
//! both buckets can pay. They start full, flow back evenly, pay the input and `max_tokens`, and get nothing back. After a
//! rate limit error the whole loop pauses for 15 s.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tollgate_sim::ErrorAnswer;

use crate::contenders::{Admission, Contender, Pass};
use crate::scenarios::Scenario;
use crate::traces::Call;

const STEP: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_secs(15);

#[derive(Clone, Debug)]
pub(crate) struct Cookbook(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// Something was put into a line.
    filled: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    new: VecDeque<Waiting>,
    failed: VecDeque<Waiting>,
    /// Calls that failed and have not come back yet.
    again: HashSet<u64>,
    /// When the last rate limit error came.
    limited: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    tokens: u64,
    go: oneshot::Sender<()>,
}

struct Gone(Cookbook);

impl Cookbook {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let limit = |limit: Option<u64>| limit.expect("all scenarios limit requests and tokens") as f64;
        let buckets = [Bucket::new(limit(scenario.config.rpm)), Bucket::new(limit(scenario.config.tpm))];
        let this = Cookbook(Arc::default());
        tokio::spawn(this.clone().process(buckets));
        this
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().expect("nobody panics under it")
    }

    async fn process(self, mut buckets: [Bucket; 2]) {
        loop {
            let next = self.next().await;
            let price = [1, next.tokens];
            loop {
                let now = Instant::now();
                let waits = buckets.iter_mut().zip(price).map(|(bucket, amount)| bucket.wait(amount, now));
                // Steps before that are steps in vain.
                match waits.max().filter(|wait| !wait.is_zero()) {
                    Some(wait) => sleep(wait).await,
                    None => break,
                }
            }
            buckets.iter_mut().zip(price).for_each(|(bucket, amount)| bucket.level -= amount as f64);
            // The caller is gone only when the run is over.
            let _ = next.go.send(());
            sleep(STEP).await;
            while let Some(until) = self.paused_until() {
                sleep_until(until).await;
            }
        }
    }

    async fn next(&self) -> Waiting {
        loop {
            if let Some(next) = self.first() {
                return next;
            }
            self.0.filled.notified().await;
        }
    }

    fn first(&self) -> Option<Waiting> {
        let mut lines = self.lines();
        lines.failed.pop_front().or_else(|| lines.new.pop_front())
    }

    fn paused_until(&self) -> Option<Instant> {
        self.lines().limited.map(|at| at + PAUSE).filter(|&until| until > Instant::now())
    }
}

impl Contender for Cookbook {
    fn admit(&self, call: &Call) -> Admission {
        let (go, gone) = oneshot::channel();
        let mut lines = self.lines();
        let line = if lines.again.remove(&call.id) { &mut lines.failed } else { &mut lines.new };
        line.push_back(Waiting { tokens: call.tokens(), go });
        drop(lines);
        self.0.filled.notify_one();
        let this = self.clone();
        Box::pin(async move {
            gone.await.expect("the loop runs");
            Box::new(Gone(this)) as Box<dyn Pass>
        })
    }
}

impl Pass for Gone {
    /// It goes back into the line at once: the loop pauses for all.
    fn refused(self: Box<Self>, call: &Call, _answer: &ErrorAnswer, _tried: u32) -> Duration {
        let mut lines = self.0.lines();
        lines.limited = Some(Instant::now());
        lines.again.insert(call.id);
        Duration::ZERO
    }
}

#[derive(Debug)]
struct Bucket {
    limit: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(limit: f64) -> Self {
        Bucket { limit, level: limit, at: Instant::now() }
    }

    /// How long until it can pay.
    fn wait(&mut self, amount: u64, now: Instant) -> Duration {
        const MINUTE: f64 = 60.0;
        self.level = (self.level + self.limit * (now - self.at).as_secs_f64() / MINUTE).min(self.limit);
        self.at = now;
        let missing = amount as f64 - self.level;
        // The loop looks once in each step.
        Duration::from_millis((missing.max(0.0) / self.limit * MINUTE * 1_000.0).ceil() as u64)
    }
}
