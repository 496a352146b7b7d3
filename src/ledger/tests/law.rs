//! The law of each quota, checked on the log of what was charged and on nothing else.

use super::model::{Bound, Budget, Entry, ns};
use crate::quota::Window;

impl Budget {
    /// The law itself, by brute force: whatever the instants at which the provider made its
    /// charges, no interval holds more than it may. Debt is the exception.
    pub(super) fn assert_law(&self) {
        let limit = i128::from(self.quota.limit());
        let sum = |of: &dyn Fn(&Entry) -> bool| -> i128 {
            self.entries.iter().filter(|entry| of(entry)).map(|entry| i128::from(entry.kept())).sum()
        };
        for (i, first) in self.entries.iter().enumerate() {
            match self.quota.window() {
                Window::Refill { period, burst } => {
                    let mut charged = 0;
                    for last in &self.entries[i..] {
                        charged += i128::from(last.kept()) * ns(period);
                        let (from, to) = (first.at.uptime, last.at.uptime);
                        let may = i128::from(burst) * ns(period) + limit * i128::from(to - from);
                        assert!(charged <= may, "{}: {charged} > {may} from {from} to {to}", self.quota);
                    }
                }
                Window::Fixed { .. } => {
                    let window = self.window_at(first.at);
                    for window in [window, window + 1] {
                        let charged = sum(&|entry| self.touches(entry, window, Bound::Least));
                        assert!(charged <= limit, "{}: {charged} in window {window}", self.quota);
                    }
                }
                Window::Sliding { period } => {
                    let to = i128::from(first.at.uptime);
                    let charged = sum(&|entry| {
                        let latest =
                            entry.placed.map_or(i128::MAX, |span| i128::from(span.to.uptime) + ns(period));
                        i128::from(entry.at.uptime) <= to && latest > to
                    });
                    assert!(charged <= limit, "{}: {charged} in the interval that ends at {to}", self.quota);
                }
                Window::Held => {}
            }
        }
    }
}
