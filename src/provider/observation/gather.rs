//! One pass over the fields of an answer: what each says is put down, and weighed at the end, since
//! a field may be meant relative to one that comes later.

use std::time::{Duration, SystemTime};

use super::draft::{Member, Members};
use super::instant::At;
use super::names::{DAY, Dialect, Field, Key, MINUTE, Part, field};
use super::value::{self, Count, Reset};
use super::{Family, Observation, READINGS, Reading, window};

/// What the fields said so far. In pairs: the answer's own, and what a relay repeats from the
/// provider behind it.
#[derive(Debug)]
pub(super) struct Gathered {
    slots: [Slot; READINGS],
    len: usize,
    date: Option<At>,
    after_millis: [Option<Duration>; 2],
    after: [Option<Reset>; 2],
    should_retry: [Option<bool>; 2],
    processing: [Option<Duration>; 2],
    cost: [Option<u64>; 2],
    groq: [bool; 2],
    /// In seconds.
    kind: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: Key,
    upstream: bool,
    dialect: Dialect,
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Reset>,
    /// Said in a field of its own.
    period: Option<Duration>,
    /// A window that holds if the limit is this.
    policy: Option<Count>,
    /// The reset is what a refused call has to wait.
    waits: bool,
}

impl Gathered {
    pub(super) fn new() -> Self {
        let free = Slot {
            key: Key { family: None, window: None, policy: 0 },
            upstream: false,
            dialect: Dialect::Plain,
            limit: None,
            remaining: None,
            reset: None,
            period: None,
            policy: None,
            waits: false,
        };
        Gathered {
            slots: [free; READINGS],
            len: 0,
            date: None,
            after_millis: [None; 2],
            after: [None; 2],
            should_retry: [None; 2],
            processing: [None; 2],
            cost: [None; 2],
            groq: [false; 2],
            kind: None,
        }
    }

    /// Puts down what one field says. The first of several that mean the same counts.
    pub(super) fn take(&mut self, name: &str, text: &str) {
        let Some((upstream, field)) = field(name) else { return };
        let side = usize::from(upstream);
        let text = text.trim();
        match field {
            Field::Date if upstream => {}
            Field::Date => self.date = self.date.or_else(|| At::http(text)),
            Field::RetryAfterMillis => {
                self.after_millis[side] = self.after_millis[side].or_else(|| value::millis(text));
            }
            Field::RetryAfter => self.after[side] = self.after[side].or_else(|| value::retry_after(text)),
            Field::ShouldRetry => {
                self.should_retry[side] = self.should_retry[side].or_else(|| value::flag(text));
            }
            Field::ProcessingMillis => {
                self.processing[side] = self.processing[side].or_else(|| value::millis(text));
            }
            Field::Cost => self.cost[side] = self.cost[side].or_else(|| value::number(text)),
            Field::Groq => self.groq[side] = true,
            Field::Kind => self.kind = self.kind.or_else(|| kind(text)),
            Field::Levels => self.members(upstream, &Members::levels(text)),
            Field::Policies => self.members(upstream, &Members::policies(text)),
            Field::Budget(key, dialect, part) => self.part(upstream, key, dialect, part, text),
        }
    }

    fn part(&mut self, upstream: bool, key: Key, dialect: Dialect, part: Part, text: &str) {
        let Some(slot) = self.slot(upstream, key, dialect) else { return };
        match part {
            Part::Limit => {
                let Some(count) = value::count(text) else { return };
                slot.limit = slot.limit.or(Some(count.number));
                slot.policy = slot.policy.or(count.window.is_some().then_some(count));
            }
            Part::Remaining => slot.remaining = slot.remaining.or_else(|| value::number(text)),
            Part::Reset => slot.reset = slot.reset.or_else(|| value::reset(text, dialect)),
            Part::Wait => {
                let wait = value::reset(text, Dialect::Plain);
                slot.reset = wait.or(slot.reset);
                slot.waits |= wait.is_some();
            }
            Part::Period => slot.period = slot.period.or_else(|| value::period(text)),
            Part::Status if key.family == Some(Family::Subscription) => {
                let used_up = text.eq_ignore_ascii_case("rejected").then_some(0);
                slot.remaining = slot.remaining.or(used_up);
            }
            Part::Status => {}
        }
    }

    fn members(&mut self, upstream: bool, members: &Members) {
        for member in members.iter() {
            self.member(upstream, member);
        }
    }

    fn member(&mut self, upstream: bool, member: &Member) {
        let named = |slot: &&mut Slot| slot.upstream == upstream && slot.key.policy == member.policy;
        let known = match member.policy {
            0 => None,
            _ => self.slots.iter_mut().take(self.len).find(named),
        };
        let key = Key { family: member.family, window: None, policy: member.policy };
        let Some(slot) = (match known {
            Some(slot) => Some(slot),
            None => self.slot(upstream, key, Dialect::Plain),
        }) else {
            return;
        };
        if let Some(number) = member.limit.and_then(value::sane) {
            // Only a policy says what is counted.
            slot.key.family = member.family;
            let window = member.window.and_then(value::seconds).filter(|window| !window.is_zero());
            slot.policy = slot.policy.or(Some(Count { number, window }));
            if member.policy != 0 {
                slot.limit = slot.limit.or(Some(number));
            }
        }
        if member.policy == 0 && member.remaining.is_some() {
            slot.limit = slot.limit.or(member.limit.and_then(value::sane));
        }
        slot.remaining = slot.remaining.or(member.remaining.and_then(value::sane));
        slot.reset = slot.reset.or(member.reset.and_then(value::seconds).map(Reset::seconds));
    }

    /// The place of a budget; `None` if there are too many.
    fn slot(&mut self, upstream: bool, key: Key, dialect: Dialect) -> Option<&mut Slot> {
        let same = |slot: &Slot| slot.upstream == upstream && slot.key == key && slot.dialect == dialect;
        let place = self.slots.iter().take(self.len).position(same);
        let at = place.unwrap_or(self.len);
        let slot = self.slots.get_mut(at)?;
        if at == self.len {
            *slot = Slot { key, upstream, dialect, ..*slot };
            self.len += 1;
        }
        Some(slot)
    }

    /// What it all means.
    pub(super) fn conclude(self, status: u16, utc_now: Option<SystemTime>) -> Observation {
        let now = self.date.or_else(|| utc_now.and_then(At::of));
        let refused = status >= 400;
        let mut found = Observation::EMPTY;
        let mut waits = [Duration::ZERO; 2];
        for slot in self.slots.iter().take(self.len) {
            let Some(reading) = self.reading(slot, now) else { continue };
            if reading.remaining == Some(0) || slot.waits {
                let wait = &mut waits[usize::from(slot.upstream)];
                *wait = reading.reset.unwrap_or_default().max(*wait);
            }
            found.push(reading);
        }
        if refused {
            let after = |side: usize| {
                let after = || self.after[side].and_then(|reset| reset.resolve(now)).map(|(reset, _)| reset);
                self.after_millis[side].filter(|wait| !wait.is_zero()).or_else(after)
            };
            let some = |wait: Duration| (!wait.is_zero()).then_some(wait);
            found.retry_after = [0, 1].into_iter().find_map(|side| after(side).and_then(some));
            found.exhausted_for = waits.into_iter().find_map(some);
        }
        found.date = self.date.map(At::time);
        found.should_retry = self.should_retry[0].or(self.should_retry[1]);
        found.processing_time = self.processing[0].or(self.processing[1]);
        found.charged_tokens = self.cost[0].or(self.cost[1]);
        found
    }

    /// `None` for what says nothing.
    fn reading(&self, slot: &Slot, now: Option<At>) -> Option<Reading> {
        let limit = slot.limit.or(slot.policy.filter(|_| slot.key.policy == 0).map(|policy| policy.number));
        // An answer that came cannot have a limit of nothing.
        let remaining = slot.remaining.filter(|_| limit != Some(0));
        let limit = limit.filter(|limit| *limit > 0);
        let stated = self.stated(slot, limit);
        let reset = slot.reset.and_then(|reset| match (reset, limit, remaining) {
            (Reset::Unclear(number), Some(limit), Some(remaining)) => {
                window::clear(number, limit, remaining, stated)
                    .filter(|(reset, _)| value::sane_span(*reset).is_some())
            }
            (reset, ..) => reset.resolve(now),
        });
        let inferred = match (slot.dialect, limit, remaining, reset) {
            _ if stated.is_some() => None,
            (Dialect::OpenAi, Some(limit), Some(remaining), Some((reset, step))) if !step.is_zero() => {
                window::inferred(limit, remaining, reset, step)
            }
            // A reset that is far ahead speaks against the minute.
            (Dialect::Anthropic, _, _, reset) => {
                let far = reset.is_some_and(|(reset, _)| reset > Duration::from_secs(10 * MINUTE));
                (!far).then_some(Duration::from_secs(MINUTE))
            }
            _ => None,
        };
        let reading = Reading {
            family: slot.key.family?,
            limit,
            remaining,
            reset: reset.map(|(reset, _)| reset),
            resets_at: slot.reset.and_then(|reset| reset.at(now)),
            window: stated.or(inferred),
            window_inferred: inferred.is_some() && slot.dialect == Dialect::OpenAi,
            upstream: slot.upstream,
        };
        let says = limit.is_some() || remaining.is_some();
        (says || reading.reset.is_some() || reading.resets_at.is_some()).then_some(reading)
    }

    /// The window that the answer names, or that its dialect is known for.
    fn stated(&self, slot: &Slot, limit: Option<u64>) -> Option<Duration> {
        let matching = |policy: Count| policy.window.filter(|_| limit == Some(policy.number));
        let named = slot.key.window.and_then(value::seconds).filter(|window| !window.is_zero());
        let own = named.or(slot.period);
        let said = own.or_else(|| slot.policy.and_then(matching));
        let known = || match (slot.dialect, slot.key.family) {
            (Dialect::OpenAi, Some(Family::Requests)) if self.kind.is_some() => self.kind,
            // console.groq.com/docs/rate-limits, and recorded answers (openllmetry), read November 2026.
            (Dialect::OpenAi, Some(Family::Requests)) if self.groq[usize::from(slot.upstream)] => Some(DAY),
            (Dialect::OpenAi, Some(Family::Tokens)) if self.groq[usize::from(slot.upstream)] => Some(MINUTE),
            _ => None,
        };
        said.or_else(|| known().map(Duration::from_secs))
    }
}

/// `UserByModelByDay`, `UserByMinute` (GitHub Models, read November 2026).
fn kind(text: &str) -> Option<u64> {
    let ends = [("ByMinute", MINUTE), ("ByHour", 3_600), ("ByDay", DAY)];
    ends.into_iter().find_map(|(end, window)| text.ends_with(end).then_some(window))
}
