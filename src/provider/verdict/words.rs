//! Verdicts in words for a person.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use super::{AccountProblem, Hit, ModelProblem, Overload, Verdict};

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::RateLimited { hit, retry_after, futile } => {
                match *hit == Hit::default() {
                    true => f.write_str("over a limit"),
                    false => write!(f, "over the limit of {hit}"),
                }?;
                match (retry_after, futile) {
                    (_, true) => f.write_str("; waiting is not worth it"),
                    (wait, false) => Wait(*wait).fmt(f),
                }
            }
            Verdict::Overloaded { cause, retry_after } => {
                write!(f, "{cause}")?;
                Wait(*retry_after).fmt(f)
            }
            Verdict::TooLarge { hit } => write!(f, "too large for the limit of {}", Size(*hit)),
            Verdict::Account { problem, until } => {
                write!(f, "nothing passes from this account: {problem}")?;
                match until.and_then(|until| until.duration_since(UNIX_EPOCH).ok()) {
                    Some(since) if since < Duration::from_secs(1 << 37) => {
                        write!(f, ", until {}", humantime::format_rfc3339_seconds(UNIX_EPOCH + since))
                    }
                    _ => Ok(()),
                }
            }
            Verdict::Model { problem } => write!(f, "nothing passes to this model: {problem}"),
            Verdict::Rejected => f.write_str("the request was rejected as it is"),
            Verdict::Failed => f.write_str("the provider failed"),
        }
    }
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = self.unit.map_or("calls or tokens", |unit| unit.noun());
        match self.limit {
            Some(limit) => write!(f, "{limit} {noun}"),
            None => f.write_str(noun),
        }?;
        if let Some(period) = self.period {
            write!(f, " per {}", Period(period))?;
        }
        if let Some(used) = self.used {
            write!(f, ", {used} used")?;
        }
        match self.requested {
            Some(requested) => write!(f, ", {requested} requested"),
            None => Ok(()),
        }
    }
}

/// A limit on the size of one call: its unit may be the model's context, which counts tokens.
struct Size(Hit);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size(hit) = *self;
        match (hit.unit, hit.limit) {
            (None, None) => f.write_str("one call"),
            (None, Some(limit)) => {
                write!(f, "{limit} tokens in one call")?;
                hit.requested.map_or(Ok(()), |requested| write!(f, ", {requested} requested"))
            }
            (Some(_), _) => hit.fmt(f),
        }
    }
}

/// A period as one says it: "minute", "10s".
struct Period(Duration);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0.as_secs() {
            1 => "second",
            60 => "minute",
            3_600 => "hour",
            86_400 => "day",
            2_592_000 => "month",
            _ => return humantime::format_duration(self.0).fmt(f),
        };
        f.write_str(name)
    }
}

/// What is said about the wait.
struct Wait(Option<Duration>);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(wait) => {
                // Nobody reads nanoseconds; rounded up.
                let millis = wait.as_nanos().div_ceil(1_000_000);
                let wait = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
                write!(f, "; try again in {}", humantime::format_duration(wait))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Overload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Overload::Capacity => "the provider is full; no limit of this account was exceeded",
            Overload::Upstream => "the relay's provider is full; no limit of this account was exceeded",
            Overload::SlowDown => "the rate rose too fast; slow down and rise again slowly",
        })
    }
}

impl fmt::Display for AccountProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AccountProblem::Key => "its key is not accepted",
            AccountProblem::Credit => "its credit is used up",
            AccountProblem::Spending => "its spending limit is reached",
            AccountProblem::Billing => "its billing is not active",
            AccountProblem::Quota => "its quota is used up",
            AccountProblem::Suspended => "it is suspended or not activated",
        })
    }
}

impl fmt::Display for ModelProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ModelProblem::Unknown => "it is not known there",
            ModelProblem::Forbidden => "the account may not use it",
            ModelProblem::Region => "it is not offered in this country or region",
            ModelProblem::NoQuota => "the account's limit for it is zero",
        })
    }
}
