#![forbid(unsafe_code)]

mod bucket;
mod error;
#[cfg(feature = "tiktoken")]
pub mod estimate;
mod gate;
mod ledger;
mod limiter;
mod permit;
mod provider;
mod queue;
mod quota;
mod time;

pub use error::{AcquireError, Blocking, BuildError, ExceedsQuota, NotYet, UnknownModel};
pub use gate::Eta;
pub use ledger::{BudgetSnapshot, ScopeSnapshot, Snapshot};
pub use limiter::{Acquire, AcquireAny, Builder, Group, Limiter, Model, SetLimitsError, UnknownSnapshot};
pub use permit::{Permit, Settled};
pub use provider::{Headers, Verdict};
pub use quota::{Charge, Cost, InvalidQuota, Limits, Quota, Unit, Usage, Window};
