//! A call of Google's Gemini API (`generateContent`).

use serde_json::Value;

use super::encoded::Encoded;
use super::images::{Detail, Rule};
use super::prompt::{Part, Prompt};
use super::{EstimateError, content};

/// Bytes of a second of video at about 1 Mbit/s, and its tokens at the default resolution, sound
/// included (ai.google.dev/gemini-api/docs/video-understanding, read November 2026).
const BYTES_OF_VIDEO: u64 = 125_000;
const SECOND_OF_VIDEO: u64 = 300;

/// The field in the spelling of the REST API or in that of Python.
pub(super) fn either<'a>(fields: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    fields.get(camel).or_else(|| fields.get(snake)).filter(|value| !value.is_null())
}

/// The prompt, and whether there is more of it that the provider holds. `body` is an object.
pub(super) fn prompt<'a>(
    body: &'a Value,
    contents: &'a Value,
    model: &str,
) -> Result<(Prompt<'a>, bool), EstimateError> {
    let rule = Rule::of(model);
    let mut prompt = Prompt::default();
    if let Some(system) = either(body, "systemInstruction", "system_instruction") {
        parts(system, rule, &mut prompt);
    }
    match contents {
        Value::Array(contents) => {
            for (index, value) in contents.iter().enumerate() {
                if !(value.is_object() || value.is_string()) {
                    let field = format!("contents[{index}]");
                    return Err(EstimateError::unexpected(field, "an object", value));
                }
                parts(value, rule, &mut prompt);
            }
        }
        Value::Object(_) | Value::String(_) => parts(contents, rule, &mut prompt),
        other => return Err(EstimateError::unexpected("contents", "an array", other)),
    }
    for tool in body.get("tools").and_then(Value::as_array).into_iter().flatten() {
        let functions = either(tool, "functionDeclarations", "function_declarations");
        for function in functions.and_then(Value::as_array).into_iter().flatten() {
            prompt.text(Part::Tools, function.to_string());
        }
    }
    let config = either(body, "generationConfig", "generation_config");
    let schema = config.and_then(|it| either(it, "responseSchema", "response_schema"));
    if let Some(schema) = schema.filter(|it| it.is_object()) {
        prompt.text(Part::Tools, schema.to_string());
    }
    Ok((prompt, either(body, "cachedContent", "cached_content").is_some()))
}

fn parts<'a>(content: &'a Value, rule: Rule, prompt: &mut Prompt<'a>) {
    match content.get("parts") {
        Some(Value::Array(parts)) => parts.iter().for_each(|value| part(value, rule, prompt)),
        Some(one) => part(one, rule, prompt),
        None => part(content, rule, prompt),
    }
}

fn part<'a>(value: &'a Value, rule: Rule, prompt: &mut Prompt<'a>) {
    let string = |data: &'a Value, camel, snake| either(data, camel, snake).and_then(Value::as_str);
    if let Some(text) = value.as_str().or_else(|| value.get("text").and_then(Value::as_str)) {
        return prompt.text(Part::Text, text);
    }
    if let Some(inline) = either(value, "inlineData", "inline_data") {
        let media = string(inline, "mimeType", "mime_type").unwrap_or_default();
        let data = Encoded::new(media, string(inline, "data", "data").unwrap_or_default());
        return if media.starts_with("video/") {
            let seconds = data.bytes().div_ceil(BYTES_OF_VIDEO);
            prompt.add(Part::Files, (seconds * SECOND_OF_VIDEO) as i64);
        } else {
            content::document(data, "", rule, prompt);
        };
    }
    if let Some(file) = either(value, "fileData", "file_data") {
        let media = string(file, "mimeType", "mime_type").unwrap_or_default();
        return match media.starts_with("image/") {
            true => prompt.add(Part::Images, rule.tokens(None, Detail::Auto)),
            false => prompt.add(Part::Files, rule.page()),
        };
    }
    content::json(Part::Tools, value, rule, prompt);
}
