//! What a limiter tells of by itself.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::provider::AccountProblem;
use crate::quota::{Charge, Quota};

/// Something that whoever runs the program may want to know; see [`Limiter::events`](crate::Limiter::events).
///
/// `scope` names whose budget it is: `model gpt-4o-mini`, `group openai`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A budget is used up to this percentage: told at 80 and at 95, once until it is below again. Only
    /// budgets of an hour and longer are told of; shorter ones are meant to be used up.
    Used {
        /// Whose budget it is.
        scope: String,
        /// What the provider promises.
        quota: Quota,
        /// The percentage that was passed.
        percent: u8,
    },
    /// The provider's answers tell another limit, which counts from now on.
    LimitChanged {
        /// Whose budget it is.
        scope: String,
        /// As it was.
        from: Quota,
        /// As it is.
        to: Quota,
    },
    /// The provider's answers name a limit that was not given, which is kept from now on.
    LimitLearned {
        /// Whose budget it is.
        scope: String,
        /// What the provider promises.
        quota: Quota,
    },
    /// The provider's answers show that it counts by another law, which is followed from now on.
    WindowChanged {
        /// Whose budget it is.
        scope: String,
        /// As it was.
        from: Quota,
        /// As it is.
        to: Quota,
    },
    /// A refusal shows that the provider charges by another rule, which is followed from now on.
    ChargeChanged {
        /// The model whose calls it is about.
        model: String,
        /// As it was.
        from: Charge,
        /// As it is.
        to: Charge,
    },
    /// The provider refused a call for the sake of this budget: no call goes for so long, then one does. Told
    /// once for all the calls that were out, and again when the one that tried was refused, too.
    Closed {
        /// Whose budget it is.
        scope: String,
        /// What the provider promises.
        quota: Quota,
        /// How long.
        wait: Duration,
    },
    /// A call got through again.
    Reopened {
        /// Whose budget it is.
        scope: String,
        /// What the provider promises.
        quota: Quota,
    },
    /// The provider takes no more calls from the account: none is sent.
    Stopped {
        /// The model whose call was refused.
        model: String,
        /// Why.
        problem: AccountProblem,
        /// Until when, if the provider says.
        until: Option<SystemTime>,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Used { scope, quota, percent } => write!(f, "{scope}: {percent} % of {quota} is used"),
            Event::LimitChanged { scope, from, to } => {
                write!(f, "{scope}: the provider's answers say {to} instead of {from}")
            }
            Event::LimitLearned { scope, quota } => {
                write!(f, "{scope}: {quota} is learned from the provider's answers")
            }
            Event::WindowChanged { scope, from, to } => write!(
                f,
                "{scope}: {to} is counted over a {} window, not a {} one",
                to.window().kind(),
                from.window().kind()
            ),
            Event::ChargeChanged { model, from, to } => {
                write!(f, "{model}: the provider charges {to}, not {from}")
            }
            Event::Closed { scope, quota, wait } => {
                write!(f, "{scope}: {quota} is closed for {wait:?}: the provider refused a call")
            }
            Event::Reopened { scope, quota } => write!(f, "{scope}: {quota} is open again"),
            Event::Stopped { model, problem, .. } => write!(f, "{model}: the account is stopped: {problem}"),
        }
    }
}
