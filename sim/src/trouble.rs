//! What makes a provider turn every call away, whatever its budgets say.

use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why every call is turned away. See [`SharedProvider::trouble`](crate::SharedProvider::trouble).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The provider is down: status 503 (Anthropic: 529), and no word of when that ends.
    Outage,
    /// Status 429 without any numbers of a budget.
    Storm {
        /// The wait that each of these answers tells, however long the storm still lasts.
        #[serde(with = "span")]
        retry_after: Duration,
    },
    /// No money is left: status 429 with `insufficient_quota` (Anthropic: 400 with its own words), and no wait.
    AccountStop,
}
