//! Many workers with more to do than the limits allow, and what they see.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tollgate::{Cost, Limiter, Limits, Retry, Usage, Verdict};
use tollgate_sim::{Config, Request, SharedProvider};

use crate::MINUTE;
use crate::run::Run;

pub(crate) const MODEL: &str = "gpt-4o-mini";
pub(crate) const WORKERS: usize = 50;
/// Calls of the second client are named from here on.
pub(crate) const OTHERS: u64 = 1 << 40;
/// How far into its first minute a run begins, so that nothing is aligned by chance.
const PHASE: Duration = Duration::from_secs(20);
/// A client that was refused so often is stopped: it will not learn any more.
const ENOUGH: u64 = 20_000;

/// When the head of an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// As soon as the call is charged, as with streams.
    AtOnce,
    /// With the whole answer. What it tells of the budgets is as old as the call.
    WithTheAnswer,
}

type Event = Box<dyn Fn(&SharedProvider)>;

/// One run: its client, its provider, and what happens.
pub(crate) struct Scenario {
    name: String,
    limits: Limits,
    config: Config,
    head: Head,
    minutes: u64,
    second: Option<f64>,
    events: Vec<(Duration, Event)>,
}

impl Scenario {
    /// Ten whole minutes after the one in which it begins.
    pub(crate) fn new(name: impl fmt::Display, limits: Limits, config: Config) -> Self {
        Scenario {
            name: name.to_string(),
            limits,
            config,
            head: Head::AtOnce,
            minutes: 10,
            second: None,
            events: Vec::new(),
        }
    }

    pub(crate) fn minutes(self, minutes: u64) -> Self {
        Scenario { minutes, ..self }
    }

    pub(crate) fn head(self, head: Head) -> Self {
        Scenario { head, ..self }
    }

    /// A second client that asks for this share of the tokens, at random times.
    pub(crate) fn second_client(self, share: f64) -> Self {
        Scenario { second: Some(share), ..self }
    }

    /// Something that happens `after` the first minute began. Events are given in their order.
    pub(crate) fn event(mut self, after: Duration, event: impl Fn(&SharedProvider) + 'static) -> Self {
        self.events.push((after, Box::new(event)));
        self
    }

    pub(crate) async fn run(self) -> Run {
        let provider = SharedProvider::new(self.config.clone());
        let limiter = Limiter::builder().model(MODEL, self.limits.clone()).build().unwrap();
        let minute = MINUTE.as_nanos() as u64;
        let begin = (provider.now() / minute + 1) * minute;
        let until = |at: u64| sleep(Duration::from_nanos(at.saturating_sub(provider.now())));
        until(begin + PHASE.as_nanos() as u64).await;

        let shared = Arc::new(Shared {
            provider: provider.clone(),
            limiter,
            head: self.head,
            next: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            enough: Notify::new(),
            errors: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..WORKERS {
            let shared = shared.clone();
            tasks.spawn(async move { shared.work().await });
        }
        let second = self.second.map(|share| tokio::spawn(second_client(provider.clone(), share)));
        let end = begin + (self.minutes + 1) * minute;
        let story = async {
            for (after, event) in &self.events {
                until(begin + after.as_nanos() as u64).await;
                event(&provider);
            }
            until(end).await;
        };
        let all_stopped = async { while tasks.join_next().await.transpose().unwrap().is_some() {} };
        tokio::select! {
            biased;
            () = story => {}
            () = all_stopped => {}
            () = shared.enough.notified() => {}
        }
        drop(tasks);
        if let Some(second) = second {
            second.abort();
        }
        let stopped = (provider.now() < end).then(|| Duration::from_nanos(provider.now() - begin));
        let errors = std::mem::take(&mut *shared.errors.lock().unwrap());
        let run = Run { name: self.name, begin, minutes: self.minutes, log: provider.log(), errors, stopped };
        run.print();
        run
    }
}

struct Shared {
    provider: SharedProvider,
    limiter: Limiter,
    head: Head,
    next: AtomicU64,
    refused: AtomicU64,
    enough: Notify,
    errors: Mutex<Vec<(u64, String)>>,
}

impl Shared {
    /// Makes one call after the other until it is told that nothing will ever pass.
    async fn work(&self) {
        loop {
            let call = Call::number(self.next.fetch_add(1, Ordering::Relaxed));
            for tried in 0.. {
                match self.call(&call, tried).await {
                    Ok(None) => break,
                    Ok(Some(Retry::BackOff)) => sleep(Duration::from_millis(500 << tried.min(4))).await,
                    // The limiter knows how long; but time must go on if it does not.
                    Ok(Some(Retry::After(_))) => sleep(Duration::from_millis(1)).await,
                    Ok(Some(Retry::No)) => {
                        sleep(Duration::from_millis(1)).await;
                        break;
                    }
                    Err(error) => {
                        self.errors.lock().unwrap().push((self.provider.now(), error.to_string()));
                        return;
                    }
                }
            }
        }
    }

    /// Sends the call once. `None` if it was answered.
    async fn call(&self, call: &Call, tried: u64) -> Result<Option<Retry>, tollgate::AcquireError> {
        let path = |leg: u64| sleep(Duration::from_millis(mixed(call.id, 8 * tried + leg) % 4));
        let permit = self.limiter.acquire(MODEL, call.cost()).await?;
        path(0).await;
        let request = call.request();
        let slot = match self.provider.admit(&request) {
            Ok(slot) => slot,
            Err(denied) => {
                let answer = self.provider.refusal(MODEL, &request, &denied);
                path(1).await;
                let body = Some(answer.body.as_bytes());
                let verdict = Verdict::of_answer(answer.status, &answer.headers, body).expect("a refusal");
                permit.observe(answer.status, &answer.headers);
                permit.refused(verdict).await;
                if self.refused.fetch_add(1, Ordering::Relaxed) == ENOUGH {
                    self.enough.notify_one();
                }
                return Ok(Some(verdict.retry()));
            }
        };
        if self.head == Head::AtOnce {
            let head = slot.head(MODEL);
            path(1).await;
            permit.observe(200_u16, &head);
        }
        slot.until(1, 1).await;
        let head = (self.head == Head::WithTheAnswer).then(|| slot.head(MODEL));
        slot.finish();
        path(2).await;
        if let Some(head) = head {
            permit.observe(200_u16, &head);
        }
        permit.release(Usage::new(call.input, call.output)).await;
        Ok(None)
    }
}

/// A call whose cost is known: 200 to 2,000 tokens, mostly small.
struct Call {
    id: u64,
    input: u64,
    max_output: u64,
    output: u64,
}

impl Call {
    fn number(id: u64) -> Self {
        let draw = |what: u64, below: u64| mixed(id, 100 + what) % below;
        let large = draw(0, 10) == 0;
        let input = 150 + draw(1, if large { 1_150 } else { 350 });
        let max_output = 50 + draw(2, if large { 600 } else { 200 });
        let output = max_output / 10 + draw(3, max_output * 8 / 10);
        Call { id, input, max_output, output }
    }

    fn cost(&self) -> Cost {
        Cost::input(self.input).max_output(self.max_output).expected_output(self.output)
    }

    fn request(&self) -> Request {
        Request {
            id: self.id,
            input_tokens: self.input,
            max_output_tokens: Some(self.max_output),
            output_tokens: Some(self.output),
        }
    }
}

/// Calls of 500 tokens at random times; each tries once.
async fn second_client(provider: SharedProvider, share: f64) {
    const TOKENS: u64 = 500;
    let tpm = provider.config().tpm.expect("a limit to share") as f64;
    let mean = MINUTE.as_secs_f64() * TOKENS as f64 / (tpm * share);
    for id in OTHERS.. {
        let even = (mixed(id, 0) >> 11) as f64 / (1_u64 << 53) as f64;
        sleep(Duration::from_secs_f64(-mean * (1.0 - even).ln())).await;
        let request = Request {
            id,
            input_tokens: TOKENS - 100,
            max_output_tokens: Some(100),
            output_tokens: Some(100),
        };
        if let Ok(slot) = provider.admit(&request) {
            slot.finish();
        }
    }
}

fn mixed(one: u64, other: u64) -> u64 {
    let value = one.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ other.wrapping_mul(0xD1B5_4A32_D192_ED03);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
