//! One row of a table, and how it becomes limits.

use std::fmt;
use std::time::Duration;

use crate::quota::{Charge, Limits, Quota, Unit};

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// No month is longer: in a window of so many days that slides, none can hold more than its limit.
const LONGEST_MONTH: u64 = 31 * DAY;

/// The most quotas in one row.
const MOST: usize = 6;

/// What a preset allows to some models: shell-like names, limits, and where they stand.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    models: &'static str,
    shared: bool,
    apart: bool,
    quotas: [Option<Entry>; MOST],
    longest_prompt: Option<u64>,
    minutes: Counted,
    days: Counted,
    charge: Charge,
    output_weight: u16,
    cached_is_free: bool,
    dialect: Dialect,
    source: &'static str,
    seen: &'static str,
    certainty: Certainty,
    note: &'static str,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    unit: Unit,
    limit: u64,
    /// None for calls in flight.
    over: Option<(u64, Counted)>,
}

/// How a provider counts a minute or a day.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counted {
    /// A bucket that is refilled evenly.
    Refilled,
    /// Windows aligned to the clock; days to midnight UTC.
    Fixed,
    /// Days to midnight Pacific time: they slide, with an hour of guard for the one that lasts 25 hours.
    Pacific,
    /// Not known: what is within every law. See the head of [`presets`](super).
    Sliding,
}

/// How sure a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Certainty {
    /// Measurements contradict it.
    Contradicted,
    /// Somebody's report, or a copy that could not be compared with the provider's own words.
    Reported,
    /// The provider says so.
    Documented,
    /// Read off the provider's answers.
    Measured,
}

impl Certainty {
    /// As a word for a person: `measured`.
    pub fn word(self) -> &'static str {
        match self {
            Certainty::Contradicted => "contradicted",
            Certainty::Reported => "reported",
            Certainty::Documented => "documented",
            Certainty::Measured => "measured",
        }
    }
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Whose header fields tell of the limits in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// `anthropic-ratelimit-*`.
    Anthropic,
    /// OpenAI's names, with values of other kinds.
    Azure,
    /// `x-ratelimit-*-requests-minute` and the like.
    Cerebras,
    /// `x-endpoint-monthly-call-limit` and the like.
    Cohere,
    /// `x-ratelimit-*-tokens-prompt` and the like.
    Fireworks,
    /// `x-ratelimit-timeremaining` and the like.
    GithubModels,
    /// OpenAI's names: requests per day, tokens per minute.
    Groq,
    /// `x-ratelimit-*-tokens-minute` and the like.
    Mistral,
    /// `x-ratelimit-limit-requests` and the like.
    OpenAi,
    /// `X-RateLimit-*` on refusals only.
    OpenRouter,
    /// None was seen.
    Silent,
}

impl Dialect {
    /// As a word for a person or a file: `openai`.
    pub fn word(self) -> &'static str {
        match self {
            Dialect::Anthropic => "anthropic",
            Dialect::Azure => "azure",
            Dialect::Cerebras => "cerebras",
            Dialect::Cohere => "cohere",
            Dialect::Fireworks => "fireworks",
            Dialect::GithubModels => "github-models",
            Dialect::Groq => "groq",
            Dialect::Mistral => "mistral",
            Dialect::OpenAi => "openai",
            Dialect::OpenRouter => "openrouter",
            Dialect::Silent => "none",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How tables write a row. How minutes and days are counted comes before the limits.
impl Row {
    pub(super) const fn from(source: &'static str, seen: &'static str, certainty: Certainty) -> Row {
        Row {
            models: "",
            shared: false,
            apart: false,
            quotas: [None; MOST],
            longest_prompt: None,
            minutes: Counted::Sliding,
            days: Counted::Sliding,
            charge: Charge::Usage,
            output_weight: 1,
            cached_is_free: false,
            dialect: Dialect::Silent,
            source,
            seen,
            certainty,
            note: "",
        }
    }

    pub(super) const fn read(self, source: &'static str, seen: &'static str, certainty: Certainty) -> Row {
        Row { source, seen, certainty, ..self }
    }

    pub(super) const fn minutes(self, minutes: Counted) -> Row {
        Row { minutes, ..self }
    }

    pub(super) const fn days(self, days: Counted) -> Row {
        Row { days, ..self }
    }

    pub(super) const fn charge(self, charge: Charge) -> Row {
        Row { charge, ..self }
    }

    /// Each token of an answer counts so many times among tokens.
    pub(super) const fn output_weight(self, output_weight: u16) -> Row {
        Row { output_weight, ..self }
    }

    pub(super) const fn cached_input_is_free(self) -> Row {
        Row { cached_is_free: true, ..self }
    }

    pub(super) const fn cached_input_counts(self) -> Row {
        Row { cached_is_free: false, ..self }
    }

    pub(super) const fn speaks(self, dialect: Dialect) -> Row {
        Row { dialect, ..self }
    }

    pub(super) const fn of(self, models: &'static str) -> Row {
        Row { models, ..self }
    }

    pub(super) const fn remark(self, note: &'static str) -> Row {
        Row { note, ..self }
    }

    /// All models of the row share one set of budgets.
    pub(super) const fn shared(self) -> Row {
        Row { shared: true, ..self }
    }

    /// What the account shares does not count for the row.
    pub(super) const fn apart(self) -> Row {
        Row { apart: true, ..self }
    }

    pub(super) const fn rps(self, limit: u64) -> Row {
        self.over(Unit::Requests, limit, SECOND, Counted::Sliding)
    }

    pub(super) const fn per_10s(self, limit: u64) -> Row {
        self.over(Unit::Requests, limit, 10 * SECOND, Counted::Sliding)
    }

    pub(super) const fn rpm(self, limit: u64) -> Row {
        self.over(Unit::Requests, limit, MINUTE, self.minutes)
    }

    pub(super) const fn rph(self, limit: u64) -> Row {
        self.over(Unit::Requests, limit, HOUR, self.minutes)
    }

    pub(super) const fn rpd(self, limit: u64) -> Row {
        self.over(Unit::Requests, limit, DAY, self.days)
    }

    pub(super) const fn requests_per_month(self, limit: u64) -> Row {
        self.over(Unit::Requests, limit, LONGEST_MONTH, Counted::Sliding)
    }

    pub(super) const fn tpm(self, limit: u64) -> Row {
        self.over(Unit::Tokens, limit, MINUTE, self.minutes)
    }

    pub(super) const fn tpd(self, limit: u64) -> Row {
        self.over(Unit::Tokens, limit, DAY, self.days)
    }

    pub(super) const fn tokens_per_month(self, limit: u64) -> Row {
        self.over(Unit::Tokens, limit, LONGEST_MONTH, Counted::Sliding)
    }

    pub(super) const fn itpm(self, limit: u64) -> Row {
        self.over(Unit::InputTokens, limit, MINUTE, self.minutes)
    }

    pub(super) const fn otpm(self, limit: u64) -> Row {
        self.over(Unit::OutputTokens, limit, MINUTE, self.minutes)
    }

    pub(super) const fn concurrency(self, limit: u64) -> Row {
        self.with(Entry { unit: Unit::InFlight, limit, over: None })
    }

    pub(super) const fn longest_prompt(self, tokens: u64) -> Row {
        Row { longest_prompt: Some(tokens), ..self }
    }

    const fn over(self, unit: Unit, limit: u64, seconds: u64, counted: Counted) -> Row {
        self.with(Entry { unit, limit, over: Some((seconds, counted)) })
    }

    /// A table with too many limits in a row does not compile.
    const fn with(mut self, entry: Entry) -> Row {
        let mut at = 0;
        while self.quotas[at].is_some() {
            at += 1;
        }
        self.quotas[at] = Some(entry);
        self
    }
}

/// What a row says.
impl Row {
    /// Its models as the table writes them: `gpt-4o|gpt-4.1`.
    pub fn models(&self) -> &'static str {
        self.models
    }

    /// Each name or pattern of its models.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.models.split('|')
    }

    /// Whether its models share one set of budgets.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether its models do not count for what the [account](super::Preset::account) shares.
    pub fn is_apart(&self) -> bool {
        self.apart
    }

    /// Its limits, with the windows and the charge rule of its provider.
    pub fn limits(&self) -> Limits {
        let plain = Limits::new().charge(self.charge).output_weight(self.output_weight);
        let none = if self.cached_is_free { plain.cached_input_is_free() } else { plain };
        let bound = self.longest_prompt.into_iter().fold(none, Limits::longest_prompt);
        self.quotas.iter().flatten().map(Entry::quota).fold(bound, Limits::with)
    }

    /// Whose header fields its answers have.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Where it stands: an address, or a page's name.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// When it was read there: a year, `2026-05` or `2026-05-31`.
    pub fn seen(&self) -> &'static str {
        self.seen
    }

    /// How sure it is.
    pub fn certainty(&self) -> Certainty {
        self.certainty
    }

    /// What else to know; may be empty.
    pub fn note(&self) -> &'static str {
        self.note
    }
}

impl Entry {
    fn quota(&self) -> Quota {
        let Some((seconds, counted)) = self.over else { return Quota::concurrency(self.limit) };
        let period = Duration::from_secs(seconds);
        match counted {
            Counted::Refilled => Quota::refill(self.unit, self.limit, period),
            Counted::Fixed => Quota::fixed(self.unit, self.limit, period),
            Counted::Pacific => {
                Quota::sliding(self.unit, self.limit, period).guard(Duration::from_secs(HOUR))
            }
            Counted::Sliding => Quota::sliding(self.unit, self.limit, period),
        }
    }
}

/// `gpt-4o|gpt-4.1: RPM 500, TPM 30000`.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.models, self.limits())
    }
}
