//! Who is next, and who may go before.
//!
//! # How is it decided who goes?
//!
//! **First come, first served** alone blocks small calls behind a large one that waits for its
//! budget, although they could not delay it. **Whoever fits goes** never serves the large one
//! under a stream of small ones. So there is one *head*: the call whose turn it is ([`order`]) and that cannot
//! go yet. It stays the head until it goes, whatever arrives later.
//!
//! **Later calls may pass it** only where its start stands ([`Ledger::pass`]): for free where
//! the two do not meet in what the head waits for, or where the head has to wait out a window
//! anyway; and otherwise on account of one *slack*, a time by which all passers together may delay
//! it. Worked example, 60,000 tokens a minute, slack 250 ms: a head of 40,000 waits with 10,000 in the bucket, its
//! start 30 s away. Calls of 50 tokens delay it by 50 ms each; five of them pass, the sixth waits.
//!
//! A passer delays every call that arrived before it, not only the head. So what it took counts against the
//! slack until the line has come to where the passer stood: with a slack for each head anew, the delays of
//! all the heads before a call would add up.
//!
//! **Consequences.** The head waits at most for its own turn and the slack. A call whose own tenant's quota
//! cannot pay is never the head: its lane is set aside until it can, and holds up nobody else.
//!
//! A call that was granted and is not taken within [`LAPSE`] is passed over until it asks again,
//! and keeps its place: a future that nobody polls delays the others by what it was itself
//! granted, and no longer.
//!
//! There is no clock here and there are no wakers: `T` is what the gate keeps with each call.

mod order;
mod outlook;
mod serve;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use slab::Slab;

use crate::error::AcquireError;
use crate::ledger::{BookId, Charged, Ledger, Request, Tenant};
use crate::quota::Cost;
use crate::time::{Now, nanos};

use order::{LaneId, Order};
pub(crate) use serve::Served;

/// How long a grant waits to be taken before it goes back whole.
pub(crate) const LAPSE: Duration = Duration::from_millis(250);

/// How calls wait; the same for every call of a gate.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) slack: Duration,
    /// Weights of tenants that are not 1.
    pub(crate) weights: HashMap<Tenant, u64>,
}

/// The calls that wait.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    calls: Slab<Waiting<T>>,
    /// Those that may be granted.
    order: Order,
    /// The one whose turn it is, once it was found blocked.
    head: Option<Key>,
    slack: u64,
    /// By how much passers have delayed the calls that arrived before them, by the passer's arrival.
    delays: BTreeMap<u64, u64>,
    /// The sum of these.
    delayed: u64,
    /// Tokens of the calls in line, inputs and caps of outputs together.
    tokens: u64,
    /// Granted and perhaps not taken, by the uptime at which the grant lapses.
    grants: VecDeque<Grant>,
    /// By the uptime at which the call gives up.
    deadlines: BTreeSet<(u64, Key)>,
    arrivals: u64,
    /// Used by `serve` alone; kept for their room.
    candidates: Vec<Key>,
    refused: Vec<(BookId, Cost)>,
}

/// Names a call in the queue until it leaves.
pub(crate) type Key = usize;

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) request: Request,
    pub(crate) standing: Standing,
    pub(crate) kept: T,
    arrival: u64,
    deadline: Option<u64>,
    /// Where it stands, while it is in line.
    lane: LaneId,
    share: u64,
}

/// What has become of a call that waits.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It is in line.
    InLine,
    /// It may go, and has paid.
    Granted(Charged),
    /// It was granted and did not take it: it is out of line until it asks again.
    PassedOver,
    /// It cannot be admitted any more.
    Failed(AcquireError),
}

#[derive(Debug)]
struct Grant {
    lapses: u64,
    key: Key,
    arrival: u64,
}

impl<T> Queue<T> {
    pub(crate) fn new(rules: &Rules) -> Self {
        let mut order = Order::new();
        rules.weights.iter().for_each(|(&tenant, &weight)| order.weigh(tenant, weight));
        Queue {
            calls: Slab::new(),
            order,
            head: None,
            slack: nanos(rules.slack),
            delays: BTreeMap::new(),
            delayed: 0,
            tokens: 0,
            grants: VecDeque::new(),
            deadlines: BTreeSet::new(),
            arrivals: 0,
            candidates: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Puts a call at the end of its line.
    pub(crate) fn join(&mut self, request: Request, share: u64, deadline: Option<u64>, kept: T) -> Key {
        let arrival = self.arrivals;
        self.arrivals += 1;
        let standing = Standing::PassedOver;
        let call = Waiting { request, standing, kept, arrival, deadline, lane: 0, share };
        let key = self.calls.insert(call);
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key));
        }
        self.resume(key);
        key
    }

    /// How many calls are in line.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Tokens of the calls in line.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Whether no call is in line.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.order.len() == 0
    }

    /// Whether there is no call at all, granted and passed over ones included.
    #[inline]
    pub(crate) fn is_deserted(&self) -> bool {
        self.calls.is_empty()
    }

    pub(crate) fn call(&mut self, key: Key) -> &mut Waiting<T> {
        &mut self.calls[key]
    }

    /// How many calls of the same tenant and class are in line before it.
    pub(crate) fn ahead_of(&self, key: Key) -> usize {
        let call = &self.calls[key];
        match call.standing {
            Standing::InLine => self.order.before(call.lane, call.arrival),
            _ => 0,
        }
    }

    /// What is kept with the first calls in line, `most` at the most.
    pub(crate) fn first_in_line(&mut self, most: usize, mut visit: impl FnMut(&mut T)) {
        for key in self.order.keys().take(most) {
            visit(&mut self.calls[key].kept);
        }
    }

    /// Something came back to a tenant's own quotas: its calls are in line again.
    pub(crate) fn unpark_for(&mut self, scope: usize) {
        self.order.unpark_for(scope);
    }

    /// The limits or the weights have changed: everything is looked at anew.
    pub(crate) fn replan(&mut self) {
        self.order.unpark_all();
        self.head = None;
    }

    /// Changes a tenant's weight.
    pub(crate) fn weigh(&mut self, tenant: Tenant, weight: u64) {
        self.order.weigh(tenant, weight);
    }

    /// Tells a call in line that it will not be admitted.
    pub(crate) fn fail(&mut self, key: Key, error: AcquireError) -> &mut T {
        self.out_of_line(key, Standing::Failed(error))
    }

    /// Takes back the oldest grant that was not taken in time.
    pub(crate) fn lapsed(&mut self, uptime: u64) -> Option<Charged> {
        self.drop_taken();
        let key = self.grants.front().filter(|grant| grant.lapses <= uptime)?.key;
        self.grants.pop_front();
        let call = &mut self.calls[key];
        let Standing::Granted(charged) = call.standing else { return None };
        call.standing = Standing::PassedOver;
        if let Some(deadline) = call.deadline {
            self.deadlines.insert((deadline, key));
        }
        Some(charged)
    }

    /// A call whose deadline has passed while it was in line or passed over.
    pub(crate) fn late(&self, uptime: u64) -> Option<Key> {
        let &(deadline, key) = self.deadlines.first()?;
        (deadline <= uptime).then_some(key)
    }

    /// The next uptime at which [`Queue::lapsed`] or [`Queue::late`] has something.
    pub(crate) fn next_event(&mut self) -> Option<u64> {
        self.drop_taken();
        let lapse = self.grants.front().map(|grant| grant.lapses);
        let deadline = self.deadlines.first().map(|&(deadline, _)| deadline);
        lapse.into_iter().chain(deadline).min()
    }

    /// Puts a call that was passed over back in its place; says whether it was.
    pub(crate) fn resume(&mut self, key: Key) -> bool {
        let call = &mut self.calls[key];
        let Standing::PassedOver = call.standing else { return false };
        let Request { priority, tenant, cost, .. } = call.request;
        call.standing = Standing::InLine;
        call.lane = self.order.insert(priority, tenant, call.arrival, key);
        self.tokens = self.tokens.saturating_add(cost.tokens());
        true
    }

    /// Removes a call, whatever its standing.
    pub(crate) fn leave(&mut self, key: Key) -> Waiting<T> {
        if let Standing::InLine = self.calls[key].standing {
            self.out_of_line(key, Standing::PassedOver);
        }
        let call = self.calls.remove(key);
        if let Some(deadline) = call.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        call
    }

    fn out_of_line(&mut self, key: Key, standing: Standing) -> &mut T {
        let call = &mut self.calls[key];
        if let Standing::InLine = call.standing {
            self.order.remove(call.lane, call.arrival);
            self.tokens = self.tokens.saturating_sub(call.request.cost.tokens());
        }
        if self.head == Some(key) {
            self.head = None;
        }
        if let Some(deadline) = call.deadline {
            self.deadlines.remove(&(deadline, key));
        }
        call.standing = standing;
        &mut call.kept
    }

    /// Drops the grants at the front that were taken or given back.
    fn drop_taken(&mut self) {
        while let Some(grant) = self.grants.front() {
            let call = self.calls.get(grant.key).filter(|call| call.arrival == grant.arrival);
            if call.is_some_and(|call| matches!(call.standing, Standing::Granted(_))) {
                return;
            }
            self.grants.pop_front();
        }
    }
}
