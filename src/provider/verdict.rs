use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why the provider said no to a call, as far as the books are concerned.
///
/// Every answer costs its request: a refused call was counted all the same (OpenAI: "unsuccessful
/// requests contribute to your per-minute limit",
/// platform.openai.com/docs/guides/rate-limits, read November 2026).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// 429: over a limit. The tokens were not taken.
    RateLimited {
        /// How long the provider said to wait.
        retry_after: Option<Duration>,
    },
    /// 503, 529: the provider is full. The tokens were not taken.
    Overloaded {
        /// How long the provider said to wait.
        retry_after: Option<Duration>,
    },
    /// 413, or a 429 that no wait helps: the call is too large. The tokens were not taken.
    TooLarge,
    /// Any other 4xx: the prompt was read and is charged, output is not. (OpenAI 400 answers took
    /// 3 and 775 tokens from the budget: dd-trace-py and openllmetry cassettes.)
    Rejected,
    /// Any other 5xx: nobody knows what was charged, so everything that was reserved is.
    Failed,
}

impl Verdict {
    /// The verdict that an HTTP status stands for; `None` for a status that is no refusal.
    ///
    /// # Example: tell the books of a refusal
    ///
    /// ```
    /// use tollgate::Verdict;
    ///
    /// assert_eq!(Verdict::from_status(429), Some(Verdict::RateLimited { retry_after: None }));
    /// assert_eq!(Verdict::from_status(200), None);
    /// ```
    pub fn from_status(status: u16) -> Option<Verdict> {
        match status {
            429 => Some(Verdict::RateLimited { retry_after: None }),
            503 | 529 => Some(Verdict::Overloaded { retry_after: None }),
            413 => Some(Verdict::TooLarge),
            400..500 => Some(Verdict::Rejected),
            500..600 => Some(Verdict::Failed),
            _ => None,
        }
    }
}
