//! One run: calls are made, refused, tried again and answered, under a paused clock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tollgate_sim::{Entry as Logged, LawKind, SharedProvider};

use crate::contenders::{Contender, Entry};
use crate::cpu;
use crate::random::mixed;
use crate::scenarios::{Head, Scenario, WORKERS};
use crate::traces::Call;

pub(crate) const MODEL: &str = "gpt-4o-mini";
/// How far into its first minute and day a run begins, so that nothing is aligned by chance.
const PHASE: Duration = Duration::from_secs(20);

/// What the provider wrote down, and when calls were asked for.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// The provider's time when the run began.
    pub(crate) begin: u64,
    pub(crate) log: Vec<Logged>,
    /// When each call arrived or was taken up by a worker, in the provider's time.
    pub(crate) asked: Vec<Option<u64>>,
    /// What this thread worked.
    pub(crate) cpu: Duration,
}

/// Runs a scenario through a contender.
pub(crate) fn drive(entry: &Entry, scenario: &Scenario) -> Outcome {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("threads can be made");
    runtime.block_on(run(entry, scenario))
}

async fn run(entry: &Entry, scenario: &Scenario) -> Outcome {
    let (provider, contender) = at_one_instant(entry, scenario);
    sleep(first_instant(&provider)).await;

    let (started, begin) = (Instant::now(), provider.now());
    let asked = Mutex::new(vec![None; scenario.calls.len()]);
    let run = Arc::new(Run { provider, contender, head: scenario.head, asked });
    let work = cpu::now();
    let (backlog, arriving): (Vec<Call>, Vec<Call>) =
        scenario.calls.iter().partition(|call| call.arrival.is_none());
    let backlog = Arc::new((AtomicUsize::new(0), backlog));
    for _ in 0..WORKERS {
        let (run, backlog) = (run.clone(), backlog.clone());
        tokio::spawn(async move {
            let (next, calls) = &*backlog;
            while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                run.make(call).await;
            }
        });
    }
    for call in arriving {
        sleep_until(started + call.arrival.expect("it arrives")).await;
        let run = run.clone();
        tokio::spawn(async move { run.make(&call).await });
    }
    sleep_until(started + scenario.horizon).await;
    let asked = run.asked.lock().expect("no call panicked").clone();
    // Before the runtime ends, and with it the calls that are out.
    Outcome { begin, log: run.provider.log(), asked, cpu: cpu::now() - work }
}

/// The provider's clock begins with a whole millisecond, which is as fine as tokio's timers are, and the contender's own
/// within it: so each run is like the last.
fn at_one_instant(entry: &Entry, scenario: &Scenario) -> (SharedProvider, Arc<dyn Contender>) {
    loop {
        let millis = || cpu::utc().as_millis() as u64;
        let now = millis();
        let provider = SharedProvider::starting_at(scenario.config.clone(), now * 1_000_000);
        let contender = (entry.build)(scenario);
        if millis() == now {
            return (provider, contender);
        }
    }
}

/// How long until a run begins: [`PHASE`] after the next minute and day that begin together, where windows follow the clock.
/// Elsewhere the same span in each run, since books may count from when they were made.
fn first_instant(provider: &SharedProvider) -> Duration {
    let config = provider.config();
    let follows_the_clock = config.law == LawKind::Fixed || config.tpd.is_some();
    let until_day = match config.day.as_nanos() as u64 {
        day if follows_the_clock => Duration::from_nanos(day - provider.now() % day),
        _ => Duration::ZERO,
    };
    until_day + PHASE
}

struct Run {
    provider: SharedProvider,
    contender: Arc<dyn Contender>,
    head: Head,
    asked: Mutex<Vec<Option<u64>>>,
}

impl Run {
    /// One call, until it is answered.
    async fn make(&self, call: &Call) {
        self.asked.lock().expect("no call panicked")[call.id as usize] = Some(self.provider.now());
        for tried in 0.. {
            let path = |leg: u64| sleep(path(call, tried, leg));
            let mut pass = self.contender.admit(call).await;
            path(0).await;
            let request = call.request();
            let slot = match self.provider.admit(&request) {
                Ok(slot) => slot,
                Err(denied) => {
                    let answer = self.provider.refusal(MODEL, &request, &denied);
                    path(1).await;
                    let wait = pass.refused(call, &answer, tried);
                    sleep(wait).await;
                    continue;
                }
            };
            if self.head == Head::AtOnce {
                let head = slot.head(MODEL);
                path(1).await;
                pass.head(&head);
            }
            slot.until(1, 1).await;
            let late = (self.head != Head::AtOnce).then(|| slot.head(MODEL));
            let output = slot.finish();
            path(2).await;
            if let Some(mut head) = late {
                head.retain(|(name, _)| self.head != Head::Untimed || name != "openai-processing-ms");
                pass.head(&head);
            }
            return pass.answered(call, output);
        }
    }
}

/// How long a leg of the way to the provider or back takes: 5 to 20 ms.
fn path(call: &Call, tried: u32, leg: u64) -> Duration {
    let drawn = mixed(mixed(call.id).wrapping_add(u64::from(tried) * 4 + leg));
    Duration::from_millis(5 + drawn % 16)
}
