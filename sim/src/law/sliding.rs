//! A window that moves with the clock, kept as an exact log.

use std::collections::VecDeque;

/// A moving window: an entry made at `t` counts at every instant from `t` up to, but not at, `t + period`.
#[derive(Debug)]
pub(crate) struct Sliding {
    limit: u64,
    period: u64,
    /// Wide enough for any sum of entries.
    used: u128,
    /// When, and how much; oldest first.
    entries: VecDeque<(u64, u64)>,
}

impl Sliding {
    pub(super) fn new(limit: u64, period: u64) -> Self {
        Self { limit, period, used: 0, entries: VecDeque::new() }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn used(&mut self, now: u64) -> u64 {
        self.advance(now);
        u64::try_from(self.used).unwrap_or(u64::MAX)
    }

    pub(super) fn earliest(&mut self, now: u64, amount: u64) -> u64 {
        self.advance(now);
        let mut instant = now;
        let mut used = self.used;
        for &(at, entry) in &self.entries {
            if used + u128::from(amount) <= u128::from(self.limit) {
                break;
            }
            used -= u128::from(entry);
            instant = at + self.period;
        }
        instant
    }

    pub(super) fn charge(&mut self, now: u64, amount: u64) {
        self.advance(now);
        if amount > 0 {
            self.used += u128::from(amount);
            self.entries.push_back((now, amount));
        }
    }

    pub(super) fn full_again(&mut self, now: u64) -> u64 {
        self.advance(now);
        self.entries.back().map_or(now, |&(at, _)| at + self.period)
    }

    fn advance(&mut self, now: u64) {
        while let Some(&(at, amount)) = self.entries.front() {
            if at + self.period > now {
                break;
            }
            self.used -= u128::from(amount);
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_up_to_but_not_at_the_end_of_its_period() {
        let mut window = Sliding::new(5, 100);
        window.charge(10, 5);
        assert_eq!(window.used(109), 5);
        assert_eq!(window.earliest(109, 1), 110);
        assert_eq!(window.earliest(110, 5), 110);
        assert_eq!(window.used(110), 0);
    }

    #[test]
    fn a_call_waits_for_as_many_entries_as_it_needs_and_no_more() {
        let mut window = Sliding::new(5, 100);
        window.charge(10, 1);
        window.charge(20, 2);
        window.charge(30, 2);
        assert_eq!(window.earliest(40, 1), 110);
        assert_eq!(window.earliest(40, 2), 120);
        assert_eq!(window.earliest(40, 3), 120);
        assert_eq!(window.earliest(40, 4), 130);
        assert_eq!(window.full_again(40), 130);
    }

    #[test]
    fn no_window_of_any_alignment_holds_more_than_the_limit() {
        let mut window = Sliding::new(5, 100);
        window.charge(99, 5);
        assert_eq!(window.earliest(100, 1), 199, "the turn of a minute means nothing here");
    }

    #[test]
    fn debt_leaves_with_the_entry_that_made_it() {
        let mut window = Sliding::new(5, 100);
        window.charge(0, 4);
        window.charge(50, 4);
        assert_eq!(window.used(50), 8);
        assert_eq!(window.earliest(60, 1), 100);
        assert_eq!(window.earliest(60, 2), 150);
    }
}
