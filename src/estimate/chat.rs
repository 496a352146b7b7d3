use serde_json::{Map, Value};

use super::encoding::base_name;
use super::{Encoding, EstimateError, text};

/// Tokens that the provider adds for the beginning of its reply.
const REPLY: u64 = 3;
/// Tokens that the provider adds to each message.
const MESSAGE: u64 = 3;
/// Tokens that the provider adds to a message's `name`.
const NAME: u64 = 1;
/// Tokens of an image; see [`super::request`].
const IMAGE: u64 = 765;

/// Fields beside the messages that the model reads, too.
const SCHEMAS: [&str; 5] = ["tools", "functions", "tool_choice", "function_call", "response_format"];

/// Tokens of a chat request's prompt.
///
/// The sum for messages is that of OpenAI's cookbook ("How to count tokens with tiktoken",
/// github.com/openai/openai-cookbook, read November 2026). It agrees with the `usage` of 85 of 85
/// recorded calls of text to GPT-3.5, GPT-4, GPT-4o and GPT-4.1 models; calls to the GPT-5 family use one
/// token less (9 of 9).
pub(super) fn input(
    body: &Map<String, Value>,
    messages: &Value,
    model: &str,
    encoding: Encoding,
) -> Result<u64, EstimateError> {
    let Value::Array(messages) = messages else {
        return Err(EstimateError::unexpected("messages", "an array", messages));
    };
    let mut tokens = if base_name(model).starts_with("gpt-5") { REPLY - 1 } else { REPLY };
    for (index, value) in messages.iter().enumerate() {
        let Value::Object(fields) = value else {
            return Err(EstimateError::unexpected(format!("messages[{index}]"), "an object", value));
        };
        tokens += message(fields, encoding);
    }
    let schemas = SCHEMAS.iter().filter_map(|field| body.get(*field));
    Ok(tokens + schemas.map(|value| schema(value, encoding)).sum::<u64>())
}

fn message(fields: &Map<String, Value>, encoding: Encoding) -> u64 {
    let string = |field| fields.get(field).and_then(Value::as_str);
    let count = |field| string(field).map_or(0, |it| text(it, encoding));
    let name = string("name").map_or(0, |name| text(name, encoding) + NAME);
    let calls = ["tool_calls", "function_call"].iter().filter_map(|field| fields.get(*field));
    MESSAGE
        + count("role")
        + name
        + fields.get("content").map_or(0, |value| content(value, encoding))
        + count("refusal")
        + calls.map(|value| schema(value, encoding)).sum::<u64>()
}

fn content(value: &Value, encoding: Encoding) -> u64 {
    match value {
        Value::Null => 0,
        Value::String(it) => text(it, encoding),
        Value::Array(parts) => parts.iter().map(|value| part(value, encoding)).sum(),
        other => json(other, encoding),
    }
}

fn part(value: &Value, encoding: Encoding) -> u64 {
    let string = |field| value.get(field).and_then(Value::as_str);
    if matches!(string("type"), Some("image_url" | "input_image" | "image")) {
        return IMAGE;
    }
    match value.as_str().or_else(|| string("text")).or_else(|| string("refusal")) {
        Some(it) => text(it, encoding),
        None => json(value, encoding),
    }
}

/// Tokens of what the provider renders for the model in a form of its own. A word such as
/// `"tool_choice": "auto"` is an option, not something that the model reads.
fn schema(value: &Value, encoding: Encoding) -> u64 {
    match value {
        Value::Array(items) if items.is_empty() => 0,
        Value::Array(_) | Value::Object(_) => json(value, encoding),
        _ => 0,
    }
}

fn json(value: &Value, encoding: Encoding) -> u64 {
    text(&value.to_string(), encoding)
}
