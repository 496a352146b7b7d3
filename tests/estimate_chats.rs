//! What chat requests cost by the estimate, and by what the API counted: its `usage`, recorded by others.
//! The sources are in `fixtures/README.md`.
#![cfg(feature = "tiktoken")]

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;
use tollgate::estimate;

#[derive(Deserialize)]
struct Case {
    source: String,
    model: String,
    request: Value,
    tokens: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Messages alone, those of legacy functions among them.
    Messages,
    /// Tools or legacy functions that are declared.
    Tools,
    /// One call of a tool in each message that calls, and its answer.
    Call,
    /// Several calls in a message.
    Calls,
    /// A schema for the answer.
    Schema,
}

impl Case {
    fn kind(&self) -> Kind {
        let messages = self.request["messages"].as_array().unwrap();
        let calls = |it: &Value| it["tool_calls"].as_array().map_or(0, Vec::len);
        match messages.iter().map(calls).max().unwrap() {
            _ if self.request.get("response_format").is_some() => Kind::Schema,
            0 if ["tools", "functions"].iter().any(|it| self.request.get(it).is_some()) => Kind::Tools,
            0 => Kind::Messages,
            1 => Kind::Call,
            _ => Kind::Calls,
        }
    }

    /// How far the estimate is above what the API counted.
    fn error(&self) -> i64 {
        let mut body = self.request.clone();
        body.as_object_mut().unwrap().insert("model".to_owned(), self.model.clone().into());
        estimate::request(&body).unwrap().cost().input_tokens() as i64 - self.tokens
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("fixtures/chats.json")).unwrap()
}

/// Checks that the errors of all cases of a kind and a source are within `errors`, and that `exact` of
/// all `of` are none.
fn check(kind: Kind, from: impl Fn(&Case) -> bool, errors: RangeInclusive<i64>, exact: usize, of: usize) {
    let cases = cases().into_iter().filter(|case| case.kind() == kind && from(case));
    let found: Vec<(i64, Case)> = cases.map(|case| (case.error(), case)).collect();
    let wrong: Vec<String> = (found.iter().filter(|(error, _)| !errors.contains(error)))
        .map(|(error, it)| format!("{error:+} of {}: {} {} {}", it.tokens, it.source, it.model, it.request))
        .collect();
    assert!(wrong.is_empty(), "{kind:?}, not within {errors:?}:\n{}", wrong.join("\n"));
    assert_eq!((found.iter().filter(|(error, _)| *error == 0).count(), found.len()), (exact, of), "{kind:?}");
}

/// GPT-3.5 as it was in 2023, whose types were written in another form where objects are nested: on more
/// lines, and without remarks within them.
fn of_2023(case: &Case) -> bool {
    case.source == "hmarr/openai-chat-tokens"
}

#[test]
fn messages_cost_exactly_what_the_api_counts() {
    check(Kind::Messages, |_| true, 0..=0, 53, 53);
}

#[test]
fn declared_tools_cost_what_the_api_counts_or_one_token_more() {
    check(Kind::Tools, |case| !of_2023(case), 0..=1, 32, 35);
    check(Kind::Tools, of_2023, -4..=12, 11, 20);
}

#[test]
fn a_call_of_a_tool_costs_what_the_api_counts_within_a_token() {
    check(Kind::Call, |_| true, -1..=1, 14, 16);
}

#[test]
fn calls_at_once_cost_what_the_api_counts_or_a_few_tokens_more() {
    check(Kind::Calls, |_| true, 0..=6, 7, 10);
}

#[test]
fn a_schema_for_the_answer_costs_what_the_api_counts_or_one_token_less() {
    check(Kind::Schema, |_| true, -1..=0, 3, 5);
}
