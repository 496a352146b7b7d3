//! A call of Anthropic's Messages API.

use serde_json::{Map, Value};

use super::images::{Rule, claude};
use super::prompt::{Part, Prompt};
use super::{EstimateError, content};

/// Tokens of a call beside its messages, and of a message beside its text. Fitted to recorded calls:
/// a message and a system prompt take 7 more than their text, three messages 16.
const CALL: i64 = 3;
const MESSAGE: i64 = 4;
/// The same of a tool's declaration, of its call and of its result, beside their JSON.
const TOOL: i64 = 22;
const TOOL_CALL: i64 = 25;
const TOOL_RESULT: i64 = 13;

/// Tools that Anthropic defines, by the beginning of their type: what they add to a prompt
/// (platform.claude.com/docs/en/about-claude/pricing, read November 2026). Others count as 300.
const DEFINED: &[(&str, i64)] = &[("bash_", 245), ("text_editor_", 700), ("computer_", 735 + 499)];
const DEFINED_ELSE: i64 = 300;

/// Whether a body with `messages` has Anthropic's shape rather than OpenAI's.
///
/// The model's name does not decide: relays serve Claude in OpenAI's shape, too, where the fields mean
/// something else. What only OpenAI's shape has is looked for first: some relays take `thinking` beside
/// it.
pub(super) fn is_shape_of(body: &Map<String, Value>) -> bool {
    let all = |field: &str| body.get(field).and_then(Value::as_array).into_iter().flatten();
    let kind = |value: &Value, kinds: &[&str]| {
        value.get("type").and_then(Value::as_str).is_some_and(|it| kinds.contains(&it))
    };
    if ["max_completion_tokens", "functions", "response_format"].iter().any(|it| body.contains_key(*it))
        || all("tools").any(|tool| tool.get("function").is_some())
    {
        return false;
    }
    // Once through the messages: there may be thousands.
    let mut has_parts_of_anthropic = false;
    for message in all("messages").filter_map(Value::as_object) {
        let role = message.get("role").and_then(Value::as_str);
        if matches!(role, Some("system" | "developer" | "tool" | "function"))
            || message.contains_key("tool_calls")
        {
            return false;
        }
        for part in message.get("content").and_then(Value::as_array).into_iter().flatten() {
            if kind(part, &["image_url", "input_audio", "file"]) {
                return false;
            }
            let kinds = ["tool_use", "tool_result", "document", "thinking", "redacted_thinking"];
            has_parts_of_anthropic |=
                kind(part, &kinds) || (kind(part, &["image"]) && part.get("source").is_some());
        }
    }
    let said = |field: &str| body.get(field).is_some_and(|value| !value.is_null());
    has_parts_of_anthropic
        || ["system", "anthropic_version", "anthropic_beta", "stop_sequences"].into_iter().any(said)
        || body.get("thinking").is_some_and(|it| it.get("budget_tokens").is_some())
        || body.get("tool_choice").is_some_and(|it| kind(it, &["auto", "any", "tool", "none"]))
        || all("tools").any(|tool| tool.get("input_schema").is_some())
}

pub(super) fn prompt<'a>(
    body: &'a Map<String, Value>,
    messages: &'a Value,
    model: &str,
) -> Result<Prompt<'a>, EstimateError> {
    let Value::Array(messages) = messages else {
        return Err(EstimateError::unexpected("messages", "an array", messages));
    };
    let rule = Rule::of(model);
    let mut prompt = Prompt::default();
    prompt.add(Part::Overhead, CALL);
    if let Some(system) = body.get("system") {
        content::read(system, rule, &mut prompt);
    }
    for (index, value) in messages.iter().enumerate() {
        let Value::Object(fields) = value else {
            return Err(EstimateError::unexpected(format!("messages[{index}]"), "an object", value));
        };
        prompt.add(Part::Overhead, MESSAGE);
        match fields.get("content") {
            Some(Value::Array(parts)) => parts.iter().for_each(|value| part(value, rule, &mut prompt)),
            Some(other) => content::read(other, rule, &mut prompt),
            None => {}
        }
    }
    tools(body, model, &mut prompt);
    Ok(prompt)
}

fn part<'a>(value: &'a Value, rule: Rule, prompt: &mut Prompt<'a>) {
    match value.get("type").and_then(Value::as_str) {
        Some("tool_use" | "server_tool_use" | "mcp_tool_use") => {
            prompt.add(Part::Tools, TOOL_CALL);
            if let Some(name) = value.get("name").and_then(Value::as_str) {
                prompt.text(Part::Tools, name);
            }
            if let Some(input) = value.get("input") {
                content::json(Part::Tools, input, rule, prompt);
            }
        }
        Some("tool_result") => {
            prompt.add(Part::Tools, TOOL_RESULT);
            content::read(value.get("content").unwrap_or(&Value::Null), rule, prompt);
        }
        // Encrypted, and as a rule left out of the next prompt.
        Some("redacted_thinking") => {}
        _ => content::part(value, rule, prompt),
    }
}

fn tools(body: &Map<String, Value>, model: &str, prompt: &mut Prompt<'_>) {
    let tools = body.get("tools").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for tool in tools {
        let kind = tool.get("type").and_then(Value::as_str).unwrap_or("custom");
        if kind == "custom" {
            prompt.add(Part::Tools, TOOL);
            prompt.text(Part::Tools, tool.to_string());
            continue;
        }
        let defined = DEFINED.iter().find(|(beginning, _)| kind.starts_with(beginning));
        prompt.add(Part::Tools, defined.map_or(DEFINED_ELSE, |(_, tokens)| *tokens));
    }
    if !tools.is_empty() {
        let choice = body.get("tool_choice").and_then(|it| it.get("type")).and_then(Value::as_str);
        let (free, forced) = tool_prompt(model);
        prompt.add(Part::Tools, if matches!(choice, Some("any" | "tool")) { forced } else { free });
    }
    if let Some(format) = body.get("output_format").or_else(|| body.get("output_config")?.get("format")) {
        prompt.text(Part::Tools, format.to_string());
    }
}

/// What Anthropic adds to a prompt with tools: where the model may choose, and where it must use one
/// (platform.claude.com/docs/en/agents-and-tools/tool-use/overview, read November 2026; models that it
/// no longer lists by copies of 2024 and 2025). Until 2026 the page said 346 and 313 for all of Claude
/// 4; the newer figures agree with recorded calls to 4.5 and 4.6. Other models count as Claude 3.7.
fn tool_prompt(model: &str) -> (i64, i64) {
    let is = |family| model.contains(family);
    match claude(model).unwrap_or_default() {
        (5.., _) if is("sonnet") => (354, 474),
        (4, 8..) | (5.., _) => (290, 410),
        (4, 7) => (675, 804),
        (4, 6) => (497, 589),
        (4, 5) => (496, 588),
        (4, _) => (313, 315),
        (3, 5) if is("haiku") => (264, 355),
        (3, 5) if is("20240620") => (294, 261),
        (3, 0) if is("opus") => (530, 281),
        (3, 0) if is("sonnet") => (159, 235),
        (3, 0) if is("haiku") => (264, 340),
        _ => (346, 313),
    }
}
