//! `POST /v1/messages`: Anthropic's protocol.

use super::answer::Incoming;
use super::completion::{Ask, Completion, Wording, answer_to};
use super::stream::event;
use super::text::words;
use crate::shared::SharedProvider;
use crate::speech::problem::overloaded;
use crate::tokens::conversation_tokens;
use crate::wire::MessagesRequest;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

pub(super) async fn create(
    State(provider): State<SharedProvider>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let incoming = Incoming::new(provider, &headers, body).by_messages();
    let call: MessagesRequest = match incoming.read("messages") {
        Ok(call) => call,
        Err(problem) => return problem.into_response(),
    };
    if call.max_tokens.is_none_or(|tokens| tokens == 0) {
        return incoming.parameter("max_tokens").into_response();
    }
    let ask = Ask {
        input_tokens: conversation_tokens(&call.model, &call.conversation()),
        max_output_tokens: call.max_tokens,
        streamed: call.stream,
        model: call.model,
    };
    let request_id = incoming.request_id();
    answer_to(incoming, ask, |completion| Messages { completion, request_id }).await
}

#[derive(Debug)]
struct Messages {
    completion: Completion,
    request_id: String,
}

impl Wording for Messages {
    fn whole(&self) -> Value {
        let text = words(0, self.completion.output_tokens);
        let content = json!([{ "type": "text", "text": text }]);
        self.message(content, self.stop_reason().into(), self.completion.output_tokens)
    }

    /// The output so far is one token, as it is in recorded streams.
    fn open(&mut self) -> String {
        let message = self.message(json!([]), Value::Null, 1);
        let block = json!({ "type": "text", "text": "" });
        event("message_start", &json!({ "type": "message_start", "message": message }))
            + &event(
                "content_block_start",
                &json!({ "type": "content_block_start", "index": 0, "content_block": block }),
            )
            + &event("ping", &json!({ "type": "ping" }))
    }

    fn piece(&mut self, from: u64, to: u64) -> String {
        let delta = json!({ "type": "text_delta", "text": words(from, to) });
        event("content_block_delta", &json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
    }

    fn close(&mut self) -> String {
        let end = json!({
            "type": "message_delta",
            "delta": { "stop_reason": self.stop_reason(), "stop_sequence": null },
            "usage": { "output_tokens": self.completion.output_tokens },
        });
        event("content_block_stop", &json!({ "type": "content_block_stop", "index": 0 }))
            + &event("message_delta", &end)
            + &event("message_stop", &json!({ "type": "message_stop" }))
    }

    fn fail(&mut self) -> String {
        event("error", &overloaded(&self.request_id))
    }
}

impl Messages {
    fn message(&self, content: Value, stop_reason: Value, output_tokens: u64) -> Value {
        json!({
            "id": format!("msg_{}", self.completion.name),
            "type": "message",
            "role": "assistant",
            "model": self.completion.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": null,
            "usage": {
                "input_tokens": self.completion.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": output_tokens,
                "service_tier": "standard",
            },
        })
    }

    fn stop_reason(&self) -> &'static str {
        if self.completion.is_full() { "max_tokens" } else { "end_turn" }
    }
}
