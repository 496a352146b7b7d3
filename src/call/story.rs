//! Why a call has no answer to give, with the whole story.

use std::fmt;
use std::time::Duration;

use crate::error::{AcquireError, rounded};
use crate::provider::Verdict;
use crate::retry::Enough;

/// Why a call has no answer.
///
/// `A` is the answer, as `send` gave it, `E` its error. It is a `std::error::Error` for any `A`, and for
/// any `E` that can be shown.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CallError<A, E> {
    /// Its cost could not be told; nothing was sent.
    #[cfg(feature = "tiktoken")]
    #[error("the cost of the request cannot be told: {0}")]
    Estimate(#[from] crate::estimate::EstimateError),
    /// It was not admitted; nothing was sent.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The provider said no, the last time or for good.
    #[error("{0}")]
    Refused(Box<Refused<A>>),
    /// The last attempt came to no answer. What each such attempt reserved stays charged: nobody knows
    /// whether it arrived.
    #[error("the call failed {story}: {error}{}", .story.gave_up)]
    Send {
        /// What `send` gave.
        error: E,
        /// What came before.
        story: Box<Story>,
    },
}

/// A call that the provider refused, the last time or for good.
///
/// Shown, it says so in one sentence: "refused after 3 attempts in 42s: over the limit of 200000 tokens
/// per minute; try again in 20s; would have to wait 20s, 12s is left". The answer itself is neither shown nor
/// part of its `Debug` form.
pub struct Refused<A> {
    /// The last answer, for its status, header and body.
    pub answer: A,
    /// What it means.
    pub verdict: Verdict,
    /// What came before.
    pub story: Story,
}

/// What became of each attempt of a call, and why there was no further one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Story {
    /// In order; at least one.
    pub attempts: Vec<Attempt>,
    /// From the first wait for leave to the end of the last attempt, or to the refusal to admit another.
    pub took: Duration,
    /// Why there was no further attempt.
    pub gave_up: GaveUp,
}

/// One attempt of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// How long the call slept before it, from the end of the attempt before.
    pub slept: Duration,
    /// How long it waited for leave after that.
    pub waited: Duration,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of an attempt that was in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The provider said no.
    Refused(Verdict),
    /// There was no answer: the error of `send` as text.
    NoAnswer(String),
}

/// Why a call was not tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaveUp {
    /// No further attempt would fare better: see [`Verdict::retry`].
    NotWorthIt,
    /// It was tried as often as it may be.
    Attempts,
    /// It would have had to wait for longer than what was left of its longest wait.
    TooLong {
        /// The wait.
        wait: Duration,
        /// What was left.
        left: Duration,
    },
    /// The calls of this limiter were tried again so often of late that their budget of retries is used up.
    Budget,
    /// It was not admitted again.
    NotAdmitted(AcquireError),
}

impl From<Enough> for GaveUp {
    fn from(enough: Enough) -> Self {
        match enough {
            Enough::NotWorthIt => GaveUp::NotWorthIt,
            Enough::Attempts => GaveUp::Attempts,
            Enough::TooLong { wait, left } => GaveUp::TooLong { wait, left },
            Enough::Budget => GaveUp::Budget,
        }
    }
}

impl<A, E> CallError<A, E> {
    /// What became of each attempt; `None` where nothing was sent.
    pub fn story(&self) -> Option<&Story> {
        match self {
            CallError::Refused(refused) => Some(&refused.story),
            CallError::Send { story, .. } => Some(story),
            _ => None,
        }
    }
}

/// "after 3 attempts in 42s".
impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = self.attempts.len();
        let noun = if attempts == 1 { "attempt" } else { "attempts" };
        write!(f, "after {attempts} {noun} in {}", rounded(self.took))
    }
}

/// What follows the last thing that was said; nothing where that says it all.
impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GaveUp::NotWorthIt | GaveUp::Attempts => Ok(()),
            GaveUp::TooLong { wait, left } => {
                write!(f, "; would have to wait {}, {} is left", rounded(*wait), rounded(*left))
            }
            GaveUp::Budget => f.write_str("; the budget of retries is used up"),
            GaveUp::NotAdmitted(error) => write!(f, "; not admitted again: {error}"),
        }
    }
}

impl<A> std::error::Error for Refused<A> {}

impl<A> fmt::Display for Refused<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused {}: {}{}", self.story, self.verdict, self.story.gave_up)
    }
}

// Without the answer: it need not be `Debug` then, and what people wrote stays out of logs.
impl<A> fmt::Debug for Refused<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Refused");
        fields.field("verdict", &self.verdict).field("story", &self.story).finish_non_exhaustive()
    }
}

impl<A, E: fmt::Debug> fmt::Debug for CallError<A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "tiktoken")]
            CallError::Estimate(error) => f.debug_tuple("Estimate").field(error).finish(),
            CallError::Acquire(error) => f.debug_tuple("Acquire").field(error).finish(),
            CallError::Refused(refused) => f.debug_tuple("Refused").field(refused).finish(),
            CallError::Send { error, story } => {
                f.debug_struct("Send").field("error", error).field("story", story).finish()
            }
        }
    }
}
