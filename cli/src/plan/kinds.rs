//! Kinds of limits: requests per minute, tokens per day, ... whatever the model.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tollgate::{Builder, Quota, Snapshot, Unit};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// What is counted, over which period; `None` for calls in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    unit: Unit,
    period: Option<Duration>,
    /// The limit, where it is the same everywhere.
    limit: Option<u64>,
}

/// Every kind that there is.
pub(super) fn of(snapshot: &Snapshot) -> Vec<Kind> {
    let quotas = || snapshot.scopes().iter().flat_map(|scope| &scope.budgets).map(|budget| budget.quota);
    let kinds: BTreeSet<(Unit, Option<Duration>)> = quotas().map(|quota| key(&quota)).collect();
    let kinds = kinds.into_iter().map(|(unit, period)| {
        let limits: BTreeSet<u64> =
            quotas().filter(|quota| key(quota) == (unit, period)).map(|quota| quota.limit()).collect();
        Kind { unit, period, limit: limits.first().copied().filter(|_| limits.len() == 1) }
    });
    kinds.collect()
}

fn key(quota: &Quota) -> (Unit, Option<Duration>) {
    (quota.unit(), quota.window().period())
}

/// The same limiter with no limits.
pub(super) fn none(builder: &Builder) -> Result<Builder> {
    keeping(builder, |_| false)
}

/// The same limiter with the limits of one kind.
pub(super) fn only(builder: &Builder, kind: &Kind) -> Result<Builder> {
    keeping(builder, |quota| key(quota) == (kind.unit, kind.period))
}

/// The same limiter without the limits of one kind.
pub(super) fn without(builder: &Builder, kind: &Kind) -> Result<Builder> {
    keeping(builder, |quota| key(quota) != (kind.unit, kind.period))
}

/// A builder shows its quotas only as it is written.
fn keeping(builder: &Builder, keep: impl Fn(&Quota) -> bool) -> Result<Builder> {
    let mut written = serde_json::to_value(builder).context("cannot write the limits down")?;
    strip(&mut written, &keep)?;
    let builder: Builder = serde_json::from_value(written).context("cannot read back the limits")?;
    // A limit that stayed would make a kind look slower than it is.
    let left = builder.clone().build().context("cannot use a part of the limits")?.snapshot();
    let mut left = left.scopes().iter().flat_map(|scope| &scope.budgets);
    ensure!(left.all(|budget| keep(&budget.quota)), "cannot take the limits apart");
    Ok(builder)
}

fn strip(value: &mut Value, keep: &impl Fn(&Quota) -> bool) -> Result<()> {
    let Value::Object(fields) = value else { return Ok(()) };
    for (name, value) in fields {
        match value {
            Value::Array(quotas) if name == "quotas" => {
                let read =
                    |quota: Value| serde_json::from_value::<Quota>(quota.clone()).map(|read| (quota, read));
                let read = std::mem::take(quotas).into_iter().map(read).collect::<Result<Vec<_>, _>>();
                let kept =
                    read.context("cannot read back a limit")?.into_iter().filter(|(_, read)| keep(read));
                quotas.extend(kept.map(|(quota, _)| quota));
            }
            value => strip(value, keep)?,
        }
    }
    Ok(())
}

/// `tokens per day (2,000,000)`, `calls in flight (10)`.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.unit.noun())?;
        match self.period {
            Some(MINUTE) => f.write_str(" per minute")?,
            Some(DAY) => f.write_str(" per day")?,
            Some(period) => write!(f, " per {}", humantime::format_duration(period))?,
            None => {}
        }
        self.limit.map_or(Ok(()), |limit| write!(f, " ({})", indicatif::HumanCount(limit)))
    }
}

#[cfg(test)]
mod tests {
    use tollgate::{Group, Limiter, Limits};

    use super::*;

    #[test]
    fn each_kind_can_be_kept_or_left_out_wherever_it_is() {
        let group =
            Group::new(Limits::new().tpd(9_000)).member("b").model("c", Limits::new().rpm(7).tpm(500));
        let limits = Limits::new().rpm(5).tpm(100).concurrency(3);
        let builder = Limiter::builder().model("a", limits).group("g", group).fallback("a");
        let kinds_of = |builder: Builder| of(&builder.build().unwrap().snapshot());
        let names = |kinds: &[Kind]| kinds.iter().map(Kind::to_string).collect::<Vec<_>>();
        let kinds = kinds_of(builder.clone());
        let all =
            ["requests per minute", "tokens per minute", "tokens per day (9,000)", "calls in flight (3)"];
        assert_eq!(names(&kinds), all);
        for (place, kind) in kinds.iter().enumerate() {
            assert_eq!(names(&kinds_of(only(&builder, kind).unwrap())), [all[place]]);
            let without = names(&kinds_of(without(&builder, kind).unwrap()));
            assert_eq!(without.len(), 3);
            assert!(!without.contains(&all[place].to_owned()));
        }
        assert!(kinds_of(none(&builder).unwrap()).is_empty());
    }
}
