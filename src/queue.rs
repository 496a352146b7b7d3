//! Who is next.
//!
//! Calls are served in the order in which they arrived. A call that was granted and is not taken
//! within [`LAPSE`] is passed over until it asks again, and keeps its place: a future that nobody
//! polls delays the others by what it was itself granted, and no longer.
//!
//! There is no clock here and there are no wakers: `T` is what the gate keeps with each call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use slab::Slab;

use crate::error::AcquireError;
use crate::ledger::{Charged, Request, Total};
use crate::time::nanos;

/// How long a grant waits to be taken before it goes back whole.
pub(crate) const LAPSE: Duration = Duration::from_millis(250);

/// The calls that wait, oldest first.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    calls: Slab<Waiting<T>>,
    /// Those that may be granted, by arrival.
    line: BTreeMap<u64, Key>,
    /// Granted and perhaps not taken, by the uptime at which the grant lapses.
    grants: VecDeque<Grant>,
    /// By the uptime at which the call gives up.
    deadlines: BTreeSet<(u64, Key)>,
    arrivals: u64,
    /// What is in line, by book.
    totals: Vec<Total>,
}

/// Names a call in the queue until it leaves.
pub(crate) type Key = usize;

/// A call that waits.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    request: Request,
    pub(crate) standing: Standing,
    pub(crate) kept: T,
    arrival: u64,
    deadline: Option<u64>,
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

impl<T> Waiting<T> {
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }
}

impl<T> Queue<T> {
    /// An empty queue for calls of `books` books.
    pub(crate) fn new(books: usize) -> Self {
        Queue {
            totals: vec![Total::default(); books],
            calls: Slab::new(),
            line: BTreeMap::new(),
            grants: VecDeque::new(),
            deadlines: BTreeSet::new(),
            arrivals: 0,
        }
    }

    /// Puts a call at the end of the line.
    pub(crate) fn join(&mut self, request: Request, deadline: Option<u64>, kept: T) -> Key {
        let arrival = self.arrivals;
        self.arrivals += 1;
        let standing = Standing::PassedOver;
        let key = self.calls.insert(Waiting { request, standing, kept, arrival, deadline });
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, key));
        }
        self.resume(key);
        key
    }

    /// The call that is next, if any is in line.
    pub(crate) fn head(&self) -> Option<(Key, Request)> {
        let (_, &key) = self.line.first_key_value()?;
        Some((key, self.calls[key].request))
    }

    /// What is in line, by book.
    pub(crate) fn totals(&self) -> &[Total] {
        &self.totals
    }

    /// How many calls are in line.
    pub(crate) fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether no call is in line.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty()
    }

    /// Whether there is no call at all, granted and passed over ones included.
    #[inline]
    pub(crate) fn is_deserted(&self) -> bool {
        self.calls.is_empty()
    }

    /// The calls in line before the one at `place`, or all.
    pub(crate) fn ahead_of(&self, place: Option<Key>) -> Vec<Request> {
        let arrival = place.map_or(u64::MAX, |key| self.calls[key].arrival);
        self.line.range(..arrival).map(|(_, &key)| self.calls[key].request).collect()
    }

    pub(crate) fn call(&mut self, key: Key) -> &mut Waiting<T> {
        &mut self.calls[key]
    }

    /// What is kept with the first calls in line, `most` at the most.
    pub(crate) fn first_in_line(&mut self, most: usize, mut visit: impl FnMut(&mut T)) {
        for &key in self.line.values().take(most) {
            visit(&mut self.calls[key].kept);
        }
    }

    /// Gives a call in line what it waits for.
    pub(crate) fn grant(&mut self, key: Key, charged: Charged) -> &mut T {
        let lapses = charged.at + nanos(LAPSE);
        let arrival = self.calls[key].arrival;
        self.grants.push_back(Grant { lapses, key, arrival });
        self.out_of_line(key, Standing::Granted(charged))
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
        call.standing = Standing::InLine;
        self.line.insert(call.arrival, key);
        self.totals[call.request.book.index()].add(call.request.cost);
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
        if self.line.remove(&call.arrival).is_some() {
            self.totals[call.request.book.index()].remove(call.request.cost);
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
