//! What requests cost that are no plain chats: OpenAI's Responses, Anthropic's Messages, Gemini, and the
//! sounds and files that any of them may hold.
//!
//! Recorded calls are from the public test recordings of DataDog/dd-trace-py, traceloop/openllmetry and
//! pydantic/pydantic-ai (their names beside them; read November 2026): the request, and the
//! `input_tokens` of its answer's `usage`.
#![cfg(feature = "tiktoken")]

use proptest::prelude::*;
use serde_json::{Value, json};
use tollgate::Cost;
use tollgate::estimate::{self, DEFAULT_MAX_OUTPUT, Encoding, Estimate};

fn estimate(body: &Value) -> Estimate {
    estimate::request(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn input(body: Value) -> u64 {
    estimate(&body).cost().input_tokens()
}

fn tokens(text: &str) -> u64 {
    estimate::text(text, Encoding::O200kBase)
}

fn with(mut body: Value, fields: Value) -> Value {
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// The conversation of `response_create.yaml` and `response_tools.yaml`.
fn world_series() -> Value {
    json!([
        { "role": "system", "content": "You are a helpful assistant." },
        { "role": "user", "content": "Who won the world series in 2020?" },
        { "role": "assistant", "content": "The Los Angeles Dodgers won the World Series in 2020." },
        { "role": "user", "content": "Where was it played?" },
    ])
}

fn weather_tool() -> Value {
    json!({
        "type": "function", "name": "get_current_weather", "description": "Get the current weather in a given location",
        "parameters": {
            "type": "object",
            "properties": {
                "location": { "type": "string", "description": "The city and state, e.g. San Francisco, CA" },
                "unit": { "type": "string", "enum": ["celsius", "fahrenheit"] },
            },
            "required": ["location", "unit"],
        },
    })
}

fn calculator() -> Value {
    json!({
        "name": "calculator",
        "description": "A simple calculator that performs basic arithmetic operations.",
        "input_schema": {
            "type": "object",
            "properties": { "expression": { "type": "string", "description": "The mathematical expression to evaluate (e.g., '2 + 3 * 4')." } },
            "required": ["expression"],
        },
    })
}

/// Says how far the estimates are off, and that they are off by `range` at most.
fn compare(calls: Vec<(Value, u64)>, range: std::ops::RangeInclusive<i64>) {
    for (body, used) in calls {
        let error = input(body.clone()) as i64 - used as i64;
        println!("{used:5} {error:+4} {body:.80}");
        assert!(range.contains(&error), "{error:+} of {used}: {body}");
    }
}

#[test]
fn text_of_a_responses_call_costs_what_the_api_counted() {
    let adjective = "Come up with an adjective in English. Respond with just one word.";
    compare(
        vec![
            // dd response_create.yaml, response_tools_stream.yaml
            (json!({ "model": "gpt-4.1", "input": world_series() }), 53),
            (json!({ "model": "gpt-4.1", "input": "Hello world" }), 9),
            // openllmetry test_responses_with_input_history.yaml
            (json!({ "model": "gpt-4.1-nano", "input": adjective }), 21),
            (
                json!({ "model": "gpt-4.1-nano", "input": [
                    { "role": "user", "content": adjective },
                    { "role": "assistant", "content": [{ "type": "output_text", "text": "Luminous" }] },
                    { "type": "message", "role": "user", "content": "Can you explain why you chose that word?" },
                ] }),
                40,
            ),
            // pydantic-ai test_openai_responses_model_instructions.yaml
            (
                json!({ "model": "gpt-4o", "instructions": "You are a helpful assistant.",
                    "input": [{ "role": "user", "content": "What is the capital of France?" }] }),
                24,
            ),
        ],
        0..=0,
    );
}

#[test]
fn searching_the_web_costs_what_the_api_counted() {
    let tools = json!([{ "type": "web_search_preview" }]);
    compare(
        vec![
            (json!({ "model": "gpt-4.1", "input": world_series(), "tools": tools }), 347),
            (
                json!({ "model": "gpt-4o", "instructions": "You are a helpful assistant.", "tools": tools,
                    "input": [{ "role": "user", "content": "What are the latest news in Iceland?" }] }),
                319,
            ),
        ],
        0..=0,
    );
}

#[test]
fn functions_of_a_responses_call_cost_about_what_the_api_counted() {
    let user = |content: &str| json!([{ "role": "user", "content": content }]);
    let schema = |properties: Value| {
        let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
        json!({ "additionalProperties": false, "properties": properties, "required": required, "type": "object" })
    };
    let country = json!([{
        "type": "function", "name": "get_user_country", "description": null, "strict": false,
        "parameters": { "additionalProperties": false, "properties": {}, "type": "object" },
    }]);
    let last = json!([{
        "type": "function", "name": "final_result", "strict": true,
        "description": "The final response which ends this conversation",
        "parameters": schema(json!({ "age": { "type": "integer" }, "name": { "type": "string" } })),
    }]);
    let format = json!({ "format": {
        "type": "json_schema", "name": "CityLocation", "strict": true, "description": "A city and its country.",
        "schema": schema(json!({ "city": { "type": "string" }, "country": { "type": "string" } })),
    } });
    let largest = "What is the largest city in the user country?";
    compare(
        vec![
            // dd response_function_call_streamed.yaml
            (
                json!({ "model": "gpt-4.1", "input": "What is the weather like in Boston today?", "tools": [weather_tool()] }),
                75,
            ),
            // pydantic-ai test_openai_responses_output_type.yaml, test_native_output.yaml
            (
                json!({ "model": "gpt-4o", "tools": last, "input": user("Give me the name and age of Brazil, Argentina, and Chile.") }),
                66,
            ),
            (json!({ "model": "gpt-4o", "tools": country, "text": format, "input": user(largest) }), 73),
        ],
        -3..=6,
    );
}

#[test]
fn a_call_of_a_function_and_its_result_cost_what_the_api_counted() {
    let after = |items: Value| {
        let mut all = vec![json!({ "role": "user", "content": "hi" })];
        all.extend(items.as_array().unwrap().clone());
        input(json!({ "model": "gpt-4o", "input": all })) - input(json!({ "model": "gpt-4o", "input": "hi" }))
    };
    // The second calls of pydantic-ai test_native_output.yaml (73, then 92) and of
    // test_openai_responses_model_simple_response_with_tool_call.yaml (256, then 287).
    let country = json!([
        { "type": "function_call", "call_id": "call_1", "name": "get_user_country", "arguments": "{}" },
        { "type": "function_call_output", "call_id": "call_1", "output": "Mexico" },
    ]);
    let capital = json!([
        { "role": "assistant", "content": "" },
        { "type": "function_call", "call_id": "call_1", "name": "get_capital", "arguments": r#"{"country":"PotatoLand"}"# },
        { "type": "function_call_output", "call_id": "call_1", "output": "Potato City" },
    ]);
    assert_eq!((after(country), after(capital)), (92 - 73, 287 - 256));
}

#[test]
fn a_responses_call_pays_for_its_answer() {
    let output = |fields| {
        estimate(&with(json!({ "model": "gpt-4o", "input": "hi" }), fields)).cost().max_output_tokens()
    };
    assert_eq!(output(json!({ "max_output_tokens": 300 })), 300);
    assert_eq!(output(json!({})), DEFAULT_MAX_OUTPUT);
    assert!(estimate(&json!({ "model": "gpt-4o", "input": "hi" })).assumes_output());
}

#[test]
fn what_the_provider_holds_of_a_prompt_is_said_to_be_missing() {
    let partial = |fields| estimate(&with(json!({ "model": "gpt-4o" }), fields)).is_partial();
    assert!(!partial(json!({ "input": "hi", "previous_response_id": null })));
    assert!(!partial(json!({ "messages": [] })));
    for fields in [
        json!({ "input": "hi", "previous_response_id": "resp_1" }),
        json!({ "conversation": "conv_1" }),
        json!({ "prompt": { "id": "pmpt_1", "variables": { "who": "Ada" } } }),
        json!({ "input": [{ "type": "item_reference", "id": "msg_1" }] }),
        json!({ "input": [{ "type": "reasoning", "summary": [], "encrypted_content": "gAAAA" }] }),
        json!({ "contents": [], "cachedContent": "cachedContents/1" }),
    ] {
        assert!(partial(fields.clone()), "{fields}");
    }
    let template = json!({ "model": "gpt-4o", "prompt": { "id": "pmpt_1", "variables": {
        "who": "hello world", "picture": { "type": "input_image", "image_url": "https://example.com/a.png" } } } });
    assert_eq!(input(template), 3 + 2 + 765);
}

#[test]
fn an_input_is_embedded_or_answered_by_its_model_and_its_fields() {
    let body = |model: &str, fields: Value| with(json!({ "model": model, "input": "hello world" }), fields);
    for (model, fields) in [
        ("text-embedding-3-small", json!({})),
        ("mistral-embed", json!({})),
        ("openai/text-embedding-3-large", json!({ "dimensions": 256 })),
        ("acme/vectors", json!({})),
        ("acme/vectors", json!({ "encoding_format": "float" })),
    ] {
        assert_eq!(estimate(&body(model, fields)).cost(), Cost::input(2), "{model}");
    }
    for (model, fields) in [
        ("gpt-4o", json!({})),
        ("gpt-6-astra", json!({})),
        ("anthropic/claude-sonnet-5", json!({})),
        ("acme/llm-1", json!({ "max_output_tokens": 1024 })),
        ("acme/llm-1", json!({ "instructions": "", "encoding_format": "float" })),
        ("acme/llm-1", json!({ "stream": false })),
        ("acme/llm-1", json!({ "input": [{ "role": "user", "content": "hello world" }] })),
    ] {
        let cost = estimate(&body(model, fields)).cost();
        assert_eq!((cost.input_tokens(), cost.max_output_tokens()), (9, DEFAULT_MAX_OUTPUT), "{model}");
    }
}

#[test]
fn items_of_the_tools_that_the_provider_runs_are_estimated() {
    let one = |item: Value| input(json!({ "model": "gpt-4o", "input": [item] }));
    let screenshot = json!({ "type": "computer_screenshot", "image_url": "https://example.com/a.png" });
    assert!(one(json!({ "type": "computer_call_output", "call_id": "c", "output": screenshot })) >= 765);
    let search = json!({ "type": "web_search_call", "id": "ws_1", "action": { "query": "news" } });
    assert_eq!(one(search.clone()), 3 + tokens(&search.to_string()));
    let drawn = json!({ "type": "image_generation_call", "result": "iVBORw0KGgoA".repeat(50_000) });
    assert!(one(drawn) < 5_000);
}

const SUM: &str = "What is the result of 1,984,135 * 9,343,116?";

/// Claude's own tokens are not public: these are counted with OpenAI's, within 6 % here.
#[test]
fn recorded_calls_to_claude_cost_about_what_the_api_counted() {
    let said = |texts: &[&str]| {
        let parts: Value = texts.iter().map(|text| json!({ "type": "text", "text": text })).collect();
        json!({ "role": "user", "content": parts })
    };
    let opus = |fields| with(json!({ "model": "claude-3-opus-20240229", "max_tokens": 15 }), fields);
    let weather = "What is the weather in San Francisco, CA?";
    let nested = |inner: Value| json!({ "type": "object", "properties": inner });
    let deep = ["l5", "l4", "l3", "l2", "l1"]
        .iter()
        .fold(json!({ "type": "string" }), |inner, name| nested(json!({ *name: inner })));
    let largest = |after: Value| {
        let mut messages = vec![said(&["What is the largest city in the user country?"])];
        messages.extend(after.as_array().unwrap().clone());
        json!({ "model": "claude-sonnet-4-5", "tool_choice": { "type": "any" }, "messages": messages, "tools": [
            { "name": "get_user_country", "description": "", "input_schema": { "additionalProperties": false, "properties": {}, "type": "object" } },
            { "name": "final_result", "description": "The final response which ends this conversation", "input_schema": {
                "properties": { "city": { "type": "string" }, "country": { "type": "string" } }, "required": ["city", "country"], "type": "object",
            } },
        ] })
    };
    let calls = vec![
        // dd anthropic_hello_world.yaml, anthropic_completion_multi_system_prompt.yaml
        (
            opus(json!({ "stop_sequences": [], "messages": [
            said(&["Reply: 'Hello World!' when I say: 'Hello'", "Hello"]),
            { "role": "assistant", "content": "Hello World!" },
            said(&["Hello"]),
        ] })),
            33,
        ),
        (
            opus(json!({
                "system": [
                    { "type": "text", "text": "You are an AI assistant tasked with analyzing literary works." },
                    { "type": "text", "text": "only respond in all caps", "cache_control": { "type": "ephemeral" } },
                ],
                "messages": [said(&["Hello, I am looking for information about some books!", "What is the best selling book?"])],
            })),
            43,
        ),
        // The example of platform.claude.com/docs/en/build-with-claude/token-counting
        (
            json!({ "model": "claude-opus-4-6", "system": "You are a scientist", "messages": [{ "role": "user", "content": "Hello, Claude" }] }),
            14,
        ),
        // dd anthropic_create_image.yaml: a PNG of 405 x 405
        (
            opus(json!({ "messages": [{ "role": "user", "content": [
            { "type": "text", "text": "Hello, what do you see in the following image?" },
            { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoAAAANSUhEUgAAAZUAAAGVCAIAAAC5OftsAAAAAXNSR0IArs4c" } },
        ] }] })),
            246,
        ),
        // dd anthropic_completion_multi_prompt_with_chat_history.yaml
        (
            opus(json!({ "stop_sequences": [], "messages": [
                said(&["Hello, Start all responses with your name Claude.", "End all responses with [COPY, CLAUDE OVER AND OUT!]"]),
                { "role": "assistant", "content": "Claude: Sure! [COPY, CLAUDE OVER AND OUT!]" },
                said(&["Add the time and date to the beginning of your response after your name.", "Explain string theory succinctly to a complete noob."]),
            ] })),
            84,
        ),
        // pydantic-ai test_anthropic_tool_output.yaml, both calls
        (largest(json!([])), 711),
        (
            largest(json!([
                { "role": "assistant", "content": [{ "type": "tool_use", "id": "toolu_01ECaF1WRmnTui1BpXZXyBds", "input": {}, "name": "get_user_country" }] },
                { "role": "user", "content": [{ "type": "tool_result", "content": "Mexico", "is_error": false, "tool_use_id": "toolu_01ECaF1WRmnTui1BpXZXyBds" }] },
            ])),
            762,
        ),
        // openllmetry test_anthropic_tools_legacy.yaml
        (
            json!({
                "model": "claude-3-5-sonnet-20240620",
                "messages": [{ "role": "user", "content": "What is the weather like right now in New York? Also what time is it there now?" }],
                "tools": [
                    { "name": "get_weather", "description": "Get the current weather in a given location", "input_schema": {
                        "type": "object", "required": ["location"], "properties": {
                            "location": { "type": "string", "description": "The city and state, e.g. San Francisco, CA" },
                            "unit": { "type": "string", "enum": ["celsius", "fahrenheit"], "description": "The unit of temperature, either 'celsius' or 'fahrenheit'" },
                        } } },
                    { "name": "get_time", "description": "Get the current time in a given time zone", "input_schema": {
                        "type": "object", "required": ["timezone"], "properties": {
                            "timezone": { "type": "string", "description": "The IANA time zone name, e.g. America/Los_Angeles" },
                        } } },
                ],
            }),
            514,
        ),
        // dd anthropic_completion_tools.yaml, anthropic_completion_tools_deep_schema.yaml
        (opus(json!({ "messages": [{ "role": "user", "content": SUM }], "tools": [calculator()] })), 640),
        (
            json!({ "model": "claude-sonnet-4-6", "messages": [{ "role": "user", "content": weather }], "tools": [
            { "name": "get_weather", "description": "Get the weather for a specific location", "input_schema": nested(json!({ "location": { "type": "string" } })) },
            { "name": "deep_tool", "description": "A tool with a deeply nested schema", "input_schema": deep },
        ] }),
            669,
        ),
    ];
    for (body, used) in calls {
        let estimated = input(body.clone());
        println!("{used:5} {:+4} {body:.80}", estimated as i64 - used as i64);
        assert!(estimated.abs_diff(used) * 100 <= used * 6, "{estimated} for {used}: {body}");
    }
}

#[test]
fn a_tool_that_claude_must_use_costs_what_the_documentation_says() {
    let prompt = |model: &str, choice: &str| {
        let body = json!({ "model": model, "messages": [], "tool_choice": { "type": choice } });
        let tools = json!({ "tools": [{ "type": "bash_20250124", "name": "bash" }] });
        input(with(body.clone(), tools)) - input(body) - 245
    };
    for (model, free, forced) in [
        ("claude-opus-4-8", 290, 410),
        ("anthropic/claude-opus-4.7", 675, 804),
        ("claude-opus-5-20260301", 290, 410),
        ("claude-sonnet-5", 354, 474),
        ("us.anthropic.claude-sonnet-4-6-v1:0", 497, 589),
        ("claude-haiku-4-5@20251001", 496, 588),
        ("claude-sonnet-4-20250514", 313, 315),
        ("claude-3-7-sonnet-latest", 346, 313),
        ("claude-3-5-sonnet-20240620", 294, 261),
        ("claude-3-opus-20240229", 530, 281),
        ("claude-3-haiku-20240307", 264, 340),
        ("acme/llm-1", 346, 313),
    ] {
        assert_eq!((prompt(model, "auto"), prompt(model, "none")), (free, free), "{model}");
        assert_eq!((prompt(model, "any"), prompt(model, "tool")), (forced, forced), "{model}");
    }
    assert_eq!(input(json!({ "model": "claude-opus-4-8", "messages": [], "tools": [], "system": "" })), 3);
}

/// Relays serve Claude in OpenAI's shape. The overhead tells which shape a body was taken for: 3 for the
/// reply, and for each message 3 and its role with OpenAI, 4 with Anthropic.
#[test]
fn the_shape_of_a_chat_is_told_by_its_fields_and_not_by_its_model() {
    let said = |fields: Value| {
        let messages = json!([{ "role": "user", "name": "bob", "content": "hi" }]);
        let body = with(json!({ "model": "anthropic/claude-sonnet-5", "messages": messages }), fields);
        estimate(&body).parts().overhead
    };
    let part = |part: Value| json!({ "messages": [{ "role": "user", "name": "bob", "content": [part] }] });
    let (openai, anthropic) = (3 + 3 + 1 + 2, 3 + 4);
    for fields in [
        json!({}),
        json!({ "max_tokens": 9 }),
        json!({ "system": null }),
        json!({ "thinking": { "type": "enabled" } }),
        json!({ "thinking": { "budget_tokens": 9 }, "response_format": { "type": "text" } }),
        json!({ "tool_choice": { "type": "function", "function": { "name": "f" } } }),
        json!({ "tools": [{ "type": "function", "function": { "name": "f" } }], "system": "x" }),
        part(json!({ "type": "image_url", "image_url": "https://example.com/a.png" })),
    ] {
        assert_eq!(said(fields.clone()), openai, "{fields}");
    }
    for fields in [
        json!({ "system": "x" }),
        json!({ "anthropic_version": "bedrock-2023-05-31" }),
        json!({ "thinking": { "type": "enabled", "budget_tokens": 9 } }),
        json!({ "stop_sequences": ["x"] }),
        json!({ "tool_choice": { "type": "any" } }),
        json!({ "tools": [{ "name": "f", "input_schema": {} }] }),
        part(json!({ "type": "tool_result", "tool_use_id": "toolu_1", "content": "x" })),
        part(json!({ "type": "image", "source": { "type": "url", "url": "https://example.com/a.png" } })),
    ] {
        assert_eq!(said(fields.clone()), anthropic, "{fields}");
    }
}

#[test]
fn claudes_calls_results_and_thoughts_are_read() {
    let message = |role: &str, part: Value| json!({ "role": role, "content": [part] });
    let cost = |part: Value| {
        let messages = json!([message("user", part)]);
        estimate(&json!({ "model": "claude-sonnet-5", "system": "", "messages": messages })).parts()
    };
    let called =
        cost(json!({ "type": "tool_use", "id": "toolu_1", "name": "weather", "input": { "city": "Rome" } }));
    assert_eq!(called.tools, 25 + tokens("weather") + tokens(r#"{"city":"Rome"}"#));
    let picture = json!({ "type": "image", "source": { "type": "url", "url": "https://example.com/a.png" } });
    let result = cost(
        json!({ "type": "tool_result", "tool_use_id": "toolu_1", "content": [{ "type": "text", "text": "hello world" }, picture] }),
    );
    assert_eq!((result.tools, result.text, result.images), (13, 2, 37 * 37));
    let thought =
        cost(json!({ "type": "thinking", "thinking": "hello world", "signature": "EqQB".repeat(500) }));
    assert_eq!((thought.text, thought.files), (2, 0));
    assert_eq!(cost(json!({ "type": "redacted_thinking", "data": "EqQB".repeat(500) })).text, 0);
    let document = |source: Value| cost(json!({ "type": "document", "title": "hello", "source": source }));
    assert_eq!(
        document(json!({ "type": "text", "media_type": "text/plain", "data": "hello world" })).files,
        1 + 2
    );
    assert_eq!(document(json!({ "type": "url", "url": "https://example.com/a.pdf" })).files, 1 + 2_250);
    assert_eq!(
        document(json!({ "type": "content", "content": [{ "type": "text", "text": "hello world" }] })).text,
        2
    );
}

#[test]
fn a_call_to_claude_pays_for_its_answer_thoughts_within() {
    let body = json!({ "model": "claude-sonnet-5", "messages": [], "thinking": { "type": "enabled", "budget_tokens": 1024 } });
    assert!(estimate(&body).assumes_output());
    assert_eq!(estimate(&with(body, json!({ "max_tokens": 2048 }))).cost().max_output_tokens(), 2048);
}

#[test]
fn gemini_is_read_in_both_spellings() {
    let rest = json!({
        "model": "models/gemini-2.5-flash",
        "systemInstruction": { "parts": [{ "text": "hello" }] },
        "contents": [{ "role": "user", "parts": [{ "text": "hello world" }, { "fileData": { "mimeType": "image/png", "fileUri": "gs://a" } }] }],
        "tools": [{ "functionDeclarations": [{ "name": "f" }] }],
        "generationConfig": { "maxOutputTokens": 70, "candidateCount": 2 },
    });
    let python = json!({
        "model": "gemini-2.5-flash",
        "system_instruction": { "parts": [{ "text": "hello" }] },
        "contents": [{ "role": "user", "parts": [{ "text": "hello world" }, { "file_data": { "mime_type": "image/png", "file_uri": "gs://a" } }] }],
        "tools": [{ "function_declarations": [{ "name": "f" }] }],
        "generation_config": { "max_output_tokens": 70, "candidate_count": 2 },
    });
    for body in [rest, python] {
        let parts = estimate(&body).parts();
        assert_eq!((parts.text, parts.images, parts.tools), (3, 4 * 258, tokens(r#"{"name":"f"}"#)));
        assert_eq!(estimate(&body).cost().max_output_tokens(), 140);
    }
    let pictured = |media: &str, data: &str| {
        let part = json!({ "inlineData": { "mimeType": media, "data": data } });
        estimate(&json!({ "model": "gemini-2.0-flash", "contents": [{ "parts": [part] }] })).parts()
    };
    // 16,000 bytes a second, 32 tokens a second.
    assert_eq!(pictured("audio/mp3", &"A".repeat(64_000)).files, 3 * 32);
    assert_eq!(pictured("application/pdf", &"A".repeat(200_000)).files, 3 * 258);
    assert_eq!(pictured("text/plain", "aGVsbG8gd29ybGQ=").files, 2);
}

#[test]
fn sound_costs_its_seconds() {
    let heard = |data: String, format: &str| {
        let part = json!({ "type": "input_audio", "input_audio": { "data": data, "format": format } });
        estimate(
            &json!({ "model": "gpt-4o-audio-preview", "messages": [{ "role": "user", "content": [part] }] }),
        )
        .parts()
        .files
    };
    // Ten seconds: raw samples at 24 kHz, compressed sound at 128 kbit/s.
    assert_eq!(heard("A".repeat(640_000), "pcm16"), 100);
    assert_eq!(heard("A".repeat(213_332), "mp3"), 100);
    assert_eq!(heard("A".repeat(320_000), "wav"), 50);
    // A WAV that says 8,000 bytes a second.
    let wav = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQ";
    assert_eq!(heard(wav.to_owned() + &"A".repeat(320_000 - wav.len()), "wav"), 300);
    assert_eq!(heard(String::new(), "wav"), 0);
}

#[test]
fn a_file_costs_its_text_or_its_pages_and_never_its_base64() {
    let file = |file: Value| {
        let part = json!({ "type": "file", "file": file });
        let chat = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": [part] }] });
        let part = with(json!({ "type": "input_file" }), file);
        let response = json!({ "model": "gpt-4o", "input": [{ "role": "user", "content": [part] }] });
        assert_eq!(estimate(&chat).parts(), estimate(&response).parts());
        estimate(&chat).parts().files
    };
    assert_eq!(file(json!({ "file_id": "file-abc" })), 2_250);
    assert_eq!(file(json!({ "file_data": "data:text/plain;base64,aGVsbG8gd29ybGQ=" })), 2);
    assert_eq!(file(json!({ "filename": "a.md", "file_data": "aGVsbG8gd29ybGQ=" })), 2);
    let pdf = |bytes: usize| json!({ "file_data": format!("data:application/pdf;base64,{}", "A".repeat(bytes / 3 * 4)) });
    assert_eq!(file(pdf(0)), 2_250);
    assert_eq!(file(pdf(120_000)), 3 * 2_250);
    assert_eq!(file(pdf(30_000_000)), 100 * 2_250);
    let long = format!("data:text/csv;base64,{}", "aGVs".repeat(700_000));
    assert_eq!(file(json!({ "file_data": long })), 525_000);
}

#[test]
fn parts_that_are_not_known_never_cost_their_base64() {
    let parts = |part: Value| {
        estimate(&json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": [part] }] })).parts()
    };
    let known = json!({ "type": "weather", "sky": "blue" });
    assert_eq!(parts(known.clone()).files, tokens(&known.to_string()));
    let encoded = parts(json!({ "type": "hologram", "data": "iVBORw0KGgoA".repeat(50_000) }));
    assert!((2_250..2_300).contains(&encoded.files), "{encoded:?}");
    let words = "a word and another, ".repeat(100);
    assert!(parts(json!({ "type": "note", "said": words })).files > 400);
}

#[test]
fn what_no_api_takes_is_refused_by_the_name_of_its_field() {
    let message = |body: Value| estimate::request(&body).unwrap_err().to_string();
    let model = |fields| with(json!({ "model": "gpt-4o" }), fields);
    assert_eq!(
        message(model(json!({ "input": 5 }))),
        "`input` should be a string or an array, found a number"
    );
    assert_eq!(
        message(model(json!({ "input": [{}, "a"] }))),
        "`input[1]` should be an object, found a string"
    );
    assert_eq!(message(model(json!({ "contents": true }))), "`contents` should be an array, found a boolean");
    assert_eq!(
        message(model(json!({ "contents": [null] }))),
        "`contents[0]` should be an object, found null"
    );
    let claude = json!({ "system": "x", "messages": {} });
    assert_eq!(message(model(claude)), "`messages` should be an array, found an object");
    assert_eq!(message(json!({ "contents": [] })), "`model` should be a string, found nothing");
}

/// Any JSON of the fields that are read, right or wrong.
fn garbage() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "data:(image/png|audio/wav|text/plain|)?;base64,[A-Za-z0-9+/=]{0,40}".prop_map(Value::from),
        "image|input_image|image_url|input_audio|file|input_file|document|tool_use|tool_result|thinking|function|message|\
         function_call|function_call_output|reasoning|base64|text|url|high|low|wav|pcm16|any|user"
            .prop_map(Value::from),
    ];
    let key = "type|text|content|parts|source|data|media_type|url|detail|image_url|input_audio|format|file|file_data|filename|\
               width|height|role|name|arguments|output|input|summary|input_schema|inlineData|mimeType|tools|system|thinking|\
               functionDeclarations|variables|schema|[a-z]{1,3}";
    leaf.prop_recursive(4, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn garbage_in_any_shape_is_estimated_or_refused_but_never_panics(a in garbage(), b in garbage(), model in "gpt-4o|gpt-5-nano|claude-opus-4-7|gemini-2.5-pro|x") {
        let message = json!({ "role": "user", "content": a });
        for body in [
            json!({ "input": a, "instructions": b, "tools": b, "text": { "format": a } }),
            json!({ "input": [message, a], "tools": [a, b], "prompt": { "variables": { "x": b } } }),
            json!({ "messages": [message], "system": b, "tools": [a, b], "tool_choice": b }),
            json!({ "messages": [message], "tools": a, "stop_sequences": [] }),
            json!({ "contents": [message, a], "systemInstruction": b, "tools": [a], "generationConfig": b }),
            json!({ "contents": a }),
        ] {
            let _ = estimate::request(&with(body, json!({ "model": model })));
        }
    }

    #[test]
    fn fields_that_are_not_known_change_nothing(key in "x_[a-z]{1,8}", value in garbage()) {
        let text = json!({ "type": "input_text", "text": "hi" });
        let bodies = |fields: Value| [
            json!({ "model": "gpt-4o", "input": [with(json!({ "role": "user", "content": [with(text.clone(), fields.clone())] }), fields.clone())] }),
            with(json!({ "model": "claude-opus-4-7", "system": "x", "messages": [with(json!({ "role": "user", "content": "hi" }), fields.clone())] }), fields.clone()),
            with(json!({ "model": "gemini-2.5-pro", "contents": [with(json!({ "parts": [{ "text": "hi" }] }), fields.clone())] }), fields.clone()),
        ].map(|body| estimate::request(&body));
        prop_assert_eq!(bodies(json!({ &key: value })), bodies(json!({})));
    }
}
