//! Calls that wait, polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use tollgate::{AcquireError, Permit};

use crate::time;

type Decided = Result<Permit, AcquireError>;

/// Counts how often a task was woken. Look at it once the threads are joined: the checkers do not see it.
#[derive(Debug, Default)]
pub struct Bell(AtomicUsize);

impl Bell {
    /// How often it was woken.
    pub fn rung(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A call, and the task that waits for it.
pub struct Caller {
    acquire: Option<Pin<Box<dyn Future<Output = Decided> + Send>>>,
    /// What it was told.
    pub decided: Option<Decided>,
    /// The task that polled it last.
    pub bell: Arc<Bell>,
    /// How often the bell had been rung at the last poll.
    heard: usize,
}

impl Caller {
    /// Is not polled yet.
    pub fn new(acquire: impl Future<Output = Decided> + Send + 'static) -> Self {
        Caller { acquire: Some(Box::pin(acquire)), decided: None, bell: Arc::default(), heard: 0 }
    }

    /// Polled once, and waits.
    pub fn waiting(acquire: impl Future<Output = Decided> + Send + 'static) -> Self {
        let caller = Caller::new(acquire).polled();
        assert!(caller.decided.is_none(), "it waits");
        caller
    }

    /// Whether it is decided.
    pub fn poll(&mut self) -> bool {
        let Some(acquire) = &mut self.acquire else { return true };
        self.heard = self.bell.rung();
        let waker = Waker::from(self.bell.clone());
        let Poll::Ready(decided) = acquire.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return false;
        };
        (self.acquire, self.decided) = (None, Some(decided));
        true
    }

    /// The same, for a thread that hands it back.
    pub fn polled(mut self) -> Self {
        self.poll();
        self
    }

    /// The same by another task.
    pub fn moved(mut self) -> Self {
        self.bell = Arc::default();
        self.polled()
    }

    /// Whether it has been woken since it was last polled.
    pub fn is_called(&self) -> bool {
        self.bell.rung() > self.heard
    }

    /// Its permit, if it has one.
    pub fn permit(&mut self) -> Option<Permit> {
        self.decided.take().map(Result::unwrap)
    }

    fn holds(&self) -> bool {
        matches!(self.decided, Some(Ok(_)))
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Caller { decided, bell, heard, .. } = self;
        f.debug_struct("Caller").field("decided", decided).field("bell", bell).field("heard", heard).finish()
    }
}

/// Lets everybody get through: polls who was woken, ends calls one at a time, and moves the clock on when nothing
/// else can happen. Nobody is polled who was not woken.
///
/// # Panics
///
/// If somebody is left, or more than `slots` hold permits at once.
pub fn finish(mut callers: Vec<Caller>, slots: usize) {
    loop {
        let mut went_on = false;
        for caller in &mut callers {
            if caller.acquire.is_some() && caller.is_called() {
                caller.poll();
                went_on = true;
            }
        }
        let held = callers.iter().filter(|caller| caller.holds()).count();
        assert!(held <= slots, "{held} permits for {slots} slots");
        if let Some(caller) = callers.iter_mut().find(|caller| caller.holds()) {
            // What it was charged stays spent: the next has to wait for its own.
            drop(caller.permit());
            went_on = true;
        }
        if !went_on && (callers.iter().all(|caller| caller.acquire.is_none()) || !time::turn()) {
            break;
        }
    }
    let left = callers.iter().filter(|caller| caller.acquire.is_some()).count();
    assert_eq!(left, 0, "calls that nobody woke");
}
