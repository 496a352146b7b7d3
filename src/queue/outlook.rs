//! When a call will start: the queue played through to it, on a copy.

use slab::Slab;

use crate::ledger::End;
use crate::quota::Usage;

use super::{Key, Ledger, Now, Queue, Request, Served, Standing, Waiting};

/// A copy of the queue without what is kept for each call, and of the books.
#[derive(Debug)]
pub(crate) struct Outlook {
    queue: Queue<()>,
    ledger: Ledger,
    now: Now,
    /// The call whose start is asked for.
    key: Key,
}

impl<T> Queue<T> {
    /// The queue as it stands, with a call that is in it at `place`, or would join it now.
    pub(crate) fn outlook(
        &self,
        ledger: &Ledger,
        request: &Request,
        place: Option<Key>,
        now: Now,
    ) -> Outlook {
        let in_line = |(_, call): &(Key, &Waiting<T>)| matches!(call.standing, Standing::InLine);
        let copy = |(key, call): (Key, &Waiting<T>)| {
            let &Waiting { request, arrival, lane, share, .. } = call;
            (
                key,
                Waiting {
                    request,
                    standing: Standing::InLine,
                    kept: (),
                    arrival,
                    deadline: None,
                    lane,
                    share,
                },
            )
        };
        let mut queue = Queue {
            calls: self.calls.iter().filter(in_line).map(copy).collect::<Slab<_>>(),
            order: self.order.clone(),
            head: self.head,
            slack: self.slack,
            delays: self.delays.clone(),
            delayed: self.delayed,
            tokens: self.tokens,
            grants: Default::default(),
            deadlines: Default::default(),
            arrivals: self.arrivals,
            candidates: Vec::new(),
            refused: Vec::new(),
        };
        let place = place.filter(|&key| queue.calls.contains(key));
        let share = ledger.dominant_share(request.book, request.cost);
        let key = place.unwrap_or_else(|| queue.join(*request, share, None, ()));
        Outlook { queue, ledger: ledger.clone(), now, key }
    }
}

impl Outlook {
    /// The uptime at which the call starts if nothing comes back and nobody joins or leaves; `None` if
    /// it cannot without something coming back.
    pub(crate) fn latest(mut self) -> Option<u64> {
        self.play(false)
    }

    /// The uptime before which it cannot start: all that is in flight comes back now. The calls ahead count
    /// only where it cannot pass them; then they cost no more than they must, and end at once.
    pub(crate) fn earliest(mut self) -> Option<u64> {
        let in_turn = self.goes_in_turn();
        self.ledger.at_best(self.now);
        if !in_turn {
            let request = self.queue.calls[self.key].request;
            let start = self.ledger.start(request.book, request.cost, self.now);
            return start.map_or(Some(self.now.uptime), |start| start.at);
        }
        for (key, call) in &mut self.queue.calls {
            if key != self.key {
                call.request.cost = self.ledger.least(&call.request);
            }
        }
        self.play(true)
    }

    /// Whether all stand in one line for the same budgets, and the call would delay whoever it
    /// passed by more than the slack.
    fn goes_in_turn(&self) -> bool {
        let Request { book, cost, .. } = self.queue.calls[self.key].request;
        let one_line = self.queue.order.is_one_line();
        let same_book = self.queue.calls.iter().all(|(_, call)| call.request.book == book);
        one_line && same_book && self.ledger.always_takes(book, cost, self.queue.slack)
    }

    fn play(&mut self, ends_at_once: bool) -> Option<u64> {
        let mut now = self.now;
        loop {
            match self.queue.serve(&mut self.ledger, now) {
                Ok(Served::Granted(key) | Served::Never(key)) => {
                    if key == self.key {
                        return Some(now.uptime);
                    }
                    let call = self.queue.leave(key);
                    if let (Standing::Granted(charged), true) = (call.standing, ends_at_once) {
                        let cost = call.request.cost;
                        let usage = Usage::new(cost.input_tokens(), cost.expected_output_tokens());
                        self.ledger.settle(&charged, None, &End::Released(usage), now);
                    }
                }
                Err(next) => now = now.at_uptime(next.filter(|&next| next > now.uptime && next < u64::MAX)?),
            }
        }
    }
}
