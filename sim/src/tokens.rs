//! Counting the tokens of a request.

use crate::wire::{ChatRequest, Content, EmbeddingInput, EmbeddingRequest, Message, Part};
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

/// What an image counts as, whatever its size.
const IMAGE: u64 = 765;

/// The tokens of a chat request's input: three to begin the answer, and for each message three, its role, its content and,
/// where it has one, its name and one more. Measured on recorded calls, models called `gpt-5...` need one less in all.
///
/// ```
/// let request = serde_json::from_str(r#"{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}"#)?;
/// assert_eq!(tollgate_sim::chat_tokens(&request), 8);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn chat_tokens(request: &ChatRequest) -> u64 {
    conversation_tokens(&request.model, &request.messages)
}

/// As [`chat_tokens`], whatever the protocol. Nobody outside knows how Claude counts, so it is counted as new models are.
pub(crate) fn conversation_tokens(model: &str, messages: &[Message]) -> u64 {
    let encoding = encoding(model);
    let answer = if model.starts_with("gpt-5") { 2 } else { 3 };
    answer + messages.iter().map(|message| message_tokens(encoding, message)).sum::<u64>()
}

/// The tokens of an embeddings request's input.
pub fn embedding_tokens(request: &EmbeddingRequest) -> u64 {
    let encoding = encoding(&request.model);
    match &request.input {
        EmbeddingInput::Text(text) => count(encoding, text),
        EmbeddingInput::Texts(texts) => texts.iter().map(|text| count(encoding, text)).sum(),
        EmbeddingInput::Tokens(tokens) => tokens.len() as u64,
        EmbeddingInput::TokenLists(lists) => lists.iter().map(|tokens| tokens.len() as u64).sum(),
    }
}

/// Loads the encodings, which takes a moment, so that no call has to wait for it.
pub(crate) fn load_encodings() {
    cl100k_base_singleton();
    o200k_base_singleton();
}

fn message_tokens(encoding: &CoreBPE, message: &Message) -> u64 {
    let content = message.content.as_ref().map_or(0, |content| content_tokens(encoding, content));
    let name = message.name.as_deref().map_or(0, |name| count(encoding, name) + 1);
    3 + count(encoding, &message.role) + content + name
}

fn content_tokens(encoding: &CoreBPE, content: &Content) -> u64 {
    match content {
        Content::Text(text) => count(encoding, text),
        Content::Parts(parts) => parts.iter().map(|part| part_tokens(encoding, part)).sum(),
    }
}

fn part_tokens(encoding: &CoreBPE, part: &Part) -> u64 {
    match part.kind.as_str() {
        "image_url" | "image" | "input_image" => IMAGE,
        _ => {
            let text = part.text.as_deref().map_or(0, |text| count(encoding, text));
            text + part.content.as_ref().map_or(0, |content| content_tokens(encoding, content))
        }
    }
}

fn count(encoding: &CoreBPE, text: &str) -> u64 {
    encoding.count_ordinary(text) as u64
}

/// Older families use `cl100k_base`; newer and unknown models `o200k_base`.
fn encoding(model: &str) -> &'static CoreBPE {
    let base = model.strip_prefix("ft:").unwrap_or(model);
    let newer = ["gpt-4o", "gpt-4.1", "gpt-4.5"].iter().any(|family| base.starts_with(family));
    let older =
        ["gpt-4", "gpt-3.5", "gpt-35", "text-embedding-"].iter().any(|family| base.starts_with(family));
    if older && !newer { cl100k_base_singleton() } else { o200k_base_singleton() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chat(body: serde_json::Value) -> u64 {
        chat_tokens(&serde_json::from_value(body).expect("a chat request"))
    }

    fn embeddings(input: serde_json::Value) -> u64 {
        let body = json!({ "model": "text-embedding-3-small", "input": input });
        embedding_tokens(&serde_json::from_value(body).expect("an embeddings request"))
    }

    #[test]
    fn a_message_costs_three_its_role_and_its_content_and_the_answer_three() {
        let message = json!({ "role": "user", "content": "Hello world" });
        assert_eq!(chat(json!({ "model": "gpt-4o", "messages": [message] })), 3 + 3 + 1 + 2);
        assert_eq!(chat(json!({ "model": "gpt-4o", "messages": [message, message] })), 3 + 2 * 6);
        assert_eq!(chat(json!({ "model": "gpt-4o", "messages": [] })), 3);
    }

    #[test]
    fn a_name_costs_its_tokens_and_one_more() {
        let message = json!({ "role": "user", "content": "Hello world", "name": "bob" });
        assert_eq!(chat(json!({ "model": "gpt-4", "messages": [message] })), 3 + 3 + 1 + 2 + 2);
    }

    #[test]
    fn gpt_5_needs_one_less() {
        let message = json!({ "role": "user", "content": "Hello world" });
        assert_eq!(chat(json!({ "model": "gpt-5-nano", "messages": [message] })), 8);
    }

    #[test]
    fn text_parts_are_counted_and_images_are_flat() {
        let parts = json!([{ "type": "text", "text": "Hello world" }, { "type": "image_url", "image_url": { "url": "x" } }]);
        assert_eq!(
            chat(json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": parts }] })),
            9 + 765
        );
    }

    #[test]
    fn a_tool_call_without_content_is_counted() {
        let message = json!({ "role": "assistant", "content": null, "tool_calls": [] });
        assert_eq!(chat(json!({ "model": "gpt-4o", "messages": [message] })), 3 + 3 + 1);
    }

    #[test]
    fn older_models_use_the_older_encoding() {
        let text = "Ein Überraschungsbesuch, 日本語のテキスト";
        let of = |model: &str| {
            chat(json!({ "model": model, "messages": [{ "role": "user", "content": text }] })) - 7
        };
        let older = cl100k_base_singleton().count_ordinary(text) as u64;
        let newer = o200k_base_singleton().count_ordinary(text) as u64;
        assert_ne!(older, newer, "the text tells the encodings apart");
        assert_eq!(["gpt-4", "gpt-4-turbo", "gpt-3.5-turbo"].map(of), [older; 3]);
        assert_eq!(["gpt-4o", "gpt-4.1-nano", "o3", "ft:gpt-4o-mini:x", "unheard-of"].map(of), [newer; 5]);
    }

    #[test]
    fn embeddings_take_texts_and_tokens_one_or_many() {
        assert_eq!(embeddings(json!("Hello world")), 2);
        assert_eq!(embeddings(json!(["Hello world", "Hello"])), 3);
        assert_eq!(embeddings(json!([1, 2, 3])), 3);
        assert_eq!(embeddings(json!([[1, 2], [3]])), 3);
    }
}
