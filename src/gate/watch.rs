//! Threads that wait parked, outside of any runtime, and who keeps the time for them.
//!
//! tokio's timers need a runtime. So where threads wait, one of them, the first that came, keeps the
//! watch: it parks no longer than until something is due, and then grants what is, to whoever waits. The others
//! park until they are woken. When the first leaves, it wakes the next one to keep the watch.
//!
//! The watch is kept beside the gate's timer and not in its place: the timer rings only while
//! somebody drives its runtime, and no parked thread may depend on that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::Gate;
use super::wakes::{BATCH, Wakes};
use crate::error::AcquireError;
use crate::ledger::{Charged, Request};
use crate::queue::Key;

/// How a call waits, and so what keeps the time for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// As a task: its runtime can have a timer made.
    Polled,
    /// As a thread outside a runtime.
    Parked,
}

/// Under the gate's lock: which threads are parked, and until when the first of them is.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// By the number under which each came: the first keeps the watch.
    parked: BTreeMap<u64, Thread>,
    came: u64,
    /// The uptime at which something is due.
    due: Option<u64>,
    /// The uptime until which the first is parked; none while it is to look before it parks.
    until: Option<u64>,
}

impl Watch {
    /// Notes when something is due. Gives the thread that keeps the watch if it would wake too late.
    pub(super) fn plan(&mut self, next: Option<u64>) -> Option<Thread> {
        self.due = next;
        let first = self.parked.values().next()?;
        if next? >= self.until? {
            return None;
        }
        self.until = None;
        Some(first.clone())
    }

    /// Whether something is due that was not granted yet.
    pub(super) fn is_due(&self, uptime: u64) -> bool {
        self.due.is_some_and(|due| due <= uptime)
    }

    fn come(&mut self, thread: Thread) -> u64 {
        let number = self.came;
        self.came += 1;
        self.parked.insert(number, thread);
        number
    }

    /// The uptime until which a thread may park, if it keeps the watch.
    fn park(&mut self, number: u64) -> Option<u64> {
        if self.parked.keys().next() != Some(&number) {
            return None;
        }
        self.until = Some(self.due.unwrap_or(u64::MAX));
        self.until
    }

    /// Gives the thread that keeps the watch from now on, if that is another one.
    fn leave(&mut self, number: u64) -> Option<Thread> {
        let kept = self.parked.keys().next() == Some(&number);
        self.parked.remove(&number);
        if !kept {
            return None;
        }
        self.until = None;
        self.parked.values().next().cloned()
    }
}

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A thread that waits; it leaves the watch when this is dropped.
struct Sentry<'a> {
    gate: &'a Gate,
    number: Option<u64>,
}

impl Sentry<'_> {
    /// Parks until there is something to look at. May return early, too.
    fn park(&mut self) {
        let (mut state, now) = self.gate.enter();
        let number = *self.number.get_or_insert_with(|| state.watch.come(thread::current()));
        let until = state.watch.park(number);
        drop(state);
        match until {
            Some(until) => thread::park_timeout(Duration::from_nanos(until.saturating_sub(now.uptime))),
            None => thread::park(),
        }
    }
}

impl Drop for Sentry<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut wakes = Wakes::new();
        let mut state = self.gate.state.lock();
        let next = state.watch.leave(number);
        if state.watch.parked.is_empty() && state.alarm.is_missing() {
            // Tasks that lost their timer have relied on the watch: the first that is polled makes a new one.
            state.queue.first_in_line(BATCH, |waker| wakes.push(waker));
        }
        drop(state);
        next.iter().for_each(Thread::unpark);
        wakes.wake();
    }
}

impl Gate {
    /// As [`Gate::poll_acquire`], with the thread parked until the call is admitted or refused.
    pub(crate) fn acquire_parked(
        &self,
        request: &Request,
        place: &mut Option<Key>,
    ) -> Result<Charged, AcquireError> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        let mut sentry = Sentry { gate: self, number: None };
        loop {
            match self.poll_acquire(request, place, &mut cx, Waits::Parked) {
                Poll::Ready(decided) => return decided,
                Poll::Pending => sentry.park(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_threads_that_wait_one_alone_wakes_when_something_is_due() {
        let me = thread::current();
        let mut watch = Watch::default();
        let [first, second, third] = [(); 3].map(|()| watch.come(me.clone()));
        assert!(watch.plan(Some(70)).is_none(), "the first has yet to look");
        assert_eq!([second, first, third].map(|number| watch.park(number)), [None, Some(70), None]);

        assert!(watch.plan(Some(90)).is_none(), "it wakes earlier than that");
        assert!(watch.plan(Some(40)).is_some(), "it would wake too late");
        assert!(watch.plan(Some(30)).is_none(), "it was woken already");
        assert_eq!(watch.park(first), Some(30));
        assert!(!watch.is_due(29) && watch.is_due(30));

        assert!(watch.leave(second).is_none(), "the first still keeps the watch");
        assert!(watch.leave(first).is_some(), "the third has to be told");
        assert_eq!(watch.park(third), Some(30));
        assert!(watch.leave(third).is_none(), "nobody is left");
    }
}
