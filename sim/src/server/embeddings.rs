//! `POST /v1/embeddings`.

use super::answer::{self, Incoming};
use crate::provider::Request;
use crate::shared::SharedProvider;
use crate::speech::headers;
use crate::tokens::embedding_tokens;
use crate::wire::EmbeddingRequest;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

pub(super) async fn embed(
    State(provider): State<SharedProvider>,
    deployment: Option<Path<String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let incoming = Incoming::new(provider, &headers, body).at(deployment);
    match incoming.read("input") {
        Ok(call) => answer_to(incoming, call).await,
        Err(problem) => problem.into_response(),
    }
}

async fn answer_to(incoming: Incoming, call: EmbeddingRequest) -> Response {
    if call.input.is_empty() {
        return incoming.parameter("input").into_response();
    }
    let input_tokens = embedding_tokens(&call);
    let request =
        Request { id: incoming.id, input_tokens, max_output_tokens: Some(0), output_tokens: Some(0) };
    let scene = incoming.scene(&call.model, false);
    let slot = match incoming.admit(&request, &scene).await {
        Ok(slot) => slot,
        Err(response) => return response,
    };
    let (at, rate_limits) = (slot.at(), headers::of_good(&scene, &slot.levels(), input_tokens));
    slot.answer().await;
    let data: Vec<Value> = (0..call.input.len()).map(vector).collect();
    let body = json!({
        "object": "list",
        "model": call.model,
        "data": data,
        "usage": { "prompt_tokens": input_tokens, "total_tokens": input_tokens },
    });
    incoming.good(answer::json(&body), &scene, at, rate_limits)
}

/// Short, and of length one as real ones are.
fn vector(index: usize) -> Value {
    json!({ "object": "embedding", "index": index, "embedding": [0.6, 0.0, -0.8, 0.0] })
}
