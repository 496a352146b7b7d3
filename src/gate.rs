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
//! to get on. See [`alarm`](self::alarm), and [`watch`](self::watch) for threads outside a runtime.

mod alarm;
mod dispatch;
mod eta;
mod observed;
mod refusal;
mod wakes;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::error::AcquireError;
use crate::event::Event;
use crate::ledger::{BookId, Charged, End, Layout, Ledger};
use crate::ledger::{Placed, Refused, Request, ScopeSnapshot, Tenant};
use crate::observe::Observers;
use crate::provider::Observation;
use crate::queue::{Key, Queue, Rules, Standing};
use crate::quota::{Limits, Waiting};
use crate::sync::{Mutex, MutexGuard};
use crate::time::{Clock, Now, Origin, nanos};

use alarm::Alarm;
pub use eta::Eta;
use wakes::Wakes;
pub(crate) use watch::Waits;
use watch::Watch;

/// The books and the queue of one group of models.
pub(crate) struct Gate {
    state: Mutex<State>,
    origin: Origin,
    /// Wakes the gate itself: what the timer is polled with.
    bell: Waker,
    /// The books of tenants that have quotas of their own, by the model's book and the tenant.
    tenants: HashMap<BookId, HashMap<String, BookId>>,
    /// The model's book of a tenant's.
    model_of: HashMap<BookId, BookId>,
    /// Turns the names of tenants into what the queue knows them by.
    hasher: RandomState,
    most_calls: usize,
    most_tokens: u64,
    events: broadcast::Sender<Event>,
    observers: Arc<Observers>,
    /// The model's name of each book.
    models: Vec<Arc<str>>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// Everything that only the lock's holder may touch.
struct State {
    clock: Clock,
    ledger: Ledger,
    /// Each call with the waker of the task that waits for it.
    queue: Queue<Option<Waker>>,
    alarm: Alarm,
    watch: Watch,
}

impl Gate {
    pub(crate) fn new(
        mut layout: Layout,
        events: broadcast::Sender<Event>,
        observers: Arc<Observers>,
    ) -> Arc<Self> {
        let tenants = std::mem::take(&mut layout.tenants);
        let of_model = |(&model, books): (&BookId, &HashMap<String, BookId>)| {
            books.values().map(|&book| (book, model)).collect::<Vec<_>>()
        };
        let model_of = tenants.iter().flat_map(of_model).collect();
        let Waiting { slack, most_calls, most_tokens } = layout.waiting;
        let hasher = RandomState::new();
        let weight = |(tenant, &weight): (&String, &u32)| (hash(&hasher, tenant), u64::from(weight));
        let rules = Rules { slack, weights: layout.weights.iter().map(weight).collect() };
        let models = layout.models();
        let (origin, clock) = Clock::new();
        let ledger = Ledger::new(layout, clock.last());
        let queue = Queue::new(&rules);
        let state = State { clock, ledger, queue, alarm: Alarm::default(), watch: Watch::default() };
        Arc::new_cyclic(|gate: &Weak<Gate>| Gate {
            state: Mutex::new(state),
            origin,
            bell: alarm::bell(gate.clone()),
            tenants,
            model_of,
            hasher,
            most_calls: most_calls.unwrap_or(usize::MAX),
            most_tokens: most_tokens.unwrap_or(u64::MAX),
            events,
            observers,
            models,
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

    /// The call as one of a tenant: it stands in the tenant's line and is charged to the tenant's own
    /// quotas, where it has some.
    pub(crate) fn of_tenant(&self, request: Request, name: &str) -> Request {
        let model = self.model_of.get(&request.book).copied().unwrap_or(request.book);
        let book = self.tenants.get(&model).and_then(|books| books.get(name)).copied().unwrap_or(model);
        Request { book, tenant: hash(&self.hasher, name), ..request }
    }

    /// Admits the call if nobody waits and every budget can pay.
    #[inline]
    pub(crate) fn try_acquire(&self, request: &Request) -> Result<Charged, AcquireError> {
        let (mut state, now) = self.enter_behind();
        match state.admit(request, now) {
            Ok(charged) => Ok(charged),
            Err(_) => {
                let ahead = state.queue.len();
                Err(state.explain(request, ahead, now))
            }
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
        waits: Waits,
    ) -> Poll<Result<Charged, AcquireError>> {
        if let Some(key) = *place {
            return self.poll_again(key, place, cx, waits);
        }
        let (mut state, now) = self.enter_behind();
        match state.admit(request, now) {
            Ok(charged) => Poll::Ready(Ok(charged)),
            Err(Refused::NotYet) => {
                drop(state);
                self.join(request, place, cx, waits)
            }
            Err(Refused::Never) => Poll::Ready(Err(state.explain(request, 0, now))),
        }
    }

    fn join(
        &self,
        request: &Request,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
        waits: Waits,
    ) -> Poll<Result<Charged, AcquireError>> {
        let waker = cx.waker().clone();
        let (mut state, now) = self.enter();
        if let Some(refusal) = self.refusal(&mut state, request, now) {
            return Poll::Ready(Err(refusal));
        }
        let deadline = request.within.map(|within| now.uptime.saturating_add(nanos(within)));
        let share = state.ledger.dominant_share(request.book, request.cost);
        let key = state.queue.join(*request, share, deadline, Some(waker));
        *place = Some(key);
        self.leave_waiting(state, now, waits);
        // The lock was free between the two looks: what it waits for may have come.
        self.poll_again(key, place, cx, waits)
    }

    fn poll_again(
        &self,
        key: Key,
        place: &mut Option<Key>,
        cx: &mut Context<'_>,
        waits: Waits,
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
            let is_overlooked = match waits {
                Waits::Polled => !state.alarm.is_set(),
                Waits::Parked => state.watch.is_due(now.uptime),
            };
            if state.queue.resume(key) || is_overlooked {
                self.leave_waiting(state, now, waits);
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
            state.came_back(charged);
        }
        self.leave(state, now);
        drop(call);
    }

    /// The head of a call's answer is in.
    pub(crate) fn observe(&self, charged: &Charged, refused: bool, seen: &Observation) -> Placed {
        let (mut state, now) = self.enter();
        // The provider charged it before it began to work on the answer, and not before it was sent.
        // A time longer than the call was out is absurd, and tells nothing.
        let worked = seen.processing_time().map(nanos).filter(|&worked| worked <= now.uptime - charged.at);
        let latest = now.uptime - worked.unwrap_or(0);
        let placed = state.ledger.place(charged, now.at_uptime(latest), now);
        if !refused {
            state.ledger.answered(charged);
        }
        state.ledger.observe(charged, &placed, refused, seen, now);
        state.came_back(charged);
        self.leave_and_tell(state, now);
        placed
    }

    /// A call ended. `placed` is what [`Gate::place`] said.
    #[inline]
    pub(crate) fn settle(&self, charged: &Charged, placed: Option<&Placed>, end: &End) {
        let mut state = self.state.lock();
        let last = state.clock.last();
        let refused = end.verdict();
        if state.queue.is_deserted() && refused.is_none() && state.ledger.settles_untimed(charged, end, last)
        {
            // Reading the clock would be a quarter of what a call without waiting costs.
            state.ledger.settle_now(charged, placed, end, last);
            if !state.ledger.events.is_empty() {
                self.leave_and_tell(state, last);
            }
            return;
        }
        let now = state.clock.at(self.origin.uptime());
        state.ledger.settle(charged, placed, end, now);
        if let Some(verdict) = refused {
            state.ledger.refused(charged, verdict, now);
            state.queue.replan();
        }
        state.came_back(charged);
        self.leave_and_tell(state, now);
    }

    /// How long no call goes to what a call was charged to, for the provider's sake.
    pub(crate) fn closed_for(&self, charged: &Charged) -> Duration {
        let (state, now) = self.enter();
        state.ledger.closed_for(charged, now)
    }

    /// Lets calls be sent again after the account was stopped.
    pub(crate) fn resume(&self) {
        let (mut state, now) = self.enter();
        state.ledger.resume();
        self.leave(state, now);
    }

    /// Grants what is due, and tells whoever listens of what happened.
    fn leave_and_tell<'a>(&'a self, mut state: MutexGuard<'a, State>, now: Now) {
        let events = std::mem::take(&mut state.ledger.events);
        self.leave(state, now);
        for event in events {
            self.observers.happened(&event);
            // Nobody has to listen.
            let _ = self.events.send(event);
        }
    }

    /// Puts `limits` in the place of a scope's; calls that wait are looked at anew.
    pub(crate) fn set_limits(&self, scope: usize, limits: &Limits) {
        let (mut state, now) = self.enter();
        state.ledger.set_limits(scope, limits, now);
        state.queue.replan();
        self.leave(state, now);
    }

    pub(crate) fn restore(&self, past: &ScopeSnapshot) -> bool {
        let (mut state, now) = self.enter();
        let found = state.ledger.restore(past, now);
        state.queue.replan();
        self.leave(state, now);
        found
    }

    /// Changes the weight of a tenant; who is next is decided anew.
    pub(crate) fn set_weight(&self, tenant: &str, weight: u32) {
        let tenant = hash(&self.hasher, tenant);
        let (mut state, now) = self.enter();
        state.queue.weigh(tenant, u64::from(weight));
        state.queue.replan();
        self.leave(state, now);
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
            let (work, late) =
                if all { (state.alarm.plan(next), state.watch.plan(next)) } else { (None, None) };
            drop(state);
            wakes.wake();
            if let Some(thread) = late {
                thread.unpark();
            }
            if let Some(work) = work {
                self.arm(work);
            }
            if all {
                return;
            }
            (state, now) = self.enter();
        }
    }

    /// The same, by a call that waits.
    fn leave_waiting<'a>(&'a self, mut state: MutexGuard<'a, State>, now: Now, waits: Waits) {
        if waits == Waits::Polled && state.alarm.is_missing() {
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
    /// Takes the call's cost if nobody has a better claim and every budget can pay.
    #[inline]
    fn admit(&mut self, request: &Request, now: Now) -> Result<Charged, Refused> {
        self.queue.try_pass(request, &mut self.ledger, now)
    }

    /// What a call took came back, or ages now: calls of its tenant may go.
    fn came_back(&mut self, charged: &Charged) {
        if let Some(scope) = self.ledger.tenant_scope(charged.book) {
            self.queue.unpark_for(scope);
        }
    }
}

fn hash(hasher: &RandomState, tenant: &str) -> Tenant {
    // 0 stands for calls that name no tenant.
    hasher.hash_one(tenant).max(1)
}
