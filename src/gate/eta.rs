use std::time::Duration;

/// When a call will start, seen from now: two bounds, as the queue and the books stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eta {
    /// Not before this: everything in flight comes back at once, and the calls ahead end at once and
    /// cost no more than they must.
    pub earliest: Duration,
    /// Not after this, if nothing comes back, and nobody joins that has a better claim or passes: later
    /// calls may delay each call ahead, and this one, by the slack at the most. `None` where a call
    /// in flight has to end first.
    pub latest: Option<Duration>,
}
