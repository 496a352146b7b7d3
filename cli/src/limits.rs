//! From flags or a file to a limiter.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tollgate::presets::Preset;
use tollgate::{Builder, Limiter, Limits, Quota, Unit, UnknownPreset};

use crate::args;

/// The one scope that every model of the file shares when limits come from flags.
pub(crate) const EVERY_MODEL: &str = "every model";

/// Makes the limiter that the flags or the file describe.
pub(crate) fn limiter(flags: &args::Limits) -> Result<Limiter> {
    let builder = builder(flags)?;
    builder.build().with_context(|| match &flags.limits {
        None => "cannot use these limits".to_owned(),
        Some(path) => format!("cannot use the limits of {}", path.display()),
    })
}

/// The same before it is made.
pub(crate) fn builder(flags: &args::Limits) -> Result<Builder> {
    if let Some(name) = &flags.preset {
        return of_preset(name);
    }
    match &flags.limits {
        None => Ok(Limiter::builder().model(EVERY_MODEL, of_flags(flags)).fallback(EVERY_MODEL)),
        Some(path) => {
            let name = path.display();
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
            let builder: Builder =
                toml::from_str(&text).with_context(|| format!("{name} is not a file of limits"))?;
            builder.expanded().with_context(|| format!("cannot use the presets of {name}"))
        }
    }
}

fn of_preset(name: &str) -> Result<Builder> {
    match Preset::named(name) {
        Ok(preset) => Limiter::builder().preset(preset.name()).expanded().context("cannot use this preset"),
        Err(UnknownPreset::Name { near, .. }) if !near.is_empty() => {
            bail!("--preset {name}: no such preset; near it: {}; see `tollgate presets`", near.join(", "))
        }
        Err(_) => bail!("--preset {name}: no such preset; see `tollgate presets`"),
    }
}

/// Whether there is anything to keep to.
pub(crate) fn are_set(flags: &args::Limits) -> bool {
    flags.limits.is_some() || flags.preset.is_some() || !of_flags(flags).quotas().is_empty()
}

fn of_flags(flags: &args::Limits) -> Limits {
    let guarded = |quota: Quota| flags.guard.map_or(quota, |guard| quota.guard(guard));
    let minute = |unit, limit| guarded(flags.window.quota(unit, limit, flags.minute));
    let day = |unit, limit| guarded(flags.day_window.quota(unit, limit, flags.day));
    let quotas = [
        flags.rpm.map(|limit| minute(Unit::Requests, limit)),
        flags.rpd.map(|limit| day(Unit::Requests, limit)),
        flags.tpm.map(|limit| minute(Unit::Tokens, limit)),
        flags.tpd.map(|limit| day(Unit::Tokens, limit)),
        flags.itpm.map(|limit| minute(Unit::InputTokens, limit)),
        flags.otpm.map(|limit| minute(Unit::OutputTokens, limit)),
        flags.concurrency.map(Quota::concurrency),
    ];
    let none = Limits::new().charge(flags.charge.into());
    quotas.into_iter().flatten().fold(none, Limits::with)
}

/// How many requests to hold in memory where nobody says: enough to keep the limits busy, few enough for the
/// memory, and for the file descriptors of a system that allows a thousand.
pub(crate) fn queue(limiter: &Limiter) -> usize {
    let snapshot = limiter.snapshot();
    let quotas = || snapshot.scopes().iter().flat_map(|scope| &scope.budgets).map(|budget| budget.quota);
    let largest = |unit, of: fn(Quota) -> u64| quotas().filter(|quota| quota.unit() == unit).map(of).max();
    let enough = match largest(Unit::InFlight, |quota| quota.limit()) {
        Some(concurrency) => concurrency.saturating_mul(2).clamp(16, 4_096),
        None => largest(Unit::Requests, per_half_minute).unwrap_or(0).clamp(256, 900),
    };
    usize::try_from(enough).unwrap_or(usize::MAX)
}

fn per_half_minute(quota: Quota) -> u64 {
    let period = quota.window().period().unwrap_or(Duration::MAX).as_secs_f64();
    (quota.limit() as f64 * 30.0 / period) as u64
}

impl args::Window {
    fn quota(self, unit: Unit, limit: u64, period: Duration) -> Quota {
        match self {
            Self::Refill => Quota::refill(unit, limit, period),
            Self::Fixed => Quota::fixed(unit, limit, period),
            Self::Sliding => Quota::sliding(unit, limit, period),
        }
    }
}

impl From<args::Charge> for tollgate::Charge {
    fn from(charge: args::Charge) -> Self {
        match charge {
            args::Charge::Usage => Self::Usage,
            args::Charge::InputPlusMaxOutput => Self::InputPlusMaxOutput,
            args::Charge::InputOnly => Self::InputOnly,
        }
    }
}
