use serde_json::{Map, Value};

use super::images::Rule;
use super::overhead::Overhead;
use super::prompt::{Part, Prompt};
use super::{EstimateError, calls, content, functions};

/// Tokens that the message of a legacy function has less than others.
const FUNCTION: i64 = -2;
/// Tokens less where the declarations of tools are written into a system message that is there already.
const SHARED: i64 = -4;
/// Tokens of a custom tool, beside its JSON: as many as a call to GPT-5 with one was seen to take.
const CUSTOM_TOOL: i64 = 223;

/// A chat request's prompt.
///
/// The sum for messages is that of OpenAI's cookbook ("How to count tokens with tiktoken",
/// github.com/openai/openai-cookbook, read November 2026). It agrees with the `usage` of 85 of 85
/// recorded calls of text to GPT-3.5, GPT-4, GPT-4o and GPT-4.1 models; calls to the GPT-5 family use one
/// token less (9 of 9), and so do calls to o3 and o4 (3 of 3).
pub(super) fn prompt<'a>(
    body: &'a Map<String, Value>,
    messages: &'a Value,
    model: &str,
) -> Result<Prompt<'a>, EstimateError> {
    let Value::Array(messages) = messages else {
        return Err(EstimateError::unexpected("messages", "an array", messages));
    };
    let (overhead, rule) = (Overhead::of(model), Rule::of(model));
    let mut prompt = Prompt::default();
    prompt.add(Part::Overhead, overhead.reply);
    let has_tools = tools(body, overhead, &mut prompt);
    let (mut has_system, mut joined) = (false, false);
    for (index, value) in messages.iter().enumerate() {
        let Value::Object(fields) = value else {
            return Err(EstimateError::unexpected(format!("messages[{index}]"), "an object", value));
        };
        let is_system = fields.get("role").and_then(Value::as_str) == Some("system");
        let joins = is_system && has_tools && !joined && !overhead.apart;
        (has_system, joined) = (has_system || is_system, joined || joins);
        message(fields, joins, overhead, rule, &mut prompt);
    }
    if joined {
        prompt.add(Part::Tools, SHARED);
    }
    for value in ["tool_choice", "function_call"].iter().filter_map(|field| body.get(*field)) {
        calls::choice(value, has_tools, &mut prompt);
    }
    if let Some(value) = body.get("response_format") {
        calls::format(value, has_tools, has_system, &mut prompt);
    }
    Ok(prompt)
}

/// The tools and the legacy functions that the model may call. Says whether there are any.
fn tools(body: &Map<String, Value>, overhead: Overhead, prompt: &mut Prompt<'_>) -> bool {
    let list = |field: &str| match body.get(field) {
        Some(Value::Array(items)) => items.as_slice(),
        _ => &[],
    };
    let (tools, functions) = (list("tools"), list("functions"));
    for value in ["tools", "functions"].iter().filter_map(|field| body.get(*field)) {
        if value.is_object() {
            calls::json(value, prompt);
        }
    }
    let is_custom = |it: &&Value| it.get("type").and_then(Value::as_str) == Some("custom");
    let declared = tools.iter().filter(|it| !is_custom(it)).map(|it| it.get("function").unwrap_or(it));
    functions::declare(declared.chain(functions), prompt);
    for custom in tools.iter().filter(is_custom) {
        calls::json(custom, prompt);
        prompt.add(Part::Tools, CUSTOM_TOOL);
    }
    let has_tools = !(tools.is_empty() && functions.is_empty());
    if has_tools {
        prompt.add(Part::Tools, overhead.tools);
    }
    has_tools
}

/// One message. `joins` is whether the declarations of tools are written into it.
fn message<'a>(
    fields: &'a Map<String, Value>,
    joins: bool,
    overhead: Overhead,
    rule: Rule,
    prompt: &mut Prompt<'a>,
) {
    let string = |field| fields.get(field).and_then(Value::as_str);
    let (role, content) = (string("role"), fields.get("content"));
    // Most messages have nothing else, and need not be asked for it.
    let has_more = fields.len() > usize::from(role.is_some()) + usize::from(content.is_some());
    let role = role.unwrap_or_default();
    prompt.add(Part::Overhead, overhead.message);
    prompt.text(Part::Overhead, role);
    // The answer of a tool is signed with the name that its call has, which is counted there.
    if let Some(name) = has_more.then(|| string("name")).flatten().filter(|_| role != "tool") {
        prompt.add(Part::Overhead, overhead.name);
        prompt.text(Part::Overhead, name);
    }
    if role == "function" {
        prompt.add(Part::Overhead, FUNCTION);
    }
    match content {
        // Counted with the text, because a line end after punctuation is no token of its own.
        Some(Value::String(it)) if joins => prompt.text(Part::Text, format!("{it}\n")),
        Some(value) => content::read(value, rule, prompt),
        None => {}
    }
    if !has_more {
        return;
    }
    if let Some(refusal) = string("refusal") {
        prompt.text(Part::Text, refusal);
    }
    if let Some(value) = fields.get("tool_calls") {
        calls::tool_calls(value, speaks(fields), overhead, prompt);
    }
    if let Some(value) = fields.get("function_call") {
        calls::function_call(value, prompt);
    }
}

/// Whether a message has content.
fn speaks(fields: &Map<String, Value>) -> bool {
    match fields.get("content") {
        Some(Value::String(it)) => !it.is_empty(),
        Some(Value::Array(parts)) => !parts.is_empty(),
        _ => false,
    }
}
