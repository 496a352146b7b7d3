//! From the tables of what providers allow to limits and builders.

use std::collections::BTreeSet;

use super::names::Names;
use super::{Builder, Group};
use crate::error::BuildError;
use crate::provider::presets::UnknownPreset;
use crate::provider::presets::{Preset, Row};
use crate::quota::{Limits, Quota};

impl Limits {
    /// What a provider allows to one model, as far as it is published or was measured. The name of the model
    /// matches as in [`Builder::model`]. What models share in the preset, this model has alone: see [`Builder::preset`].
    ///
    /// [`presets`](mod@crate::presets) lists what there is.
    ///
    /// # Errors
    ///
    /// Names the presets there are, or the models that the preset knows.
    ///
    /// # Example: one model of OpenAI's first usage tier, with less concurrency
    ///
    /// ```
    /// use tollgate::{Limiter, Limits};
    ///
    /// let limits = Limits::preset("openai/tier1", "gpt-4o-mini")?;
    /// assert_eq!(limits.to_string(), "RPM 500, RPD 10000, TPM 200000");
    ///
    /// let limiter = Limiter::builder().model("gpt-4o-mini", limits.concurrency(20)).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn preset(preset: &str, model: &str) -> Result<Limits, UnknownPreset> {
        let preset = Preset::named(preset)?;
        let row = row_of(preset, model).ok_or_else(|| UnknownPreset::Model {
            preset: preset.name(),
            model: model.to_owned(),
            allow_list: preset.is_allow_list(),
            known: preset.models(),
        })?;
        let limits = row.limits();
        let Some(account) = preset.account().filter(|_| !row.is_apart()) else { return Ok(limits) };
        let account = account.limits();
        let shared = account.quotas().iter().filter(|quota| !is_within(limits.quotas(), quota));
        Ok(shared.fold(limits.clone(), |limits, quota| limits.with(*quota)))
    }
}

/// The row that a model's name stands for, found as a limiter finds it.
fn row_of(preset: &Preset, model: &str) -> Option<&'static Row> {
    let rows = preset.rows();
    let of: Vec<String> = rows.iter().map(|row| row.models().to_owned()).collect();
    let mut names = Names::default();
    for (index, row) in rows.iter().enumerate() {
        for name in row.names() {
            names.add(name, index, &of).expect("a test adds the names of every preset");
        }
    }
    names.find_configured(model).map(|index| &rows[index])
}

/// Whether whatever keeps `quotas` keeps `quota`, too.
fn is_within(quotas: &[Quota], quota: &Quota) -> bool {
    quotas.iter().any(|own| {
        own.unit() == quota.unit() && own.window() == quota.window() && own.limit() <= quota.limit()
    })
}

impl Builder {
    /// Adds every model that a preset knows, with what the provider allows as far as it is published or was
    /// measured. [`presets`](mod@crate::presets) lists what there is; several may be added, for several providers.
    ///
    /// A name or pattern that is given by hand, here or later, takes the place of the same in the preset.
    ///
    /// A call to a model that no preset names fails before it is sent, with
    /// [`UnknownModel`](crate::UnknownModel) and the names there are. If the preset is an allow-list, as of a free
    /// key, the provider would refuse it. Otherwise its limits are only not known: give it its own with
    /// [`Builder::model`], or let it share those of another with [`Builder::fallback`], which beside an allow-list is an
    /// error.
    ///
    /// # Example: a free key, whose provider serves few models and short prompts
    ///
    /// ```
    /// use tollgate::{AcquireError, Cost, Limiter};
    ///
    /// let limiter = Limiter::builder().preset("chatanywhere/free").build()?;
    /// let permit = limiter.try_acquire("gpt-4o-mini", Cost::input(900).max_output(300))?;
    ///
    /// let forbidden = limiter.try_acquire("o3-pro", Cost::input(900)).unwrap_err();
    /// assert!(forbidden.to_string().starts_with("o3-pro: no limits for this model; configured: deepseek-*, gpt-"));
    ///
    /// let too_long = limiter.try_acquire("gpt-4o-mini", Cost::input(5_000)).unwrap_err();
    /// assert!(matches!(too_long, AcquireError::PromptTooLong(why) if why.longest == 4_096));
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn preset(mut self, name: impl Into<String>) -> Self {
        self.presets.push(name.into());
        self
    }

    /// Puts the models of its presets beside its own: to look at, or to change, what they give. What
    /// [`Builder::build`] does first.
    ///
    /// # Errors
    ///
    /// Those of presets that [`Builder::build`] has.
    pub fn expanded(mut self) -> Result<Builder, BuildError> {
        let names = std::mem::take(&mut self.presets);
        let by_hand = self.names();
        // The names that presets have given so far, and which.
        let mut given: Vec<(&str, &Preset)> = Vec::new();
        for name in names {
            let preset = Preset::named(&name).map_err(BuildError::UnknownPreset)?;
            if preset.is_allow_list() && self.fallback.is_some() {
                return Err(BuildError::FallbackPastAllowList { preset: preset.name() });
            }
            for model in preset.models() {
                if let Some((_, first)) = given.iter().find(|(given, _)| *given == model) {
                    let (first, second) = (first.name().to_owned(), preset.name().to_owned());
                    return Err(BuildError::Ambiguous { name: model.to_owned(), first, second });
                }
                given.push((model, preset));
            }
            self = self.with_rows_of(preset, &by_hand);
        }
        Ok(self)
    }

    fn with_rows_of(mut self, preset: &Preset, by_hand: &BTreeSet<String>) -> Builder {
        let mut account = preset.account().map(|account| Group::new(account.limits()));
        for row in preset.rows() {
            let mut names = row.names().filter(|name| !by_hand.contains(*name)).peekable();
            if names.peek().is_none() {
                continue;
            }
            match &mut account {
                Some(group) if !row.is_apart() => {
                    let group_with = |group: Group, name| group.model(name, row.limits());
                    *group = names.fold(std::mem::take(group), group_with);
                }
                _ if row.is_shared() => {
                    let group = names.fold(Group::new(row.limits()), Group::member);
                    self = self.group(format!("{} {}", preset.name(), row.models()), group);
                }
                _ => self = names.fold(self, |builder, name| builder.model(name, row.limits())),
            }
        }
        match account {
            Some(group) => self.group(preset.name(), group),
            None => self,
        }
    }

    /// Every name and pattern that is given by hand.
    fn names(&self) -> BTreeSet<String> {
        let of_groups =
            self.groups.values().flat_map(|group| group.members.iter().chain(group.models.keys()));
        self.models.keys().chain(self.aliases.keys()).chain(of_groups).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::quota::Unit;

    #[test]
    fn only_a_limit_of_the_same_law_that_is_no_larger_keeps_another() {
        let quota = |unit, limit, seconds| Quota::sliding(unit, limit, Duration::from_secs(seconds));
        let shared = quota(Unit::Requests, 200, 60);
        for limit in [5, 200] {
            assert!(is_within(&[quota(Unit::Requests, limit, 60)], &shared));
        }
        for other in
            [quota(Unit::Requests, 201, 60), quota(Unit::Requests, 5, 61), quota(Unit::Tokens, 5, 60)]
        {
            assert!(!is_within(&[other], &shared), "{other}");
        }
    }
}
