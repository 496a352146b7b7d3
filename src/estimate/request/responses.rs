//! A call of OpenAI's Responses API.

use serde_json::{Map, Value};

use super::images::Rule;
use super::overhead::Overhead;
use super::prompt::{Part, Prompt};
use super::{EstimateError, calls, content, functions};

/// Tokens that the provider adds to the call of a function and to its result, as two recorded
/// conversations have it. Replies and messages have those of chats.
const CALL: i64 = 7;
const RESULT: i64 = 7;
/// A tool that the provider runs. Searching the web took as many in recorded calls to GPT-4o and GPT-4.1
/// (the `usage` less that of the messages; DataDog/dd-trace-py `response_tools.yaml`,
/// pydantic/pydantic-ai `test_openai_responses_model_web_search_tool.yaml`, read November 2026); other
/// tools are believed to take the same. What they find is charged, too, and not known before.
const BUILT_IN: i64 = 294;

/// The prompt, and whether there is more of it that the provider holds.
pub(super) fn prompt<'a>(
    body: &'a Map<String, Value>,
    model: &str,
) -> Result<(Prompt<'a>, bool), EstimateError> {
    let present = |field| body.get(field).filter(|value| !value.is_null());
    let held = ["previous_response_id", "conversation", "prompt"];
    let mut it = Reader {
        rule: Rule::of(model),
        overhead: Overhead::of(model),
        partial: held.into_iter().any(|field| present(field).is_some()),
        prompt: Prompt::default(),
    };
    it.prompt.add(Part::Overhead, it.overhead.reply);
    if let Some(value) = present("instructions").filter(|value| value.as_str() != Some("")) {
        it.message("system", value);
    }
    match present("input") {
        None => {}
        Some(value @ Value::String(_)) => it.message("user", value),
        Some(Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                let Value::Object(fields) = value else {
                    return Err(EstimateError::unexpected(format!("input[{index}]"), "an object", value));
                };
                it.item(value, fields);
            }
        }
        Some(other) => return Err(EstimateError::unexpected("input", "a string or an array", other)),
    }
    if let Some(Value::Object(variables)) = present("prompt").and_then(|value| value.get("variables")) {
        variables.values().for_each(|value| content::read(value, it.rule, &mut it.prompt));
    }
    let tools = || present("tools").and_then(Value::as_array).into_iter().flatten();
    let kind = |tool: &'a Value| tool.get("type").and_then(Value::as_str).unwrap_or("function");
    functions::declare(tools().filter(|tool| kind(tool) == "function"), &mut it.prompt);
    for tool in tools() {
        match kind(tool) {
            "function" => {}
            "custom" => schema(tool, &mut it.prompt),
            _ => it.prompt.add(Part::Tools, BUILT_IN),
        }
    }
    if let Some(format) = present("text").and_then(|text| text.get("format")) {
        let has_system = present("instructions").is_some();
        calls::format(format, tools().next().is_some(), has_system, &mut it.prompt);
    }
    present("tool_choice").into_iter().for_each(|choice| schema(choice, &mut it.prompt));
    Ok((it.prompt, it.partial))
}

struct Reader<'a> {
    rule: Rule,
    overhead: Overhead,
    partial: bool,
    prompt: Prompt<'a>,
}

impl<'a> Reader<'a> {
    fn message(&mut self, role: &'a str, content: &'a Value) {
        self.prompt.add(Part::Overhead, self.overhead.message);
        self.prompt.text(Part::Overhead, role);
        content::read(content, self.rule, &mut self.prompt);
    }

    fn item(&mut self, item: &'a Value, fields: &'a Map<String, Value>) {
        let string = |field| fields.get(field).and_then(Value::as_str);
        let field = |name| fields.get(name).unwrap_or(&Value::Null);
        match string("type").unwrap_or("message") {
            "message" => self.message(string("role").unwrap_or_default(), field("content")),
            "function_call" | "custom_tool_call" => {
                self.prompt.add(Part::Overhead, CALL);
                let texts = ["name", "arguments", "input"].into_iter().filter_map(string);
                texts.for_each(|text| self.prompt.text(Part::Tools, text));
            }
            "function_call_output" | "custom_tool_call_output" | "computer_call_output" => {
                self.prompt.add(Part::Overhead, RESULT);
                content::read(field("output"), self.rule, &mut self.prompt);
            }
            // What the model thought is with the provider, or encrypted.
            "reasoning" => {
                self.partial = true;
                content::read(field("summary"), self.rule, &mut self.prompt);
                content::read(field("content"), self.rule, &mut self.prompt);
            }
            "item_reference" => self.partial = true,
            "input_text" | "output_text" | "input_image" | "input_file" | "input_audio" => {
                content::part(item, self.rule, &mut self.prompt);
            }
            _ => content::json(Part::Tools, item, self.rule, &mut self.prompt),
        }
    }
}

/// What the provider renders for the model in a form of its own: counted as its JSON.
fn schema(value: &Value, prompt: &mut Prompt<'_>) {
    if let Value::Object(_) = value {
        prompt.text(Part::Tools, value.to_string());
    }
}
