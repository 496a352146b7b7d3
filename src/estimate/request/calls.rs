//! What a chat says about its tools beside declaring them: calls, choices, forms of the answer.

use serde_json::Value;

use super::overhead::Overhead;
use super::prompt::{Part, Prompt};
use super::schema;

/// Tokens of a legacy function call, beside its name and its arguments.
const FUNCTION_CALL: i64 = 3;
/// Tokens around several calls in one message, and for each of them.
const PARALLEL: i64 = 13;
const PARALLEL_CALL: i64 = 2;
/// Tokens of the role of the message that a call is, where it is one of its own.
const ROLE: i64 = 1;
/// Tokens of forbidding tools, and of demanding one by its name beside the name.
const NONE: i64 = 1;
const NAMED_TOOL: i64 = 7;
const NAMED_FUNCTION: i64 = 4;
/// Tokens of the system message that the form of the answer is written into, and of it where there is one
/// already.
const SYSTEM: i64 = 7;
const IN_SYSTEM: i64 = 3;

/// A legacy `function_call` of a message.
pub(super) fn function_call<'a>(value: &'a Value, prompt: &mut Prompt<'a>) {
    match parts(value) {
        Some((name, arguments)) => {
            prompt.add(Part::Tools, FUNCTION_CALL);
            prompt.text(Part::Tools, name);
            prompt.text(Part::Tools, arguments);
        }
        None => json(value, prompt),
    }
}

/// The `tool_calls` of a message; `spoken` is whether it says something, too.
///
/// Several calls are shown to models before GPT-5 as one call of a tool that calls others at once.
pub(super) fn tool_calls<'a>(value: &'a Value, spoken: bool, overhead: Overhead, prompt: &mut Prompt<'a>) {
    let Value::Array(calls) = value else { return json(value, prompt) };
    let known = || calls.iter().filter_map(call);
    calls.iter().filter(|it| call(it).is_none()).for_each(|it| json(it, prompt));
    let count = known().count() as i64;
    let together = count > 1 && !overhead.apart;
    let messages = i64::from(spoken) + if together { 1 } else { count };
    prompt.add(Part::Tools, (overhead.message + ROLE) * (messages - 1).max(0));
    if together {
        prompt.add(Part::Tools, PARALLEL + PARALLEL_CALL * count);
        return prompt.text(Part::Tools, parallel(known()));
    }
    for (name, arguments) in known() {
        prompt.add(Part::Tools, overhead.call);
        // Once more, because the answer of the tool is signed with it.
        prompt.text(Part::Tools, name);
        prompt.text(Part::Tools, name);
        prompt.text(Part::Tools, arguments);
    }
}

fn parallel<'a>(calls: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from(r#"{"tool_uses":["#);
    for (index, (name, arguments)) in calls.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        out.push_str(r#"{"recipient_name":"functions."#);
        out.push_str(name);
        out.push_str(r#"","parameters":"#);
        // Written anew by the provider here, without the blanks that a model may have put in.
        match serde_json::from_str::<Value>(arguments) {
            Ok(arguments) => out.push_str(&arguments.to_string()),
            Err(_) => out.push_str(arguments),
        }
        out.push('}');
    }
    out.push_str("]}");
    out
}

/// Which tool is called, and with what.
fn call(value: &Value) -> Option<(&str, &str)> {
    value.get("function").or_else(|| value.get("custom")).and_then(parts)
}

fn parts(function: &Value) -> Option<(&str, &str)> {
    let arguments = match function.get("arguments").or_else(|| function.get("input")) {
        None | Some(Value::Null) => "",
        Some(value) => value.as_str()?,
    };
    Some((function.get("name")?.as_str()?, arguments))
}

/// A `tool_choice`, or the legacy `function_call` of a request. Words are options, not something that the
/// model reads, but for "none".
pub(super) fn choice<'a>(value: &'a Value, has_tools: bool, prompt: &mut Prompt<'a>) {
    let name = |it: &'a Value| it.get("name").and_then(Value::as_str);
    let named = ["function", "custom"].into_iter().find_map(|field| name(value.get(field)?));
    let (known, name) = match (value, named, name(value)) {
        (Value::String(word), ..) if word == "none" && has_tools => (NONE, ""),
        (Value::Object(_), Some(tool), _) => (NAMED_TOOL, tool),
        (Value::Object(_), _, Some(function)) => (NAMED_FUNCTION, function),
        _ => return json(value, prompt),
    };
    prompt.add(Part::Tools, known);
    prompt.text(Part::Tools, name);
}

/// The `response_format`; `has_tools` and `has_system` are whether there is a message already that it is
/// written into.
///
/// The heading is that of OpenAI's own renderer for its open models (github.com/openai/harmony, read
/// November 2026).
pub(super) fn format(value: &Value, has_tools: bool, has_system: bool, prompt: &mut Prompt<'_>) {
    if matches!(value.get("type").and_then(Value::as_str), Some("text" | "json_object")) {
        return;
    }
    // Chats have it in a field of its own, the Responses API has not.
    let Some(format) = value.get("json_schema").unwrap_or(value).as_object() else {
        return json(value, prompt);
    };
    if !format.contains_key("schema") {
        return json(value, prompt);
    }
    let mut out = String::from("# Response Formats\n\n## ");
    out.push_str(format.get("name").and_then(Value::as_str).unwrap_or_default());
    out.push_str("\n\n");
    schema::comment(format, &mut out);
    schema::write_strict(format.get("schema").unwrap_or(&Value::Null), &mut out);
    prompt.text(Part::Tools, out);
    let around = if has_tools {
        0
    } else if has_system {
        IN_SYSTEM
    } else {
        SYSTEM
    };
    prompt.add(Part::Tools, around);
}

/// What is not known: as its JSON, if it is more than a word.
pub(super) fn json(value: &Value, prompt: &mut Prompt<'_>) {
    match value {
        Value::Array(items) if items.is_empty() => {}
        Value::Array(_) | Value::Object(_) => prompt.text(Part::Tools, value.to_string()),
        _ => {}
    }
}
