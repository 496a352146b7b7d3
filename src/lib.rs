//! Keeps a program that calls LLM APIs exactly at its provider's limits: not over them, not under
//! them.
//!
//! A [`Limiter`] holds, for each model, budgets of requests and tokens per minute and per day and of
//! calls in flight. [`Limiter::acquire`] waits until *every* budget can pay for a call and takes its
//! cost from all of them in one step. [`Permit::release`] puts what the call really used in the place of what was
//! reserved. It wraps any HTTP client.
//!
//! ```
//! use tollgate::{Cost, Limiter, Limits, Usage};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limiter = Limiter::builder()
//!     .model("gpt-4o-mini", Limits::new().rpm(500).tpm(200_000).tpd(2_000_000).concurrency(10))
//!     .build()?;
//!
//! let permit = limiter.acquire("gpt-4o-mini", Cost::input(1_200).max_output(500)).await?;
//! // let response = client.post(url).json(&request).send().await?;
//! // permit.observe(response.status(), response.headers());
//! permit.release(Usage::new(1_187, 212)).await;
//! # Ok(()) }
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | say what the provider promises | [`Limits`], [`Quota`], [`Charge`], [`Builder`] (also from a file) |
//! | begin with what a provider publishes | [`Builder::preset`], [`Limits::preset`], [`presets`](mod@presets) |
//! | make one call in one go | [`Limiter::call`] |
//! | have it tried again, and know what became of each attempt | [`Retries`], [`Limiter::with_retries`], [`Refused`] |
//! | make it step by step | [`Limiter::acquire`], [`Permit`] |
//! | not wait, or not for long | [`Limiter::try_acquire`], [`Acquire::within`], [`Limiter::eta`] |
//! | know why a provider said no, and whether to try again | [`Verdict`], [`Verdict::of_answer`], [`Retry`] |
//! | wait without a runtime, with a thread | [`Limiter::acquire_blocking`], [`Acquire::wait_blocking`] |
//! | say who goes first | [`Acquire::priority`], [`Acquire::tenant`], [`Group::weight`], [`Waiting`] |
//! | use whichever model is free | [`Limiter::acquire_any`] |
//! | settle a streamed answer when it ends | [`Meter`] (feature `json`), [`Metered`] (feature `http-body`) |
//! | limit a client without changing its calls | [`async_openai`](mod@async_openai), [`reqwest`](mod@reqwest), [`tower`](mod@tower) (features of their names) |
//! | read what an answer's headers say | [`Observation`], [`Headers`] |
//! | tell what a request will cost | [`estimate`] (feature `tiktoken`) |
//! | watch it: levels, waits, refusals, spans | [`Limiter::levels`], [`Limiter::add_observer`]; [`metrics`], [`tracing`] (features) |
//! | survive a restart | [`Limiter::snapshot`], [`Limiter::restore`] |
//! | understand how it works | the essay in `src/ledger.rs`, and `DESIGN.md` |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `tiktoken` | yes | [`estimate`]: tokens of a request by the model's own encoding |
//! | `bpe-openai` | no | [`estimate::BpeOpenai`]: another counter, for long Chinese texts, that takes 34 MB |
//! | `json` | with `tiktoken` | the usage and the errors of answers that are JSON, in [`Limiter::call`] and [`Verdict::of_answer`] |
//! | `http` | no | [`Headers`] and [`Answer`] for the types of the `http` crate |
//! | `observe` | with the two below | [`Observer`]: is told what becomes of calls |
//! | `metrics` | no | [`metrics`](mod@metrics): counters, histograms and gauges for the `metrics` facade |
//! | `tracing` | no | [`tracing`](mod@tracing): a span for each call that asks for leave, and events |
//! | `http-body` | no | [`Metered`]: a body that settles its call when it ends |
//! | `tower` | no | [`tower`](mod@tower): a layer for tower's services |
//! | `reqwest` | no | [`reqwest`](mod@reqwest): a middleware for reqwest's clients |
//! | `async-openai` | no | [`async_openai`](mod@async_openai): a service for the client of that name |
//!
//! # What it is not for
//!
//! It limits what *this process* sends. Several processes on one key need each a share of the
//! limits. It does not guard a server against its clients.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "async-openai")]
pub mod async_openai;
#[cfg(feature = "http-body")]
mod body;
mod bucket;
mod call;
mod error;
#[cfg(feature = "tiktoken")]
pub mod estimate;
mod event;
mod gate;
mod ledger;
mod limiter;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg_attr(not(feature = "observe"), allow(dead_code, unreachable_pub, reason = "nobody can observe"))]
mod observe;
mod permit;
mod provider;
mod queue;
mod quota;
#[cfg(any(feature = "async-openai", feature = "reqwest"))]
mod requests;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod retry;
#[cfg(feature = "json")]
mod stream;
mod sync;
mod time;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(feature = "tracing")]
pub mod tracing;

#[cfg(feature = "http-body")]
pub use body::Metered;
pub use call::{Answer, Attempt, CallError, Expected, GaveUp, Outcome, Refused, Request, Story};
pub use error::{
    AcquireError, Blocking, BuildError, ExceedsQuota, NotYet, PromptTooLong, QueueFull, Stopped, UnknownModel,
};
pub use event::Event;
pub use gate::Eta;
#[cfg(feature = "observe")]
pub use ledger::End;
pub use ledger::{BudgetSnapshot, Level, ScopeSnapshot, Snapshot};
pub use limiter::{
    Acquire, AcquireAny, Builder, Events, Group, Limiter, Model, SetLimitsError, UnknownSnapshot,
};
#[cfg(feature = "observe")]
pub use observe::{Asking, Decision, Ended, Kept, Observer};
pub use permit::{Permit, Settled};
pub use provider::{
    AccountProblem, Family, Headers, Hit, ModelProblem, Observation, Overload, Reading, Retry, Verdict,
    presets, presets::UnknownPreset,
};
pub use quota::{
    Charge, Cost, InvalidQuota, Limits, Oversize, Priority, Quota, Unit, Usage, Waiting, Window,
};
pub use retry::Retries;
#[cfg(feature = "json")]
pub use stream::Meter;
#[cfg(any(tollgate_loom, tollgate_shuttle))]
#[doc(hidden)]
pub use time::stand_in;

#[cfg(all(doctest, feature = "tiktoken", feature = "http"))]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../DESIGN.md")]
#[doc = include_str!("../docs/cookbook.md")]
#[doc = include_str!("../docs/guide/blocking.md")]
#[doc = include_str!("../docs/guide/by-hand.md")]
#[doc = include_str!("../docs/guide/streams.md")]
struct Documents;

#[cfg(all(doctest, feature = "metrics", feature = "tracing"))]
#[doc = include_str!("../docs/guide/metrics.md")]
struct Watching;

#[cfg(all(doctest, feature = "async-openai"))]
#[doc = include_str!("../docs/guide/async-openai.md")]
struct WithAsyncOpenai;

#[cfg(all(doctest, feature = "reqwest"))]
#[doc = include_str!("../docs/guide/reqwest.md")]
struct WithReqwest;

#[cfg(all(doctest, feature = "tower", feature = "reqwest"))]
#[doc = include_str!("../docs/guide/tower.md")]
struct WithTower;
