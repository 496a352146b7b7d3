use serde_json::{Map, Value};

/// Tokens assumed for each choice of a chat answer where the request does not cap them.
///
/// The API's own limit then is what the model can write at all, 16,384 tokens and more; to hold so
/// much for every call would leave most of a budget idle. Set a cap where the answer may be longer.
pub const DEFAULT_MAX_OUTPUT: u64 = 1_024;

/// Tokens that the completions API writes at most where `max_tokens` is not given
/// (platform.openai.com/docs/api-reference/completions, read November 2026).
const COMPLETION: u64 = 16;

/// The most tokens of all choices, and whether they are assumed.
pub(super) fn of_chat(body: &Map<String, Value>) -> (u64, bool) {
    let cap = number(body, "max_completion_tokens").or_else(|| number(body, "max_tokens"));
    (cap.unwrap_or(DEFAULT_MAX_OUTPUT).saturating_mul(choices(body, "n")), cap.is_none())
}

/// The most tokens of all answers to `prompts` prompts. Each has `n` choices, or the best `n` of
/// `best_of`, which are all written.
pub(super) fn of_completions(body: &Map<String, Value>, prompts: u64) -> u64 {
    let written = choices(body, "n").max(choices(body, "best_of"));
    number(body, "max_tokens").unwrap_or(COMPLETION).saturating_mul(written).saturating_mul(prompts)
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
