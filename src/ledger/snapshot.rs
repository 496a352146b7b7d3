//! What a restart must not forget.

use serde::{Deserialize, Serialize};

use super::Ledger;
use super::books::continued;
use crate::bucket::Spent;
use crate::quota::Quota;
use crate::time::Now;

/// What was used of every budget at one instant; reads and writes with serde.
///
/// Calls in flight count as charged: whoever restores it does not know how they ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub(crate) version: u32,
    pub(crate) scopes: Vec<ScopeSnapshot>,
}

/// The budgets of one model, group or tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeSnapshot {
    /// `model gpt-4o-mini`, `group openai`, `tenant alice of group openai`.
    pub name: String,
    /// One for each quota.
    pub budgets: Vec<BudgetSnapshot>,
}

/// What is left of one quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSnapshot {
    /// What the provider promises.
    pub quota: Quota,
    /// What is left of it now; below zero is debt.
    pub remaining: i64,
    pub(crate) spent: Spent,
}

impl Snapshot {
    /// The version of the format that this crate writes, and the only one it reads.
    pub(crate) const VERSION: u32 = 1;

    /// Every scope with its budgets.
    pub fn scopes(&self) -> &[ScopeSnapshot] {
        &self.scopes
    }
}

impl Ledger {
    pub(crate) fn snapshot(&mut self, now: Now) -> Vec<ScopeSnapshot> {
        let scopes = self.scopes.iter_mut().map(|scope| {
            let budgets = scope.budgets.iter_mut().map(|budget| {
                budget.bucket.advance(now);
                BudgetSnapshot {
                    quota: budget.quota,
                    remaining: budget.bucket.remaining(),
                    spent: budget.bucket.spent(now),
                }
            });
            ScopeSnapshot { name: scope.name.clone(), budgets: budgets.collect() }
        });
        scopes.collect()
    }

    /// Charges what was spent before, to the budgets of the same scope, unit and window. Says
    /// whether the scope was found.
    pub(crate) fn restore(&mut self, past: &ScopeSnapshot, now: Now) -> bool {
        let Some(&scope) = self.scope_named().get(past.name.as_str()) else { return false };
        let mut left: Vec<&BudgetSnapshot> = past.budgets.iter().collect();
        for budget in &mut self.scopes[scope].budgets {
            budget.bucket.advance(now);
            if let Some(found) = continued(&left, |old| &old.quota, &budget.quota) {
                budget.bucket.take_up(&left.remove(found).spent, now);
            }
        }
        true
    }
}
