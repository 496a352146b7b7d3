//! Calls that are answered with text, as far as they are the same in every protocol.

use super::answer::{self, Incoming};
use super::stream::Pieces;
use crate::provider::Request;
use crate::speech::headers;
use axum::response::Response;
use serde_json::Value;

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) input_tokens: u64,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) streamed: bool,
}

/// What it gets.
#[derive(Debug)]
pub(super) struct Completion {
    /// Names the answer, after a prefix of its protocol.
    pub(super) name: String,
    /// In seconds since the Unix epoch.
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) max_output_tokens: Option<u64>,
}

impl Completion {
    /// Whether it has as many tokens as it may.
    pub(super) fn is_full(&self) -> bool {
        self.max_output_tokens == Some(self.output_tokens)
    }
}

/// How a protocol puts a [`Completion`].
pub(super) trait Wording: Send + Sync + 'static {
    /// All of it at once.
    fn whole(&self) -> Value;

    /// What a stream begins with.
    fn open(&mut self) -> String;

    /// Words number `from` up to, but not including, `to`.
    fn piece(&mut self, from: u64, to: u64) -> String;

    /// What a stream that went well ends with.
    fn close(&mut self) -> String;

    /// What a stream that went wrong ends with.
    fn fail(&mut self) -> String;
}

pub(super) async fn answer_to<W: Wording>(
    incoming: Incoming,
    ask: Ask,
    wording: impl FnOnce(Completion) -> W,
) -> Response {
    let Ask { model, input_tokens, max_output_tokens, streamed } = ask;
    let request = Request { id: incoming.id, input_tokens, max_output_tokens, output_tokens: None };
    let scene = incoming.scene(&model, streamed);
    let slot = match incoming.admit(&request, &scene).await {
        Ok(slot) => slot,
        Err(response) => return response,
    };
    let (at, output_tokens) = (slot.at(), slot.output_tokens());
    let rate_limits = headers::of_good(&scene, &slot.levels(), input_tokens + output_tokens);
    let wording = wording(Completion {
        name: format!("{:016x}{at:016x}", incoming.id),
        created: answer::seconds(at),
        model: model.clone(),
        input_tokens,
        output_tokens,
        max_output_tokens,
    });
    let response = if streamed {
        Pieces::new(wording, slot).into_response().await
    } else {
        slot.answer().await;
        answer::json(&wording.whole())
    };
    incoming.good(response, &scene, at, rate_limits)
}
