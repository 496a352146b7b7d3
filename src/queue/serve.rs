//! Granting what is due.

use super::{Grant, Key, LAPSE, Ledger, Now, Queue, Request, Standing, nanos};
use crate::ledger::{Charged, Refused};
use crate::quota::Cost;

/// How many calls are looked at to find one that may pass the head.
const LOOK: usize = 64;

/// What [`Queue::serve`] did with a call.
pub(crate) enum Served {
    /// It was granted.
    Granted(Key),
    /// It can never be admitted, and is still in line.
    Never(Key),
}

impl<T> Queue<T> {
    /// Finds the next call that is due now and grants it. If none is, says at which uptime one may be, should
    /// nothing come back before.
    pub(crate) fn serve(&mut self, ledger: &mut Ledger, now: Now) -> Result<Served, Option<u64>> {
        self.order.unpark_due(now.uptime);
        let mut next = None;
        while let Some((lane, key)) = self.turn() {
            let request = self.calls[key].request;
            match ledger.admit(request.book, request.cost, now) {
                Ok(charged) => return Ok(self.grant(key, charged, true)),
                Err(Refused::Never) => return Ok(Served::Never(key)),
                Err(Refused::NotYet) => {}
            }
            // A head keeps its turn, unless another call of its tenant has left debt.
            let may_stand_aside = self.head.is_none() || ledger.tenant_owes(&request);
            if may_stand_aside && let Some((scope, until)) = ledger.blocked_by_tenant(&request, now) {
                self.head = None;
                self.order.park(lane, until, scope);
                continue;
            }
            if self.head.replace(key) != Some(key) {
                self.forget_delays(self.calls[key].arrival);
            }
            match self.pass(&request, ledger, now) {
                Ok(served) => return Ok(served),
                Err(at) => next = at,
            }
            let start = ledger.start(request.book, request.cost, now).and_then(|start| start.at);
            next = next.into_iter().chain(start).min();
            break;
        }
        Err(next.into_iter().chain(self.order.next_unpark()).min())
    }

    /// Admits a call that is not in line, if nobody in line has a better claim.
    #[inline]
    pub(crate) fn try_pass(
        &mut self,
        call: &Request,
        ledger: &mut Ledger,
        now: Now,
    ) -> Result<Charged, Refused> {
        if self.is_empty() {
            return ledger.admit(call.book, call.cost, now);
        }
        if ledger.exceeded(call.book, call.cost).is_some() {
            return Err(Refused::Never);
        }
        if self.order.is_parked(call.priority, call.tenant) {
            return Err(Refused::NotYet);
        }
        // Between two grants there is no head, and the call whose turn it is goes before this one.
        let Some((_, head)) = self.turn() else { return ledger.admit(call.book, call.cost, now) };
        let before = self.calls[head].request;
        let passed = ledger.pass(&before, call, self.slack.saturating_sub(self.delayed), now);
        let (charged, delay) = passed.ok_or(Refused::NotYet)?;
        self.note_delay(self.arrivals, delay);
        Ok(charged)
    }

    /// The call whose turn it is, and its lane.
    fn turn(&self) -> Option<(super::LaneId, Key)> {
        match self.head {
            Some(head) => Some((self.calls[head].lane, head)),
            None => self.order.next(),
        }
    }

    /// Grants the first call that may pass `head`. If none may, says when one could pay.
    fn pass(&mut self, head: &Request, ledger: &mut Ledger, now: Now) -> Result<Served, Option<u64>> {
        if ledger.has_one_book() {
            // What is said below of each book, without a look at each call.
            let least = ledger.least_start(head.book, now);
            if least != Some(now.uptime) {
                return Err(least);
            }
        }
        let mut candidates = std::mem::take(&mut self.candidates);
        let mut refused = std::mem::take(&mut self.refused);
        candidates.clear();
        refused.clear();
        self.order.first(LOOK, &mut candidates);
        // A call that costs no less than one of the same book that may not pass may not either.
        refused.push((head.book, head.cost));
        let mut next: Option<u64> = None;
        let mut found = None;
        let mut seen = None;
        for &key in &candidates {
            let call = self.calls[key].request;
            if seen != Some(call.book) {
                seen = Some(call.book);
                // Where not even the smallest call there is could go, none has to be tried.
                let least = ledger.least_start(call.book, now);
                if least != Some(now.uptime) {
                    next = next.into_iter().chain(least).min();
                    refused.push((call.book, Cost::default()));
                }
            }
            if refused.iter().any(|&(book, cost)| book == call.book && cost.is_at_most(call.cost)) {
                continue;
            }
            let slack = self.slack.saturating_sub(self.delayed);
            if let Some((charged, delay)) = ledger.pass(head, &call, slack, now) {
                self.note_delay(self.calls[key].arrival, delay);
                found = Some((key, charged));
                break;
            }
            next = next.into_iter().chain(may_pass_at(head, &call, slack, ledger, now)).min();
            refused.push((call.book, call.cost));
        }
        self.refused = refused;
        self.candidates = candidates;
        found.map(|(key, charged)| self.grant(key, charged, false)).ok_or(next)
    }

    /// A call that arrived then has passed others and delays them.
    fn note_delay(&mut self, arrival: u64, delay: u64) {
        if delay > 0 {
            self.delayed += delay;
            *self.delays.entry(arrival).or_default() += delay;
        }
    }

    /// The line has come to a call that arrived then: those that stood before it delay nobody any more.
    fn forget_delays(&mut self, arrival: u64) {
        while let Some(passer) = self.delays.first_entry()
            && *passer.key() < arrival
        {
            self.delayed -= passer.remove();
        }
    }

    fn grant(&mut self, key: Key, charged: Charged, in_turn: bool) -> Served {
        let call = &self.calls[key];
        self.grants.push_back(Grant { lapses: charged.at + nanos(LAPSE), key, arrival: call.arrival });
        self.order.serve(call.lane, call.share, in_turn);
        self.out_of_line(key, Standing::Granted(charged));
        Served::Granted(key)
    }
}

/// When a call that may not pass `head` now is to be looked at again, should nothing come back before.
fn may_pass_at(head: &Request, call: &Request, slack: u64, ledger: &Ledger, now: Now) -> Option<u64> {
    let alone = ledger.start(call.book, call.cost, now)?.at?;
    if alone > now.uptime {
        return Some(alone);
    }
    // It could go, and the head would start later: it need not wait for the head, but for enough for both.
    let both = ledger.start_of_both(head, call, now)?;
    [both.saturating_sub(slack), both].into_iter().find(|&at| at > now.uptime)
}
