//! Tells what kind of request a body is, and takes it apart.

mod anthropic;
mod calls;
mod chat;
mod content;
mod encoded;
mod functions;
mod gemini;
mod images;
mod output;
mod overhead;
mod prompt;
mod prompts;
mod responses;
mod schema;

use serde_json::{Map, Value};

use super::error::found;
use super::{Accuracy, Encoding, EstimateError, encoding};

pub use output::DEFAULT_MAX_OUTPUT;
pub use prompt::Parts;

use output::Cap;
pub(super) use prompt::{Part, Prompt};

/// A request, read but not counted.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    /// The vocabulary of the model, where it is known.
    pub(super) encoding: Option<Encoding>,
    pub(super) prompt: Prompt<'a>,
    /// The most tokens of the answer.
    pub(super) max_output: u64,
    /// Whether the request itself does not say so.
    pub(super) assumes_output: bool,
    /// Whether the provider holds more of the prompt than the request does.
    pub(super) partial: bool,
}

impl Request<'_> {
    /// How texts that are counted with a vocabulary are counted.
    pub(super) fn accuracy(&self) -> Accuracy {
        if self.encoding.is_some() { Accuracy::Exact } else { Accuracy::Assumed }
    }
}

pub(super) fn read(body: &Value) -> Result<Request<'_>, EstimateError> {
    let Value::Object(fields) = body else {
        return Err(EstimateError::NotAnObject { found: found(Some(body)) });
    };
    let Some(Value::String(model)) = fields.get("model") else {
        return Err(EstimateError::MissingModel { found: found(fields.get("model")) });
    };
    let Content { prompt, cap, partial } = content(body, fields, model)?;
    let (max_output, assumes_output) = (cap.tokens, cap.assumed);
    Ok(Request { model, encoding: Encoding::of(model), prompt, max_output, assumes_output, partial })
}

/// What the kinds of request have in common.
struct Content<'a> {
    prompt: Prompt<'a>,
    cap: Cap,
    partial: bool,
}

/// Told by the first field that is there; the table is at [`super::request()`].
fn content<'a>(
    body: &'a Value,
    fields: &'a Map<String, Value>,
    model: &str,
) -> Result<Content<'a>, EstimateError> {
    let present = |field| fields.get(field).filter(|value| !value.is_null());
    if let Some(messages) = present("messages") {
        let (prompt, cap) = match anthropic::is_shape_of(fields) {
            true => (anthropic::prompt(fields, messages, model)?, output::of_anthropic(fields)),
            false => (chat::prompt(fields, messages, model)?, output::of_chat(fields)),
        };
        return Ok(Content { prompt, cap, partial: false });
    }
    if let Some(contents) = present("contents") {
        let (prompt, partial) = gemini::prompt(body, contents, model)?;
        return Ok(Content { prompt, cap: output::of_gemini(body), partial });
    }
    // A template of the Responses API is an object.
    if let Some(value) = present("prompt").filter(|value| !value.is_object()) {
        let mut prompt = Prompt::default();
        let count = prompts::read("prompt", value, &mut prompt)?;
        if let Some(suffix) = fields.get("suffix").and_then(Value::as_str) {
            (0..count).for_each(|_| prompt.text(Part::Text, suffix));
        }
        return Ok(Content { prompt, cap: output::of_completions(fields, count as u64), partial: false });
    }
    let input = present("input");
    let held = ["prompt", "previous_response_id", "conversation"];
    if input.is_none() && !held.into_iter().any(|field| present(field).is_some()) {
        return Err(EstimateError::MissingContent);
    }
    match input.filter(|input| is_embedding(fields, input, model)) {
        Some(input) => {
            let mut prompt = Prompt::default();
            prompts::read("input", input, &mut prompt)?;
            Ok(Content { prompt, cap: Cap::said(0), partial: false })
        }
        None => {
            let (prompt, partial) = responses::prompt(fields, model)?;
            Ok(Content { prompt, cap: output::of_responses(fields), partial })
        }
    }
}

/// Fields that a call of the Responses API may have, and an embedding may not.
const ANSWERS: &[&str] = &[
    "background",
    "conversation",
    "include",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "reasoning",
    "store",
    "stream",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
];

/// Whether an `input` is to be embedded rather than answered. Taken for an embedding, the answer of a
/// call would be free, and the budget overdrawn by every call; so the model is asked first, then the
/// fields, and a model that is not known is believed to embed only what has nothing of a call.
fn is_embedding(body: &Map<String, Value>, input: &Value, model: &str) -> bool {
    let present = |field: &&str| body.get(*field).is_some_and(|value| !value.is_null());
    if encoding::is_embedding(model) {
        return true;
    }
    if ANSWERS.iter().any(present) {
        return false;
    }
    let items = input.as_array().is_some_and(|items| items.first().is_some_and(Value::is_object));
    ["encoding_format", "dimensions"].iter().any(present) || !(items || encoding::is_generative(model))
}
