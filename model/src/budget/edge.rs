//! The instants at which something changes, where books go wrong.

use tollgate::Window;

use super::{Bound, Budget, ns};

impl Budget {
    /// How far it is to an instant at which something changes.
    pub(crate) fn edge(&self, which: u8, now: i128) -> i128 {
        let quota = self.quota();
        let guard = ns(quota.jitter_guard());
        match quota.window() {
            Window::Refill { period, .. } => {
                (ns(period) * (i128::from(which) + 1)).div_euclid(i128::from(quota.limit()).max(1))
            }
            Window::Fixed { period, .. } => {
                // The provider's edge, a guard before it, and a guard after it.
                (guard * (i128::from(which % 3) - 1) - now - self.phase).rem_euclid(ns(period))
            }
            Window::Sliding { period } => {
                let latest =
                    self.entries.iter().filter_map(|entry| entry.latest((now, u64::MAX), Bound::Most));
                let latest = latest.max().unwrap_or(now);
                (latest + ns(period) + guard - now).max(0)
            }
            _ => 0,
        }
    }
}
