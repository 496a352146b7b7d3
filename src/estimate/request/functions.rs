//! Functions that a model may call, as the provider shows them to it: TypeScript, not JSON schema.
//!
//! ```text
//! namespace functions {
//!
//! // Get the current weather
//! type weather = (_: {
//! // The city and state
//! location: string,
//! unit?: "celsius" | "fahrenheit",
//! }) => any;
//!
//! } // namespace functions
//! ```
//!
//! The form was found by others, who compared guesses with what the API counts
//! (github.com/hmarr/openai-chat-tokens, read November 2026); where it differs here, the recorded
//! calls in `tests/fixtures/chats.json` decided. Types are in [`super::schema`].

use serde_json::{Map, Value};

use super::prompt::{Part, Prompt};
use super::schema;

/// Tokens around the declarations.
const DECLARATIONS: i64 = 9;

/// Adds the declarations of all `functions`, and what the provider puts around them. Nothing, where there
/// are none.
///
/// A function is an object with a `name`, and perhaps a `description` and `parameters`. Whatever else
/// is found counts as its JSON.
pub(super) fn declare<'a>(functions: impl IntoIterator<Item = &'a Value>, prompt: &mut Prompt<'_>) {
    let mut functions = functions.into_iter().peekable();
    if functions.peek().is_none() {
        return;
    }
    let mut out = String::from("namespace functions {\n\n");
    for value in functions {
        match value.as_object().and_then(|it| Some((it, it.get("name")?.as_str()?))) {
            Some((function, name)) => declaration(function, name, &mut out),
            None => out.push_str(&value.to_string()),
        }
        out.push_str("\n\n");
    }
    out.push_str("} // namespace functions");
    prompt.text(Part::Tools, out);
    prompt.add(Part::Tools, DECLARATIONS);
}

fn declaration(function: &Map<String, Value>, name: &str, out: &mut String) {
    schema::comment(function, out);
    out.push_str("type ");
    out.push_str(name);
    out.push_str(" = (");
    match function.get("parameters") {
        None | Some(Value::Null) => {}
        Some(parameters) if schema::is_empty(parameters) => {}
        Some(parameters) => {
            out.push_str("_: ");
            schema::write(parameters, out);
        }
    }
    out.push_str(") => any;");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(function: Value) -> String {
        let mut prompt = Prompt::default();
        declare([&function], &mut prompt);
        let (part, text) = &prompt.texts()[0];
        assert_eq!((*part, prompt.texts().len()), (Part::Tools, 1));
        let inner = text.strip_prefix("namespace functions {\n\n").unwrap();
        inner.strip_suffix("\n\n} // namespace functions").unwrap().to_owned()
    }

    /// The type of a parameter `a` of this schema.
    fn written(schema: Value) -> String {
        let text = declared(json!({ "name": "f", "parameters": { "properties": { "a": schema } } }));
        let inner = text.strip_prefix("type f = (_: { a?: ").unwrap_or_else(|| panic!("{text}"));
        inner.strip_suffix(" }) => any;").unwrap().to_owned()
    }

    #[test]
    fn a_function_reads_as_a_type_with_its_remarks() {
        let weather = json!({
            "name": "weather",
            "description": "Get the weather\n  ",
            "parameters": {
                "type": "object",
                "required": ["city", "days"],
                "properties": {
                    "city": { "type": "string", "description": "The city" },
                    "days": { "type": "array", "items": { "type": "integer" } },
                    "unit": { "type": "string", "enum": ["C", "F"], "default": "C" },
                    "where": { "type": "object", "properties": { "x": { "type": "number" } } },
                },
            },
        });
        let expected = r#"// Get the weather
type weather = (_: {
// The city
city: string,
days: number[],
unit?: "C" | "F", // default: "C"
where?: { x?: number },
}) => any;"#;
        assert_eq!(declared(weather), expected);
    }

    #[test]
    fn a_function_without_parameters_takes_none() {
        for parameters in [json!(null), json!({}), json!({ "type": "object", "properties": {} })] {
            let function = json!({ "name": "f", "description": "", "parameters": parameters });
            assert_eq!(declared(function), "type f = () => any;");
        }
        assert_eq!(declared(json!({ "name": "f" })), "type f = () => any;");
    }

    #[test]
    fn every_kind_of_schema_is_a_type() {
        for (schema, expected) in [
            (json!({ "type": "boolean" }), "boolean"),
            (json!({ "type": ["string", "null", "string"] }), "string | null"),
            (json!({ "type": "integer", "nullable": true }), "number | null"),
            (json!({ "type": "integer", "enum": [-1, 1] }), "-1 | 1"),
            (json!({ "type": "string", "const": "on" }), r#""on""#),
            (json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] }), "string | null"),
            (json!({ "oneOf": [{ "const": 1 }, { "const": 2 }] }), "1 | 2"),
            (json!({ "allOf": [{ "type": "string" }, {}] }), "string & any"),
            (json!({ "$ref": "#/$defs/a" }), "any"),
            (json!({ "type": "array" }), "any[]"),
            (json!({ "items": { "type": "string" } }), "string[]"),
            (json!({ "type": "object" }), "object"),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "{ [key: string]: string }",
            ),
            (json!({}), "any"),
        ] {
            assert_eq!(written(schema), expected);
        }
    }

    #[test]
    fn what_is_no_schema_is_written_as_it_is() {
        for schema in
            [json!(true), json!([1, "a"]), json!({ "type": 5 }), json!({ "type": vec!["object"; 8] })]
        {
            assert_eq!(written(schema.clone()), schema.to_string());
        }
        assert_eq!(declared(json!(["f"])), r#"["f"]"#);
    }
}
