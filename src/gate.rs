//! The only lock: the books of one group and its queue behind one mutex.
//!
//! Nothing is awaited and no foreign code runs under it: wakers are cloned before it is taken, and
//! woken and dropped after it is released.
//!
//! # Who wakes the next call?
//!
//! Whoever changes something grants everything that is due, in order, before it leaves: a call
//! that ends, one that gives up, one that arrives. For what only time brings the gate owns one
//! timer and is the timer's waker itself, so no waiting future has to be polled for the others
//! to get on. See [`alarm`](self::alarm).

mod alarm;
mod eta;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::error::{AcquireError, Blocking, ExceedsQuota, NotYet};
use crate::ledger::{BookId, Charged, End, Layout, Ledger, Refused, Request, ScopeSnapshot};
use crate::queue::{Key, Queue, Standing};
use crate::quota::Limits;
use crate::time::{Clock, Now, Origin, nanos};

use alarm::Alarm;
pub use eta::Eta;

/// The books and the queue of one group of models.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    origin: Origin,
    /// Wakes the gate itself: what the timer is polled with.
    bell: Waker,
    /// The books of tenants that have quotas of their own, by the model's book and the tenant.
    tenants: HashMap<BookId, HashMap<String, BookId>>,
}

/// Everything that only the lock's holder may touch.
#[derive(Debug)]
struct State {
    clock: Clock,
    ledger: Ledger,
    /// Each call with the waker of the task that waits for it.
    queue: Queue<Option<Waker>>,
    alarm: Alarm,
}

/// How many tasks are woken with one hold of the lock.
const BATCH: usize = 32;

/// Tasks to be woken when the lock is released.
struct Wakes {
    wakers: [Option<Waker>; BATCH],
    len: usize,
}

impl Gate {
    pub(crate) fn new(mut layout: Layout) -> Arc<Self> {
        let tenants = std::mem::take(&mut layout.tenants);
        let (origin, clock) = Clock::new();
        let ledger = Ledger::new(layout, clock.last());
        let queue = Queue::new(ledger.books());
        let state = State { clock, ledger, queue, alarm: Alarm::default() };
        Arc::new_cyclic(|gate: &Weak<Gate>| Gate {
            state: Mutex::new(state),
            origin,
            bell: alarm::bell(gate.clone()),
            tenants,
        })
    }

    /// Reads the clock, then takes the lock.
    #[inline]
    fn enter(&self) -> (MutexGuard<'_, State>, Now) {
        let uptime = self.origin.uptime();
        let mut state = self.state.lock();
        let now = state.clock.at(uptime);
        (state, now)
    }

    /// What a tenant's calls to a model are charged to: the model's own book where the tenant has
    /// no quotas of its own.
    pub(crate) fn book_of(&self, model: BookId, tenant: &str) -> BookId {
        self.tenants.get(&model).and_then(|books| books.get(tenant)).copied().unwrap_or(model)
    }

    /// Admits the call if nobody waits and every budget can pay.
    #[inline]
    pub(crate) fn try_acquire(&self, request: &Request) -> Result<Charged, AcquireError> {
        let (mut state, now) = self.enter();
        match state.admit(request, now) {
            Ok(charged) => Ok(charged),
            Err(_) => Err(state.explain(request, now)),
        }
    }

    /// Admits the call or puts it in line; `place` is where it stands, and is kept by the caller
    /// between the polls.
    #[inline]
    pub(crate) fn poll_acquire(
        &self,
        request: &Request,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Charged, AcquireError>> {
        if let Some(key) = *place {
            return self.poll_again(key, place, cx);
        }
        let (mut state, now) = self.enter();
        match state.admit(request, now) {
            Ok(charged) => Poll::Ready(Ok(charged)),
            Err(Refused::NotYet) => {
                drop(state);
                self.join(request, place, cx)
            }
            Err(Refused::Never) => Poll::Ready(Err(state.explain(request, now))),
        }
    }

    fn join(
        &self,
        request: &Request,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Charged, AcquireError>> {
        let waker = cx.waker().clone();
        let (mut state, now) = self.enter();
        let deadline = request.within.map(|within| now.uptime.saturating_add(nanos(within)));
        if deadline.is_some_and(|deadline| state.soonest(request, now) > deadline) {
            return Poll::Ready(Err(state.explain(request, now)));
        }
        let key = state.queue.join(*request, deadline, Some(waker));
        *place = Some(key);
        self.leave_in_runtime(state, now);
        // The lock was free between the two looks: what it waits for may have come.
        self.poll_again(key, place, cx)
    }

    fn poll_again(
        &self,
        key: Key,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Charged, AcquireError>> {
        let mut waker = None;
        loop {
            let (mut state, now) = self.enter();
            let call = state.queue.call(key);
            if matches!(call.standing, Standing::Granted(_) | Standing::Failed(_)) {
                *place = None;
                let call = state.queue.leave(key);
                drop(state);
                return Poll::Ready(match call.standing {
                    Standing::Granted(charged) => Ok(charged),
                    Standing::Failed(error) => Err(error),
                    Standing::InLine | Standing::PassedOver => unreachable!("matched above"),
                });
            }
            let stale = !call.kept.as_ref().is_some_and(|kept| kept.will_wake(cx.waker()));
            if stale && waker.is_none() {
                drop(state);
                waker = Some(cx.waker().clone());
                continue;
            }
            let replaced = if stale { std::mem::replace(&mut call.kept, waker.take()) } else { None };
            if state.queue.resume(key) || !state.alarm.is_set() {
                self.leave_in_runtime(state, now);
            } else {
                drop(state);
            }
            drop(replaced);
            return Poll::Pending;
        }
    }

    /// A future that waited is dropped. What it was granted goes back whole.
    pub(crate) fn give_up(&self, key: Key) {
        let (mut state, now) = self.enter();
        let call = state.queue.leave(key);
        if let Standing::Granted(charged) = &call.standing {
            state.ledger.settle(charged, None, &End::Cancelled, now);
        }
        self.leave(state, now);
        drop(call);
    }

    /// The head of a call's answer is in. Says at which uptime, at the latest, it was charged.
    pub(crate) fn place(&self, charged: &Charged, processing: Duration) -> u64 {
        let (mut state, now) = self.enter();
        // The provider charged it before it began to work on the answer, and not before it was sent.
        let latest = now.uptime.saturating_sub(nanos(processing)).max(charged.at);
        state.ledger.place(charged, now.at_uptime(latest), now);
        self.leave(state, now);
        latest
    }

    /// A call ended. `placed` is what [`Gate::place`] said.
    #[inline]
    pub(crate) fn settle(&self, charged: &Charged, placed: Option<u64>, end: &End) {
        let mut state = self.state.lock();
        if state.queue.is_deserted() && state.ledger.settles_untimed(charged) {
            // Reading the clock would be a quarter of what a call without waiting costs.
            let placed = placed.map(|uptime| state.clock.last().at_uptime(uptime));
            state.ledger.settle_untimed(charged, placed, end);
            return;
        }
        let now = state.clock.at(self.origin.uptime());
        let placed = placed.map(|uptime| now.at_uptime(uptime));
        state.ledger.settle(charged, placed, end, now);
        self.leave(state, now);
    }

    /// Puts `limits` in the place of a scope's; calls that wait are looked at anew.
    pub(crate) fn set_limits(&self, scope: usize, limits: &Limits) {
        let (mut state, now) = self.enter();
        state.ledger.set_limits(scope, limits, now);
        self.leave(state, now);
    }

    pub(crate) fn snapshot(&self) -> Vec<ScopeSnapshot> {
        let (mut state, now) = self.enter();
        state.ledger.snapshot(now)
    }

    pub(crate) fn restore(&self, past: &ScopeSnapshot) -> bool {
        let (mut state, now) = self.enter();
        let found = state.ledger.restore(past, now);
        self.leave(state, now);
        found
    }

    /// When a call could start that arrives now, or that stands at `place`.
    pub(crate) fn eta(&self, request: &Request, place: Option<Key>) -> Eta {
        let (mut state, now) = self.enter();
        state.ledger.advance(request.book, now);
        let (ledger, ahead) = (state.ledger.clone(), state.queue.ahead_of(place));
        drop(state);
        Eta::reckon(ledger, &ahead, request, now)
    }

    /// How many calls are in line.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().queue.len()
    }

    /// Grants what is due, sets the timer for what is not, and wakes whom it concerns.
    fn leave<'a>(&'a self, mut state: MutexGuard<'a, State>, now: Now) {
        if state.queue.is_deserted() {
            return;
        }
        let mut now = now;
        loop {
            let mut wakes = Wakes::new();
            let next = state.dispatch(now, &mut wakes);
            let all = !wakes.is_full();
            let work = if all { state.alarm.plan(next) } else { None };
            drop(state);
            wakes.wake();
            if let Some(work) = work {
                self.arm(work);
            }
            if all {
                return;
            }
            (state, now) = self.enter();
        }
    }

    /// The same, by a call that is being polled: its runtime can have a timer made.
    fn leave_in_runtime<'a>(&'a self, mut state: MutexGuard<'a, State>, now: Now) {
        if state.alarm.is_missing() {
            drop(state);
            // Made outside the lock, because it panics outside a runtime.
            let sleep = alarm::new_sleep();
            state = self.state.lock();
            state.alarm.put_in(sleep);
        }
        self.leave(state, now);
    }
}

impl State {
    /// Takes the call's cost if nobody is before it and every budget can pay.
    #[inline]
    fn admit(&mut self, request: &Request, now: Now) -> Result<Charged, Refused> {
        if self.queue.is_empty() {
            return self.ledger.admit(request.book, request.cost, now);
        }
        let exceeds = self.ledger.exceeded(request.book, request.cost).is_some();
        Err(if exceeds { Refused::Never } else { Refused::NotYet })
    }

    /// Grants what is due, in order. Says at which uptime something else will be.
    fn dispatch(&mut self, now: Now, wakes: &mut Wakes) -> Option<u64> {
        while let Some(charged) = self.queue.lapsed(now.uptime) {
            self.ledger.settle(&charged, None, &End::Cancelled, now);
        }
        while !wakes.is_full()
            && let Some(key) = self.queue.late(now.uptime)
        {
            let request = *self.queue.call(key).request();
            let error = self.explain(&request, now);
            wakes.push(self.queue.fail(key, error));
        }
        let mut start = None;
        while !wakes.is_full()
            && let Some((key, request)) = self.queue.head()
        {
            match self.ledger.admit(request.book, request.cost, now) {
                Ok(charged) => wakes.push(self.queue.grant(key, charged)),
                Err(Refused::NotYet) => {
                    start = self.ledger.start(request.book, request.cost, now).and_then(|start| start.at);
                    break;
                }
                // The limits were lowered while it waited.
                Err(Refused::Never) => {
                    let error = self.explain(&request, now);
                    wakes.push(self.queue.fail(key, error));
                }
            }
        }
        start.into_iter().chain(self.queue.next_event()).min()
    }

    /// No call that arrives now can start earlier than at this uptime.
    fn soonest(&mut self, request: &Request, now: Now) -> u64 {
        self.ledger.advance(request.book, now);
        self.ledger.soonest(request.book, request.cost, self.queue.totals(), now)
    }

    fn explain(&mut self, request: &Request, now: Now) -> AcquireError {
        let model = self.ledger.model(request.book).to_owned();
        if let Some((quota, cost)) = self.ledger.exceeded(request.book, request.cost) {
            return ExceedsQuota { model, cost, quota }.into();
        }
        self.ledger.advance(request.book, now);
        let start = self.ledger.start(request.book, request.cost, now);
        let blocking = start.filter(|start| start.at.is_none_or(|at| at > now.uptime));
        let within = request.within.unwrap_or_default();
        let wait = |at: u64| Duration::from_nanos(at.saturating_sub(now.uptime));
        NotYet {
            model,
            blocking: blocking.map(|start| Blocking {
                quota: start.quota,
                cost: start.amount,
                remaining: start.remaining,
                wait: start.at.map(wait),
            }),
            ahead: self.queue.len(),
            within,
        }
        .into()
    }
}

impl Wakes {
    fn new() -> Self {
        Wakes { wakers: [const { None }; BATCH], len: 0 }
    }

    fn is_full(&self) -> bool {
        self.len == BATCH
    }

    fn push(&mut self, waker: &mut Option<Waker>) {
        self.wakers[self.len] = waker.take();
        self.len += 1;
    }

    fn wake(self) {
        for waker in self.wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}
