//! "Never over", checked on the log of a run and on nothing else: written from the contract, in integers.
//!
//! When a call was admitted is only known to lie between two looks at the clock. An interval is charged with
//! what surely happened within it, so a slow machine raises no false alarm; it only hides what is smaller
//! than its own slowness.

/// An instant between two looks at the clock, in nanoseconds since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// What one call took of one budget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) admitted: When,
    /// Until when the provider may have charged it, for what the limiter knows; else it was when it was admitted.
    pub(crate) latest: Option<u64>,
    pub(crate) ended: When,
    pub(crate) reserved: u64,
    pub(crate) price: u64,
}

/// What a budget may give, in units and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Law {
    /// `burst` and `limit` for each `period`, in any interval.
    Refill { limit: u64, period: u64, burst: u64 },
    /// `limit` in any interval shorter than `period`.
    Sliding { limit: u64, period: u64 },
    /// `limit` in each window; one begins at `edge`, the others every `period` from there.
    Aligned { limit: u64, period: u64, edge: When },
    /// `limit` at any instant.
    Held { limit: u64 },
}

/// What was charged and when, to be added up.
#[derive(Clone, Copy)]
struct Charge {
    when: When,
    amount: u64,
}

impl Law {
    /// Into how many parts a unit is divided so that everything is whole.
    fn parts(&self) -> u128 {
        match *self {
            Law::Refill { period, .. } => period.into(),
            _ => 1,
        }
    }

    /// The most parts that may be charged from one instant to another, both included; `None` for any number.
    fn most(&self, from: u64, to: u64) -> Option<u128> {
        match *self {
            Law::Refill { limit, period, burst } => {
                Some(u128::from(burst) * u128::from(period) + u128::from(limit) * u128::from(to - from))
            }
            Law::Sliding { limit, period } => (to - from < period).then_some(limit.into()),
            Law::Aligned { limit, period, edge } => {
                let window = from.checked_sub(edge.to)? / period;
                (to < edge.from + (window + 1) * period).then_some(limit.into())
            }
            Law::Held { .. } => unreachable!("slots are no charges"),
        }
    }

    /// Every interval that ends at `end`, with `ready` charged at its end. `charges` are sorted, latest first.
    fn holds(&self, charges: impl Iterator<Item = Charge>, ready: u64, end: u64) -> Result<(), String> {
        let mut sum = u128::from(ready) * self.parts();
        for charge in charges {
            sum += u128::from(charge.amount) * self.parts();
            let from = charge.when.from;
            // Longer intervals are bounded by nothing either.
            let Some(most) = self.most(from, end) else { return Ok(()) };
            if sum > most {
                let (sum, most) = (sum / self.parts(), most / self.parts());
                return Err(format!("{sum} from {from} to {end} ns, {most} allowed: {self:?}"));
            }
        }
        Ok(())
    }
}

/// Says what is wrong with the log of one budget, if anything.
pub(crate) fn check(law: &Law, entries: &[Entry]) -> Result<(), String> {
    if let Law::Held { limit } = *law {
        return in_flight(limit, entries);
    }
    let mut entries = entries.to_vec();
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.admitted.from));
    charged_at_admission(law, &entries)?;
    charged_late(law, &entries)?;
    if let Law::Aligned { limit, period, edge } = *law {
        charged_in_either_window(limit, period, edge, &entries)?;
    }
    debt_is_waited_out(law, &entries)
}

/// At the instant of each admission.
fn in_flight(limit: u64, entries: &[Entry]) -> Result<(), String> {
    for at in entries.iter().map(|entry| entry.admitted.to) {
        let out = entries.iter().filter(|entry| entry.admitted.to <= at && entry.ended.from >= at).count();
        if out as u64 > limit {
            return Err(format!("{out} in flight after {at} ns, {limit} allowed"));
        }
    }
    Ok(())
}

/// What a call counts at `at`: what it reserved while it is out, no more than its price afterwards.
fn counts(entry: &Entry, at: u64) -> u64 {
    if entry.ended.from >= at { entry.reserved } else { entry.reserved.min(entry.price) }
}

fn charged_at_admission(law: &Law, entries: &[Entry]) -> Result<(), String> {
    for end in entries.iter().map(|entry| entry.admitted.to) {
        let within = entries.iter().filter(|entry| entry.admitted.to <= end);
        let charges = within.map(|entry| Charge { when: entry.admitted, amount: counts(entry, end) });
        law.holds(charges, 0, end).map_err(|why| format!("charged at admission: {why}"))?;
    }
    Ok(())
}

/// The provider may charge a call as late as it sends the head, or at the end.
fn charged_late(law: &Law, entries: &[Entry]) -> Result<(), String> {
    let late = |entry: &Entry| {
        let when = entry.latest.map_or(entry.admitted, |at| When { from: at, to: at });
        Charge { when, amount: entry.reserved.min(entry.price) }
    };
    let mut charges: Vec<Charge> = entries.iter().map(late).collect();
    charges.sort_unstable_by_key(|charge| std::cmp::Reverse(charge.when.from));
    for end in charges.iter().map(|charge| charge.when.to) {
        let within = charges.iter().copied().filter(|charge| charge.when.to <= end);
        law.holds(within, 0, end).map_err(|why| format!("charged late: {why}"))?;
    }
    Ok(())
}

/// A call that is out when a window ends may be charged in it or in the next one.
fn charged_in_either_window(limit: u64, period: u64, edge: When, entries: &[Entry]) -> Result<(), String> {
    let last = entries.iter().map(|entry| entry.ended.to).max().unwrap_or_default();
    for window in 0..last.saturating_sub(edge.to) / period {
        let (begin, end) = (edge.to + window * period, edge.from + (window + 1) * period);
        let may_be = |entry: &&Entry| {
            let When { from, to } = entry.admitted;
            let later = entry.latest.is_some_and(|at| to.max(begin) <= at.min(end - 1));
            later || (from >= begin && to < end)
        };
        let sum: u64 = entries.iter().filter(may_be).map(|entry| entry.reserved.min(entry.price)).sum();
        if sum > limit {
            return Err(format!("in either window: {sum} from {begin} to {end} ns, {limit} allowed"));
        }
    }
    Ok(())
}

/// A call is admitted only where what earlier ones used beyond their reservation is paid off.
fn debt_is_waited_out(law: &Law, entries: &[Entry]) -> Result<(), String> {
    // A call that nobody waited for may be settled as of the last instant that the books know.
    let debt = |entry: &Entry| When { from: entry.latest.unwrap_or(entry.admitted.from), to: entry.ended.to };
    let admissions = entries.iter().map(|entry| (entry.admitted, entry, false));
    let debts = entries.iter().filter(|entry| entry.price > entry.reserved);
    let mut events: Vec<(When, &Entry, bool)> =
        admissions.chain(debts.map(|entry| (debt(entry), entry, true))).collect();
    events.sort_unstable_by_key(|(when, ..)| std::cmp::Reverse(when.from));
    for call in entries {
        let When { from: before, to: end } = call.admitted;
        let earlier = events.iter().filter(|(when, ..)| when.to < before);
        let charges = earlier.map(|&(when, entry, is_debt)| {
            let amount = if is_debt { entry.price - entry.reserved } else { counts(entry, end) };
            Charge { when, amount }
        });
        law.holds(charges, call.reserved, end).map_err(|why| format!("debt: {why}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(instant: u64) -> When {
        When { from: instant, to: instant }
    }

    fn entry(admitted: u64, ended: u64, reserved: u64, price: u64) -> Entry {
        Entry { admitted: at(admitted), latest: None, ended: at(ended), reserved, price }
    }

    #[test]
    fn the_audit_finds_one_too_many_under_each_law_and_accepts_one_less() {
        let ten = |law: Law, gap: u64, more: u64| {
            let calls: Vec<Entry> = (0..10 + more).map(|i| entry(1_000 + i * gap, 5_000, 1, 1)).collect();
            check(&law, &calls).is_ok()
        };
        let refill = |limit| Law::Refill { limit, period: 1_000, burst: 5 };
        assert!(ten(refill(56), 10, 0) && !ten(refill(54), 10, 0));
        let sliding = |period| Law::Sliding { limit: 10, period };
        assert!(ten(sliding(101), 10, 0) && !ten(sliding(101), 10, 1) && ten(sliding(100), 10, 1));
        let aligned = |edge| Law::Aligned { limit: 10, period: 105, edge: at(edge) };
        assert!(ten(aligned(1_000), 10, 0) && !ten(aligned(1_000), 10, 1) && ten(aligned(5), 10, 1));
        let held = Law::Held { limit: 10 };
        assert!(ten(held, 10, 0) && !ten(held, 10, 1));
    }

    #[test]
    fn the_audit_counts_what_is_reserved_until_a_call_ends_and_its_price_afterwards() {
        let law = Law::Sliding { limit: 10, period: 100 };
        let first = |ended| entry(10, ended, 8, 3);
        assert!(check(&law, &[first(20), entry(21, 30, 7, 7)]).is_ok());
        assert!(check(&law, &[first(22), entry(21, 30, 7, 7)]).is_err());
        assert!(check(&law, &[first(20), entry(21, 30, 8, 0)]).is_err(), "also of the call that is admitted");
    }

    #[test]
    fn the_audit_finds_debt_that_was_forgotten() {
        let law = Law::Refill { limit: 1, period: 1, burst: 10 };
        let call = |at| [entry(0, 5, 2, 30), entry(at, 50, 6, 6)];
        assert!(check(&law, &call(26)).is_ok());
        assert!(check(&law, &call(25)).is_err());
        let unsure = [entry(0, 5, 2, 30), Entry { admitted: When { from: 4, to: 25 }, ..entry(0, 50, 6, 6) }];
        assert!(check(&law, &unsure).is_ok(), "it may have been admitted before the other ended");
    }

    #[test]
    fn the_audit_lets_the_provider_charge_late_and_each_call_when_it_likes() {
        let law = Law::Aligned { limit: 10, period: 100, edge: at(0) };
        let across = |latest| Entry { latest, ..entry(95, 120, 6, 6) };
        assert!(check(&law, &[across(None), entry(105, 250, 6, 6)]).is_ok());
        assert!(check(&law, &[across(Some(110)), entry(105, 250, 6, 6)]).is_err());
        let long = Entry { latest: Some(210), ..entry(95, 211, 6, 6) };
        assert!(check(&law, &[long, entry(105, 350, 6, 6)]).is_err(), "it may have been charged between");
    }
}
