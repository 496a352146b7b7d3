//! What providers say: headers, refusals.

mod headers;
#[cfg(feature = "json")]
mod usage;
mod verdict;

pub use headers::Headers;
pub use verdict::Verdict;

pub(crate) use headers::processing_time;
#[cfg(feature = "json")]
pub(crate) use usage::usage_of;
