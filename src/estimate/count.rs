//! How texts are counted: by a vocabulary, or told from the kinds of their characters.

#[cfg(feature = "bpe-openai")]
mod bpe_openai;
mod cache;
mod classes;
mod counter;
mod pieces;
mod sample;
mod tally;
mod thread;
mod tiktoken;
mod work;

use super::request::Part;
use super::{Accuracy, Encoding};

#[cfg(feature = "bpe-openai")]
pub use bpe_openai::BpeOpenai;
pub use counter::TokenCounter;
pub use tiktoken::Tiktoken;

pub(super) use cache::Counts;
pub(super) use tally::Tally;
pub(super) use thread::{CountingThread, give_way};
