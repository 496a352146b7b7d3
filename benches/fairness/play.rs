//! One run: calls arrive, wait, go, and end, under a paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::bucket::Account;
use crate::contenders::{Contender, Entry};
use crate::trace::{Call, RUN, Tenant};

/// What became of each call of a trace.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// When it was admitted, since the run began.
    pub(crate) starts: Vec<Option<Duration>>,
    /// Tokens admitted while calls of both tenants waited: the quiet one's, the busy one's.
    pub(crate) contested: [u64; 2],
}

/// What the tasks of a run note.
#[derive(Debug)]
struct Notes {
    outcome: Outcome,
    waiting: [usize; 2],
}

/// Runs a trace through a contender that keeps the limits of `account`.
pub(crate) fn play(entry: &Entry, account: Account, calls: &[Call]) -> Outcome {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("threads can be made");
    let outcome = Outcome { starts: vec![None; calls.len()], contested: [0; 2] };
    let notes = Arc::new(Mutex::new(Notes { outcome, waiting: [0; 2] }));
    runtime.block_on(async {
        let began = Instant::now();
        let contender = (entry.build)(account);
        for (index, &call) in calls.iter().enumerate() {
            sleep_until(began + call.arrival).await;
            tokio::spawn(make(contender.as_ref(), index, call, began, notes.clone()));
        }
        sleep_until(began + RUN).await;
    });
    // What still waits ends with the runtime.
    drop(runtime);
    let notes = notes.lock().expect("no call panicked");
    notes.outcome.clone()
}

/// One call, from its arrival to its end.
fn make(
    contender: &dyn Contender,
    index: usize,
    call: Call,
    began: Instant,
    notes: Arc<Mutex<Notes>>,
) -> impl Future<Output = ()> + Send + use<> {
    let admission = contender.admit(call);
    notes.lock().expect("no call panicked").waiting[side(call.tenant)] += 1;
    async move {
        let end = admission.await;
        notes.lock().expect("no call panicked").started(index, call, began.elapsed());
        sleep(call.held).await;
        end();
    }
}

impl Notes {
    fn started(&mut self, index: usize, call: Call, at: Duration) {
        self.outcome.starts[index] = Some(at);
        if self.waiting.iter().all(|&waiting| waiting > 0) {
            self.outcome.contested[side(call.tenant)] += u64::from(call.tokens);
        }
        self.waiting[side(call.tenant)] -= 1;
    }
}

fn side(tenant: Tenant) -> usize {
    match tenant {
        Tenant::Quiet => 0,
        Tenant::Busy => 1,
    }
}
