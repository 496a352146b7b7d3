//! Operations, done to the limiter and told to the model.

use std::time::Duration;

use tollgate::{Acquire, Model, Priority, Unit, Window};

use crate::books::Charge;
use crate::budget::{Answer, Budget};
use crate::meaning::{pick, share};
use crate::op::{Call, Class, Head, No, Op, Tenant};
use crate::plan::{FREE, GROUP, LIMITED, MEMBER, OWN, scaled};
use crate::price::End;
use crate::waiter::{Alarm, Out, Waiter};
use crate::world::{MOST_OUT, TIMER, World};

impl World {
    /// Does one operation, and checks what can be said about it.
    pub(crate) async fn step(&mut self, op: &Op) {
        self.tally.ops += 1;
        match *op {
            Op::Acquire { call, within, polled } => self.acquire(&call, within, polled),
            Op::Try(call) => self.attempt(&call),
            Op::Poll(waiter) => {
                if let Some(i) = pick(waiter, self.waiters.len()) {
                    self.poll(i);
                }
            }
            Op::Attend(waiter, polled) => {
                if let Some(i) = pick(waiter, self.waiters.len()) {
                    self.waiters[i].always_polled &= polled;
                    self.waiters[i].polled = polled;
                }
            }
            Op::Leave(waiter) => {
                if let Some(i) = pick(waiter, self.waiters.len()) {
                    drop(self.waiters.remove(i));
                }
            }
            Op::Release { permit, used } => {
                if let Some(i) = pick(permit, self.out.len()) {
                    let usage = used.of(&self.out[i].charge.cost);
                    self.end(i, End::Released(usage));
                }
            }
            Op::Refuse { permit, no } => {
                let is_loud = matches!(no, No::RateLimited(..) | No::Overloaded(_) | No::Account);
                if let Some(i) = pick(permit, self.out.len())
                    && !(is_loud && self.plan.quiet)
                {
                    self.refused_once |= is_loud;
                    self.stopped |= matches!(no, No::Account);
                    self.stopped_once |= self.stopped;
                    self.end(i, End::Refused(no.verdict()));
                }
            }
            Op::Cancel(permit) => {
                if let Some(i) = pick(permit, self.out.len()) {
                    self.end(i, End::Cancelled);
                }
            }
            Op::Lose(permit) => {
                if let Some(i) = pick(permit, self.out.len()) {
                    self.end(i, End::Lost);
                }
            }
            Op::Observe { permit, head } => {
                if let Some(i) = pick(permit, self.out.len()) {
                    self.observe(i, head);
                }
            }
            Op::SetLimits { scope, eighths } => self.set_limits(usize::from(scope % 2), eighths % 17),
            Op::SetWeight { tenant, weight } => {
                let name = if tenant { LIMITED } else { FREE };
                self.limiter.set_weight(GROUP, name, u32::from(weight)).expect("there is such a group");
            }
            Op::Restart => self.restart(),
            Op::Resume => self.resume(),
            Op::Pass(wait) => {
                let by = self.length(wait);
                self.pass(by).await;
            }
            Op::Jump(wait) => {
                let by = self.length(wait);
                self.jump(by).await;
            }
        }
        self.settle();
    }

    /// Whoever was woken is polled, and everything is looked at.
    fn settle(&mut self) {
        self.serve();
        self.listen();
        if self.plan.looks {
            self.look();
        }
        self.nobody_waits_for_nothing();
        let now = self.time.now();
        let overdue = |waiter: &&Waiter| {
            let over =
                waiter.deadline.is_some_and(|(deadline, _)| waiter.began.1 > 0 && now > deadline + TIMER);
            over && waiter.polled
        };
        let overdue = self.waiters.iter().find(overdue);
        self.hold(overdue.is_none(), || format!("waits longer than it was to: {overdue:?}"));
    }

    fn model(&self, charge: &Charge, call: &Call) -> Model {
        let model = self.limiter.model(if charge.own { OWN } else { MEMBER }).expect("it is configured");
        let model = match call.tenant {
            Tenant::Nobody => model,
            Tenant::Limited => model.tenant(LIMITED),
            Tenant::Free => model.tenant(FREE),
        };
        model.priority(match call.priority {
            Class::High => Priority::High,
            Class::Normal => Priority::Normal,
            Class::Low => Priority::Low,
        })
    }

    fn acquire(&mut self, call: &Call, within: Option<u16>, polled: bool) {
        if self.out.len() + self.waiters.len() >= MOST_OUT {
            return;
        }
        let charge = self.charge(call);
        let mut future: Acquire = self.model(&charge, call).acquire(charge.cost);
        let within = within.map(|tenths| Duration::from_millis(u64::from(tenths) * 10));
        if let Some(within) = within {
            future = future.within(within);
        }
        let alarm = Alarm::new(self.time.clone());
        let deadline = within.map(|within| (i128::MAX, within.as_nanos() as i128));
        let (call, began) = (*call, (i128::MAX, 0));
        self.waiters.push(Waiter {
            call,
            charge,
            future,
            alarm,
            polled,
            always_polled: polled,
            began,
            deadline,
        });
        self.poll(self.waiters.len() - 1);
    }

    fn attempt(&mut self, call: &Call) {
        if self.out.len() + self.waiters.len() >= MOST_OUT {
            return;
        }
        let charge = self.charge(call);
        let (before, waiting) = (self.limiter.snapshot(), self.limiter.waiting());
        let lapsing = self.waiters.iter().any(|waiter| waiter.alarm.woken().is_some());
        let clear = self.is_clear();
        let expected = self.books.answer(&charge, self.time.now(), self.time.key()).answer;
        let tried = self.model(&charge, call).try_acquire(charge.cost);
        let key = self.time.key();
        self.read = key.0;
        match tried {
            Ok(permit) => {
                let allowed = !clear || matches!(expected, Answer::Yes | Answer::Either);
                self.hold(allowed, || {
                    format!("{charge:?} went, and the books say {expected:?}: {:#?}", self.books)
                });
                self.admit(call, charge, permit, key, None);
            }
            Err(error) => {
                let after = self.limiter.snapshot();
                // Those before it to whom something is due, or who let it lapse, have it or lose it first.
                let others = lapsing || self.limiter.waiting() != waiting;
                self.hold(others || before == after, || {
                    format!("a refused call took something: {before:?} {after:?}")
                });
                self.turned_away(&charge, &error, clear, key);
            }
        }
    }

    pub(crate) fn end(&mut self, i: usize, end: End) {
        let Out { charge, permit, .. } = self.out.remove(i);
        let key = self.time.key();
        self.books.end(&charge, &end, self.read, key);
        self.adrift |= self.books.owe_too_much(key);
        let _settled = match end {
            End::Released(usage) => permit.release(usage),
            End::Refused(verdict) => permit.refused(verdict),
            End::Cancelled => permit.cancel(),
            End::Lost => return,
        };
    }

    fn observe(&mut self, i: usize, head: Head) {
        let is_loud = matches!(head, Head::Level { .. } | Head::Limit { .. } | Head::Refusal);
        if self.plan.quiet && is_loud {
            return;
        }
        let (now, sent) = (self.time.now(), self.out[i].at.0);
        let first = !std::mem::replace(&mut self.out[i].headed, true);
        let mut latest = now;
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut field = |name: &str, value: String| fields.push((name.to_owned(), value));
        let limit_of = |tokens: bool| {
            let unit = if tokens { Unit::Tokens } else { Unit::Requests };
            let fits = |budget: &&Budget| budget.quota().unit() == unit;
            self.books.budgets().find(fits).map_or(1_000, |budget| budget.quota().limit())
        };
        let name = |tokens: bool| if tokens { "tokens" } else { "requests" };
        let mut status = 200_u16;
        let mut told = None;
        match head {
            Head::Plain => {}
            Head::Processing(parts) => {
                let out = u64::try_from((now - sent) / 1_000_000).unwrap_or(0);
                let worked = out * u64::from(parts) / 200;
                field("openai-processing-ms", worked.to_string());
                // A time longer than the call was out means nothing.
                if worked <= out {
                    latest = now - i128::from(worked) * 1_000_000;
                }
            }
            Head::Level { tokens, left } => {
                let limit = limit_of(tokens);
                field(&format!("x-ratelimit-limit-{}", name(tokens)), limit.to_string());
                field(&format!("x-ratelimit-remaining-{}", name(tokens)), share(limit, left).to_string());
                told = Some((tokens, share(limit, left)));
            }
            Head::Limit { tokens, left, eighths, reset } => {
                let limit = limit_of(tokens) * u64::from(eighths % 24) / 8;
                field(&format!("x-ratelimit-limit-{}", name(tokens)), limit.to_string());
                field(&format!("x-ratelimit-remaining-{}", name(tokens)), share(limit, left).to_string());
                if let Some(reset) = reset {
                    field(&format!("x-ratelimit-reset-{}", name(tokens)), format!("{reset}s"));
                }
                told = Some((tokens, share(limit, left)));
                self.provoked = true;
            }
            Head::Absurd(which) => {
                let values =
                    ["-1", "", "NaN", "99999999999999999999", "1e9", "none", "-9223372036854775808", "0x10"];
                let value = values[usize::from(which) % values.len()];
                for name in ["limit", "remaining", "reset"] {
                    for unit in ["requests", "tokens"] {
                        field(&format!("x-ratelimit-{name}-{unit}"), value.to_owned());
                    }
                }
                field("openai-processing-ms", value.to_owned());
            }
            Head::Refusal => status = 429,
        }
        // What it brings about, such as a grant, comes after it.
        let key = self.time.key();
        self.out[i].permit.observe(status, &fields);
        if !first {
            return;
        }
        let charge = self.out[i].charge;
        self.books.place(&charge, latest, key);
        if let Some((tokens, left)) = told {
            let unit = if tokens { Unit::Tokens } else { Unit::Requests };
            // To the thousand, where it was rounded.
            let rounding = if left > 0 && left % 1_000 == 0 { 1_000 } else { 1 };
            self.books.raise(|quota| quota.unit() == unit, left + rounding, key);
            self.refused_once = true;
        }
    }

    fn set_limits(&mut self, scope: usize, eighths: u8) {
        if self.exact {
            return;
        }
        let Some(limits) = self.limits[scope].as_ref().map(|limits| scaled(limits, eighths)) else { return };
        let key = self.time.key();
        match scope {
            0 => self.limiter.set_group_limits(GROUP, &limits),
            _ => self.limiter.set_limits(OWN, &limits),
        }
        .expect("valid limits");
        self.books.change(scope, &limits, key);
    }

    /// What was used is not forgotten by a restart, and no more than that is charged.
    fn restart(&mut self) {
        if self.adrift {
            return;
        }
        let old = self.limiter.snapshot();
        self.read = self.time.now();
        let limits = [0, 1, 2].map(|scope| self.books.limits(scope).cloned());
        let new = self.plan.limiter(&limits);
        let text = serde_json::to_string(&old).expect("it can be written");
        let read = serde_json::from_str(&text).expect("and read");
        self.hold(old == read, || format!("{old:?} became {read:?}"));
        let missing = new.restore(&read).expect("it is of this version");
        self.hold(missing.is_empty(), || format!("{missing:?}"));
        let shown = new.snapshot();
        for (old, new) in old.scopes().iter().zip(shown.scopes()) {
            for (old, new) in old.budgets.iter().zip(&new.budgets) {
                // The new one begins later by what the machine's own clock has gone.
                let slack = match old.quota.window() {
                    Window::Held => continue,
                    Window::Refill { period, .. } => {
                        let brings =
                            u128::from(old.quota.limit()) * self.real_time().as_nanos() / period.as_nanos();
                        i64::try_from(brings).unwrap_or(i64::MAX) + 1
                    }
                    _ => i64::MAX,
                };
                let fits = new.remaining >= old.remaining - 1
                    && new.remaining <= old.remaining.saturating_add(slack);
                self.hold(fits, || format!("{old:?} became {new:?}"));
            }
        }
    }

    pub(crate) fn resume(&mut self) {
        self.limiter.resume(MEMBER).expect("it is configured");
        self.stopped = false;
    }
}
