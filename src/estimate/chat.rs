use serde_json::{Map, Value};

use super::EstimateError;
use super::encoding::base_name;
use super::prompt::{Part, Prompt};

/// Tokens that the provider adds for the beginning of its reply.
const REPLY: i64 = 3;
/// Tokens that the provider adds to each message.
const MESSAGE: i64 = 3;
/// Tokens that the provider adds to a message's `name`.
const NAME: i64 = 1;
/// Tokens of an image; see [`super::request`].
const IMAGE: i64 = 765;

/// Fields beside the messages that the model reads, too.
const SCHEMAS: [&str; 5] = ["tools", "functions", "tool_choice", "function_call", "response_format"];

/// A chat request's prompt.
///
/// The sum for messages is that of OpenAI's cookbook ("How to count tokens with tiktoken",
/// github.com/openai/openai-cookbook, read November 2026). It agrees with the `usage` of 85 of 85
/// recorded calls of text to GPT-3.5, GPT-4, GPT-4o and GPT-4.1 models; calls to the GPT-5 family use one
/// token less (9 of 9).
pub(super) fn prompt<'a>(
    body: &'a Map<String, Value>,
    messages: &'a Value,
    model: &str,
) -> Result<Prompt<'a>, EstimateError> {
    let Value::Array(messages) = messages else {
        return Err(EstimateError::unexpected("messages", "an array", messages));
    };
    let mut prompt = Prompt::default();
    prompt.add(Part::Overhead, if base_name(model).starts_with("gpt-5") { REPLY - 1 } else { REPLY });
    for (index, value) in messages.iter().enumerate() {
        let Value::Object(fields) = value else {
            return Err(EstimateError::unexpected(format!("messages[{index}]"), "an object", value));
        };
        message(fields, &mut prompt);
    }
    for value in SCHEMAS.iter().filter_map(|field| body.get(*field)) {
        schema(value, &mut prompt);
    }
    Ok(prompt)
}

fn message<'a>(fields: &'a Map<String, Value>, prompt: &mut Prompt<'a>) {
    let string = |field| fields.get(field).and_then(Value::as_str);
    prompt.add(Part::Overhead, MESSAGE);
    if let Some(role) = string("role") {
        prompt.text(Part::Overhead, role);
    }
    if let Some(name) = string("name") {
        prompt.add(Part::Overhead, NAME);
        prompt.text(Part::Overhead, name);
    }
    if let Some(value) = fields.get("content") {
        content(value, prompt);
    }
    if let Some(refusal) = string("refusal") {
        prompt.text(Part::Text, refusal);
    }
    for value in ["tool_calls", "function_call"].iter().filter_map(|field| fields.get(*field)) {
        schema(value, prompt);
    }
}

fn content<'a>(value: &'a Value, prompt: &mut Prompt<'a>) {
    match value {
        Value::Null => {}
        Value::String(it) => prompt.text(Part::Text, it),
        Value::Array(parts) => parts.iter().for_each(|value| part(value, prompt)),
        other => prompt.text(Part::Text, other.to_string()),
    }
}

fn part<'a>(value: &'a Value, prompt: &mut Prompt<'a>) {
    let string = |field| value.get(field).and_then(Value::as_str);
    if matches!(string("type"), Some("image_url" | "input_image" | "image")) {
        return prompt.add(Part::Images, IMAGE);
    }
    match value.as_str().or_else(|| string("text")).or_else(|| string("refusal")) {
        Some(it) => prompt.text(Part::Text, it),
        None => prompt.text(Part::Files, value.to_string()),
    }
}

/// What the provider renders for the model in a form of its own. A word such as
/// `"tool_choice": "auto"` is an option, not something that the model reads.
fn schema(value: &Value, prompt: &mut Prompt<'_>) {
    match value {
        Value::Array(items) if items.is_empty() => {}
        Value::Array(_) | Value::Object(_) => prompt.text(Part::Tools, value.to_string()),
        _ => {}
    }
}
