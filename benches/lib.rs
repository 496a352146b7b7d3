//! What is measured: one call's admission and end over RPM, TPM, TPD and concurrency, by tollgate
//! and by the assemblies that people make of other crates.

#![forbid(unsafe_code)]

mod contenders;
pub mod heads;
mod line;

use std::future::Future;
use std::task::{Context, Poll, Waker};

pub use contenders::{ByHandle, ByName, Contender, Governors, LeakyBuckets, RateLimits, Slots, ThrottleNet};
pub use line::Line;

/// Tokens that each call reserves and uses.
pub const TOKENS: u32 = 10;

/// Polls a future that does not wait.
///
/// # Panics
///
/// If it does.
#[inline(always)]
pub fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a contender had to wait: its limits are too low"),
    }
}
