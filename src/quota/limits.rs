use std::fmt;

use serde::{Deserialize, Serialize};

use super::promise::{DAY, MINUTE};
use super::{Charge, InvalidQuota, Quota, Rule, Unit};

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
    pub(super) rule: Rule,
    pub(super) oversize: Oversize,
    pub(super) longest_prompt: Option<u64>,
    pub(super) learned: bool,
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
        self.rule.charge = charge;
        self
    }

    /// Each token of an answer counts so many times where it meets the prompt's in one budget, as `tpm` and
    /// `tpd` are; 1 unless told. Budgets of output tokens alone count it once. The reservation counts it as often
    /// as the price does, so that the answer brings no debt.
    ///
    /// # Example: Claude Sonnet 4.5 on Amazon Bedrock, whose output counts five times
    ///
    /// ```
    /// use tollgate::{Cost, Limiter, Limits};
    ///
    /// let limits = Limits::new().tpm(10_000).output_weight(5);
    /// let limiter = Limiter::builder().model("claude", limits).build()?;
    ///
    /// let error = limiter.try_acquire("claude", Cost::input(6_000).max_output(1_000)).unwrap_err();
    /// assert!(error.to_string().contains("11000"), "{error}");
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn output_weight(mut self, times: u16) -> Self {
        self.rule.output_weight = times;
        self
    }

    /// Input that the provider read from its cache costs no tokens. The whole input is reserved, for nobody
    /// knows before; what [`Usage::cached_input`](super::Usage::cached_input) says comes back when the call is released.
    pub fn cached_input_is_free(mut self) -> Self {
        self.rule.cached_is_free = true;
        self
    }

    /// What becomes of a call that is larger than a quota. The default is to refuse it.
    pub fn oversize(mut self, oversize: Oversize) -> Self {
        self.oversize = oversize;
        self
    }

    /// Refuses calls whose prompt holds more `tokens` than this, at once, with
    /// [`AcquireError::PromptTooLong`](crate::AcquireError::PromptTooLong). Where a group, a model and a tenant have
    /// such bounds, each holds.
    ///
    /// # Example: a free key that takes prompts of at most 4,096 tokens
    ///
    /// ```
    /// use tollgate::{Cost, Limiter, Limits};
    ///
    /// let free = Limits::new().rpd(200).longest_prompt(4_096);
    /// let limiter = Limiter::builder().model("gpt-4o-mini", free).build()?;
    /// assert!(limiter.try_acquire("gpt-4o-mini", Cost::input(4_096)).is_ok());
    ///
    /// let error = limiter.try_acquire("gpt-4o-mini", Cost::input(4_097)).unwrap_err();
    /// assert_eq!(error.to_string(), "gpt-4o-mini: the prompt holds 4097 tokens; 4096 is the most for one call");
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn longest_prompt(mut self, tokens: u64) -> Self {
        self.longest_prompt = Some(tokens);
        self
    }

    /// Learns what is not given from the provider's answers: a limit that they name, with its window, is kept
    /// from then on. Until the first one is known, few calls are out at once: four, one more with
    /// each answer while about so many are, half as many after a refusal. Changed limits are learned anew.
    ///
    /// # Example: a key of which nothing is known
    ///
    /// ```
    /// use tollgate::{Limiter, Limits};
    ///
    /// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().learned()).build()?;
    /// # Ok::<(), tollgate::BuildError>(())
    /// ```
    pub fn learned(mut self) -> Self {
        self.learned = true;
        self
    }

    /// Whether what is not given is learned from the provider's answers.
    pub fn are_learned(&self) -> bool {
        self.learned
    }

    /// Every quota, in the order in which they were given.
    pub fn quotas(&self) -> &[Quota] {
        &self.quotas
    }

    /// What the provider charges for a call.
    pub fn charge_rule(&self) -> Charge {
        self.rule.charge
    }

    /// How often a token of the answer counts where it meets the prompt's in one budget.
    pub fn weight_of_output(&self) -> u16 {
        self.rule.output_weight
    }

    /// Whether input that the provider read from its cache costs nothing.
    pub fn is_cached_input_free(&self) -> bool {
        self.rule.cached_is_free
    }

    pub(crate) fn rule(&self) -> Rule {
        self.rule
    }

    /// What becomes of a call that is larger than a quota.
    pub fn oversize_rule(&self) -> Oversize {
        self.oversize
    }

    /// The most tokens that the prompt of one call may hold, where that is limited.
    pub fn prompt_bound(&self) -> Option<u64> {
        self.longest_prompt
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

/// `RPM 500, TPM 200000`: what a list says. Windows and rules are left out.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = false;
        for quota in &self.quotas {
            write!(f, "{}{quota}", if said { ", " } else { "" })?;
            said = true;
        }
        match self.longest_prompt {
            Some(tokens) => write!(f, "{}prompt {tokens}", if said { ", " } else { "" }),
            None if said => Ok(()),
            None => f.write_str("no limits"),
        }
    }
}
