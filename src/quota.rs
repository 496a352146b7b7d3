//! Plain values: what a provider promises, what a call is expected to cost, what it really used.
//!
//! Nothing here has a clock or a lock. Every type reads from and writes to any serde format.

mod charge;
mod config;
mod cost;
mod keyed;
mod limits;
mod period;
mod priority;
mod promise;
mod unit;
mod waiting;

pub use charge::Charge;
pub use cost::{Cost, Usage};
pub use limits::{Limits, Oversize};
pub use priority::Priority;
pub use promise::{InvalidQuota, Quota, Window};
pub use unit::Unit;
pub use waiting::Waiting;

pub(crate) use charge::{Amounts, Rule};
pub(crate) use keyed::{Table, put, unknown};
pub(crate) use period::{Text, as_text};
