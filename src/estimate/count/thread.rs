//! The thread on which long texts are counted and vocabularies are built.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::thread;

use tokio::sync::{Semaphore, oneshot};

use super::{Encoding, TokenCounter};

/// How many requests' texts may be copied and wait to be counted: the others wait with theirs.
const COPIES: usize = 16;
/// Bytes that are copied before the thread is lent to others.
const AT_ONCE: usize = 512 * 1024;

/// One thread, begun when it is first needed; it ends with its owner.
pub(in crate::estimate) struct CountingThread {
    counter: Arc<dyn TokenCounter>,
    jobs: OnceLock<Option<Sender<Job>>>,
    copies: Arc<Semaphore>,
}

type Job = Box<dyn FnOnce(&dyn TokenCounter) + Send>;

impl CountingThread {
    pub(in crate::estimate) fn new(counter: Arc<dyn TokenCounter>) -> Self {
        CountingThread { counter, jobs: OnceLock::new(), copies: Arc::new(Semaphore::new(COPIES)) }
    }

    /// The tokens of each of `texts`; `None` if the counter panicked, or no thread can be had.
    pub(in crate::estimate) async fn count<'t>(
        &self,
        texts: impl Iterator<Item = &'t str>,
        encoding: Encoding,
    ) -> Option<Vec<u64>> {
        let copy = self.copies.clone().acquire_owned().await.ok()?;
        let texts = Copies::of(texts).await;
        let (done, counts) = oneshot::channel::<Vec<u64>>();
        self.send(move |counter| {
            // Counts as a copy until it is gone, also where nobody waits for it any more.
            let _copy = copy;
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

/// Texts one after another in one piece of memory.
struct Copies {
    all: String,
    lengths: Vec<usize>,
}

impl Copies {
    async fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Copies {
        let mut copies = Copies { all: String::new(), lengths: Vec::new() };
        let mut copied = 0;
        for text in texts {
            copies.all.push_str(text);
            copies.lengths.push(text.len());
            // A text of no length takes its time, too.
            copied += 100 + text.len();
            if copied > AT_ONCE {
                copied = 0;
                give_way().await;
            }
        }
        copies
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = self.all.as_str();
        self.lengths.iter().map(move |&length| {
            let text;
            (text, rest) = rest.split_at(length);
            text
        })
    }
}

/// Lets the executor's thread do something else.
pub(in crate::estimate) async fn give_way() {
    let mut gave = false;
    poll_fn(|context| {
        if gave {
            return Poll::Ready(());
        }
        gave = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn work_off(jobs: &Receiver<Job>, counter: &dyn TokenCounter) {
    for job in jobs {
        // A counter that panics on one text counts the next one all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| job(counter)));
    }
}
