//! The thread on which long texts are counted and vocabularies are built.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::sync::{Semaphore, oneshot};

use super::{Encoding, TokenCounter};

/// How many requests' texts may be copied and wait to be counted: the others wait with theirs.
const COPIES: usize = 16;

/// One thread, begun when it is first needed; it ends with its owner.
pub(in crate::estimate) struct CountingThread {
    counter: Arc<dyn TokenCounter>,
    jobs: OnceLock<Option<Sender<Job>>>,
    copies: Semaphore,
}

type Job = Box<dyn FnOnce(&dyn TokenCounter) + Send>;

impl CountingThread {
    pub(in crate::estimate) fn new(counter: Arc<dyn TokenCounter>) -> Self {
        CountingThread { counter, jobs: OnceLock::new(), copies: Semaphore::new(COPIES) }
    }

    /// The tokens of each of `texts`; `None` if the counter panicked, or no thread can be had.
    pub(in crate::estimate) async fn count<'t>(
        &self,
        texts: impl Iterator<Item = &'t str>,
        encoding: Encoding,
    ) -> Option<Vec<u64>> {
        let _copy = self.copies.acquire().await.ok()?;
        let texts: Vec<String> = texts.map(str::to_owned).collect();
        let (done, counts) = oneshot::channel::<Vec<u64>>();
        self.send(move |counter| {
            // Nobody wants to know any more if the estimate was dropped.
            if !done.is_closed() {
                let _ = done.send(texts.iter().map(|text| counter.count(text, encoding)).collect());
            }
        })?;
        counts.await.ok()
    }

    /// Builds what counting with `encoding` needs. Resolves when that is done, and need not be
    /// awaited for it to happen.
    pub(in crate::estimate) fn prepare(&self, encoding: Encoding) -> Option<oneshot::Receiver<()>> {
        let (done, built) = oneshot::channel();
        self.send(move |counter| {
            counter.prepare(encoding);
            let _ = done.send(());
        })?;
        Some(built)
    }

    fn send(&self, job: impl FnOnce(&dyn TokenCounter) + Send + 'static) -> Option<()> {
        self.jobs.get_or_init(|| self.begin()).as_ref()?.send(Box::new(job)).ok()
    }

    fn begin(&self) -> Option<Sender<Job>> {
        let (sender, jobs) = channel();
        let counter = self.counter.clone();
        let named = thread::Builder::new().name("tollgate-tokens".to_owned());
        named.spawn(move || work_off(&jobs, &*counter)).ok().map(|_| sender)
    }
}

fn work_off(jobs: &Receiver<Job>, counter: &dyn TokenCounter) {
    for job in jobs {
        // A counter that panics on one text counts the next one all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| job(counter)));
    }
}
