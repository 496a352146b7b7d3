//! `POST /v1/chat/completions`.

use super::answer::{self, Incoming};
use crate::provider::Request;
use crate::shared::{SharedProvider, Slot};
use crate::speech::headers;
use crate::tokens::chat_tokens;
use crate::wire::ChatRequest;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use std::convert::Infallible;

/// The most pieces a streamed answer comes in.
const MOST_PIECES: u64 = 20;

pub(super) async fn complete(
    State(provider): State<SharedProvider>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Incoming::new(provider, &headers, body)
        .and_then(|incoming| Ok((incoming.read::<ChatRequest>("messages")?, incoming)));
    match call {
        Ok((request, incoming)) => answer_to(incoming, request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn answer_to(incoming: Incoming, call: ChatRequest) -> Response {
    let input_tokens = chat_tokens(&call);
    let max_output_tokens = call.max_output_tokens();
    let streamed = call.stream == Some(true);
    let request = Request { id: incoming.id, input_tokens, max_output_tokens, output_tokens: None };
    let scene = incoming.scene(&call.model, streamed);
    let slot = match incoming.admit(&request, &scene).await {
        Ok(slot) => slot,
        Err(response) => return response,
    };
    let (at, output_tokens) = (slot.at(), slot.output_tokens());
    let rate_limits = headers::of_good(&scene, &slot.levels(), input_tokens + output_tokens);
    let completion = Completion {
        id: format!("chatcmpl-{:016x}{at:016x}", incoming.id),
        created: answer::seconds(at),
        model: call.model.clone(),
        input_tokens,
        output_tokens,
        cut: max_output_tokens == Some(output_tokens),
    };
    let response = if streamed {
        let include_usage = call.stream_options.as_ref().is_some_and(|options| options.include_usage);
        let pieces = Pieces::new(completion, slot, include_usage);
        pieces.until(1).await;
        pieces.into_response()
    } else {
        slot.answer().await;
        answer::json(&completion.whole())
    };
    incoming.good(response, &scene, at, rate_limits)
}

/// The content of an answer.
#[derive(Debug)]
struct Completion {
    id: String,
    created: u64,
    model: String,
    input_tokens: u64,
    output_tokens: u64,
    /// Whether it has as many tokens as it may.
    cut: bool,
}

impl Completion {
    fn whole(&self) -> Value {
        let message =
            json!({ "role": "assistant", "content": words(0, self.output_tokens), "refusal": null });
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": self.finish_reason() }],
            "usage": self.usage(),
        })
    }

    fn chunk(&self, choices: &Value, usage: Option<Value>) -> String {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    }

    fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.input_tokens,
            "completion_tokens": self.output_tokens,
            "total_tokens": self.input_tokens + self.output_tokens,
        })
    }

    fn finish_reason(&self) -> &'static str {
        if self.cut { "length" } else { "stop" }
    }
}

/// An answer that comes piece by piece, spread evenly over the latency. It holds the slot until just before its end; when the
/// client goes away, it is dropped, and the slot with it.
#[derive(Debug)]
struct Pieces {
    completion: Completion,
    slot: Option<Slot>,
    include_usage: bool,
    next: u64,
    count: u64,
}

impl Pieces {
    fn new(completion: Completion, slot: Slot, include_usage: bool) -> Self {
        let count = completion.output_tokens.clamp(1, MOST_PIECES);
        Self { completion, slot: Some(slot), include_usage, next: 0, count }
    }

    fn into_response(self) -> Response {
        let body = stream::unfold(self, |mut pieces| async {
            let text = pieces.next().await?;
            Some((Ok::<_, Infallible>(text), pieces))
        });
        let mut response = Response::new(Body::from_stream(body));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        response
    }

    /// Waits for the given piece, the first of which is number one. The end comes one step after the last piece.
    async fn until(&self, piece: u64) {
        if let Some(slot) = &self.slot {
            slot.until(piece as u32, self.count as u32 + 1).await;
        }
    }

    async fn next(&mut self) -> Option<String> {
        self.until(self.next + 1).await;
        let text = if self.next < self.count { self.piece() } else { self.end()? };
        self.next += 1;
        Some(text)
    }

    fn piece(&mut self) -> String {
        let tokens = self.completion.output_tokens;
        let (from, to) = (tokens * self.next / self.count, tokens * (self.next + 1) / self.count);
        if let Some(slot) = &mut self.slot {
            slot.made(to);
        }
        let mut text = String::new();
        if self.next == 0 {
            text += &self.delta(&json!({ "role": "assistant", "content": "" }), None);
        }
        text + &self.delta(&json!({ "content": words(from, to) }), None)
    }

    /// The slot is freed first: a client that has read the end may send its next call at once.
    fn end(&mut self) -> Option<String> {
        self.slot.take()?.finish();
        let mut text = self.delta(&json!({}), Some(self.completion.finish_reason()));
        if self.include_usage {
            text += &self.completion.chunk(&json!([]), Some(self.completion.usage()));
        }
        Some(text + "data: [DONE]\n\n")
    }

    fn delta(&self, delta: &Value, finish_reason: Option<&str>) -> String {
        let choice =
            json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }]);
        // Where the usage comes last, the chunks before it say that it is not there yet.
        self.completion.chunk(&choice, self.include_usage.then_some(Value::Null))
    }
}

/// Words number `from` up to, but not including, `to` of an endless text. Each is one token in every encoding.
fn words(from: u64, to: u64) -> String {
    const WORDS: [&str; 8] = [" the", " way", " of", " all", " time", " is", " not", " one"];
    let text: String = (from..to).map(|number| WORDS[(number % 8) as usize]).collect();
    if from == 0 { text.trim_start().to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiktoken_rs::{cl100k_base_singleton, o200k_base_singleton};

    #[test]
    fn an_answer_has_exactly_the_tokens_it_is_billed_for() {
        for tokens in [0, 1, 2, 7, 8, 9, 100] {
            let text = words(0, tokens);
            assert_eq!(cl100k_base_singleton().count_ordinary(&text) as u64, tokens);
            assert_eq!(o200k_base_singleton().count_ordinary(&text) as u64, tokens);
        }
    }

    #[test]
    fn pieces_add_up_to_the_whole() {
        assert_eq!(words(0, 3) + &words(3, 11) + &words(11, 20), words(0, 20));
    }
}
