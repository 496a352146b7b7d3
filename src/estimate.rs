//! What a request will cost, counted from its JSON before it is sent.
//!
//! ```text
//! body ──► model ──► encoding ──► tokens of the prompt ──┐
//!   └────► max_completion_tokens × n ────────────────────┴──► Cost
//! ```
//!
//! The prompt is counted with the model's own vocabulary ([`Encoding`]); the answer at the most that
//! the request allows. Text is exact. Three parts of a chat request are approximations, all stated
//! at [`request`]: tools and schemas, images, and an answer without a cap.
//!
//! Counting is computation, with nothing to await: about 15 ms for 300 kB of text. A program that
//! sends megabytes at once counts them off its executor's threads.

mod chat;
mod encoding;
mod error;
mod output;
mod pieces;
mod prompt;
mod prompts;
mod request;

use serde::Serialize;
use serde_json::Value;

use crate::quota::Cost;

pub use encoding::{Encoding, text, warm_up};
pub use error::EstimateError;
pub use output::DEFAULT_MAX_OUTPUT;
pub use prompt::Parts;

/// What one request is expected to cost, and how far that is to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    model: String,
    cost: Cost,
    parts: Parts,
    encoding: Encoding,
    fallback: bool,
    assumes_output: bool,
}

impl Estimate {
    /// The model, as the request names it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Tokens of the prompt, and the most tokens of the answer.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// What the tokens of the prompt are spent on.
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// The vocabulary that the prompt was counted with.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether the model is not a known one, so that its prompt was counted with
    /// [`Encoding::O200kBase`] for want of its own vocabulary.
    pub fn is_fallback(&self) -> bool {
        self.fallback
    }

    /// Whether the request does not cap its answer, so that [`DEFAULT_MAX_OUTPUT`] tokens for each
    /// choice were assumed. The real answer may be longer.
    pub fn assumes_output(&self) -> bool {
        self.assumes_output
    }
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
/// What is approximate in a chat request:
///
/// - **Tools and schemas** (`tools`, `functions`, `response_format`, a `tool_choice` that names a
///   tool, and the tool calls in messages) count as the tokens of their compact JSON.
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
/// assert!(!estimate.is_fallback());
/// # Ok::<(), estimate::EstimateError>(())
/// ```
pub fn request(body: &Value) -> Result<Estimate, EstimateError> {
    let request = request::read(body)?;
    let texts = request.prompt.texts().iter();
    let parts = request.prompt.parts(texts.map(|(_, it)| text(it, request.encoding)));
    Ok(Estimate {
        model: request.model.to_owned(),
        cost: Cost::input(parts.tokens()).max_output(request.max_output),
        parts,
        encoding: request.encoding,
        fallback: !request.known,
        assumes_output: request.assumes_output,
    })
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
