use std::collections::BTreeMap;

use serde::Serialize;

use super::Limiter;
use crate::error::BuildError;
use crate::quota::{Limits, Waiting};

/// Puts a [`Limiter`] together; reads from and writes to any serde format.
///
/// # Example: models, an account that two of them share, other names
///
/// ```
/// use tollgate::{Group, Limiter, Limits};
///
/// let limiter = Limiter::builder()
///     .model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000))
///     .alias("fast", "gpt-4o-mini")
///     .group(
///         "embeddings",
///         Group::new(Limits::new().rpm(3_000).tpm(1_000_000))
///             .member("text-embedding-3-*")
///             .tenant("nightly-job", Limits::new().tpm(300_000)),
///     )
///     .fallback("gpt-4o-mini")
///     .build()?;
/// # Ok::<(), tollgate::BuildError>(())
/// ```
///
/// # Example: the same from a file
///
/// ```
/// # use tollgate::Builder;
/// let builder: Builder = toml::from_str(r#"
///     fallback = "gpt-4o-mini"
///
///     [models.gpt-4o-mini]
///     rpm = 500
///     tpm = 200_000
///
///     [aliases]
///     fast = "gpt-4o-mini"
///
///     [groups.embeddings]
///     limits = { rpm = 3_000, tpm = 1_000_000 }
///     members = ["text-embedding-3-*"]
///     tenants.nightly-job = { tpm = 300_000 }
/// "#)?;
/// let limiter = builder.build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Builder {
    #[serde(rename = "preset", skip_serializing_if = "Vec::is_empty")]
    pub(super) presets: Vec<String>,
    pub(super) models: BTreeMap<String, Limits>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) aliases: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fallback: Option<String>,
    pub(super) waiting: Waiting,
}

impl Builder {
    /// Gives a model its own limits. The name may be a pattern, a prefix and a star: every model
    /// that matches shares one set of budgets. Given twice, the later limits count.
    ///
    /// A dated snapshot shares the limits of its model without being told: `gpt-4o-mini-2024-07-18`
    /// those of `gpt-4o-mini`.
    pub fn model(mut self, name: impl Into<String>, limits: Limits) -> Self {
        self.models.insert(name.into(), limits);
        self
    }

    /// Adds models that share quotas: an account, a family.
    pub fn group(mut self, name: impl Into<String>, group: Group) -> Self {
        self.groups.insert(name.into(), group);
        self
    }

    /// Lets another name, or pattern, stand for a model.
    pub fn alias(mut self, name: impl Into<String>, model: impl Into<String>) -> Self {
        self.aliases.insert(name.into(), model.into());
        self
    }

    /// Lets every name that is not configured share the limits of `model`, instead of being an error.
    pub fn fallback(mut self, model: impl Into<String>) -> Self {
        self.fallback = Some(model.into());
        self
    }

    /// Sets how calls wait, in each group.
    pub fn waiting(mut self, waiting: Waiting) -> Self {
        self.waiting = waiting;
        self
    }

    /// Makes the limiter. Every budget starts full; see [`Limiter::restore`].
    ///
    /// # Errors
    ///
    /// Names the model, group or tenant and the field: a quota that cannot be kept, a name that
    /// stands for two models, a pattern with a star elsewhere than at its end, an alias or a fallback
    /// for a model that has no limits, a preset that is not there.
    pub fn build(self) -> Result<Limiter, BuildError> {
        super::layout::build(self.expanded()?)
    }
}

/// Models that share quotas. All of its budgets are under one lock, and a call is charged to the
/// group's, its model's and its tenant's in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    pub(super) limits: Limits,
    pub(super) members: Vec<String>,
    pub(super) models: BTreeMap<String, Limits>,
    pub(super) tenants: BTreeMap<String, Limits>,
    pub(super) weights: BTreeMap<String, u32>,
}

impl Group {
    /// A group without models whose members share `limits`.
    pub fn new(limits: Limits) -> Self {
        Group { limits, ..Group::default() }
    }

    /// Adds a model, or a pattern, that has no limits but the group's.
    pub fn member(mut self, name: impl Into<String>) -> Self {
        self.members.push(name.into());
        self
    }

    /// Adds a model, or a pattern, with limits of its own beside the group's. Its charge rule is
    /// the one of its own limits.
    pub fn model(mut self, name: impl Into<String>, limits: Limits) -> Self {
        self.models.insert(name.into(), limits);
        self
    }

    /// Gives a tenant limits of its own beside the group's and the model's, over all models of the
    /// group. Calls name it with [`Acquire::tenant`](crate::Acquire::tenant).
    pub fn tenant(mut self, name: impl Into<String>, limits: Limits) -> Self {
        self.tenants.insert(name.into(), limits);
        self
    }

    /// Gives a tenant `weight` parts of the budget where others have one, while both have calls that wait.
    /// 0 counts as 1.
    pub fn weight(mut self, tenant: impl Into<String>, weight: u32) -> Self {
        self.weights.insert(tenant.into(), weight);
        self
    }
}
