//! What providers say: headers, usage, refusals.

mod headers;
mod instant;
mod observation;
pub mod presets;
mod problem;
mod span;
#[cfg(feature = "json")]
mod usage;
mod verdict;

pub use headers::Headers;
pub use observation::{Family, Observation, Reading};
pub use presets::presets;
pub use verdict::{AccountProblem, Hit, ModelProblem, Overload, Retry, Verdict};
