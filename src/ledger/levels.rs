//! What is left of every budget, for a display.

use super::Ledger;
use crate::bucket::Bucket;
use crate::quota::Quota;
use crate::time::Now;

/// What is left of one quota at one instant; see [`Limiter::levels`](crate::Limiter::levels).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// Whose budget it is: `model gpt-4o-mini`, `group openai`, `tenant alice of group openai`.
    pub scope: String,
    /// What the provider promises, as it is known now.
    pub quota: Quota,
    /// What is left of it; below zero is debt.
    pub remaining: i64,
    /// What calls have taken that are still out.
    pub reserved: u64,
}

impl Ledger {
    pub(crate) fn levels(&mut self, now: Now) -> Vec<Level> {
        let scopes = self.scopes.iter_mut();
        let levels = scopes.flat_map(|scope| {
            scope.budgets.iter_mut().map(|budget| {
                budget.bucket.advance(now);
                let remaining = budget.bucket.remaining();
                let reserved = match budget.bucket {
                    Bucket::Held(_) => u64::try_from(budget.capacity as i64 - remaining).unwrap_or(0),
                    _ => budget.bucket.unsettled(),
                };
                Level { scope: scope.name.clone(), quota: budget.quota, remaining, reserved }
            })
        });
        levels.collect()
    }
}
