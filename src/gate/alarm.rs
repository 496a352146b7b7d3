//! The gate's one timer.
//!
//! It is a tokio `Sleep` whose waker is the gate itself. When it fires, whoever drives the runtime
//! runs [`Gate::ring`], which grants what is due and arms it for what comes next. No waiting future
//! has to be polled for that.
//!
//! It is moved and polled outside the lock: a `Sleep` takes locks of its own and may call its
//! waker, which is the gate, on the spot. While it is out, `busy` says so, and what others want is noted for
//! whoever has it.
//!
//! A `Sleep` belongs to the runtime it was made in, and polling it when that runtime is gone
//! panics. A sleep that is over before its time tells that the runtime is gone: it is dropped then, and the
//! calls in line are woken, so that the first that is polled makes a new one in its own.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::Gate;
use super::wakes::{BATCH, Wakes};
use crate::time::{Sleep, sleep};

/// No sleep is longer; what is due later is looked at again then.
const LONGEST: u64 = nanos_of_days(30);

const fn nanos_of_days(days: u64) -> u64 {
    days * 86_400 * 1_000_000_000
}

/// Under the gate's lock: where the timer is and for when it is set.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The uptime at which it will ring.
    armed: Option<u64>,
    /// It is being armed outside the lock.
    busy: bool,
    /// The earliest uptime asked for while it was.
    wanted: Option<u64>,
    /// It rang while it was.
    rang: bool,
}

/// A timer taken out of the lock to be armed.
pub(super) struct Work {
    sleep: Pin<Box<Sleep>>,
    at: u64,
}

impl Alarm {
    pub(super) fn is_missing(&self) -> bool {
        self.sleep.is_none() && !self.busy
    }

    pub(super) fn put_in(&mut self, sleep: Pin<Box<Sleep>>) {
        if self.is_missing() {
            self.sleep = Some(sleep);
        }
    }

    /// Whether it will ring, or is being set to.
    pub(super) fn is_set(&self) -> bool {
        self.busy || self.armed.is_some()
    }

    /// Takes the timer out if it has to ring earlier than it would.
    pub(super) fn plan(&mut self, next: Option<u64>) -> Option<Work> {
        let at = next?;
        if self.busy {
            self.wanted = Some(self.wanted.map_or(at, |wanted| wanted.min(at)));
            return None;
        }
        if self.armed.is_some_and(|armed| armed <= at) {
            return None;
        }
        let sleep = self.sleep.take()?;
        self.busy = true;
        Some(Work { sleep, at })
    }
}

/// A timer that is not set.
///
/// # Panics
///
/// Outside a tokio runtime with its time driver enabled.
pub(super) fn new_sleep() -> Pin<Box<Sleep>> {
    Box::pin(sleep(Duration::from_nanos(LONGEST)))
}

/// The waker the timer is polled with.
pub(super) fn bell(gate: Weak<Gate>) -> Waker {
    struct Bell(Weak<Gate>);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.wake_by_ref();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            if let Some(gate) = self.0.upgrade() {
                gate.ring();
            }
        }
    }

    Waker::from(Arc::new(Bell(gate)))
}

/// What became of arming the timer.
#[derive(PartialEq, Eq)]
enum Armed {
    /// It will ring.
    Set,
    /// Its time has come already.
    Due,
    /// Its runtime is gone.
    Orphaned,
}

impl Gate {
    /// The timer fired.
    fn ring(&self) {
        let (mut state, now) = self.enter();
        state.alarm.armed = None;
        state.alarm.rang = state.alarm.busy;
        self.leave(state, now);
    }

    /// Sets a timer that [`Alarm::plan`] took out, and puts it back.
    pub(super) fn arm(&self, work: Work) {
        let Work { mut sleep, mut at } = work;
        loop {
            let outcome = self.set(&mut sleep, at);
            let (mut state, now) = self.enter();
            let earlier = state.alarm.wanted.take().filter(|&wanted| wanted < at);
            if let (Armed::Set, Some(earlier)) = (&outcome, earlier) {
                at = earlier;
                continue;
            }
            state.alarm.busy = false;
            let rang = std::mem::take(&mut state.alarm.rang);
            let outcome = if rang && sleep.is_elapsed() { Armed::Due } else { outcome };
            if outcome != Armed::Orphaned {
                state.alarm.sleep = Some(sleep);
            }
            match outcome {
                Armed::Set if !rang => state.alarm.armed = Some(at),
                Armed::Due => self.leave(state, now),
                // A task that has used up its share of polls cannot set a timer either, and is
                // told so by the bell: whoever is polled next sets it.
                Armed::Set | Armed::Orphaned => {
                    let mut wakes = Wakes::new();
                    state.queue.first_in_line(BATCH, |waker| wakes.push(waker));
                    drop(state);
                    wakes.wake();
                }
            }
            return;
        }
    }

    fn set(&self, sleep: &mut Pin<Box<Sleep>>, at: u64) -> Armed {
        let at = at.min(self.origin.uptime().saturating_add(LONGEST));
        sleep.as_mut().reset(self.origin.instant_at(at));
        if sleep.is_elapsed() {
            return if self.origin.uptime() < at { Armed::Orphaned } else { Armed::Due };
        }
        match sleep.as_mut().poll(&mut Context::from_waker(&self.bell)) {
            Poll::Ready(()) => Armed::Due,
            Poll::Pending => Armed::Set,
        }
    }
}
