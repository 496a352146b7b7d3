//! A call that waits, polled by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use tokio::sync::Notify;
use tokio::time::Instant;
use tollgate::{Acquire, Permit};

use crate::books::Charge;
use crate::budget::Key;
use crate::op::Call;

/// Counts what happens, and knows the time since the limiter was made.
#[derive(Debug)]
pub(crate) struct Timeline {
    begin: Instant,
    events: AtomicU64,
    /// Rings when a waiter that is polled is woken.
    pub(crate) bell: Notify,
}

impl Timeline {
    pub(crate) fn new() -> Timeline {
        Timeline { begin: Instant::now(), events: AtomicU64::new(1), bell: Notify::new() }
    }

    pub(crate) fn now(&self) -> i128 {
        self.begin.elapsed().as_nanos() as i128
    }

    /// The next event, now.
    pub(crate) fn key(&self) -> Key {
        (self.now(), self.events.fetch_add(1, Ordering::Relaxed))
    }
}

/// Notes when it was woken.
#[derive(Debug)]
pub(crate) struct Alarm {
    time: Arc<Timeline>,
    woken: Mutex<Option<Key>>,
}

impl Alarm {
    pub(crate) fn new(time: Arc<Timeline>) -> Arc<Alarm> {
        Arc::new(Alarm { time, woken: Mutex::new(None) })
    }

    pub(crate) fn woken(&self) -> Option<Key> {
        *self.woken.lock().expect("nobody panics with it")
    }

    pub(crate) fn take(&self) -> Option<Key> {
        self.woken.lock().expect("nobody panics with it").take()
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().expect("nobody panics with it") = Some(self.time.key());
        self.time.bell.notify_one();
    }
}

/// A future that waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) call: Call,
    pub(crate) charge: Charge,
    pub(crate) future: Acquire,
    pub(crate) alarm: Arc<Alarm>,
    /// Whether it is polled when it is woken.
    pub(crate) polled: bool,
    /// Whether it always was, since it began to wait.
    pub(crate) always_polled: bool,
    pub(crate) began: Key,
    /// When it gives up, and how long that is.
    pub(crate) deadline: Option<(i128, i128)>,
}

impl Waiter {
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.alarm.clone())
    }

    /// Whether another is the same call in the same line.
    pub(crate) fn is_like(&self, charge: &Charge, call: &Call) -> bool {
        let alike = (self.charge.own, self.charge.limited, self.charge.cost)
            == (charge.own, charge.limited, charge.cost);
        alike && (self.call.tenant, self.call.priority) == (call.tenant, call.priority)
    }
}

/// Leave that was given.
#[derive(Debug)]
pub(crate) struct Out {
    pub(crate) charge: Charge,
    pub(crate) permit: Permit,
    pub(crate) at: Key,
    pub(crate) headed: bool,
}
