//! Reads what an answer used while its bytes flow by, and settles the call at its end.
//!
//! ```text
//! chunk ──► first byte ──┬─► { or [ ──► Text (bounded) ──────────────► usage or error, at the end
//!                        └─► else ────► Events ──► data of one event ──► Tally, event by event
//! ```

mod events;
mod tally;
mod text;

use std::fmt;

use crate::permit::Permit;
use crate::provider::{Headers, Verdict};
use crate::quota::Usage;

use events::Events;
use tally::Tally;
use text::Text;

/// Carries the permit of a call whose answer is on its way, sees the answer's bytes, and ends the permit
/// when they end. For any client: it is shown the bytes and changes none.
///
/// It reads the usage of a whole JSON answer, of OpenAI's chat chunks (the last one has it where the request says
/// `stream_options.include_usage`) and Responses events, of Anthropic's `message_start` and `message_delta`, and of
/// whoever speaks like them; and errors that come inside a success. The kind of answer is told by its first byte, since
/// not every relay says the right `content-type`.
///
/// It holds at most 256 KiB: of a longer event or a longer answer, the last 16 KiB, where providers write
/// the usage.
///
/// # What is the call charged?
///
/// | what was seen | what it costs |
/// |---|---|
/// | the usage of the whole answer | that |
/// | a part of a stream: it was cut, or its usage was not asked for | the prompt, as `message_start` tells it, or as it was reserved; and what has come of the answer |
/// | an error inside a success before anything of the answer | as [`Permit::refused`] |
/// | an error after a part of the answer | that part; the limit is shut as by [`Permit::refused`] |
/// | a status of 400 and above | as [`Permit::refused`], by head and body |
/// | anything else: nothing of the answer came, it is compressed or of no known kind | what was reserved |
///
/// What has come of an answer is taken as a token for every two bytes of text, more than words or code
/// have, but no more than the answer may hold, and no less than one for each piece that came. What a model thinks
/// and does not show is not in it.
///
/// # Cancel safety
///
/// Dropped at any time, also by a panic, it ends the permit by what it has seen. Where nobody calls
/// [`finish`](Meter::finish), it takes the answer for cut.
///
/// # Example: a streamed answer, whatever the client
///
/// ```
/// use tollgate::{Cost, Limiter, Limits, Meter, Usage};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::builder().model("gpt-4o-mini", Limits::new().tpm(200_000)).build()?;
/// let permit = limiter.acquire("gpt-4o-mini", Cost::input(1_200).max_output(500)).await?;
/// // let mut response = client.post(url).json(&request).send().await?;
/// let mut meter = Meter::new(permit, 200_u16, &[("content-type", "text/event-stream")]);
///
/// // while let Some(chunk) = response.chunk().await? {
/// meter.see(b"data: {\"choices\": [{\"delta\": {\"content\": \"The\"}}], \"usage\": null}\n\n");
/// meter.see(b"data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 1187, \"completion_tokens\": 1}}\n\n");
/// // }
/// assert_eq!(meter.finish(), Some(Usage::new(1_187, 1)));
/// # Ok(()) }
/// ```
#[must_use = "a meter that is dropped takes the answer for cut"]
pub struct Meter {
    /// Gone when the call is settled.
    permit: Option<Permit>,
    answer: Answer,
    told: Option<Told>,
}

type Told = Box<dyn FnOnce(&Usage) + Send + Sync>;

/// What is being read.
#[derive(Debug)]
enum Answer {
    /// Nothing but blanks yet.
    Unknown,
    Events(Box<(Events, Tally)>),
    Json(Text),
    /// A refusal, with what judges it beside its body.
    Refusal {
        status: u16,
        head: Vec<(String, String)>,
        text: Text,
    },
    Unreadable,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// As the provider counted it.
    Told(Usage),
    /// As far as it was seen.
    Seen(Usage),
    Refused(Verdict),
    /// The provider broke off what it had begun.
    Broken(Verdict, Usage),
    Unknown,
}

impl Meter {
    /// Takes the permit of a call whose answer has this head, and tells the books what it says:
    /// [`Permit::observe`].
    pub fn new<H: Headers + ?Sized>(permit: Permit, status: impl Into<u16>, headers: &H) -> Self {
        let status = status.into();
        permit.observe(status, headers);
        let plain = headers.field("content-encoding").is_none_or(|coding| coding == "identity");
        let answer = if status >= 400 {
            let mut head = Vec::new();
            headers.each(&mut |name, value| head.push((name.to_owned(), value.to_owned())));
            Answer::Refusal { status, head, text: Text::default() }
        } else if plain {
            Answer::Unknown
        } else {
            Answer::Unreadable
        };
        Meter { permit: Some(permit), answer, told: None }
    }

    /// Has `tell` called with what the provider says that the call used, if it does, when the call is
    /// settled: to learn from it, or to count it.
    pub fn on_usage(self, tell: impl FnOnce(&Usage) + Send + Sync + 'static) -> Self {
        let (mut this, told): (Self, Told) = (self, Box::new(tell));
        this.told = Some(told);
        this
    }

    /// Looks at the next bytes of the answer's body.
    pub fn see(&mut self, chunk: &[u8]) {
        match &mut self.answer {
            Answer::Unknown => {
                let Some(begin) = chunk.iter().position(|byte| !byte.is_ascii_whitespace()) else { return };
                self.answer = match chunk[begin] {
                    b'{' | b'[' => Answer::Json(Text::default()),
                    _ => Answer::Events(Box::default()),
                };
                self.see(&chunk[begin..]);
            }
            Answer::Events(reading) => {
                let (events, tally) = &mut **reading;
                events.see(chunk, &mut |data| tally.event(data));
            }
            Answer::Json(text) | Answer::Refusal { text, .. } => text.push(chunk),
            Answer::Unreadable => {}
        }
    }

    /// The error that a stream has brought so far, if any.
    pub fn verdict(&self) -> Option<Verdict> {
        match &self.answer {
            Answer::Events(reading) => reading.1.verdict(),
            _ => None,
        }
    }

    /// The body has come to its end: settles the call. Gives what it was charged, where that is known: not
    /// where the provider said no, and not where what was reserved stays charged.
    pub fn finish(mut self) -> Option<Usage> {
        match self.settle() {
            Outcome::Told(usage) | Outcome::Seen(usage) | Outcome::Broken(_, usage) => Some(usage),
            Outcome::Refused(_) | Outcome::Unknown => None,
        }
    }

    fn settle(&mut self) -> Outcome {
        let Some(permit) = self.permit.take() else { return Outcome::Unknown };
        let outcome = match &mut self.answer {
            Answer::Unknown | Answer::Unreadable => Outcome::Unknown,
            Answer::Events(reading) => {
                let (events, tally) = &mut **reading;
                events.finish(&mut |data| tally.event(data));
                tally.outcome(&permit.cost())
            }
            Answer::Json(text) => tally::whole(text),
            Answer::Refusal { status, head, text } => {
                let verdict = Verdict::of_answer(*status, head, text.whole());
                verdict.map_or(Outcome::Unknown, Outcome::Refused)
            }
        };
        // The books are settled without waiting: see `Permit::release`.
        match outcome {
            Outcome::Told(usage) | Outcome::Seen(usage) => drop(permit.release(usage)),
            Outcome::Refused(verdict) => drop(permit.refused(verdict)),
            Outcome::Broken(verdict, usage) => drop(permit.broken(verdict, usage)),
            Outcome::Unknown => drop(permit),
        }
        if let (Outcome::Told(usage), Some(tell)) = (outcome, self.told.take()) {
            tell(&usage);
        }
        outcome
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.settle();
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the answer: what people wrote stays out of logs.
        f.debug_struct("Meter").field("permit", &self.permit).finish_non_exhaustive()
    }
}
