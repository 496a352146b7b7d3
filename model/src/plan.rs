//! Which limiter is put together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arbitrary::Arbitrary;
use tollgate::{Charge, Group, Limiter, Limits, Oversize, Quota, Unit, Waiting, Window};

pub(crate) const GROUP: &str = "g";
/// Shares the group's limits and has none of its own.
pub(crate) const MEMBER: &str = "a";
pub(crate) const OWN: &str = "b";
pub(crate) const LIMITED: &str = "t";
pub(crate) const FREE: &str = "u";

/// A limiter: one group of models, of which one may have limits of its own, and a tenant may.
#[derive(Clone, Debug, Arbitrary)]
pub struct Plan {
    pub shared: Scope,
    pub own: Option<Scope>,
    pub tenant: Option<Scope>,
    pub no_slack: bool,
    pub most_calls: Option<u8>,
    /// Whether the books are looked at after each operation, which lets them read the clock.
    pub looks: bool,
    /// Whether the provider says nothing of limits and levels, and refuses nothing: then more is known exactly.
    pub quiet: bool,
    /// Where in their windows the limiter begins, in parts of 255.
    pub phase: u8,
}

#[derive(Clone, Debug, Arbitrary)]
pub struct Scope {
    /// One to four count.
    pub quotas: [Option<Draw>; 3],
    pub first: Draw,
    pub charge: Rule,
    pub output_weight: bool,
    pub cached_is_free: bool,
    pub drains: bool,
    pub longest_prompt: Option<u8>,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub enum Rule {
    Usage,
    Sum,
    Larger,
    Input,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
pub enum Kind {
    Refill,
    Fixed,
    Sliding,
    /// A day of the calendar.
    Day,
    Held,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub struct Draw {
    pub kind: Kind,
    pub unit: u8,
    pub period: u8,
    pub limit: u16,
    /// A burst that is not the limit.
    pub burst: Option<u16>,
    pub guarded: bool,
}

/// A limiter with what it was told.
pub(crate) struct Built {
    pub(crate) limiter: Limiter,
    pub(crate) limits: [Option<Limits>; 3],
}

pub(crate) fn phase(parts: u8, period: Duration) -> Duration {
    Duration::from_millis(period.as_millis() as u64 * u64::from(parts) / 255)
}

impl Draw {
    fn quota(&self, utc: Duration, parts: u8) -> Quota {
        let unit = match (self.kind, self.unit % 8) {
            (Kind::Held, _) => return Quota::concurrency(u64::from(self.limit % 8)),
            (_, 0..=1) => Unit::Requests,
            (_, 2..=4) => Unit::Tokens,
            (_, 5..=6) => Unit::InputTokens,
            _ => Unit::OutputTokens,
        };
        let whole = [1_000_000_000_u64, 10_000_000_000, 60_000_000_000, 86_400_000_000_000];
        let odd = [7_919_003_u64, 1_000_003, 180_000_000_000, 60_000_000_000];
        let pick = usize::from(self.period);
        let period = match self.kind {
            Kind::Day => whole[3],
            Kind::Refill | Kind::Sliding if pick % 8 > 3 => odd[pick % 4],
            _ => whole[pick % 4],
        };
        let period = Duration::from_nanos(period);
        // Small limits are where books go wrong; 0 admits nothing.
        let limit = |drawn: u16| match drawn % 8 {
            0..=2 => u64::from(drawn / 8 % 12) + u64::from(drawn >= 8),
            3..=5 => 12 + u64::from(drawn / 8 % 300),
            _ => 300 + u64::from(drawn / 8),
        };
        let quota = match self.kind {
            Kind::Refill => {
                let burst = self.burst.map_or(limit(self.limit), limit).max(1);
                Quota::refill(unit, limit(self.limit), period).burst(burst)
            }
            Kind::Sliding => Quota::sliding(unit, limit(self.limit), period),
            Kind::Fixed | Kind::Day | Kind::Held => {
                // Windows are aligned to the calendar, so they are put where the plan wants them.
                let behind = (utc.as_nanos() + period.as_nanos() - phase(parts, period).as_nanos())
                    % period.as_nanos();
                Quota::fixed(unit, limit(self.limit), period).resets_at(Duration::from_nanos(behind as u64))
            }
        };
        if self.guarded { quota } else { quota.guard(Duration::ZERO) }
    }
}

impl Scope {
    fn limits(&self, utc: Duration, parts: u8) -> Limits {
        let mut quotas: Vec<Quota> = Vec::new();
        for draw in [Some(self.first)].into_iter().chain(self.quotas).flatten() {
            let quota = draw.quota(utc, parts);
            // A changed quota goes on as the one of the same unit and period, so there is one of each.
            let is_new =
                |it: &Quota| (it.unit(), it.window().period()) != (quota.unit(), quota.window().period());
            if quotas.iter().all(is_new) {
                quotas.push(quota);
            }
        }
        let charge = match self.charge {
            Rule::Usage => Charge::Usage,
            Rule::Sum => Charge::InputPlusMaxOutput,
            Rule::Larger => Charge::LargerOfInputAndMaxOutput,
            Rule::Input => Charge::InputOnly,
        };
        let mut limits = quotas.into_iter().fold(Limits::new().charge(charge), Limits::with);
        if self.output_weight {
            limits = limits.output_weight(5);
        }
        if self.cached_is_free {
            limits = limits.cached_input_is_free();
        }
        if self.drains {
            limits = limits.oversize(Oversize::DrainAndGo);
        }
        match self.longest_prompt {
            Some(tokens) => limits.longest_prompt(u64::from(tokens) * 8),
            None => limits,
        }
    }
}

impl Plan {
    /// Only what can be told exactly: no margins, and the books always know the time.
    pub(crate) fn exact(mut self) -> Plan {
        for scope in [Some(&mut self.shared), self.own.as_mut(), self.tenant.as_mut()].into_iter().flatten() {
            scope.first.guarded = false;
            scope.quotas.iter_mut().flatten().for_each(|draw| draw.guarded = false);
        }
        Plan { looks: true, quiet: true, ..self }
    }

    /// Makes the limiter, within a millisecond: by no more its aligned windows are off the plan.
    pub(crate) fn build(&self) -> Option<Built> {
        (0..100).find_map(|_| {
            let utc = utc();
            let scopes = [Some(&self.shared), self.own.as_ref(), self.tenant.as_ref()];
            let limits = scopes.map(|scope| scope.map(|scope| scope.limits(utc, self.phase)));
            let limiter = self.limiter(&limits);
            let quick = self::utc() - utc < Duration::from_millis(1);
            quick.then_some(Built { limiter, limits })
        })
    }

    pub(crate) fn limiter(&self, limits: &[Option<Limits>; 3]) -> Limiter {
        let [shared, own, tenant] = limits.clone();
        let mut group = Group::new(shared.expect("always there")).member(MEMBER);
        if let Some(own) = own {
            group = group.model(OWN, own);
        }
        if let Some(tenant) = tenant {
            group = group.tenant(LIMITED, tenant);
        }
        let mut waiting = Waiting::new();
        if self.no_slack {
            waiting = waiting.slack(Duration::ZERO);
        }
        if let Some(most) = self.most_calls {
            waiting = waiting.most_calls(usize::from(most % 6));
        }
        Limiter::builder().group(GROUP, group).waiting(waiting).build().expect("valid limits")
    }
}

/// A limit in eighths of what it was.
pub(crate) fn scaled(limits: &Limits, eighths: u8) -> Limits {
    let scale = |amount: u64| (amount * u64::from(eighths)).div_ceil(8);
    let quota = |quota: &Quota| {
        let (unit, limit) = (quota.unit(), scale(quota.limit()));
        match quota.window() {
            Window::Refill { period, burst } => Quota::refill(unit, limit, period).burst(scale(burst).max(1)),
            Window::Fixed { period, offset } => Quota::fixed(unit, limit, period).resets_at(offset),
            Window::Sliding { period } => Quota::sliding(unit, limit, period),
            _ => Quota::concurrency(limit),
        }
        .guard(quota.jitter_guard())
    };
    let mut changed = Limits::new().charge(limits.charge_rule()).output_weight(limits.weight_of_output());
    if limits.is_cached_input_free() {
        changed = changed.cached_input_is_free();
    }
    if let Some(longest) = limits.prompt_bound() {
        changed = changed.longest_prompt(longest);
    }
    limits.quotas().iter().map(quota).fold(changed.oversize(limits.oversize_rule()), Limits::with)
}

pub(crate) fn utc() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
