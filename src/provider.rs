//! What providers say: headers, refusals.

mod draft;
mod family;
mod gather;
mod headers;
mod instant;
mod names;
mod observation;
mod span;
#[cfg(feature = "json")]
mod usage;
mod value;
mod verdict;
mod window;

pub use family::Family;
pub use headers::Headers;
pub use observation::{Observation, Reading};
pub use verdict::Verdict;

#[cfg(feature = "json")]
pub(crate) use usage::usage_of;
