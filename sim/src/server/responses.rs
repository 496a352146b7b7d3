//! `POST /v1/responses`.

use super::answer::Incoming;
use super::completion::{Ask, Completion, Wording, answer_to};
use super::stream::event;
use super::text::words;
use crate::shared::SharedProvider;
use crate::tokens::conversation_tokens;
use crate::wire::ResponsesRequest;
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
    let incoming = Incoming::new(provider, &headers, body);
    let call: ResponsesRequest = match incoming.read("input") {
        Ok(call) => call,
        Err(problem) => return problem.into_response(),
    };
    let ask = Ask {
        input_tokens: conversation_tokens(&call.model, &call.conversation()),
        max_output_tokens: call.max_output_tokens,
        streamed: call.stream == Some(true),
        model: call.model,
    };
    answer_to(incoming, ask, |completion| Responses { completion, events: 0 }).await
}

#[derive(Debug)]
struct Responses {
    completion: Completion,
    /// Events sent so far; each tells its number.
    events: u64,
}

impl Wording for Responses {
    fn whole(&self) -> Value {
        let mut response = self.response(self.status(), json!([self.message(self.status(), self.content())]));
        response["usage"] = self.usage();
        if self.completion.is_full() {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        response
    }

    fn open(&mut self) -> String {
        let response = self.response("in_progress", json!([]));
        let item = self.message("in_progress", json!([]));
        let part = output_text("");
        self.event("response.created", json!({ "response": response }))
            + &self.event("response.in_progress", json!({ "response": response }))
            + &self.event("response.output_item.added", json!({ "output_index": 0, "item": item }))
            + &self.part_event("response.content_part.added", json!({ "part": part }))
    }

    fn piece(&mut self, from: u64, to: u64) -> String {
        let delta = json!({ "delta": words(from, to), "logprobs": [] });
        self.part_event("response.output_text.delta", delta)
    }

    fn close(&mut self) -> String {
        let text = words(0, self.completion.output_tokens);
        let part = output_text(&text);
        let item = self.message(self.status(), self.content());
        let end = format!("response.{}", self.status());
        let response = self.whole();
        self.part_event("response.output_text.done", json!({ "text": text, "logprobs": [] }))
            + &self.part_event("response.content_part.done", json!({ "part": part }))
            + &self.event("response.output_item.done", json!({ "output_index": 0, "item": item }))
            + &self.event(&end, json!({ "response": response }))
    }

    fn fail(&mut self) -> String {
        let mut response = self.response("failed", json!([]));
        let message = "The server had an error while processing your request.";
        response["error"] = json!({ "code": "server_error", "message": message });
        self.event("response.failed", json!({ "response": response }))
    }
}

impl Responses {
    fn event(&mut self, name: &str, mut data: Value) -> String {
        data["type"] = name.into();
        data["sequence_number"] = self.events.into();
        self.events += 1;
        event(name, &data)
    }

    /// An event about the only part of the only message.
    fn part_event(&mut self, name: &str, mut data: Value) -> String {
        data["item_id"] = self.message_id().into();
        data["output_index"] = 0.into();
        data["content_index"] = 0.into();
        self.event(name, data)
    }

    fn response(&self, status: &str, output: Value) -> Value {
        json!({
            "id": format!("resp_{}", self.completion.name),
            "object": "response",
            "created_at": self.completion.created,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "instructions": null,
            "max_output_tokens": self.completion.max_output_tokens,
            "model": self.completion.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "store": true,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": null,
            "metadata": {},
        })
    }

    fn message(&self, status: &str, content: Value) -> Value {
        json!({
            "id": self.message_id(),
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        })
    }

    fn message_id(&self) -> String {
        format!("msg_{}", self.completion.name)
    }

    fn content(&self) -> Value {
        json!([output_text(&words(0, self.completion.output_tokens))])
    }

    fn status(&self) -> &'static str {
        if self.completion.is_full() { "incomplete" } else { "completed" }
    }

    fn usage(&self) -> Value {
        let Completion { input_tokens, output_tokens, .. } = self.completion;
        json!({
            "input_tokens": input_tokens,
            "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": output_tokens,
            "output_tokens_details": { "reasoning_tokens": 0 },
            "total_tokens": input_tokens + output_tokens,
        })
    }
}

fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "annotations": [], "logprobs": [], "text": text })
}
