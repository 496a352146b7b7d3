use super::Encoding;

/// Counts the tokens of texts.
///
/// The one that is built in is [`Tiktoken`](super::Tiktoken); [`EstimatorBuilder::counter`](crate::estimate::EstimatorBuilder::counter)
/// takes another, such as one that asks a vocabulary of your own.
///
/// # Example: a counter for a model whose tokens are bytes
///
/// ```
/// use tollgate::estimate::{Encoding, Estimator, TokenCounter};
///
/// struct Bytes;
///
/// impl TokenCounter for Bytes {
///     fn count(&self, text: &str, _: Encoding) -> u64 {
///         text.len() as u64
///     }
/// }
///
/// let estimator = Estimator::builder().counter(Bytes).build();
/// ```
pub trait TokenCounter: Send + Sync {
    /// How many tokens `text` is. What looks like a special token (`<|endoftext|>`) is text.
    ///
    /// It is called on the caller's thread with what takes less than a millisecond together, and
    /// on a thread of the estimator's own with more.
    ///
    /// # Panics
    ///
    /// On the caller's thread a panic unwinds through the estimate; on the estimator's own it costs the exactness
    /// of that estimate.
    fn count(&self, text: &str, encoding: Encoding) -> u64;

    /// Whether counting with `encoding` needs nothing to be built first. Until it does not,
    /// estimates go by the kinds of characters, and `prepare` is called on a thread of its own.
    fn is_ready(&self, encoding: Encoding) -> bool {
        let _ = encoding;
        true
    }

    /// Builds what counting with `encoding` needs. May take its time.
    fn prepare(&self, encoding: Encoding) {
        let _ = encoding;
    }
}
