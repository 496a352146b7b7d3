//! Granting what is due.

use super::wakes::Wakes;
use super::{Gate, State};
use crate::ledger::End;
use crate::queue::Served;
use crate::sync::MutexGuard;
use crate::time::Now;

impl Gate {
    /// As [`Gate::enter`], after those who wait: timers ring late, and whoever comes in between takes nothing
    /// that is due to others.
    #[inline]
    pub(super) fn enter_behind(&self) -> (MutexGuard<'_, State>, Now) {
        let (state, now) = self.enter();
        if state.queue.is_empty() || !state.watch.is_due(now.uptime) {
            return (state, now);
        }
        self.leave(state, now);
        self.enter()
    }
}

impl State {
    /// Grants what is due, in order. Says at which uptime something else will be.
    pub(super) fn dispatch(&mut self, now: Now, wakes: &mut Wakes) -> Option<u64> {
        while let Some(charged) = self.queue.lapsed(now.uptime) {
            self.ledger.settle(&charged, None, &End::Cancelled, now);
            self.came_back(&charged);
        }
        let mut next = None;
        // What is due at the very instant of a deadline is in time.
        while !wakes.is_full() {
            match self.queue.serve(&mut self.ledger, now) {
                Ok(Served::Granted(key)) => wakes.push(&mut self.queue.call(key).kept),
                // The limits were lowered while it waited.
                Ok(Served::Never(key)) => {
                    let request = self.queue.call(key).request;
                    let error = self.explain(&request, 0, now);
                    wakes.push(self.queue.fail(key, error));
                }
                Err(at) => {
                    next = at;
                    let Some(key) = self.queue.late(now.uptime) else { break };
                    let request = self.queue.call(key).request;
                    let ahead = self.queue.ahead_of(key);
                    let error = self.explain(&request, ahead, now);
                    wakes.push(self.queue.fail(key, error));
                }
            }
        }
        next.into_iter().chain(self.queue.next_event()).min()
    }
}
