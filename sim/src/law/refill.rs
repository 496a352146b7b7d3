//! A bucket that holds one limit and is refilled evenly.

/// A token bucket: starts full, holds `limit` units, gains `limit` units per `period`.
///
/// The level is kept in units of one token x one nanosecond divided by the period, so that every nanosecond adds exactly
/// `limit` of them and a token is exactly `period` of them: nothing is ever rounded.
#[derive(Debug)]
pub(crate) struct Refill {
    limit: u64,
    period: u64,
    /// In tokens x `period`; negative while in debt.
    level: i128,
    as_of: u64,
}

impl Refill {
    pub(super) fn new(limit: u64, period: u64) -> Self {
        let level = i128::from(limit) * i128::from(period);
        Self { limit, period, level, as_of: 0 }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Holds what it held, but no more than the new limit, and is refilled at the new rate.
    pub(super) fn set_limit(&mut self, now: u64, limit: u64) {
        self.advance(now);
        self.limit = limit;
        self.level = self.level.min(self.full());
    }

    pub(super) fn used(&mut self, now: u64) -> u64 {
        self.advance(now);
        let missing = self.full() - self.level;
        divide_up(missing, i128::from(self.period))
    }

    pub(super) fn earliest(&mut self, now: u64, amount: u64) -> u64 {
        self.advance(now);
        self.when_level_is(i128::from(amount) * i128::from(self.period), now)
    }

    pub(super) fn charge(&mut self, now: u64, amount: u64) {
        self.advance(now);
        self.level -= i128::from(amount) * i128::from(self.period);
    }

    pub(super) fn full_again(&mut self, now: u64) -> u64 {
        self.advance(now);
        self.when_level_is(self.full(), now)
    }

    fn full(&self) -> i128 {
        i128::from(self.limit) * i128::from(self.period)
    }

    fn advance(&mut self, now: u64) {
        let elapsed = i128::from(now.saturating_sub(self.as_of));
        let gained = elapsed.saturating_mul(i128::from(self.limit));
        self.level = self.level.saturating_add(gained).min(self.full());
        self.as_of = self.as_of.max(now);
    }

    fn when_level_is(&self, wanted: i128, now: u64) -> u64 {
        if wanted <= self.level {
            return now;
        }
        if self.limit == 0 {
            return u64::MAX;
        }
        now.saturating_add(divide_up(wanted - self.level, i128::from(self.limit)))
    }
}

/// `amount / by` rounded up, for an amount that is not negative.
fn divide_up(amount: i128, by: i128) -> u64 {
    u64::try_from((amount + by - 1) / by).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    #[test]
    fn starts_full_and_holds_no_more_than_the_limit() {
        let mut bucket = Refill::new(10, MINUTE);
        assert_eq!(bucket.earliest(0, 10), 0);
        bucket.charge(100 * MINUTE, 10);
        assert_eq!(bucket.used(100 * MINUTE), 10, "an idle hour saves nothing up");
    }

    #[test]
    fn three_a_minute_means_the_fourth_waits_exactly_twenty_seconds() {
        let mut bucket = Refill::new(3, MINUTE);
        bucket.charge(7, 3);
        assert_eq!(bucket.earliest(7, 1), 20_000_000_007);
        assert_eq!(bucket.earliest(20_000_000_006, 1), 20_000_000_007);
        assert_eq!(bucket.earliest(20_000_000_007, 1), 20_000_000_007);
    }

    #[test]
    fn a_rate_that_does_not_divide_rounds_the_instant_up() {
        let mut bucket = Refill::new(7, MINUTE);
        bucket.charge(0, 7);
        // 60 s / 7 = 8.571428571428... s
        assert_eq!(bucket.earliest(0, 1), 8_571_428_572);
        assert_eq!(bucket.earliest(8_571_428_571, 1), 8_571_428_572);
        assert_eq!(bucket.full_again(8_571_428_571), MINUTE);
    }

    #[test]
    fn no_fraction_is_lost_over_a_million_small_steps() {
        let mut bucket = Refill::new(7, MINUTE);
        bucket.charge(0, 7);
        for step in 1..=1_000_000 {
            bucket.used(step * 8_571);
        }
        assert_eq!(bucket.earliest(8_571_000_000, 1), 8_571_428_572);
    }

    #[test]
    fn debt_is_paid_off_before_anything_fits() {
        let mut bucket = Refill::new(60, MINUTE);
        bucket.charge(0, 100);
        assert_eq!(bucket.used(0), 100);
        assert_eq!(bucket.earliest(0, 0), 40_000_000_000, "even nothing waits while the level is negative");
        assert_eq!(bucket.earliest(0, 1), 41_000_000_000);
        assert_eq!(bucket.full_again(0), 100_000_000_000);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut bucket = Refill::new(u64::MAX, 86_400_000_000_000);
        bucket.charge(u64::MAX, u64::MAX);
        assert_eq!(bucket.used(u64::MAX), u64::MAX);
    }
}
