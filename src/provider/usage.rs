use serde_json::Value;

use crate::quota::Usage;

/// What an answer's body says that the call used: OpenAI's chat, completions and embeddings
/// (`prompt_tokens`, `completion_tokens`), OpenAI's Responses and Anthropic's messages (`input_tokens`,
/// `output_tokens`).
pub(crate) fn usage_of(body: &Value) -> Option<Usage> {
    let usage = body.get("usage")?;
    let count = |names: [&str; 2]| names.iter().find_map(|name| usage.get(name)?.as_u64());
    let input = count(["prompt_tokens", "input_tokens"])?;
    let output = count(["completion_tokens", "output_tokens"]);
    Some(Usage::new(input, output.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_usage_of_chats_embeddings_and_messages_is_read() {
        let chat = json!({"usage": {"prompt_tokens": 8, "completion_tokens": 82, "total_tokens": 90}});
        assert_eq!(usage_of(&chat), Some(Usage::new(8, 82)));
        let embedding = json!({"usage": {"prompt_tokens": 5, "total_tokens": 5}});
        assert_eq!(usage_of(&embedding), Some(Usage::new(5, 0)));
        let message = json!({"usage": {"input_tokens": 12, "output_tokens": 30}});
        assert_eq!(usage_of(&message), Some(Usage::new(12, 30)));
    }

    #[test]
    fn absurd_usage_is_no_usage() {
        for body in [json!(null), json!({}), json!({"usage": null}), json!({"usage": {"prompt_tokens": -4}})]
        {
            assert_eq!(usage_of(&body), None, "{body}");
        }
    }
}
