//! JSON schemas, as the provider writes them for a model.
//!
//! Work and output grow with the size of a schema alone: a reference is not followed, and what is
//! nested deeper than [`DEEPEST`] is written as the JSON that it is.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// Levels of a schema that are written as types. Requests stay far below; the stack does, too.
const DEEPEST: usize = 48;

/// Types that JSON schema knows.
const TYPES: usize = 7;

/// Writes a type, in TypeScript.
pub(super) fn write(schema: &Value, out: &mut String) {
    any_type(schema, DEEPEST, out);
}

/// Writes the `description` of a function or a property as a comment, if it has one.
pub(super) fn comment(fields: &Map<String, Value>, out: &mut String) {
    if let Some(text) = described(fields) {
        out.push_str("// ");
        // Doc comments of programs end in blanks; the API counts none of them.
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

/// Whether `schema` is that of an object that has no fields.
pub(super) fn is_empty(schema: &Value) -> bool {
    let Value::Object(fields) = schema else { return false };
    let empty = |field| match fields.get(field) {
        None | Some(Value::Null | Value::Bool(_)) => true,
        Some(Value::Object(it)) => it.is_empty(),
        Some(_) => false,
    };
    let keywords = ["anyOf", "oneOf", "allOf", "$ref", "enum", "const", "items"];
    let of_object = matches!(fields.get("type"), None | Some(Value::Null))
        || fields.get("type").and_then(Value::as_str) == Some("object");
    of_object
        && ["properties", "additionalProperties", "patternProperties"].into_iter().all(empty)
        && !keywords.into_iter().any(|it| fields.contains_key(it))
}

fn any_type(schema: &Value, depth: usize, out: &mut String) {
    let Value::Object(fields) = schema else {
        return json(schema, out);
    };
    if depth == 0 {
        return json(schema, out);
    }
    let list = |field| fields.get(field).and_then(Value::as_array).filter(|it| !it.is_empty());
    if let Some(value) = fields.get("const") {
        json(value, out);
    } else if let Some(values) = list("enum") {
        joined(values, " | ", out, json);
    } else if let Some(types) = list("anyOf").or_else(|| list("oneOf")) {
        joined(types, " | ", out, |it, out| any_type(it, depth - 1, out));
    } else if let Some(types) = list("allOf") {
        joined(types, " & ", out, |it, out| any_type(it, depth - 1, out));
    } else {
        match fields.get("type") {
            Some(Value::String(name)) => named(name, fields, depth, out),
            Some(Value::Array(names)) if names.len() <= TYPES => {
                // Each once: "object" twice at every level would double the work with every level.
                let first = |&(index, it): &(usize, &Value)| !names[..index].contains(it);
                let names = names.iter().enumerate().filter(first);
                joined(names, " | ", out, |(_, it), out| match it.as_str() {
                    Some(name) => named(name, fields, depth, out),
                    None => json(it, out),
                });
            }
            None if fields.contains_key("properties") => named("object", fields, depth, out),
            None if fields.contains_key("items") => named("array", fields, depth, out),
            None | Some(Value::Null) => out.push_str("any"),
            Some(_) => json(schema, out),
        }
    }
    if fields.get("nullable") == Some(&Value::Bool(true)) {
        out.push_str(" | null");
    }
}

fn named(name: &str, fields: &Map<String, Value>, depth: usize, out: &mut String) {
    match name {
        "integer" => out.push_str("number"),
        "array" => {
            match fields.get("items") {
                None => out.push_str("any"),
                Some(items) => any_type(items, depth - 1, out),
            }
            out.push_str("[]");
        }
        "object" => match fields.get("properties") {
            Some(Value::Object(properties)) if !properties.is_empty() => {
                object(properties, fields, depth, out);
            }
            None | Some(Value::Null | Value::Object(_)) => map(fields, depth, out),
            Some(other) => json(other, out),
        },
        other => out.push_str(other),
    }
}

/// An object whose fields have no names of their own.
fn map(fields: &Map<String, Value>, depth: usize, out: &mut String) {
    let some = |field| fields.get(field).filter(|it| it.as_object().is_some_and(|it| !it.is_empty()));
    if let Some(schema) = some("additionalProperties") {
        out.push_str("{ [key: string]: ");
        any_type(schema, depth - 1, out);
        out.push_str(" }");
    } else if let Some(patterns) = some("patternProperties") {
        json(patterns, out);
    } else {
        out.push_str("object");
    }
}

/// An object's fields: in one line, where there is nothing to say about any of them; else one in each
/// line, below what is said about it.
fn object(properties: &Map<String, Value>, fields: &Map<String, Value>, depth: usize, out: &mut String) {
    let remarked =
        |it: &Value| it.as_object().is_some_and(|it| described(it).is_some() || default(it).is_some());
    let in_lines = properties.values().any(remarked);
    // A set: a long list of names is not searched for every field.
    let required: HashSet<&str> = match fields.get("required").and_then(Value::as_array) {
        Some(names) => names.iter().filter_map(Value::as_str).collect(),
        None => HashSet::new(),
    };
    out.push_str(if in_lines { "{\n" } else { "{ " });
    for (index, (name, schema)) in properties.iter().enumerate() {
        let property = schema.as_object();
        match property {
            Some(property) if in_lines => comment(property, out),
            _ if index > 0 && !in_lines => out.push_str(", "),
            _ => {}
        }
        out.push_str(name);
        out.push_str(if required.contains(name.as_str()) { ": " } else { "?: " });
        any_type(schema, depth - 1, out);
        if in_lines {
            out.push(',');
            if let Some(value) = property.and_then(default) {
                out.push_str(" // default: ");
                json(value, out);
            }
            out.push('\n');
        }
    }
    out.push_str(if in_lines { "}" } else { " }" });
}

fn described(fields: &Map<String, Value>) -> Option<&str> {
    fields.get("description")?.as_str().filter(|it| !it.is_empty())
}

/// A default that is told to the model. One that stands for nothing is not: `false` cost no token in a
/// recorded call.
fn default(fields: &Map<String, Value>) -> Option<&Value> {
    fields.get("default").filter(|value| match value {
        Value::Null => false,
        Value::Bool(it) => *it,
        Value::Number(it) => it.as_f64() != Some(0.0),
        Value::String(it) => !it.is_empty(),
        Value::Array(it) => !it.is_empty(),
        Value::Object(it) => !it.is_empty(),
    })
}

/// Writes a schema as JSON, without what a strict schema repeats at every object.
pub(super) fn write_strict(schema: &Value, out: &mut String) {
    strict(schema, false, DEEPEST, out);
}

/// `named` is whether the keys of `value` are names of fields: none of them is left out.
fn strict(value: &Value, named: bool, depth: usize, out: &mut String) {
    match value {
        Value::Array(items) if depth > 0 => {
            out.push('[');
            joined(items, ",", out, |it, out| strict(it, false, depth - 1, out));
            out.push(']');
        }
        Value::Object(fields) if depth > 0 => {
            out.push('{');
            let kept = fields
                .iter()
                .filter(|(key, _)| named || !matches!(key.as_str(), "required" | "additionalProperties"));
            joined(kept, ",", out, |(key, value), out| {
                out.push('"');
                out.push_str(key);
                out.push_str("\":");
                let names = !named && matches!(key.as_str(), "properties" | "$defs" | "definitions");
                strict(value, names, depth - 1, out);
            });
            out.push('}');
        }
        _ => json(value, out),
    }
}

fn joined<T>(
    items: impl IntoIterator<Item = T>,
    between: &str,
    out: &mut String,
    mut write: impl FnMut(T, &mut String),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push_str(between);
        }
        write(item, out);
    }
}

fn json(value: &Value, out: &mut String) {
    out.push_str(&value.to_string());
}
