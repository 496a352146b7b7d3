use std::time::Duration;

use crate::ledger::{Ledger, Request, Total};
use crate::time::Now;

/// When a call will start, seen from now: two bounds, with the calls ahead of it counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eta {
    /// Not before this: everything in flight comes back at once, and the calls ahead cost no more
    /// than they must.
    pub earliest: Duration,
    /// Not after this if nothing is reserved in between: nothing comes back. `None` where a call in flight
    /// has to end first.
    pub latest: Option<Duration>,
}

impl Eta {
    /// Plays the calls ahead through a copy of the books.
    pub(super) fn reckon(mut ledger: Ledger, ahead: &[Request], request: &Request, now: Now) -> Eta {
        let mut totals = vec![Total::default(); ledger.books()];
        for call in ahead {
            totals[call.book.index()].add(call.cost);
        }
        let soonest = ledger.soonest(request.book, request.cost, &totals, now);
        let from_now = |uptime: u64| Duration::from_nanos(uptime.saturating_sub(now.uptime));
        let latest = ledger.start_after(ahead, request, now);
        Eta { earliest: from_now(soonest), latest: latest.map(from_now) }
    }
}
