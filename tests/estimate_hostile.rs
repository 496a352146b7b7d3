//! Requests that are wrong, absurd or hostile: an estimate or an error, never a panic.
#![cfg(feature = "tiktoken")]

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate::Cost;
use tollgate::estimate::{self, DEFAULT_MAX_OUTPUT};

fn cost(body: Value) -> Cost {
    estimate::request(&body).unwrap().cost()
}

/// A chat call of one message that says "hi", with `fields` beside.
fn chat(fields: Value) -> Value {
    let mut body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[test]
fn absurd_caps_neither_panic_nor_overflow() {
    let output = |cap: Value, n: Value| cost(chat(json!({ "max_tokens": cap, "n": n }))).max_output_tokens();
    for ignored in [json!(-1), json!("500"), json!(null), json!([1]), json!({}), json!(true), json!(-1e300)] {
        assert_eq!(output(ignored.clone(), json!(1)), DEFAULT_MAX_OUTPUT, "{ignored}");
        assert_eq!(output(json!(10), ignored.clone()), 10, "n: {ignored}");
    }
    assert_eq!(output(json!(1e300), json!(1)), u64::MAX);
    assert_eq!(output(json!(u64::MAX), json!(u64::MAX)), u64::MAX);
    assert_eq!(output(json!(99.5), json!(2.0)), 200);
    assert_eq!(output(json!(10), json!(0)), 10);
    assert_eq!(cost(chat(json!({ "max_tokens": u64::MAX }))).tokens(), u64::MAX);
}

#[test]
fn json_as_deep_as_a_parser_allows_is_estimated_on_a_small_stack() {
    let deep = || {
        let nested = format!("{}1{}", r#"{"a":["#.repeat(60), "]}".repeat(60));
        let body = format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":{nested}}}]}}"#);
        assert!(cost(serde_json::from_str(&body).unwrap()).input_tokens() > 60);
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(deep).unwrap().join().unwrap();
}

#[test]
fn a_schema_as_deep_as_a_parser_allows_is_estimated_on_a_small_stack() {
    let deep = || {
        for wrap in [
            (|it| json!({ "type": "object", "properties": { "a": it } })) as fn(Value) -> Value,
            |it| json!({ "type": ["array", "array", "object"], "items": it }),
            |it| json!({ "anyOf": [it, { "type": "null" }] }),
        ] {
            let schema = (0..60).fold(json!({ "type": "string" }), |it, _| wrap(it));
            assert!(of_parameters(schema) > 60);
        }
    };
    std::thread::Builder::new().stack_size(256 * 1024).spawn(deep).unwrap().join().unwrap();
}

/// A schema that says the same twice at each level would be written 2^40 times, one that refers to itself
/// for ever.
#[test]
fn a_schema_costs_work_by_its_size_alone() {
    let twice = |it| json!({ "type": ["object", "object", "object"], "properties": { "a": it } });
    let nested = (0..40).fold(json!({ "type": "string" }), |it, _| twice(it));
    let itself =
        json!({ "$defs": { "a": { "$ref": "#/$defs/a" } }, "properties": { "a": { "$ref": "#/$defs/a" } } });
    let names: Vec<String> = (0..20_000).map(|it| format!("field_{it}")).collect();
    let fields: serde_json::Map<String, Value> =
        names.iter().map(|name| (name.clone(), json!({ "type": "string" }))).collect();
    let wide = json!({ "type": "object", "properties": fields, "required": names });
    for (schema, tokens) in [(nested, 5_000), (itself, 200), (wide, 500_000)] {
        let found = of_parameters(schema);
        assert!(found < tokens, "{found} tokens");
    }
}

/// The tokens of a call with one tool of these parameters, which are the schema of its answer, too.
fn of_parameters(parameters: Value) -> u64 {
    let format = json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": parameters } });
    let tool = json!({ "type": "function", "function": { "name": "f", "parameters": parameters } });
    cost(chat(json!({ "tools": [tool], "response_format": format }))).input_tokens()
}

/// Any JSON of the fields that are read, right or wrong.
fn garbage() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "gpt-4o|gpt-5|text-embedding-3-small|text|image_url|object|array|string|function|custom|json_schema|none"
            .prop_map(Value::from),
    ];
    let key = "model|messages|input|prompt|max_tokens|max_completion_tokens|n|best_of|role|content|name|tools|\
               tool_calls|function|arguments|parameters|description|properties|required|items|enum|const|anyOf|\
               allOf|default|nullable|additionalProperties|json_schema|schema|custom|type|text|suffix|[a-z]{1,3}";
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn garbage_is_estimated_or_refused_but_never_panics(body in garbage(), message in garbage()) {
        let _ = estimate::request(&body);
        let _ = estimate::request(&json!({ "model": "gpt-4o", "messages": body }));
        let _ = estimate::request(&json!({ "model": "gpt-4o", "input": body }));
        let _ = estimate::request(&json!({ "model": "gpt-4o", "prompt": body, "n": message, "suffix": message }));
        let one = json!({ "role": body, "content": message, "name": message, "tool_calls": body });
        let _ = estimate::request(&json!({ "model": "gpt-4o", "messages": [one], "max_tokens": body, "tools": message }));
        let call = json!({ "role": "assistant", "tool_calls": [body, { "function": message }], "function_call": body });
        let _ = estimate::request(&json!({ "model": "gpt-4", "messages": [call], "tool_choice": body, "response_format": message }));
        let tool = json!({ "type": "function", "function": { "name": "f", "description": body, "parameters": message } });
        let format = json!({ "type": "json_schema", "json_schema": { "name": message, "schema": body } });
        let _ = estimate::request(&chat(json!({ "tools": [tool, body], "functions": message, "response_format": format })));
    }

    #[test]
    fn fields_that_are_not_known_change_nothing(key in "x_[a-z]{1,8}", value in garbage()) {
        prop_assert_eq!(estimate::request(&chat(json!({ &key: value }))), estimate::request(&chat(json!({}))));
        let message = json!({ "role": "user", "content": "hi", &key: value });
        prop_assert_eq!(estimate::request(&chat(json!({ "messages": [message] }))), estimate::request(&chat(json!({}))));
    }
}
