use serde_json::{Map, Value};

use super::gemini;

/// Tokens assumed for each choice of a chat answer where the request does not cap them.
///
/// The API's own limit then is what the model can write at all, 16,384 tokens and more; to hold so
/// much for every call would leave most of a budget idle. Set a cap where the answer may be longer.
pub const DEFAULT_MAX_OUTPUT: u64 = 1_024;

/// Tokens that the completions API writes at most where `max_tokens` is not given
/// (platform.openai.com/docs/api-reference/completions, read November 2026).
const COMPLETION: u64 = 16;

/// The most tokens of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cap {
    pub(super) tokens: u64,
    /// Whether the request does not say.
    pub(super) assumed: bool,
}

impl Cap {
    pub(super) fn said(tokens: u64) -> Self {
        Self { tokens, assumed: false }
    }

    fn of(cap: Option<u64>, choices: u64) -> Self {
        let tokens = cap.unwrap_or(DEFAULT_MAX_OUTPUT).saturating_mul(choices);
        Self { tokens, assumed: cap.is_none() }
    }
}

/// The most tokens of all choices.
pub(super) fn of_chat(body: &Map<String, Value>) -> Cap {
    let cap = number(body, "max_completion_tokens").or_else(|| number(body, "max_tokens"));
    Cap::of(cap, choices(body, "n"))
}

/// The answer of the Responses API. What the model thinks is within it.
pub(super) fn of_responses(body: &Map<String, Value>) -> Cap {
    Cap::of(number(body, "max_output_tokens"), 1)
}

/// The answer of Anthropic's API. What the model thinks is within it.
pub(super) fn of_anthropic(body: &Map<String, Value>) -> Cap {
    Cap::of(number(body, "max_tokens"), 1)
}

/// The answer of Gemini, of all candidates.
pub(super) fn of_gemini(body: &Value) -> Cap {
    let config = gemini::either(body, "generationConfig", "generation_config").and_then(Value::as_object);
    let number = |camel, snake| config.and_then(|it| number(it, camel).or_else(|| number(it, snake)));
    let choices = number("candidateCount", "candidate_count").unwrap_or(1).max(1);
    Cap::of(number("maxOutputTokens", "max_output_tokens"), choices)
}

/// The most tokens of all answers to `prompts` prompts. Each has `n` choices, or the best `n` of
/// `best_of`, which are all written.
pub(super) fn of_completions(body: &Map<String, Value>, prompts: u64) -> Cap {
    let written = choices(body, "n").max(choices(body, "best_of"));
    let one = number(body, "max_tokens").unwrap_or(COMPLETION);
    Cap::said(one.saturating_mul(written).saturating_mul(prompts))
}

fn choices(body: &Map<String, Value>, field: &str) -> u64 {
    number(body, field).unwrap_or(1).max(1)
}

/// A count of something: `None` where it is not there, is no number, or is negative.
fn number(body: &Map<String, Value>, field: &str) -> Option<u64> {
    let value = body.get(field)?;
    // A float too large for `as` becomes the largest integer.
    value.as_u64().or_else(|| value.as_f64().filter(|it| *it >= 0.0).map(|it| it.ceil() as u64))
}
