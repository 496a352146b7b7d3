use serde::{Deserialize, Serialize};

use super::promise::{DAY, MINUTE};
use super::{Charge, InvalidQuota, Quota, Unit};

/// All quotas of one model, of a group of models, or of a tenant.
///
/// A quota that is not set is not kept; a quota of 0 admits nothing. Minute quotas are refilled
/// evenly, day quotas start anew at UTC midnight; [`Limits::with`] takes any other kind.
///
/// # Example: what an account may do
///
/// ```
/// use tollgate::Limits;
///
/// let limits = Limits::new().rpm(500).tpm(200_000).tpd(2_000_000).concurrency(10);
/// # assert_eq!(limits.quotas().len(), 4);
/// ```
///
/// # Example: the same from a file
///
/// ```
/// # use tollgate::Limits;
/// let limits: Limits = toml::from_str(r#"
///     rpm = 500
///     tpm = { limit = 200_000, window = "sliding" }
///     tpd = { limit = 2_000_000, resets_at = "8h" }
///     concurrency = 10
///     charge = "input_only"
///     quotas = [{ unit = "requests", limit = 10, period = "1s" }]
/// "#).unwrap();
/// # assert_eq!(limits.quotas().len(), 5);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub(super) quotas: Vec<Quota>,
    pub(super) charge: Charge,
    pub(super) oversize: Oversize,
}

/// What becomes of a call that is larger than a quota's capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oversize {
    /// It is refused at once, with [`AcquireError::ExceedsQuota`](crate::AcquireError::ExceedsQuota).
    #[default]
    Refuse,
    /// It waits until that budget is full, goes, and leaves the rest of its cost as debt. Only
    /// for providers that let such a call pass.
    DrainAndGo,
}

impl Limits {
    /// No quota at all.
    pub fn new() -> Self {
        Limits::default()
    }

    /// Requests per minute, refilled evenly.
    pub fn rpm(self, limit: u64) -> Self {
        self.with(Quota::refill(Unit::Requests, limit, MINUTE))
    }

    /// Requests per day, starting anew at UTC midnight.
    pub fn rpd(self, limit: u64) -> Self {
        self.with(Quota::fixed(Unit::Requests, limit, DAY))
    }

    /// Tokens per minute, input and output together, refilled evenly.
    pub fn tpm(self, limit: u64) -> Self {
        self.with(Quota::refill(Unit::Tokens, limit, MINUTE))
    }

    /// Tokens per day, input and output together, starting anew at UTC midnight.
    pub fn tpd(self, limit: u64) -> Self {
        self.with(Quota::fixed(Unit::Tokens, limit, DAY))
    }

    /// Input tokens per minute, refilled evenly.
    pub fn itpm(self, limit: u64) -> Self {
        self.with(Quota::refill(Unit::InputTokens, limit, MINUTE))
    }

    /// Output tokens per minute, refilled evenly.
    pub fn otpm(self, limit: u64) -> Self {
        self.with(Quota::refill(Unit::OutputTokens, limit, MINUTE))
    }

    /// Calls in flight at one instant.
    pub fn concurrency(self, calls: u64) -> Self {
        self.with(Quota::concurrency(calls))
    }

    /// One more quota, of any unit over any window.
    pub fn with(mut self, quota: Quota) -> Self {
        self.quotas.push(quota);
        self
    }

    /// What the provider charges for a call. The default is what the call really used.
    pub fn charge(mut self, charge: Charge) -> Self {
        self.charge = charge;
        self
    }

    /// What becomes of a call that is larger than a quota. The default is to refuse it.
    pub fn oversize(mut self, oversize: Oversize) -> Self {
        self.oversize = oversize;
        self
    }

    /// Every quota, in the order in which they were given.
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// What the provider charges for a call.
    pub fn charge_rule(&self) -> Charge {
        self.charge
    }

    /// What becomes of a call that is larger than a quota.
    pub fn oversize_rule(&self) -> Oversize {
        self.oversize
    }

    /// Says which quota could not be kept, if any.
    ///
    /// # Errors
    ///
    /// The first fault, with the quota and its field: see [`Quota::validate`].
    pub fn validate(&self) -> Result<(), InvalidQuota> {
        self.quotas.iter().try_for_each(|quota| quota.validate().map_err(|error| error.of(quota)))
    }
}
