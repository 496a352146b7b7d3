//! Which law a provider counts by, told from a series of what is left and when it resets.
//!
//! | law | when the reset is |
//! |---|---|
//! | bucket | in proportion to what was used: `used / limit x period` ahead |
//! | aligned windows | at one instant, whatever was used, and a period later after that |
//! | sliding window | neither |

use std::time::Duration;

use crate::provider::{Hit, Reading};
use crate::quota::Window;
use crate::time::nanos;

/// So many answers in a row have to say the same.
const VOTES: u8 = 4;
/// The answers that are looked at were sent a part of a period like this apart.
const SPACING: u64 = 32;
/// Instants that differ by no more are one.
const NEAR: u64 = 150_000_000;
/// A reset in whole seconds may be off by one.
const SECOND: u64 = 1_000_000_000;

/// What the last answers spoke for.
#[derive(Clone, Debug, Default)]
pub(super) struct Signs {
    law: Option<Law>,
    votes: u8,
    /// When the last call was sent, and its reset; both in UTC.
    last: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Law {
    Refill,
    Fixed,
    Sliding,
}

impl Signs {
    /// Takes an answer into account to a call sent at `sent` (UTC) and out for `out` nanoseconds. Says which
    /// window the provider counts by, if the answers agree on another than `window`.
    pub(super) fn read(&mut self, reading: &Reading, window: Window, sent: u64, out: u64) -> Option<Window> {
        let (limit, remaining) = (reading.limit?, reading.remaining?);
        let (period, reset) = (nanos(window.period()?), nanos(reading.reset?));
        let used = limit.checked_sub(remaining)?;
        // Of a little use every law may say anything; of nearly all, a bucket says the same as a window
        // that slides.
        if limit == 0 || used < limit / 50 || used > limit - limit / 32 {
            return None;
        }
        // Answers to a burst agree on anything.
        let spaced = self.last.is_none_or(|(before, _)| sent >= before.saturating_add(period / SPACING));
        if !spaced {
            return None;
        }
        let coarse = if reset.is_multiple_of(SECOND) { SECOND } else { 0 };
        // Of a short period, a reset in seconds or an answer that was long on its way says nothing.
        if coarse.max(out) > period / 16 {
            return None;
        }
        let in_proportion = (u128::from(used) * u128::from(period) / u128::from(limit)) as u64;
        let end = sent.saturating_add(reset);
        let near = (NEAR + coarse + out.min(SECOND)).min(period / 16);
        let last = self.last.replace((sent, end));
        let exact = in_proportion / 500 + period / limit + 2_000_000 + coarse;
        let law = if reset.abs_diff(in_proportion) <= exact {
            Law::Refill
        } else {
            let (_, before) = last?;
            // Windows may have gone by without a call.
            let off = end.abs_diff(before) % period.max(1);
            let same = off.min(period - off) <= near;
            // A window that slides always says a whole period, and calls may come at regular times.
            if same && reset.saturating_add(near) >= period {
                return None;
            }
            if same { Law::Fixed } else { Law::Sliding }
        };
        self.votes = if self.law == Some(law) { self.votes.saturating_add(1) } else { 1 };
        self.law = Some(law);
        if self.votes < VOTES {
            return None;
        }
        let period = window.period()?;
        match (law, window) {
            (Law::Refill, Window::Refill { .. }) | (Law::Sliding, Window::Sliding { .. }) => None,
            (Law::Refill, _) => Some(Window::Refill { period, burst: limit }),
            (Law::Sliding, _) => Some(Window::Sliding { period }),
            (Law::Fixed, _) => {
                let offset = aligned(end % nanos(period), nanos(period), near);
                let known = match window {
                    Window::Fixed { offset: known, .. } => nanos(known).abs_diff(offset) <= near,
                    _ => false,
                };
                (!known).then_some(Window::Fixed { period, offset: Duration::from_nanos(offset) })
            }
        }
    }
}

/// The window that a provider counts by, told from one refusal with numbers: a bucket's wait is what has to
/// flow in, and nothing else. Where the wait is another, it is until the full period, or a window slides.
pub(super) fn of_refusal(hit: &Hit, wait: Option<Duration>, window: Window, sent: u64) -> Option<Window> {
    let (limit, wait) = (hit.limit?, nanos(wait?));
    let period = window.period()?;
    let missing = hit.used?.checked_add(hit.requested?)?.checked_sub(limit)?;
    let flows = (u128::from(missing) * u128::from(nanos(period)) / u128::from(limit.max(1))) as u64;
    // Waits may be rounded to seconds.
    if wait.abs_diff(flows) <= 2 * SECOND + flows / 4 || wait > nanos(period) {
        return None;
    }
    let end = sent.saturating_add(wait) % nanos(period);
    let ends_at = |offset: u64| {
        let off = end.abs_diff(offset);
        off <= SECOND || off + SECOND >= nanos(period)
    };
    let at_the_full_period = ends_at(0);
    match window {
        Window::Sliding { .. } => None,
        Window::Fixed { offset, .. } if at_the_full_period || ends_at(nanos(offset)) => None,
        _ if at_the_full_period => Some(Window::Fixed { period, offset: Duration::ZERO }),
        _ => Some(Window::Sliding { period }),
    }
}

/// Windows begin at whole seconds, and mostly at the full minute.
fn aligned(offset: u64, period: u64, near: u64) -> u64 {
    if offset <= near || offset + near >= period {
        return 0;
    }
    (offset + SECOND / 2) / SECOND * SECOND % period
}
