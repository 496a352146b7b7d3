//! Plain values: what a provider promises, what a call is expected to cost, what it really used.
//!
//! Nothing here has a clock or a lock. Every type reads from and writes to any serde format.

mod charge;
mod config;
mod cost;
mod limits;
mod period;
mod promise;
mod unit;

pub use charge::Charge;
pub use cost::{Cost, Usage};
pub use limits::Limits;
pub use promise::{InvalidQuota, Quota, Window};
pub use unit::Unit;

pub(crate) use charge::Amounts;
pub(crate) use period::Text;
