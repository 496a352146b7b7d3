use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::as_text;

/// How calls wait in each group of models.
///
/// # Example: no more than 1,000 calls in line, and nobody passes
///
/// ```
/// use std::time::Duration;
/// use tollgate::{Limiter, Limits, Waiting};
///
/// let limiter = Limiter::builder()
///     .model("gpt-4o-mini", Limits::new().rpm(500))
///     .waiting(Waiting::new().most_calls(1_000).slack(Duration::ZERO))
///     .build()?;
/// # Ok::<(), tollgate::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Waiting {
    #[serde(with = "as_text")]
    pub(crate) slack: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) most_calls: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) most_tokens: Option<u64>,
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting { slack: Duration::from_millis(250), most_calls: None, most_tokens: None }
    }
}

impl Waiting {
    /// Any number of calls may wait, with a slack of 250 ms.
    pub fn new() -> Self {
        Waiting::default()
    }

    /// By how much calls that pass others may delay any call that arrived before them, all
    /// together. Small calls need not stop behind a large one that waits for its budget; it pays for
    /// that with this at the most. With none, later calls pass only where they delay nobody.
    pub fn slack(self, slack: Duration) -> Self {
        Waiting { slack, ..self }
    }

    /// How many calls may wait; the next one is refused at once.
    pub fn most_calls(self, calls: usize) -> Self {
        Waiting { most_calls: Some(calls), ..self }
    }

    /// How many tokens the calls that wait may be expected to cost together.
    pub fn most_tokens(self, tokens: u64) -> Self {
        Waiting { most_tokens: Some(tokens), ..self }
    }
}
