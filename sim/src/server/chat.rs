//! `POST /v1/chat/completions`.

use super::answer::Incoming;
use super::completion::{Ask, Completion, Wording, answer_to};
use super::text::words;
use crate::shared::SharedProvider;
use crate::tokens::chat_tokens;
use crate::wire::ChatRequest;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

pub(super) async fn complete(
    State(provider): State<SharedProvider>,
    deployment: Option<Path<String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let incoming = Incoming::new(provider, &headers, body).at(deployment);
    let call: ChatRequest = match incoming.read("messages") {
        Ok(call) => call,
        Err(problem) => return problem.into_response(),
    };
    let ask = Ask {
        input_tokens: chat_tokens(&call),
        max_output_tokens: call.max_output_tokens(),
        streamed: call.stream == Some(true),
        model: call.model,
    };
    let include_usage = call.stream_options.is_some_and(|options| options.include_usage);
    answer_to(incoming, ask, |completion| Chat { completion, include_usage }).await
}

#[derive(Debug)]
struct Chat {
    completion: Completion,
    include_usage: bool,
}

impl Wording for Chat {
    fn whole(&self) -> Value {
        let content = words(0, self.completion.output_tokens);
        let message = json!({ "role": "assistant", "content": content, "refusal": null, "annotations": [] });
        let choice = json!({
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": self.finish_reason(),
        });
        let mut whole = self.envelope("chat.completion", json!([choice]));
        whole["usage"] = self.usage();
        whole
    }

    fn open(&mut self) -> String {
        self.delta(json!({ "role": "assistant", "content": "", "refusal": null }), None)
    }

    fn piece(&mut self, from: u64, to: u64) -> String {
        self.delta(json!({ "content": words(from, to) }), None)
    }

    fn close(&mut self) -> String {
        let mut text = self.delta(json!({}), Some(self.finish_reason()));
        if self.include_usage {
            text += &self.chunk(json!([]), self.usage());
        }
        text + "data: [DONE]\n\n"
    }

    fn fail(&mut self) -> String {
        let error = json!({
            "message": "The server had an error while processing your request.",
            "type": "server_error",
            "param": null,
            "code": null,
        });
        format!("data: {}\n\n", json!({ "error": error }))
    }
}

impl Chat {
    fn delta(&self, delta: Value, finish_reason: Option<&str>) -> String {
        let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason });
        self.chunk(json!([choice]), Value::Null)
    }

    /// Where the usage comes last, the chunks before it say that it is not there yet; else nobody speaks of it.
    fn chunk(&self, choices: Value, usage: Value) -> String {
        let mut chunk = self.envelope("chat.completion.chunk", choices);
        if self.include_usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    }

    fn envelope(&self, object: &str, choices: Value) -> Value {
        json!({
            "id": format!("chatcmpl-{}", self.completion.name),
            "object": object,
            "created": self.completion.created,
            "model": self.completion.model,
            "service_tier": "default",
            "system_fingerprint": "fp_sim",
            "choices": choices,
        })
    }

    fn usage(&self) -> Value {
        let Completion { input_tokens, output_tokens, .. } = self.completion;
        json!({
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        })
    }

    fn finish_reason(&self) -> &'static str {
        if self.completion.is_full() { "length" } else { "stop" }
    }
}
