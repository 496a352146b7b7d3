//! Why a call is not admitted, with the numbers.

use std::time::Duration;

use super::{Gate, State};
use crate::error::{AcquireError, Blocking, ExceedsQuota, NotYet, PromptTooLong, QueueFull};
use crate::ledger::{Exceeded, Request, Stopped};
use crate::time::{Now, nanos};

/// With more calls in line, a call that will not wait for long is not told at once how long it is.
const FORESEEN: usize = 1_024;

impl Gate {
    /// Why a call may not join the line, if it may not.
    pub(super) fn refusal(&self, state: &mut State, request: &Request, now: Now) -> Option<AcquireError> {
        if state.ledger.stopped().is_some() {
            return Some(state.explain(request, 0, now));
        }
        let (calls, tokens) = (state.queue.len(), state.queue.tokens());
        if calls >= self.most_calls || tokens.saturating_add(request.cost.tokens()) > self.most_tokens {
            let model = state.ledger.model(request.book).to_owned();
            let most = (self.most_calls, self.most_tokens);
            return Some(QueueFull { model, calls, tokens, most_calls: most.0, most_tokens: most.1 }.into());
        }
        let within = request.within?;
        let hopeless =
            state.soonest(request, now).is_none_or(|at| at > now.uptime.saturating_add(nanos(within)));
        hopeless.then(|| state.explain(request, calls, now))
    }
}

impl State {
    /// No call that arrives now can start earlier than at this uptime, if it can at all.
    fn soonest(&mut self, request: &Request, now: Now) -> Option<u64> {
        if self.queue.len() <= FORESEEN {
            return self.queue.outlook(&self.ledger, request, None, now).earliest();
        }
        let mut best = self.ledger.clone();
        best.at_best(now);
        best.start(request.book, request.cost, now).map_or(Some(now.uptime), |start| start.at)
    }

    pub(super) fn explain(&mut self, request: &Request, ahead: usize, now: Now) -> AcquireError {
        let model = self.ledger.model(request.book).to_owned();
        if let Some(Stopped { problem, until }) = self.ledger.stopped() {
            return crate::error::Stopped { model, problem, until }.into();
        }
        match self.ledger.exceeded(request.book, request.cost) {
            Some(Exceeded::Quota { quota, cost }) => return ExceedsQuota { model, cost, quota }.into(),
            Some(Exceeded::Prompt { longest }) => {
                return PromptTooLong { model, tokens: request.cost.input_tokens(), longest }.into();
            }
            None => {}
        }
        self.ledger.advance(request.book, now);
        let start = self.ledger.start(request.book, request.cost, now);
        let blocking = start.filter(|start| start.at.is_none_or(|at| at > now.uptime));
        let within = request.within.unwrap_or_default();
        let wait = |at: u64| Duration::from_nanos(at.saturating_sub(now.uptime));
        NotYet {
            model,
            blocking: blocking.map(|start| Blocking {
                quota: start.quota,
                cost: start.amount,
                remaining: start.remaining,
                wait: start.at.map(wait),
                closed: start.closed,
            }),
            ahead,
            within,
        }
        .into()
    }
}
