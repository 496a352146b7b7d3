//! What a request will cost, counted from its JSON before it is sent.
//!
//! ```text
//! body ──► model ──► encoding ──► tokens of the prompt ──┐
//!   └────► max_completion_tokens × n ────────────────────┴──► Cost
//! ```
//!
//! The prompt is counted with the model's own vocabulary ([`Encoding`]); the answer at the most that
//! the request allows. Text is exact. Some parts of a chat request are approximations, all stated
//! at [`request`]: tools and schemas within a few tokens, images, and an answer without a cap.
//!
//! Counting is computation, with nothing to await: about 15 ms for 300 kB of text. A program that
//! sends megabytes at once counts them off its executor's threads.

mod accuracy;
#[cfg(feature = "bpe-openai")]
mod bpe_openai;
mod cache;
mod calls;
mod chat;
mod classes;
mod correction;
mod counter;
mod counting;
mod encoding;
mod error;
mod estimator;
mod forecast;
mod functions;
mod learned;
mod output;
mod overhead;
mod pieces;
mod prompt;
mod prompts;
mod report;
mod request;
mod sample;
mod schema;
mod tally;
mod tiktoken;
mod work;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::quota::Cost;

pub use accuracy::Accuracy;
#[cfg(feature = "bpe-openai")]
pub use bpe_openai::BpeOpenai;
pub use counter::TokenCounter;
pub use encoding::Encoding;
pub use error::EstimateError;
pub use estimator::{Estimator, EstimatorBuilder};
pub use forecast::Forecast;
pub use output::DEFAULT_MAX_OUTPUT;
pub use prompt::Parts;
pub use report::{ModelReport, Report};
pub use tiktoken::Tiktoken;

use correction::{Correction, times};
use request::Request;
use tally::Tally;

/// What one request is expected to cost, and how far that is to be trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    model: String,
    key: Option<Arc<str>>,
    cost: Cost,
    parts: Parts,
    accuracy: Accuracy,
    correction: f64,
    assumes_output: bool,
}

impl Estimate {
    fn new(
        request: &Request<'_>,
        tally: Tally<'_>,
        ratio: f64,
        expected_output: Option<u64>,
        key: Option<Arc<str>>,
    ) -> Self {
        let (counts, accuracy) = tally.finish();
        let parts = request.prompt.parts(counts);
        let correction = if is_certain(accuracy, &parts) { 1.0 } else { ratio };
        let read = parts.text.saturating_add(parts.tools).saturating_add(parts.overhead);
        let input = times(read, correction).saturating_add(parts.images).saturating_add(parts.files);
        let cost = Cost::input(input).max_output(request.max_output);
        Estimate {
            model: request.model.to_owned(),
            key,
            cost: expected_output.map_or(cost, |tokens| cost.expected_output(tokens)),
            parts,
            accuracy,
            correction,
            assumes_output: request.assumes_output,
        }
    }

    /// The model, as the request names it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The kind of call that it was estimated as: see [`Estimator::key`].
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Tokens of the prompt, the most tokens of the answer, and those that are expected.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// What the tokens of the prompt are spent on, before they are corrected.
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// How its texts were counted.
    pub fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    /// By what text, tools and overhead were multiplied to get the tokens of the prompt: 1 where
    /// the count is exact, else what the model's earlier calls taught ([`Estimator::learn`]).
    pub fn correction(&self) -> f64 {
        self.correction
    }

    /// Whether the request does not cap its answer, so that [`DEFAULT_MAX_OUTPUT`] tokens for each
    /// choice were assumed. The real answer may be longer.
    pub fn assumes_output(&self) -> bool {
        self.assumes_output
    }

    /// Whether the provider is sure to count the same.
    fn is_certain(&self) -> bool {
        is_certain(self.accuracy, &self.parts)
    }
}

fn is_certain(accuracy: Accuracy, parts: &Parts) -> bool {
    accuracy == Accuracy::Exact && parts.tools == 0 && parts.images == 0 && parts.files == 0
}

/// How many tokens `text` is, counted with [`Tiktoken`].
///
/// What looks like a special token (`<|endoftext|>`) is counted as the text that it is, as the
/// provider does with the text of a message. The first call builds the vocabulary; see [`warm_up`].
///
/// # Example: count a text
///
/// ```
/// use tollgate::estimate::{self, Encoding};
///
/// assert_eq!(estimate::text("hello world", Encoding::O200kBase), 2);
/// assert_eq!(estimate::text("<|endoftext|>", Encoding::O200kBase), 7);
/// ```
pub fn text(text: &str, encoding: Encoding) -> u64 {
    Tiktoken.count(text, encoding)
}

/// Builds the vocabularies now, instead of within the first call that needs them.
///
/// Blocks for about 0.25 s (180 ms `o200k_base`, 70 ms `cl100k_base`; release build) and holds some
/// 70 MB from then on. Call it before the program serves, or from a thread that may block; elsewhere
/// there is [`Estimator::warm_up`].
///
/// # Example: pay for the vocabularies at the start
///
/// ```
/// tollgate::estimate::warm_up();
/// ```
pub fn warm_up() {
    Tiktoken.prepare(Encoding::O200kBase);
    Tiktoken.prepare(Encoding::Cl100kBase);
}

/// Estimates a request from its JSON body.
///
/// The kind of request is told by the field that holds its prompt; the first that is there counts:
///
/// | field | request | input tokens | output tokens |
/// |---|---|---|---|
/// | `messages` | chat | each message's text, plus what the provider adds | `max_completion_tokens`, else `max_tokens`, else [`DEFAULT_MAX_OUTPUT`]; times `n` |
/// | `prompt` | completion | the text, or the number of token ids | `max_tokens`, else 16; times `n` or `best_of`; for every prompt |
/// | `input` | embedding | the text, or the number of token ids | 0 |
///
/// What is exact in a chat request, and what is not, by the `usage` of recorded calls (in
/// `tests/fixtures/chats.json`, with their sources; read November 2026):
///
/// | part | counted as | estimate less usage |
/// |---|---|---|
/// | messages of text, `name`, calls and answers of legacy functions | their text, and a sum for each | 0 (53 of 53) |
/// | `tools`, `functions`, `tool_choice` | types in TypeScript, as the model is shown them | 0 to +1 (32 of 35 are 0); -4 to +12 in GPT-3.5 of 2023 |
/// | one call of a tool, and its answer | the name twice, the arguments, the answer | -1 to +1 (14 of 16 are 0) |
/// | several calls in one message | the JSON of one call that makes them all; since GPT-5 one by one | 0 to +6 (7 of 10 are 0) |
/// | `response_format` with a schema | a heading and the schema's JSON | -1 to 0 (3 of 5 are 0) |
///
/// Seen on fewer or other calls, and rougher:
///
/// - **GPT-4 Turbo**: a call of a tool is estimated 3 too low to 2 too high, two at once 7 too high
///   (github.com/chrisdinn/tokens, `counter_test.go`, recorded March 2024, read November 2026).
/// - **GPT-5** adds 82 tokens where there are tools: so with gpt-5-nano; other models of the family take up
///   to 105.
/// - **Custom tools** count as their JSON and 223 tokens each.
/// - **References** in a schema (`$ref`) count as `any`, whatever they refer to. What is not known in a
///   schema or a tool counts as its JSON.
/// - **Search, audio that is written, predictions** (`web_search_options`, `audio`, `prediction`) count
///   nothing. What a search finds is added by the provider, and what of a prediction is not used it
///   charges as output.
/// - **Images** count 765 tokens each, whatever their size: the flat charge that OpenAI takes at
///   admission (read off `x-ratelimit-remaining-tokens` of recorded answers, September 2024 on).
/// - **Other parts** of a message, such as audio and files, count as the tokens of their JSON, which is
///   far above what they cost.
///
/// Fields that are not known here are ignored. A cap or a count that is no number, or is negative, is
/// ignored as if it were not there; a fraction is rounded up; whatever is too large is
/// [`u64::MAX`]. An `n` of 0 counts as 1.
///
/// # Errors
///
/// [`EstimateError`], where the body has no model or no prompt, or where a prompt is of a type that no
/// API takes; it names the field.
///
/// # Example: count a chat call before sending it
///
/// ```
/// use serde_json::json;
/// use tollgate::estimate;
///
/// let estimate = estimate::request(&json!({
///     "model": "gpt-4o-mini",
///     "messages": [{ "role": "user", "content": "hello world" }],
///     "max_completion_tokens": 500,
/// }))?;
/// assert_eq!(estimate.cost().input_tokens(), 3 + 3 + 1 + 2); // reply, message, role, content
/// assert_eq!(estimate.cost().max_output_tokens(), 500);
/// assert_eq!(estimate.accuracy(), estimate::Accuracy::Exact);
/// # Ok::<(), estimate::EstimateError>(())
/// ```
pub fn request(body: &Value) -> Result<Estimate, EstimateError> {
    let request = request::read(body)?;
    let tally = Tally::whole(request.prompt.texts(), request.vocabulary, &Tiktoken);
    let ratio = Correction::first(request.model).ratio();
    Ok(Estimate::new(&request, tally, ratio, None, None))
}

/// Estimates a request of any type that serializes to the JSON that is sent.
///
/// # Errors
///
/// [`EstimateError::NotJson`] where the value does not serialize to JSON; else as [`request`].
///
/// # Example: count a typed embedding request
///
/// ```
/// use tollgate::estimate;
///
/// #[derive(serde::Serialize)]
/// struct Embed {
///     model: &'static str,
///     input: Vec<&'static str>,
/// }
///
/// let call = Embed { model: "text-embedding-3-small", input: vec!["hello world", "hello"] };
/// assert_eq!(estimate::serialized(&call)?.cost().tokens(), 3);
/// # Ok::<(), estimate::EstimateError>(())
/// ```
pub fn serialized<T: Serialize + ?Sized>(body: &T) -> Result<Estimate, EstimateError> {
    match serde_json::to_value(body) {
        Ok(body) => request(&body),
        Err(error) => Err(EstimateError::NotJson { reason: error.to_string() }),
    }
}
