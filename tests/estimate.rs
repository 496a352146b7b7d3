//! What a request costs, from its JSON.
#![cfg(feature = "tiktoken")]

use serde_json::{Value, json};
use tollgate::Cost;
use tollgate::estimate::{self, Accuracy, DEFAULT_MAX_OUTPUT, Encoding, EstimateError};

fn cost(body: Value) -> Cost {
    estimate::request(&body).unwrap().cost()
}

fn tokens(text: &str) -> u64 {
    estimate::text(text, Encoding::O200kBase)
}

/// A chat call of one message that says "hi"; `fields` are added, or replace what is there.
fn chat(fields: Value) -> Value {
    let mut body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "hi" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// The input of that call: reply 3, message 3, role 1, content 1.
const HI: u64 = 8;

fn said(message: Value) -> u64 {
    cost(chat(json!({ "messages": [message] }))).input_tokens()
}

#[test]
fn each_message_costs_its_text_and_what_the_provider_adds() {
    assert_eq!(cost(chat(json!({}))).input_tokens(), HI);
    let two = json!([
        { "role": "system", "content": "You are a helpful assistant." },
        { "role": "user", "content": "hello world" },
    ]);
    assert_eq!(cost(chat(json!({ "messages": two }))).input_tokens(), 3 + (3 + 1 + 6) + (3 + 1 + 2));
    assert_eq!(cost(chat(json!({ "messages": [] }))).input_tokens(), 3);
}

#[test]
fn a_named_message_costs_its_name_and_one_token_more() {
    assert_eq!(said(json!({ "role": "user", "name": "bob", "content": "hi" })), HI + tokens("bob") + 1);
}

/// The messages of OpenAI's cookbook, for which it prints what the API counted: 129 with GPT-4 and
/// GPT-3.5, 124 with GPT-4o ("How to count tokens with tiktoken").
#[test]
fn the_cookbooks_conversation_costs_what_the_api_counted() {
    let system = |name: &str, content: &str| json!({ "role": "system", "name": name, "content": content });
    let messages = json!([
        { "role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English." },
        system("example_user", "New synergies will help drive top-line growth."),
        system("example_assistant", "Things working well together will increase revenue."),
        system("example_user", "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."),
        system("example_assistant", "Let's talk later when we're less busy about how to do better."),
        { "role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable." },
    ]);
    for (model, counted) in
        [("gpt-3.5-turbo", 129), ("gpt-4-0613", 129), ("gpt-4o", 124), ("gpt-4o-mini", 124)]
    {
        let body = json!({ "model": model, "messages": messages });
        assert_eq!(cost(body).input_tokens(), counted, "{model}");
    }
}

#[test]
fn gpt_5_and_the_o_models_cost_one_token_less() {
    for model in
        ["gpt-5", "gpt-5-nano", "gpt-5.1", "openai/gpt-5-mini", "ft:gpt-5:acme::x", "o3-mini", "o4-mini"]
    {
        assert_eq!(cost(chat(json!({ "model": model }))).input_tokens(), HI - 1, "{model}");
    }
}

#[test]
fn content_may_be_parts_or_nothing() {
    let parts = json!([{ "type": "text", "text": "hello" }, { "type": "text", "text": "world" }]);
    assert_eq!(said(json!({ "role": "user", "content": parts })), 7 + 2);
    assert_eq!(said(json!({ "role": "assistant", "content": null })), 7);
    assert_eq!(said(json!({ "role": "assistant" })), 7);
    assert_eq!(said(json!({ "role": "assistant", "refusal": "no" })), 8);
    assert_eq!(said(json!({})), 6);
}

#[test]
fn an_image_costs_its_pixels_and_not_its_base64() {
    for url in
        ["https://example.com/cat.png".to_owned(), format!("data:image/png;base64,{}", "A".repeat(90_000))]
    {
        let image = json!({ "type": "image_url", "image_url": { "url": url } });
        assert_eq!(said(json!({ "role": "user", "content": [image] })), 7 + 765);
    }
}

#[test]
fn a_file_that_is_not_in_the_request_costs_a_page() {
    let part = json!({ "type": "file", "file": { "file_id": "file-abc" } });
    assert_eq!(said(json!({ "role": "user", "content": [part] })), 7 + 2_250);
}

/// What a call costs beside the message that says "hi".
fn beside(fields: Value) -> u64 {
    cost(chat(fields)).input_tokens() - HI
}

fn weather() -> Value {
    json!({ "name": "weather", "description": "Get the weather", "parameters": { "type": "object" } })
}

/// The declaration of [`weather`], as the model reads it.
const WEATHER: &str =
    "namespace functions {\n\n// Get the weather\ntype weather = () => any;\n\n} // namespace functions";

#[test]
fn tools_cost_their_declarations_as_types() {
    let declared = tokens(WEATHER) + 9;
    for tools in [
        json!({ "tools": [{ "type": "function", "function": weather() }] }),
        json!({ "tools": [weather()] }),
        json!({ "functions": [weather()] }),
    ] {
        assert_eq!(beside(tools.clone()), declared, "{tools}");
        let parts = estimate::request(&chat(tools)).unwrap().parts();
        assert_eq!((parts.tools, parts.text), (declared, 1));
    }
    for nothing in [json!(null), json!([]), json!("auto")] {
        let fields = json!({ "tools": nothing, "functions": nothing, "response_format": nothing });
        assert_eq!(beside(fields), 0, "{nothing}");
    }
}

#[test]
fn tools_share_the_system_message_if_there_is_one() {
    let said = |messages: Value, tools: Value| {
        cost(json!({ "model": "gpt-4o", "messages": messages, "tools": tools })).input_tokens()
    };
    let system = |content: &str| json!([{ "role": "system", "content": content }, { "role": "system", "content": "hi" }]);
    let tools = json!([{ "type": "function", "function": weather() }]);
    let declared = tokens(WEATHER) + 9;
    for (content, line) in [("hi", 1), ("hi:", 0)] {
        let alone = said(system(content), json!(null));
        assert_eq!(said(system(content), tools.clone()), alone + declared - 4 + line, "{content}");
    }
}

#[test]
fn a_choice_of_a_tool_costs_only_where_it_is_told_to_the_model() {
    let tools = json!([{ "type": "function", "function": weather() }]);
    let more = |fields: Value| {
        let mut with = json!({ "tools": tools });
        with.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        beside(with) - beside(json!({ "tools": tools }))
    };
    let named = json!({ "type": "function", "function": { "name": "weather" } });
    assert_eq!(more(json!({ "tool_choice": named })), 7 + 1);
    assert_eq!(more(json!({ "function_call": { "name": "weather" } })), 4 + 1);
    assert_eq!(more(json!({ "tool_choice": "none" })), 1);
    for word in ["auto", "required"] {
        assert_eq!(more(json!({ "tool_choice": word, "parallel_tool_calls": true })), 0, "{word}");
    }
    assert_eq!(beside(json!({ "tool_choice": "none" })), 0);
}

#[test]
fn a_call_of_a_tool_costs_its_name_twice_and_its_arguments() {
    let call = |arguments: &str| json!({ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": arguments } });
    let calls = |model: &str, content: Value, calls: Value| {
        let message = json!({ "role": "assistant", "content": content, "tool_calls": calls });
        cost(json!({ "model": model, "messages": [message] })).input_tokens()
    };
    let one = json!([call("{}")]);
    assert_eq!(calls("gpt-4o", json!(null), one.clone()), 7 + 5 + 2 + 1);
    assert_eq!(calls("gpt-4", json!(null), one.clone()), 7 + 2 + 2 + 1);
    assert_eq!(calls("gpt-5", json!(null), one.clone()), 6 + 11 + 2 + 1);
    assert_eq!(calls("gpt-4o", json!("hi"), one.clone()), 7 + 5 + 2 + 1 + (1 + 4));
    let two = json!([call("{}"), call("{   }")]);
    let uses = r#"{"recipient_name":"functions.weather","parameters":{}}"#;
    let together = tokens(&format!(r#"{{"tool_uses":[{uses},{uses}]}}"#));
    assert_eq!(calls("gpt-4o", json!(null), two.clone()), 7 + together + 13 + 2 * 2);
    assert_eq!(calls("gpt-5", json!(null), two), 6 + 2 * (11 + 2) + (1 + tokens("{   }")) + 4);
}

#[test]
fn the_answer_of_a_tool_costs_its_text_alone() {
    let answer = json!({ "role": "tool", "tool_call_id": "call_1", "name": "weather", "content": "hi" });
    assert_eq!(said(answer), HI);
    let function = json!({ "role": "function", "name": "weather", "content": "hi" });
    assert_eq!(said(function), HI + 1 + 1 - 2);
}

#[test]
fn a_schema_for_the_answer_costs_what_is_not_repeated_in_it() {
    let schema = json!({
        "type": "object",
        "properties": { "required": { "type": "string" } },
        "required": ["required"],
        "additionalProperties": false,
    });
    let format = json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": schema } });
    let shown = "# Response Formats\n\n## a\n\n{\"properties\":{\"required\":{\"type\":\"string\"}},\"type\":\"object\"}";
    assert_eq!(beside(json!({ "response_format": format })), tokens(shown) + 7);
    for plain in ["text", "json_object"] {
        assert_eq!(beside(json!({ "response_format": { "type": plain } })), 0);
    }
}

#[test]
fn gpt_5_explains_its_tools() {
    let tools = json!([{ "type": "function", "function": weather() }]);
    let five = cost(chat(json!({ "model": "gpt-5.1", "tools": tools }))).input_tokens();
    assert_eq!(five, HI - 1 + tokens(WEATHER) + 9 + 82);
    let custom = json!([{ "type": "custom", "custom": { "name": "shell" } }]);
    let five = cost(chat(json!({ "model": "gpt-5.1", "tools": custom }))).input_tokens();
    assert_eq!(five, HI - 1 + tokens(&custom[0].to_string()) + 223 + 82);
}

#[test]
fn what_is_no_tool_and_no_call_costs_its_json() {
    let odd = json!({ "type": "odd", "odd": [1] });
    for field in ["tools", "tool_choice", "response_format", "function_call"] {
        assert_eq!(beside(json!({ field: odd })), tokens(&odd.to_string()), "{field}");
    }
    for field in ["tool_calls", "function_call"] {
        assert_eq!(
            said(json!({ "role": "user", "content": "hi", field: odd })),
            HI + tokens(&odd.to_string())
        );
    }
}

#[test]
fn options_that_are_not_read_cost_nothing() {
    let fields = json!({
        "prediction": { "type": "content", "content": "hello world" },
        "web_search_options": { "search_context_size": "low" },
        "modalities": ["text", "audio"],
        "audio": { "voice": "alloy", "format": "wav" },
        "metadata": { "a": "hello world" },
    });
    assert_eq!(beside(fields), 0);
}

#[test]
fn the_answer_costs_its_cap_for_each_choice() {
    let output = |fields| cost(chat(fields)).max_output_tokens();
    assert_eq!(output(json!({ "max_tokens": 100 })), 100);
    assert_eq!(output(json!({ "max_completion_tokens": 50, "max_tokens": 100 })), 50);
    assert_eq!(output(json!({ "max_completion_tokens": null, "max_tokens": 100 })), 100);
    assert_eq!(output(json!({ "max_completion_tokens": 50, "n": 4 })), 200);
    assert_eq!(output(json!({ "max_completion_tokens": 0 })), 0);
    assert!(!estimate::request(&chat(json!({ "max_tokens": 0 }))).unwrap().assumes_output());
}

#[test]
fn an_answer_without_a_cap_is_assumed_and_says_so() {
    let assumed = estimate::request(&chat(json!({ "n": 3 }))).unwrap();
    assert_eq!(assumed.cost().max_output_tokens(), 3 * DEFAULT_MAX_OUTPUT);
    assert!(assumed.assumes_output());
}

#[test]
fn an_embedding_costs_its_input_in_every_form() {
    let embed = |input: Value| cost(json!({ "model": "text-embedding-3-small", "input": input }));
    assert_eq!(embed(json!("hello world")), Cost::input(2));
    assert_eq!(embed(json!(["hello world", "hello", ""])), Cost::input(3));
    assert_eq!(embed(json!([15339, 1917])), Cost::input(2));
    assert_eq!(embed(json!([[15339, 1917], [15339], []])), Cost::input(3));
    assert_eq!(embed(json!([])), Cost::input(0));
}

#[test]
fn a_completion_costs_its_prompts_and_every_answer_that_is_written() {
    let complete = |fields: Value| {
        let mut body = json!({ "model": "gpt-3.5-turbo-instruct" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        cost(body)
    };
    assert_eq!(complete(json!({ "prompt": "hello world" })), Cost::input(2).max_output(16));
    assert_eq!(
        complete(json!({ "prompt": "hello", "max_tokens": 9, "n": 2 })),
        Cost::input(1).max_output(18)
    );
    assert_eq!(complete(json!({ "prompt": "hello", "n": 2, "best_of": 5 })), Cost::input(1).max_output(80));
    assert_eq!(complete(json!({ "prompt": ["hello", "hello"] })), Cost::input(2).max_output(32));
    assert_eq!(complete(json!({ "prompt": [1, 2, 3] })), Cost::input(3).max_output(16));
    assert_eq!(
        complete(json!({ "prompt": [[1, 2], [3]], "suffix": "hello" })),
        Cost::input(5).max_output(32)
    );
}

#[test]
fn every_model_is_counted_with_its_own_vocabulary() {
    use Encoding::{Cl100kBase, O200kBase, O200kHarmony};
    for (model, encoding) in [
        ("gpt-5", O200kBase),
        ("gpt-5.1-codex", O200kBase),
        ("gpt-4.5-preview", O200kBase),
        ("gpt-4.1-nano", O200kBase),
        ("gpt-4o", O200kBase),
        ("gpt-4o-mini-2024-07-18", O200kBase),
        ("chatgpt-4o-latest", O200kBase),
        ("o1", O200kBase),
        ("o3-pro", O200kBase),
        ("o4-mini", O200kBase),
        ("gpt-oss-120b", O200kHarmony),
        ("gpt-4", Cl100kBase),
        ("gpt-4-turbo-2024-04-09", Cl100kBase),
        ("gpt-3.5-turbo-16k", Cl100kBase),
        ("gpt-35-turbo-16k", Cl100kBase),
        ("text-embedding-3-large", Cl100kBase),
        ("text-embedding-ada-002", Cl100kBase),
        ("ft:gpt-4o-2024-08-06:acme/team::abc", O200kBase),
        ("ft:gpt-3.5-turbo:acme::abc", Cl100kBase),
        ("openai/gpt-4o", O200kBase),
        ("openrouter/openai/gpt-4:free", Cl100kBase),
        ("openai/ft:gpt-4:acme::abc", Cl100kBase),
    ] {
        assert_eq!(Encoding::of(model), Some(encoding), "{model}");
    }
    for model in ["gpt-6-astra", "gpt-4.9", "gpt-40", "o12"] {
        assert_eq!(Encoding::of(model), None, "{model}");
        let estimate = estimate::request(&chat(json!({ "model": model }))).unwrap();
        assert_eq!(estimate.accuracy(), Accuracy::Assumed, "{model}");
    }
    for model in ["claude-sonnet-4", "mistral-large", "", "/", "ft:", "漢字"] {
        assert_eq!(Encoding::of(model), None, "{model}");
    }
}

#[test]
fn an_unknown_model_is_estimated_and_says_so() {
    let unknown = estimate::request(&chat(json!({ "model": "acme/llm-1" }))).unwrap();
    assert_eq!((unknown.model(), unknown.accuracy()), ("acme/llm-1", Accuracy::Assumed));
    assert_eq!(estimate::request(&chat(json!({}))).unwrap().accuracy(), Accuracy::Exact);
}

#[test]
fn what_cannot_be_estimated_is_refused_by_the_name_of_its_field() {
    let message = |body: Value| estimate::request(&body).unwrap_err().to_string();
    assert_eq!(message(json!([1])), "a request is a JSON object, found an array");
    assert_eq!(message(json!({})), "`model` should be a string, found nothing");
    assert_eq!(message(json!({ "model": 4 })), "`model` should be a string, found a number");
    assert_eq!(estimate::request(&json!({ "model": "gpt-4o" })), Err(EstimateError::MissingContent));
    assert_eq!(message(chat(json!({ "messages": "hi" }))), "`messages` should be an array, found a string");
    assert_eq!(
        message(chat(json!({ "messages": [{}, 5] }))),
        "`messages[1]` should be an object, found a number"
    );
    let embed = |input: Value| message(json!({ "model": "text-embedding-3-small", "input": input }));
    assert_eq!(embed(json!([1, "a"])), "`input[1]` should be a token id, found a string");
    assert_eq!(embed(json!(["a", [1, null]])), "`input[1][1]` should be a token id, found null");
    assert_eq!(
        embed(json!([{ "role": "user" }])),
        "`input[0]` should be a string or an array of token ids, found an object"
    );
}

#[test]
fn a_responses_call_is_not_taken_for_an_embedding_whose_answer_is_free() {
    for body in [
        json!({ "model": "gpt-4o", "input": "hi" }),
        json!({ "model": "acme/llm-1", "input": "hi", "max_output_tokens": DEFAULT_MAX_OUTPUT }),
    ] {
        assert_eq!(cost(body.clone()), Cost::input(HI).max_output(DEFAULT_MAX_OUTPUT), "{body}");
    }
    assert_eq!(cost(json!({ "model": "acme/embed", "input": "hello" })), Cost::input(1));
}

#[test]
fn a_typed_request_costs_what_its_json_costs() {
    #[derive(serde::Serialize)]
    struct Message {
        role: &'static str,
        content: &'static str,
    }
    #[derive(serde::Serialize)]
    struct Chat {
        model: &'static str,
        messages: Vec<Message>,
        max_tokens: Option<u32>,
    }
    let typed = Chat {
        model: "gpt-4o",
        messages: vec![Message { role: "user", content: "hi" }],
        max_tokens: Some(7),
    };
    assert_eq!(estimate::serialized(&typed), estimate::request(&chat(json!({ "max_tokens": 7 }))));

    let not_json = std::collections::HashMap::from([(vec![1], 2)]);
    assert!(matches!(estimate::serialized(&not_json), Err(EstimateError::NotJson { .. })));
}
