//! Tells what kind of request a body is, and takes it apart.

use serde_json::{Map, Value};

use super::encoding::Vocabulary;
use super::error::found;
use super::prompt::{Part, Prompt};
use super::{EstimateError, chat, encoding, output, prompts};

/// A request, read but not counted.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) vocabulary: Vocabulary,
    pub(super) prompt: Prompt<'a>,
    /// The most tokens of the answer.
    pub(super) max_output: u64,
    /// Whether the request itself does not say so.
    pub(super) assumes_output: bool,
}

pub(super) fn read(body: &Value) -> Result<Request<'_>, EstimateError> {
    let Value::Object(body) = body else {
        return Err(EstimateError::NotAnObject { found: found(Some(body)) });
    };
    let Some(Value::String(model)) = body.get("model") else {
        return Err(EstimateError::MissingModel { found: found(body.get("model")) });
    };
    let (prompt, (max_output, assumes_output)) = content(body, model)?;
    let vocabulary = Vocabulary::of(model);
    Ok(Request { model, vocabulary, prompt, max_output, assumes_output })
}

/// The prompt, and the most tokens of the answer with whether they are assumed.
fn content<'a>(
    body: &'a Map<String, Value>,
    model: &str,
) -> Result<(Prompt<'a>, (u64, bool)), EstimateError> {
    let present = |field| body.get(field).filter(|value| !value.is_null());
    if let Some(messages) = present("messages") {
        return Ok((chat::prompt(body, messages, model)?, output::of_chat(body)));
    }
    let mut prompt = Prompt::default();
    if let Some(value) = present("prompt") {
        let count = prompts::read("prompt", value, &mut prompt)?;
        if let Some(suffix) = body.get("suffix").and_then(Value::as_str) {
            (0..count).for_each(|_| prompt.text(Part::Text, suffix));
        }
        return Ok((prompt, (output::of_completions(body, count as u64), false)));
    }
    let Some(input) = present("input") else {
        return Err(EstimateError::MissingContent);
    };
    // A call of the Responses API has an `input`, too. Taken for an embedding, its answer would be
    // free, and the budget overdrawn by every call.
    let answers = ["instructions", "max_output_tokens", "reasoning", "tools"];
    if encoding::is_generative(model) || answers.into_iter().any(|field| present(field).is_some()) {
        return Err(EstimateError::NotAnEmbedding { model: model.to_owned() });
    }
    prompts::read("input", input, &mut prompt)?;
    Ok((prompt, (0, false)))
}
