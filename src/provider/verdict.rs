//! What an answer means for the caller and for the books.

mod words;

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::quota::Unit;

/// A wait at and above which an answer stands for "not here": Azure's trial subscriptions are told 86,400 s
/// again and again (jasonacox/TinyLLM#17, read November 2026).
const LONGEST: Duration = Duration::from_secs(86_400);

/// Why the provider said no to a call: by what the caller must do, and what it costs.
///
/// Every answer costs its request: a refused call was counted all the same (OpenAI: "unsuccessful
/// requests contribute to your per-minute limit",
/// platform.openai.com/docs/guides/rate-limits, read November 2026). Its tokens are another matter:
///
/// | verdict | what to do | tokens it costs |
/// |---|---|---|
/// | [`RateLimited`](Verdict::RateLimited) | wait, then send it again | none |
/// | [`Overloaded`](Verdict::Overloaded) | slow down; the budgets are as they were | none |
/// | [`TooLarge`](Verdict::TooLarge) | never send this call again | none |
/// | [`Account`](Verdict::Account) | send nothing more from this account | none |
/// | [`Model`](Verdict::Model) | send nothing more to this model | none |
/// | [`Rejected`](Verdict::Rejected) | mend the call | its input |
/// | [`Failed`](Verdict::Failed) | try again | what was reserved |
///
/// [`Verdict::retry`] says whether and when to try again; as text it says why, in words for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// A limit was hit that time gives back.
    RateLimited {
        /// The limit, as far as the answer names it.
        hit: Hit,
        /// How long the provider said to wait.
        retry_after: Option<Duration>,
        /// Waiting is not worth it: the budget comes back at a date of the calendar (a day at Gemini or
        /// OpenRouter, a month), or the provider said not to try again.
        futile: bool,
    },
    /// The provider is full, or its own provider is. No budget of the caller was exceeded.
    Overloaded {
        /// What is full.
        cause: Overload,
        /// How long the provider said to wait.
        retry_after: Option<Duration>,
    },
    /// The call is larger than a limit: no wait helps.
    TooLarge {
        /// The limit, as far as the answer names it. Without a unit it is the model's own: its context.
        hit: Hit,
    },
    /// Nothing from this account will pass until somebody acts, or until a date.
    Account {
        /// What is wrong with it.
        problem: AccountProblem,
        /// When access returns, where the answer says so.
        until: Option<SystemTime>,
    },
    /// Nothing to this model will pass from this account.
    Model {
        /// Why not.
        problem: ModelProblem,
    },
    /// Any other 4xx: the prompt was read and is charged, output is not. (OpenAI 400 answers took
    /// 3 and 775 tokens from the budget: dd-trace-py and openllmetry cassettes.)
    Rejected,
    /// Any other 5xx, and 408: nobody knows what was charged, so everything that was reserved is.
    Failed,
}

/// A limit that refused a call, as far as the answer names it.
///
/// Where `limit`, `used` and `requested` are told, they are exact, unlike the header fields, which are
/// rounded and may be missing on that very answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hit {
    /// What the limit counts.
    pub unit: Option<Unit>,
    /// The period it is counted over: a second, ten seconds, a minute, an hour, a day, 30 days for a month.
    pub period: Option<Duration>,
    /// The limit, in its unit per period.
    pub limit: Option<u64>,
    /// How much of it was used when the call came.
    pub used: Option<u64>,
    /// How much the call wanted, by the provider's own estimate.
    pub requested: Option<u64>,
}

/// What is full where a call meets no limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overload {
    /// The provider: its servers, a queue, a pool shared by all.
    Capacity,
    /// The provider behind a relay. Another one may have room.
    Upstream,
    /// Nothing yet, but the rate rose too fast: go back to the earlier one and rise slowly. (OpenAI:
    /// hold it for at least 15 minutes, developers.openai.com/api/docs/guides/error-codes, read November 2026.)
    SlowDown,
}

/// Why nothing passes from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountProblem {
    /// The key is missing, wrong, expired or revoked.
    Key,
    /// No money is left.
    Credit,
    /// A limit on spending is reached, the provider's or one's own.
    Spending,
    /// Billing is not set up or not active.
    Billing,
    /// The plan's quota is used up.
    Quota,
    /// The account is suspended, locked or not activated for this service.
    Suspended,
}

/// Why nothing passes to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelProblem {
    /// It does not exist, or not for this account.
    Unknown,
    /// This account may not use it.
    Forbidden,
    /// It is not offered where the call came from.
    Region,
    /// This account's limit for it is zero.
    NoQuota,
}

/// Whether and when the same call is worth sending again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// After this wait, which the provider told.
    After(Duration),
    /// After a wait of one's own choice that grows with each try.
    BackOff,
    /// Not this call to this provider.
    No,
}

impl Verdict {
    /// A limit was hit, not told which; `retry_after` is how long the provider said to wait.
    pub fn rate_limited(retry_after: Option<Duration>) -> Verdict {
        Verdict::RateLimited { hit: Hit::default(), retry_after, futile: false }
    }

    /// The provider is full; `retry_after` is how long it said to wait.
    pub fn overloaded(retry_after: Option<Duration>) -> Verdict {
        Verdict::Overloaded { cause: Overload::Capacity, retry_after }
    }

    /// The call is larger than a limit, not told which.
    pub fn too_large() -> Verdict {
        Verdict::TooLarge { hit: Hit::default() }
    }

    /// The verdict that an HTTP status alone stands for; `None` for a status that is no refusal.
    /// Headers and body tell more: see [`Verdict::of_answer`].
    ///
    /// # Example: tell the books of a refusal
    ///
    /// ```
    /// use tollgate::Verdict;
    ///
    /// assert_eq!(Verdict::from_status(429), Some(Verdict::rate_limited(None)));
    /// assert_eq!(Verdict::from_status(200), None);
    /// ```
    pub fn from_status(status: u16) -> Option<Verdict> {
        match status {
            429 => Some(Verdict::rate_limited(None)),
            // 498: Groq's flex capacity (console.groq.com/docs/errors, read November 2026).
            498 | 503 | 529 => Some(Verdict::overloaded(None)),
            413 => Some(Verdict::too_large()),
            401 => Some(Verdict::Account { problem: AccountProblem::Key, until: None }),
            402 => Some(Verdict::Account { problem: AccountProblem::Credit, until: None }),
            // The provider gave up waiting: nothing is wrong with the call.
            408 => Some(Verdict::Failed),
            400..500 => Some(Verdict::Rejected),
            500..600 => Some(Verdict::Failed),
            _ => None,
        }
    }

    /// Whether and when the same call is worth sending again.
    ///
    /// A day's budget without a told wait is not worth waiting for: nobody knows when its day ends. A wait
    /// of a day or more is not worth it either.
    ///
    /// # Example: wait as long as it takes, or give up
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Retry, Verdict};
    ///
    /// let told = Verdict::rate_limited(Some(Duration::from_secs(20)));
    /// assert_eq!(told.retry(), Retry::After(Duration::from_secs(20)));
    /// assert_eq!(Verdict::rate_limited(None).retry(), Retry::BackOff);
    /// assert_eq!(Verdict::too_large().retry(), Retry::No);
    /// ```
    pub fn retry(&self) -> Retry {
        match *self {
            Verdict::RateLimited { futile: true, .. } => Retry::No,
            Verdict::RateLimited { hit, retry_after: None, .. }
                if hit.period.is_some_and(|period| period >= LONGEST) =>
            {
                Retry::No
            }
            Verdict::RateLimited { retry_after, .. } | Verdict::Overloaded { retry_after, .. } => {
                match retry_after {
                    Some(wait) if wait >= LONGEST => Retry::No,
                    Some(wait) if !wait.is_zero() => Retry::After(wait),
                    // A wait of nothing would spin.
                    _ => Retry::BackOff,
                }
            }
            Verdict::Failed => Retry::BackOff,
            _ => Retry::No,
        }
    }

    /// Whether the same call is worth sending again, at once or later: [`Verdict::retry`] is not
    /// [`Retry::No`].
    pub fn is_worth_retrying(&self) -> bool {
        self.retry() != Retry::No
    }
}
