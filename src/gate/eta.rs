//! When a call will start.

use std::time::Duration;

use super::Gate;
use crate::ledger::Request;
use crate::queue::Key;

/// When a call will start, seen from now: two bounds, as the queue and the books stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eta {
    /// Not before this: everything in flight comes back at once. Where the call cannot pass those ahead of
    /// it, they are counted, at the least that they can cost.
    pub earliest: Duration,
    /// Not after this, and the slack, if nothing comes back and nobody joins that has a better claim. (What
    /// comes back may let others pass first.) `None` where a call in flight has to end first.
    pub latest: Option<Duration>,
}

impl Gate {
    /// When a call could start that arrives now, or that stands at `place`.
    pub(crate) fn eta(&self, request: &Request, place: Option<Key>) -> Eta {
        let (state, now) = self.enter();
        let outlooks = [(); 2].map(|()| state.queue.outlook(&state.ledger, request, place, now));
        drop(state);
        let [for_latest, for_earliest] = outlooks;
        let from_now = |uptime: u64| Duration::from_nanos(uptime.saturating_sub(now.uptime));
        let latest = for_latest.latest().map(from_now);
        let earliest = for_earliest.earliest().map_or(Duration::ZERO, from_now);
        Eta { earliest: latest.map_or(earliest, |latest| earliest.min(latest)), latest }
    }
}
