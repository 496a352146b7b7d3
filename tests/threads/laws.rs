//! Eight threads against each kind of window, in real time: the log is audited afterwards.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tollgate::{Charge, Group, Limiter, Limits, Quota, Unit, Window};

use super::audit::{self, Law, When};
use super::log::{self, Call, Load, MODELS, TENANTS};

const MS: Duration = Duration::from_millis(1);
const UNITS: [Unit; 2] = [Unit::Requests, Unit::Tokens];
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const PLENTY: u64 = 1 << 39;
/// Slots that nobody needs to wait for in vain, and that are lost if a call ends without giving its own back.
const SLOTS: u64 = 24;

/// Requests and tokens of the group, of each model and of each tenant: any of them may be the one that binds.
const SHARES: [[u64; 2]; 3] = [[130, 1_700], [100, 1_300], [90, 1_200]];

struct Made {
    limiter: Limiter,
    begin: Instant,
    /// The time of day when the run began, as the limiter knows it: at the earliest and at the latest.
    utc: [u64; 2],
}

/// So long a limiter does not look at the wall clock again. What ended later is left out where that matters.
const ANCHORED: u64 = 1_000_000_000;

/// Aligned windows follow the wall clock, which the limiter reads when it is made: made until that
/// can be told to the tenth of a millisecond, or nearly.
fn make(builder: &tollgate::Builder) -> Made {
    let mut best: Option<(Duration, Made)> = None;
    for _ in 0..200 {
        let begin = Instant::now();
        let utc = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let before = utc();
        let limiter = builder.clone().build().unwrap();
        let after = utc();
        let took = begin.elapsed();
        // It was told a time between the two at an instant between the two.
        let utc = [before - took.as_nanos() as u64, after];
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, Made { limiter, begin, utc }));
        }
        if took < MS / 10 {
            break;
        }
    }
    best.unwrap().1
}

impl Made {
    fn law(&self, quota: &Quota) -> Law {
        let nanos = |span: Duration| span.as_nanos() as u64;
        let limit = quota.limit();
        match quota.window() {
            Window::Refill { period, burst } => Law::Refill { limit, period: nanos(period), burst },
            Window::Sliding { period } => Law::Sliding { limit, period: nanos(period) },
            Window::Fixed { period, offset } => {
                let (period, offset) = (nanos(period), nanos(offset));
                let [earliest, latest] = self.utc;
                let from = period - (latest - offset) % period;
                Law::Aligned { limit, period, edge: When { from, to: from + (latest - earliest) } }
            }
            Window::Held => Law::Held { limit },
            other => panic!("no law for {other:?}"),
        }
    }
}

/// Runs the load against `quota` for each unit and share, and audits each budget by its own law.
fn never_over(lasts: Duration, rests: Option<Duration>, charge: Charge, quota: impl Fn(Unit, u64) -> Quota) {
    let limits = |share: [u64; 2]| {
        let quotas = [0, 1].map(|unit| quota(UNITS[unit], share[unit]));
        quotas.into_iter().fold(Limits::new().charge(charge), Limits::with)
    };
    let [whole, of_model, of_tenant] = SHARES;
    let whole = UNITS
        .into_iter()
        .fold(limits(whole).concurrency(SLOTS), |limits, unit| limits.with(Quota::fixed(unit, PLENTY, YEAR)));
    let group = Group::new(whole.clone());
    let group = MODELS.into_iter().fold(group, |group, model| group.model(model, limits(of_model)));
    let group = TENANTS.into_iter().fold(group, |group, tenant| group.tenant(tenant, limits(of_tenant)));
    let builder = Limiter::builder().group("account", group);
    audited(&builder, lasts, charge, rests.map(|rests| (rests, quota(UNITS[0], 1))), |made, calls| {
        let check = |who: &str, quota: &Quota, unit, of: &dyn Fn(&Call) -> bool| {
            let law = made.law(quota);
            let is_known = |call: &Call| !matches!(law, Law::Aligned { .. }) || call.ended.to < ANCHORED;
            let is_bucket = matches!(law, Law::Refill { .. });
            let of_it = calls.iter().filter(|call| of(call) && is_known(call));
            let entries: Vec<_> = of_it.map(|call| call.entry(unit, is_bucket, charge)).collect();
            audit::check(&law, &entries).unwrap_or_else(|why| panic!("{who}, {quota}: {why}"));
        };
        check("account", &Quota::concurrency(SLOTS), 0, &|_| true);
        for unit in 0..2 {
            check("account", &whole.quotas()[unit], unit, &|_| true);
            for one in 0..2 {
                check(MODELS[one], &limits(of_model).quotas()[unit], unit, &|call| call.model == one);
                check(TENANTS[one], &limits(of_tenant).quotas()[unit], unit, &|call| call.tenant == one);
            }
        }
        let budgets = &made.limiter.snapshot().scopes()[0].budgets.clone();
        let left: Vec<i64> = budgets[2..].iter().map(|budget| budget.remaining).collect();
        let spent = |unit: usize| calls.iter().map(|call| call.price[unit]).sum::<u64>();
        let expected = [SLOTS, PLENTY - spent(0), PLENTY - spent(1)].map(|left| left as i64);
        assert_eq!(
            left, expected,
            "what was charged in the end is what the calls cost, and all slots are free"
        );
    });
}

fn audited(
    builder: &tollgate::Builder,
    lasts: Duration,
    charge: Charge,
    rests: Option<(Duration, Quota)>,
    check: impl Fn(&Made, &[Call]),
) {
    let made = make(builder);
    let rests = rests.map(|(span, quota)| match made.law(&quota) {
        Law::Aligned { edge, .. } => (span, edge.from),
        _ => (span, 0),
    });
    let calls = log::run(&made.limiter, Load { begin: made.begin, lasts, charge, rests });
    assert_eq!(made.limiter.waiting(), 0);
    assert!(calls.len() > 100, "{} calls", calls.len());
    println!("{} calls", calls.len());
    check(&made, &calls);
}

#[test]
fn a_bucket_gives_its_burst_and_its_rate_in_any_interval_whatever_eight_threads_do() {
    never_over(1_200 * MS, None, Charge::Usage, |unit, limit| {
        Quota::refill(unit, limit, 100 * MS).burst(limit / 10).guard(Duration::ZERO)
    });
}

#[test]
fn a_sliding_window_gives_its_limit_in_any_interval_whatever_eight_threads_do() {
    never_over(900 * MS, Some(130 * MS), Charge::Usage, |unit, limit| {
        Quota::sliding(unit, limit, 100 * MS).guard(Duration::ZERO)
    });
}

#[test]
fn an_aligned_window_gives_its_limit_once_whatever_eight_threads_do() {
    never_over(900 * MS, Some(100 * MS), Charge::Usage, |unit, limit| {
        Quota::fixed(unit, limit, 100 * MS).guard(Duration::ZERO)
    });
}

#[test]
fn a_day_that_begins_at_an_offset_gives_its_limit_once_whatever_eight_threads_do() {
    never_over(900 * MS, Some(120 * MS), Charge::InputOnly, |unit, limit| {
        let limit = if unit == Unit::Tokens { limit / 2 } else { limit };
        Quota::fixed(unit, limit, 120 * MS).resets_at(50 * MS).guard(Duration::ZERO)
    });
}

#[test]
fn no_more_calls_are_in_flight_than_may_be_whatever_eight_threads_do() {
    let [whole, of_model, of_tenant] = [9, 6, 5];
    let group = Group::new(Limits::new().concurrency(whole));
    let slots = |slots| Limits::new().concurrency(slots);
    let group = MODELS.into_iter().fold(group, |group, model| group.model(model, slots(of_model)));
    let group = TENANTS.into_iter().fold(group, |group, tenant| group.tenant(tenant, slots(of_tenant)));
    audited(&Limiter::builder().group("account", group), 900 * MS, Charge::Usage, None, |made, calls| {
        let check = |limit, of: &dyn Fn(&Call) -> bool| {
            let of_it = calls.iter().filter(|call| of(call));
            let entries: Vec<_> = of_it.map(|call| call.entry(0, false, Charge::Usage)).collect();
            audit::check(&Law::Held { limit }, &entries).unwrap();
        };
        check(whole, &|_| true);
        for one in 0..2 {
            check(of_model, &|call| call.model == one);
            check(of_tenant, &|call| call.tenant == one);
        }
        let free: Vec<i64> =
            made.limiter.snapshot().scopes().iter().map(|scope| scope.budgets[0].remaining).collect();
        let all = [whole, of_model, of_model, of_tenant, of_tenant].map(|slots| slots as i64);
        assert_eq!(free.iter().sum::<i64>(), all.iter().sum::<i64>(), "all slots are free: {free:?}");
    });
}
