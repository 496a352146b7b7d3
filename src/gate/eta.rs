use std::time::Duration;

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
