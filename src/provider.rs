//! What providers say: headers, refusals.

mod headers;
mod verdict;

pub use headers::Headers;
pub use verdict::Verdict;

pub(crate) use headers::processing_time;
