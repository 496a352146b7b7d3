//! What the events of a stream add up to.

use serde_json::{Value, json};

use super::Outcome;
use super::text::Text;
use crate::provider::Verdict;
use crate::quota::{Cost, Usage};

/// So many bytes of text count as a token where nobody says how many they are. Words have three to
/// five.
const BYTES_OF_TOKEN: u64 = 2;
/// How deep a delta is looked into: tool calls have their arguments at 3.
const DEPTH: usize = 6;
/// Fields of a delta that the model did not write.
const NOT_WRITTEN: &[&str] =
    &["id", "index", "object", "role", "signature", "status", "stop_reason", "stop_sequence", "type"];

/// What was told and seen of one answer so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The last count of the provider's own, of the whole answer up to there.
    told: Option<Usage>,
    /// The provider has only told what it begins with.
    begins: bool,
    /// Pieces of the answer that came since, and the bytes of their text.
    pieces: u64,
    bytes: u64,
    verdict: Option<Verdict>,
}

impl Tally {
    pub(super) fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// One more event, given as its data.
    pub(super) fn event(&mut self, data: &Text) {
        let Some(whole) = data.whole() else {
            self.told(last_usage(data.tail()), false);
            return;
        };
        // "[DONE]" and half an event are none.
        let Ok(event) = serde_json::from_slice::<Value>(whole) else { return };
        if self.verdict.is_none() {
            self.verdict = Verdict::of_json(200, &event);
        }
        self.wrote(&event["delta"]);
        for choice in event["choices"].as_array().into_iter().flatten() {
            self.wrote(&choice["delta"]);
            self.wrote(&choice["text"]);
        }
        // The count comes after the pieces of the same event, which it holds.
        self.told(usage(&event), event["type"] == "message_start");
        if let Some(output) = event["usage"]["output_tokens"].as_u64() {
            let input = self.told.unwrap_or_default();
            self.told(Some(with_output(input, output)), false);
        }
    }

    fn wrote(&mut self, delta: &Value) {
        let bytes = written(delta, DEPTH);
        self.bytes = self.bytes.saturating_add(bytes);
        self.pieces += u64::from(bytes > 0);
    }

    fn told(&mut self, usage: Option<Usage>, begins: bool) {
        let Some(mut usage) = usage else { return };
        // A relay says 0 for the prompt at first (github.com/0xPlaygrounds/rig/pull/2236, read November 2026),
        // and the last counts of others leave the prompt out.
        if let (0, Some(before)) = (usage.input_tokens(), self.told) {
            usage = with_output(before, usage.output_tokens());
        }
        self.told = Some(usage);
        (self.begins, self.pieces, self.bytes) = (begins, 0, 0);
    }

    /// What a call that was expected to cost `cost` has come to, if nothing follows.
    pub(super) fn outcome(&self, cost: &Cost) -> Outcome {
        let told = self.told.unwrap_or_default();
        let usage = match told.input_tokens() {
            0 => Usage::new(cost.input_tokens(), told.output_tokens()),
            _ => told,
        };
        let most = cost.max_output_tokens().saturating_sub(usage.output_tokens());
        let since = self.bytes.div_ceil(BYTES_OF_TOKEN).min(most).max(self.pieces);
        let seen = with_output(usage, usage.output_tokens().saturating_add(since));
        match (self.verdict, self.told) {
            (Some(verdict), None) if self.pieces == 0 => Outcome::Refused(verdict),
            (Some(verdict), _) => Outcome::Broken(verdict, seen),
            (None, None) if self.pieces == 0 => Outcome::Unknown,
            (None, Some(_)) if self.pieces == 0 && !self.begins && told.input_tokens() > 0 => {
                Outcome::Told(told)
            }
            (None, _) => Outcome::Seen(seen),
        }
    }
}

/// What an answer that is one JSON document came to.
pub(super) fn whole(text: &Text) -> Outcome {
    let body = text.whole().and_then(|whole| serde_json::from_slice::<Value>(whole).ok());
    let Some(body) = body else {
        return last_usage(text.tail()).map_or(Outcome::Unknown, Outcome::Told);
    };
    match Verdict::of_json(200, &body) {
        Some(verdict) => Outcome::Refused(verdict),
        None => Usage::of_answer(&body).map_or(Outcome::Unknown, Outcome::Told),
    }
}

fn with_output(usage: Usage, output: u64) -> Usage {
    Usage::new(usage.input_tokens(), output).cached_input(usage.cached_input_tokens())
}

/// The usage in an event: its own, that of the `response` (OpenAI's Responses) or of the `message`
/// (Anthropic's first event) that it brings, that of its `delta` (Cohere's last), or Groq's own (`x_groq`, console.groq.com/docs, read November 2026).
fn usage(event: &Value) -> Option<Usage> {
    let within =
        || ["response", "message", "delta", "x_groq"].iter().find_map(|part| Usage::of_answer(&event[*part]));
    Usage::of_answer(event).or_else(within)
}

/// The usage that stands last in what is left of a document. A quotation mark inside a text has a
/// backslash, so no text is taken for it.
fn last_usage(tail: &[u8]) -> Option<Usage> {
    ["usage", "usageMetadata"].iter().find_map(|name| {
        let mark = format!("\"{name}\"");
        let at = tail.windows(mark.len()).rposition(|part| part == mark.as_bytes())?;
        let value = tail[at + mark.len()..].trim_ascii_start().strip_prefix(b":")?;
        let first = serde_json::Deserializer::from_slice(value).into_iter::<Value>().next()?.ok()?;
        Usage::of_answer(&json!({ *name: first }))
    })
}

/// How many bytes of text the model wrote in a delta.
fn written(delta: &Value, depth: usize) -> u64 {
    let sum = |all: &mut dyn Iterator<Item = u64>| all.fold(0, u64::saturating_add);
    match delta {
        Value::String(text) => text.len() as u64,
        Value::Array(all) if depth > 0 => sum(&mut all.iter().map(|value| written(value, depth - 1))),
        Value::Object(fields) if depth > 0 => {
            let own = fields.iter().filter(|(name, _)| !NOT_WRITTEN.contains(&name.as_str()));
            sum(&mut own.map(|(_, value)| written(value, depth - 1)))
        }
        _ => 0,
    }
}
