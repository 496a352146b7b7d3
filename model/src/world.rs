//! The limiter and the model side by side, under a paused clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tollgate::{AcquireError, Cost, Event, Events, Limiter, Permit, Window};

use crate::books::{Books, Charge};
use crate::budget::{Answer, Key};
use crate::op::{Call, Tenant};
use crate::plan::{Built, Plan, phase};
use crate::waiter::{Out, Timeline, Waiter};

/// More calls than this are not out at once: a bucket keeps so many apart.
pub(crate) const MOST_OUT: usize = 24;
/// Timers ring at whole milliseconds, at the next or the one after.
pub(crate) const TIMER: i128 = 2_000_000;
/// A grant that is not taken goes back after this (`Acquire`).
const LAPSE: i128 = 250_000_000;

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub ops: u64,
    pub admitted: u64,
    pub refused: u64,
    pub served: u64,
}

impl std::ops::Add for Tally {
    type Output = Tally;

    fn add(self, more: Tally) -> Tally {
        Tally {
            ops: self.ops + more.ops,
            admitted: self.admitted + more.admitted,
            refused: self.refused + more.refused,
            served: self.served + more.served,
        }
    }
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) exact: bool,
    pub(crate) limiter: Limiter,
    events: Events,
    pub(crate) books: Books,
    /// The limits of each scope at the beginning.
    pub(crate) limits: [Option<tollgate::Limits>; 3],
    pub(crate) time: Arc<Timeline>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) out: Vec<Out>,
    pub(crate) calls: usize,
    /// The last instant that every budget surely knows: a call that ends while nobody waits is settled as of then.
    pub(crate) read: i128,
    /// The provider has refused something or named a limit: budgets may be shut, and some may stay unused.
    pub(crate) refused_once: bool,
    /// The provider has named limits, so it may have changed them.
    pub(crate) provoked: bool,
    /// The limiter follows other limits than the model, or owes more than it can hold.
    pub(crate) adrift: bool,
    pub(crate) stopped: bool,
    /// It was, at some time: calls that waited then may hear of it later.
    pub(crate) stopped_once: bool,
    /// The wait that the last error told.
    pub(crate) told: Duration,
    /// The leaps of the clock: what was due in one happens at its end.
    leaps: Vec<(i128, i128)>,
    pub(crate) tally: Tally,
    begun: std::time::Instant,
}

impl World {
    pub(crate) fn new(plan: &Plan, exact: bool) -> Option<World> {
        let plan = if exact { plan.clone().exact() } else { plan.clone() };
        let Built { limiter, limits } = plan.build()?;
        let parts = plan.phase;
        let books = Books::new(&limits, |quota| match quota.window() {
            Window::Fixed { period, .. } => phase(parts, period).as_nanos() as i128,
            _ => 0,
        });
        Some(World {
            events: limiter.events(),
            plan,
            exact,
            limiter,
            books,
            limits,
            time: Arc::new(Timeline::new()),
            waiters: Vec::new(),
            out: Vec::new(),
            calls: 0,
            read: 0,
            refused_once: false,
            provoked: false,
            adrift: false,
            stopped: false,
            stopped_once: false,
            told: Duration::ZERO,
            leaps: Vec::new(),
            tally: Tally::default(),
            begun: std::time::Instant::now(),
        })
    }

    /// The machine was so busy that the paused clock and its own may have gone together: then the limiter
    /// has set its calendar anew, and the model's is another.
    fn is_stalled(&self) -> bool {
        self.begun.elapsed() > Duration::from_millis(900)
    }

    /// How long the machine's own clock has gone since the limiter was made, at the most.
    pub(crate) fn real_time(&self) -> Duration {
        self.begun.elapsed() + Duration::from_millis(5)
    }

    /// What must hold.
    pub(crate) fn hold(&self, holds: bool, why: impl FnOnce() -> String) {
        assert!(holds || self.is_stalled(), "{}", why());
    }

    /// Aligned windows are known to the millisecond, so time passes in milliseconds where there are some.
    pub(crate) fn grain(&self) -> u64 {
        let is_fixed =
            |budget: &crate::budget::Budget| matches!(budget.quota().window(), Window::Fixed { .. });
        if self.books.budgets().any(is_fixed) { 1_000_000 } else { 1 }
    }

    pub(crate) fn charge(&mut self, call: &Call) -> Charge {
        let own = call.own && self.limits[1].is_some();
        let limited = call.tenant == Tenant::Limited && self.limits[2].is_some();
        let mut charge = Charge { number: self.calls, own, limited, cost: Cost::default() };
        self.calls += 1;
        let (input, output) = (self.size(&charge, call.input), self.size(&charge, call.output));
        charge.cost = Cost::input(input).max_output(output);
        charge
    }

    /// Nothing is in the way of a call but what the books say.
    pub(crate) fn is_clear(&self) -> bool {
        self.limiter.waiting() == 0 && self.granted(self.time.now()).next().is_none() && self.is_plain()
    }

    /// No refusal has shut or narrowed a budget, and no limit has changed by itself.
    pub(crate) fn is_plain(&self) -> bool {
        !self.refused_once && !self.adrift && !self.stopped
    }

    /// Calls that were granted and have not taken it, as far as that can be seen from outside.
    pub(crate) fn granted(&self, now: i128) -> impl Iterator<Item = &Waiter> {
        let holds = move |waiter: &&Waiter| {
            waiter.alarm.woken().is_some_and(|(woken, _)| now - woken <= LAPSE + TIMER)
        };
        self.waiters.iter().filter(holds)
    }

    /// A call was admitted: the model takes it, and it must have had leave.
    pub(crate) fn admit(
        &mut self,
        call: &Call,
        charge: Charge,
        permit: Permit,
        key: Key,
        began: Option<Key>,
    ) {
        self.tally.admitted += 1;
        self.hold(permit.cost() == charge.cost, || format!("{charge:?}: reserved {:?}", permit.cost()));
        self.books.take(&charge, key);
        self.adrift |= self.books.owe_too_much(key);
        if !self.adrift
            && let Some((scope, i)) = self.books.broken_by(&charge, key)
        {
            let budget = &self.books.in_scope(scope)[i];
            self.hold(false, || {
                format!("never over: {charge:?} at {key:?} went although {budget:#?} could not pay")
            });
        }
        self.hold(self.books.answer(&charge, key.0, key).answer != Answer::Never, || {
            format!("{charge:?} is too large, and went")
        });
        self.in_order(call, &charge, key, began);
        self.out.push(Out { charge, permit, at: key, headed: false });
    }

    /// Of equal calls in one line, the one that came first went first.
    fn in_order(&self, call: &Call, charge: &Charge, key: Key, began: Option<Key>) {
        let passed = |waiter: &&Waiter| {
            let earlier = began.is_none_or(|began| waiter.began < began);
            let in_line = waiter.always_polled
                && waiter.began < key
                && waiter.alarm.woken().is_none_or(|woken| woken > key);
            earlier && in_line && waiter.is_like(charge, call)
        };
        let passed = self.waiters.iter().find(passed);
        self.hold(passed.is_none(), || format!("{charge:?} passed {passed:?}"));
    }

    /// Polls a waiter; takes it out when it is done.
    pub(crate) fn poll(&mut self, i: usize) {
        let first = self.waiters[i].began.1 == 0;
        let clear = first && self.is_clear();
        let before = self.time.now();
        if first {
            self.waiters[i].began = self.time.key();
            let within = self.waiters[i].deadline.map(|(_, within)| within);
            self.waiters[i].deadline = within.map(|within| (before + within, within));
        }
        let woken = self.waiters[i].alarm.take();
        let waker = self.waiters[i].waker();
        let polled = Pin::new(&mut self.waiters[i].future).poll(&mut Context::from_waker(&waker));
        let seen = self.time.key();
        let Poll::Ready(outcome) = polled else {
            let Waiter { charge, .. } = self.waiters[i];
            let answer = self.books.answer(&charge, before, seen).answer;
            self.hold(!clear || matches!(answer, Answer::No | Answer::Either), || {
                format!("{charge:?} waits although nobody does and the books say {answer:?}")
            });
            return;
        };
        // It was decided when it was woken, or while it was polled.
        let during = self.waiters[i].alarm.take();
        let key = woken.or(during).unwrap_or(seen);
        let waiter = self.waiters.remove(i);
        match outcome {
            Ok(permit) => {
                self.tally.served += 1;
                if let Some((deadline, _)) = waiter.deadline {
                    let mut leaps = self.leaps.iter();
                    let leapt =
                        leaps.any(|&(from, to)| (from..=to).contains(&deadline) && key.0 <= to + TIMER);
                    self.hold(key.0 <= deadline + TIMER || leapt, || {
                        format!("granted after its time: {waiter:?}")
                    });
                }
                self.admit(&waiter.call, waiter.charge, permit, key, Some(waiter.began));
            }
            Err(error) => self.failed(&waiter, &error, first && clear, key, seen),
        }
    }

    /// Polls those that were woken and are polled when they are.
    pub(crate) fn serve(&mut self) {
        for _ in 0..1_000 {
            let woken = |waiter: &Waiter| waiter.polled && waiter.alarm.woken().is_some();
            let Some(i) = self.waiters.iter().position(woken) else { return };
            self.poll(i);
        }
        self.hold(false, || "waiters are woken over and over".to_owned());
    }

    /// Lets time pass from timer to timer, and polls whoever is woken.
    pub(crate) async fn pass(&mut self, by: Duration) {
        let until = Instant::now() + by;
        for _ in 0..10_000 {
            let time = self.time.clone();
            let rang = timeout_at(until, time.bell.notified()).await;
            self.serve();
            if rang.is_err() {
                return;
            }
        }
        self.hold(false, || "woken without end".to_owned());
    }

    pub(crate) async fn jump(&mut self, by: Duration) {
        let from = self.time.now();
        tokio::time::advance(by).await;
        self.leaps.push((from, self.time.now()));
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        self.serve();
    }

    /// What the limiter says by itself.
    pub(crate) fn listen(&mut self) {
        while let Some(event) = self.events.try_next() {
            if matches!(
                event,
                Event::LimitChanged { .. } | Event::WindowChanged { .. } | Event::ChargeChanged { .. }
            ) {
                self.hold(self.provoked, || format!("nobody named a limit: {event}"));
                self.adrift = true;
            }
            self.hold(!matches!(event, Event::LimitLearned { .. }), || event.to_string());
        }
    }

    /// Compares every budget with the model's.
    pub(crate) fn look(&mut self) {
        let snapshot = self.limiter.snapshot();
        let now = self.time.now();
        let seen = self.time.key();
        self.read = now;
        if self.adrift {
            return;
        }
        let granted: Vec<Charge> = self.granted(now).map(|waiter| waiter.charge).collect();
        for (scope, budgets) in snapshot.scopes().iter().zip(self.order()) {
            for (i, shown) in scope.budgets.iter().enumerate() {
                let budget = &self.books.in_scope(budgets)[i];
                let amounts = granted.iter().flat_map(|charge| self.books.amounts(charge));
                let maybe: i128 =
                    amounts.filter(|it| (it.0, it.1) == (budgets, i)).map(|it| i128::from(it.2)).sum();
                let (least, most) = budget.remaining(now, seen);
                let remaining = i128::from(shown.remaining);
                let fits = least.saturating_sub(maybe) <= remaining && remaining <= most;
                self.hold(fits && shown.quota == budget.quota(), || {
                    format!(
                        "{}: {} has {remaining} left, not {least} (less {maybe}) to {most}, at {seen:?}: {budget:#?}",
                        scope.name, shown.quota
                    )
                });
                let is_exact = matches!(budget.quota().window(), Window::Sliding { .. }) || least == most;
                self.hold(!self.exact || is_exact, || format!("not exact: {budget:?}"));
            }
        }
    }

    /// The scopes in the order of a snapshot.
    pub(crate) fn order(&self) -> impl Iterator<Item = usize> {
        let there = self.limits.each_ref().map(Option::is_some);
        (0..3).filter(move |&scope| there[scope])
    }

    /// Of those in line, the first would have gone, and whoever delays nobody.
    pub(crate) fn nobody_waits_for_nothing(&self) {
        if !self.is_plain() || self.granted(self.time.now()).next().is_some() || self.limiter.waiting() == 0 {
            return;
        }
        let in_line: Vec<&Waiter> = self.waiters.iter().filter(|it| it.began.1 > 0).collect();
        if in_line.len() != self.limiter.waiting() || !in_line.iter().all(|it| it.always_polled) {
            return;
        }
        let (now, seen) = (self.time.now(), self.time.key());
        let since = [now - TIMER, now];
        let could = |waiter: &Waiter| {
            since.iter().all(|&at| self.books.answer(&waiter.charge, at, seen).answer == Answer::Yes)
        };
        let all = in_line.iter().all(|waiter| could(waiter));
        self.hold(!all, || format!("every call in line could go: {in_line:#?} {:#?}", self.books));
        let delays_nobody = |waiter: &&&Waiter| {
            let mut others = in_line.iter().filter(|other| other.began != waiter.began);
            could(waiter)
                && others.all(|other| {
                    let enough = |&at: &i128| self.books.suffice(&waiter.charge, &other.charge, at, seen);
                    // The line of a tenant with quotas of its own may be set aside for the first in it.
                    let waits_behind = waiter.charge.limited
                        && other.began < waiter.began
                        && (other.call.tenant, other.call.priority)
                            == (waiter.call.tenant, waiter.call.priority);
                    !waits_behind && since.iter().all(enough)
                })
        };
        let free = in_line.iter().find(delays_nobody);
        self.hold(free.is_none(), || {
            format!("waits for nothing: {free:#?} among {in_line:#?} {:#?}", self.books)
        });
    }

    /// The wait that an error names.
    pub(crate) fn wait_of(error: &AcquireError) -> Option<Option<Duration>> {
        match error {
            AcquireError::NotYet(why) => why.blocking.as_ref().map(|blocking| blocking.wait),
            _ => None,
        }
    }
}
