//! What a simulated provider enforces and how it answers.

use crate::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Everything a simulated provider is told. [`Config::default`] limits nothing.
///
/// ```
/// use tollgate_sim::{Config, LawKind};
///
/// let config = Config { rpm: Some(60), tpm: Some(10_000), law: LawKind::Sliding, ..Config::default() };
/// assert_eq!(config.concurrency, None);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Requests per day.
    pub rpd: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// Tokens per day.
    pub tpd: Option<u64>,
    /// Calls in flight.
    pub concurrency: Option<u64>,
    /// How the minute budgets are counted.
    pub law: LawKind,
    /// How the day budgets are counted.
    pub day_law: LawKind,
    /// The length of a "minute". Shorter ones make quick tests.
    #[serde(with = "span")]
    pub minute: Duration,
    /// The length of a "day". Shorter ones make quick tests.
    #[serde(with = "span")]
    pub day: Duration,
    /// What of a call is charged, and when.
    pub charge: ChargeRule,
    /// What an absent `max_tokens` counts as where it is charged, in tokens.
    pub default_max_output: u64,
    /// The longest answer to a call that sets no `max_tokens`, in tokens.
    pub longest_answer: u64,
    /// How much of its `max_tokens` an answer uses.
    pub output: OutputShare,
    /// How long calls take.
    pub latency: Latency,
    /// The seed of latencies, answer lengths and faults.
    pub seed: u64,
    /// Which rate limit headers and error bodies are sent.
    pub headers: HeaderFamily,
    /// Failures on purpose.
    pub faults: Faults,
    /// Streamed answers that go wrong on purpose.
    pub stream_faults: StreamFaults,
    /// The key that calls must show, as `authorization: Bearer KEY`, `api-key: KEY` or `x-api-key: KEY`. `None` lets everyone in.
    pub api_key: Option<String>,
    /// The models there are. Empty means all. They share one set of budgets.
    pub models: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rpm: None,
            rpd: None,
            tpm: None,
            tpd: None,
            concurrency: None,
            law: LawKind::Refill,
            day_law: LawKind::Fixed,
            minute: Duration::from_secs(60),
            day: Duration::from_secs(86_400),
            charge: ChargeRule::InputPlusMaxOutput,
            default_max_output: 16,
            longest_answer: 256,
            output: OutputShare::default(),
            latency: Latency::default(),
            seed: 0,
            headers: HeaderFamily::OpenAi,
            faults: Faults::default(),
            stream_faults: StreamFaults::default(),
            api_key: None,
            models: Vec::new(),
        }
    }
}

/// How what was charged is forgotten again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LawKind {
    /// A token bucket: holds one limit, starts full, is refilled evenly at limit / period.
    Refill,
    /// Windows aligned on the UTC clock; each starts with nothing used.
    Fixed,
    /// A window that moves with the clock: what was charged one period ago no longer counts.
    Sliding,
}

/// What of a call counts against the token budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeRule {
    /// The input, at admission.
    InputOnly,
    /// The input and `max_tokens`, at admission. Nothing comes back.
    InputPlusMaxOutput,
    /// The input at admission, and the output that was really made at the end: a budget may go into debt.
    RealUsage,
}

/// The rate limit headers and error bodies of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderFamily {
    /// `x-ratelimit-*` with durations like `8.64s`; the request fields show the day budget where there is one.
    OpenAi,
    /// `x-ratelimit-*` with whole milliseconds, the renewal periods, and Azure's error body.
    Azure,
    /// `x-ratelimit-*`: requests always per day, tokens always per minute; 413 for what is too large.
    Groq,
    /// Names that carry their window, the cost of the call, no resets; no headers on streamed answers.
    Mistral,
    /// `anthropic-ratelimit-*` with RFC 3339 resets, tokens in thousands, and Anthropic's error body.
    Anthropic,
    /// No rate limit headers, and no retry hint outside the text.
    None,
}

/// How long a call takes: log-normal around a median, cut at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// Half of the calls are quicker.
    #[serde(with = "span")]
    pub median: Duration,
    /// The standard deviation of the latency's logarithm; 0 makes every call take the median.
    pub sigma: f64,
    /// No call is quicker.
    #[serde(with = "span")]
    pub min: Duration,
    /// No call is slower.
    #[serde(with = "span")]
    pub max: Duration,
}

impl Latency {
    /// Every call takes exactly this long.
    pub const fn constant(span: Duration) -> Self {
        Self { median: span, sigma: 0.0, min: span, max: span }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            median: Duration::from_millis(500),
            sigma: 0.5,
            min: Duration::from_millis(50),
            max: Duration::from_secs(30),
        }
    }
}

/// The share of its `max_tokens` that an answer uses, drawn evenly between two bounds from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputShare {
    /// The least share.
    pub from: f64,
    /// The greatest share.
    pub to: f64,
}

impl Default for OutputShare {
    fn default() -> Self {
        Self { from: 0.1, to: 0.9 }
    }
}

/// Shares, from 0 to 1, of the admitted calls that fail. They are charged as any call, but make no output.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Answered with status 500.
    pub server_errors: f64,
    /// Ended by closing the connection before any byte of the answer.
    pub dropped_connections: f64,
}

/// Shares, from 0 to 1, of the streamed answers that begin well, with status 200, and go wrong before their end. What was made
/// until then is charged where output is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamFaults {
    /// Ended by closing the connection.
    pub cut_streams: f64,
    /// Ended by an event that tells an error.
    pub stream_errors: f64,
}
