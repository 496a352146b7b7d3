//! A simulated LLM provider that enforces rate limits.
//!
//! It judges clients, so it shares no code with them: it counts tokens, keeps budgets and states waits in its own, simple way.
//! There are four ways to use it:
//!
//! * [`Provider`]: the bare state machine. Time is an argument; nothing sleeps.
//! * [`SharedProvider`]: the same on tokio's clock, real or paused, for in-process clients. It can change its limits and get
//!   into trouble while it runs, and gives the header fields and errors of real providers as data.
//! * `Server` (feature `server`, on by default): the same behind HTTP, with the answers, headers and errors of real providers.
//! * [`oracle`]: a client that knows the books and serves strictly in order, under virtual time, to measure others against.
//!
//! ```
//! use tollgate_sim::{Budget, Config, Decision, Provider, Request};
//!
//! let mut provider = Provider::new(Config { rpm: Some(60), tpm: Some(1_000), ..Config::default() });
//! let call = Request { id: 1, input_tokens: 300, max_output_tokens: Some(300), output_tokens: None };
//! assert!(matches!(provider.decide(0, &call), Decision::Admitted(_)));
//! let Decision::Refused(refusal) = provider.decide(0, &call) else { panic!("1,200 tokens do not fit") };
//! assert_eq!(refusal.budget, Budget::Tpm);
//! assert_eq!(refusal.retry_after.map(|wait| wait.as_secs()), Some(12)); // 200 are missing, 1,000 come a minute
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod books;
mod budget;
mod clock;
mod config;
mod draw;
mod law;
mod log;
mod oracle;
mod provider;
#[cfg(feature = "server")]
mod server;
mod shared;
mod span;
mod speech;
mod status;
#[cfg(feature = "server")]
mod tokens;
mod trouble;
#[cfg(feature = "server")]
mod wire;

pub use budget::{Budget, Level, Levels};
pub use config::{ChargeRule, Config, Faults, HeaderFamily, Latency, LawKind, OutputShare, StreamFaults};
pub use log::{Entry, Outcome, Summary, WindowTotal};
pub use oracle::{NeverFits, OracleRun, TraceRequest, oracle};
pub use provider::{
    Admission, Break, Decision, Earliest, Fault, Provider, Refusal, Request, StreamFault, Ticket, TooLarge,
};
#[cfg(feature = "server")]
pub use server::{RunningServer, Server};
pub use shared::{Denied, SharedProvider, Slot};
pub use speech::ErrorAnswer;
#[cfg(feature = "server")]
pub use tokens::{chat_tokens, embedding_tokens};
pub use trouble::Trouble;
#[cfg(feature = "server")]
pub use wire::{ChatRequest, Content, EmbeddingInput, EmbeddingRequest, Message, Part, StreamOptions};
