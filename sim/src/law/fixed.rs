//! Windows that follow one another on the clock.

/// Aligned windows: window number `now / period`; each begins with nothing used.
#[derive(Debug)]
pub(crate) struct Fixed {
    limit: u64,
    period: u64,
    window: u64,
    used: u64,
}

impl Fixed {
    pub(super) fn new(limit: u64, period: u64) -> Self {
        Self { limit, period, window: 0, used: 0 }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn used(&mut self, now: u64) -> u64 {
        self.advance(now);
        self.used
    }

    pub(super) fn earliest(&mut self, now: u64, amount: u64) -> u64 {
        self.advance(now);
        if self.used.saturating_add(amount) <= self.limit { now } else { self.next_window() }
    }

    pub(super) fn charge(&mut self, now: u64, amount: u64) {
        self.advance(now);
        self.used = self.used.saturating_add(amount);
    }

    pub(super) fn full_again(&mut self, now: u64) -> u64 {
        self.advance(now);
        self.next_window()
    }

    fn next_window(&self) -> u64 {
        (self.window + 1).saturating_mul(self.period)
    }

    fn advance(&mut self, now: u64) {
        let window = now / self.period;
        if window > self.window {
            self.window = window;
            self.used = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_opens_again_exactly_when_the_clock_turns() {
        let mut windows = Fixed::new(5, 100);
        windows.charge(130, 5);
        assert_eq!(windows.earliest(130, 1), 200);
        assert_eq!(windows.earliest(199, 1), 200);
        assert_eq!(windows.earliest(200, 5), 200);
        assert_eq!(windows.used(200), 0);
    }

    #[test]
    fn two_limits_may_pass_around_the_turn() {
        let mut windows = Fixed::new(5, 100);
        windows.charge(199, 5);
        assert_eq!(windows.earliest(200, 5), 200);
    }

    #[test]
    fn what_a_late_charge_takes_too_much_stays_in_its_window() {
        let mut windows = Fixed::new(5, 100);
        windows.charge(10, 9);
        assert_eq!(windows.used(99), 9);
        assert_eq!(windows.earliest(99, 0), 100);
        assert_eq!(windows.used(100), 0);
    }

    #[test]
    fn an_unused_window_still_says_when_it_ends() {
        assert_eq!(Fixed::new(5, 100).full_again(342), 400);
    }
}
