//! How long things take, and how long they hold the thread that asked for them.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tiktoken_rs::CoreBPE;
use tokio::runtime::Runtime;
use tollgate::estimate::{Estimate, Estimator};

use crate::text::{Kind, Random, boundary};

/// What counts as time.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// While this thread runs.
    Thread,
    /// While a thread of this process runs, those of estimators included.
    Process,
}

/// A time that stands still while the machine does something else.
#[cfg(unix)]
fn now(clock: Clock) -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(match clock {
        Clock::Thread => ClockId::ThreadCPUTime,
        Clock::Process => ClockId::ProcessCPUTime,
    });
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// The wall's, where there is no other.
#[cfg(not(unix))]
fn now(_: Clock) -> Duration {
    static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    BEGIN.elapsed()
}

/// The time that something took on this thread.
pub(crate) fn time<T>(what: impl FnOnce() -> T) -> Duration {
    let begin = now(Clock::Thread);
    black_box(what());
    now(Clock::Thread) - begin
}

/// What an estimate took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    /// Until it was there, by the clock on the wall.
    pub(crate) wall: Duration,
    /// On all threads together.
    pub(crate) work: Duration,
    /// The longest that one poll for it held the thread.
    pub(crate) longest: Duration,
}

/// Polls for an estimate until it is there.
pub(crate) fn hold(runtime: &Runtime, estimator: &Estimator, body: &Value) -> (Hold, Estimate) {
    let (wall, work) = (Instant::now(), now(Clock::Process));
    let mut longest = Duration::ZERO;
    let estimate = runtime.block_on(async {
        let mut request = pin!(estimator.request(body));
        poll_fn(|context| {
            let begin = now(Clock::Thread);
            let polled = request.as_mut().poll(context);
            longest = longest.max(now(Clock::Thread) - begin);
            polled
        })
        .await
    });
    let hold = Hold { wall: wall.elapsed(), work: now(Clock::Process) - work, longest };
    (hold, estimate.expect("the body is a request"))
}

/// What one estimate takes on all threads together, without a look at its polls.
pub(crate) fn work(runtime: &Runtime, estimator: &Estimator, body: &Value) -> Duration {
    let begin = now(Clock::Process);
    let _ = black_box(runtime.block_on(estimator.request(body)));
    now(Clock::Process) - begin
}

/// What one estimate takes where all is known: the mean of some, since each is short.
pub(crate) fn again(runtime: &Runtime, estimator: &Estimator, body: &Value) -> Duration {
    const TIMES: u32 = 10;
    let all = || (0..TIMES).for_each(|_| drop(black_box(runtime.block_on(estimator.request(body)))));
    time(all) / TIMES
}

/// Everything counted by tiktoken-rs, by the sum that OpenAI's cookbook gives.
pub(crate) fn plain(vocabulary: &CoreBPE, body: &Value) -> usize {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let of = |text: &Value| vocabulary.count_ordinary(text.as_str().unwrap_or_default());
    messages.iter().map(|message| 3 + of(&message["role"]) + of(&message["content"])).sum::<usize>() + 3
}

/// A chat of so many bytes together in messages of at most 1,000.
pub(crate) fn chat(kind: Kind, random: &mut Random, bytes: usize) -> Value {
    let text = kind.text(random, bytes);
    let mut rest = text.as_str();
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let (message, left) = rest.split_at(boundary(rest, 1_000));
        messages.push(says(messages.len(), message));
        rest = left;
    }
    body(messages)
}

/// The message at this place of a chat.
pub(crate) fn says(at: usize, text: &str) -> Value {
    json!({ "role": if at.is_multiple_of(2) { "user" } else { "assistant" }, "content": text })
}

pub(crate) fn body(messages: Vec<Value>) -> Value {
    json!({ "model": "gpt-4o", "messages": messages, "max_completion_tokens": 256 })
}

/// So many percent of `times` are no longer.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}
