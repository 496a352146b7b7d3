//! Answers that come piece by piece.

use super::completion::Wording;
use crate::provider::{Break, StreamFault};
use crate::shared::Slot;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use futures_util::stream;
use serde_json::Value;

/// The most pieces an answer comes in.
const MOST_PIECES: u64 = 20;

/// An answer whose first piece comes after a tenth of the latency, and whose end comes with the end of the latency. It holds the
/// slot until just before its end; when the client goes away, it is dropped, and the slot with it.
#[derive(Debug)]
pub(super) struct Pieces<W> {
    wording: W,
    /// `None` once the answer is over.
    slot: Option<Slot>,
    breaks: Option<Break>,
    /// Tokens of the whole answer, and of what was sent of it.
    tokens: u64,
    sent: u64,
    next: u64,
    count: u64,
}

/// The connection is to be closed in the middle of the answer.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
struct CutOff;

impl<W: Wording> Pieces<W> {
    pub(super) fn new(wording: W, slot: Slot) -> Self {
        let (tokens, breaks) = (slot.output_tokens(), slot.breaks());
        let count = tokens.clamp(1, MOST_PIECES);
        Self { wording, slot: Some(slot), breaks, tokens, sent: 0, next: 0, count }
    }

    /// The head is sent when the first piece is there.
    pub(super) async fn into_response(self) -> Response {
        self.until_next().await;
        let body = stream::unfold(self, |mut pieces| async {
            let text = pieces.next().await?;
            Some((text, pieces))
        });
        let mut response = Response::new(Body::from_stream(body));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        response
    }

    async fn until_next(&self) {
        if let Some(slot) = &self.slot {
            slot.until((self.count + 9 * self.next) as u32, 10 * self.count as u32).await;
        }
    }

    async fn next(&mut self) -> Option<Result<String, CutOff>> {
        self.until_next().await;
        let last = self.breaks.map_or(self.tokens, |found| found.after);
        if self.next == 0 || (self.next < self.count && self.sent < last) {
            return Some(Ok(self.piece(last)));
        }
        // The slot is freed first: a client that has read the end may send its next call at once.
        let slot = self.slot.take()?;
        match self.breaks.map(|found| found.fault) {
            None => {
                slot.finish();
                Some(Ok(self.wording.close()))
            }
            Some(StreamFault::Error) => {
                slot.break_off(StreamFault::Error);
                Some(Ok(self.wording.fail()))
            }
            Some(StreamFault::Cut) => {
                slot.break_off(StreamFault::Cut);
                // What was written before goes out while this is not ready.
                tokio::task::yield_now().await;
                Some(Err(CutOff))
            }
        }
    }

    fn piece(&mut self, last: u64) -> String {
        let to = (self.tokens * (self.next + 1) / self.count).min(last);
        let text = if self.next == 0 { self.wording.open() } else { String::new() };
        let text = text + &self.wording.piece(self.sent, to);
        self.next += 1;
        self.sent = to;
        if let Some(slot) = &mut self.slot {
            slot.made(to);
        }
        text
    }
}

/// An event that has a name of its own.
pub(super) fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
