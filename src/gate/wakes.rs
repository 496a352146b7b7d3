//! Tasks to be woken once the lock is free.

use std::task::Waker;

/// How many tasks are woken with one hold of the lock.
#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
pub(super) const BATCH: usize = 32;
/// So few that three make a second batch.
#[cfg(any(tollgate_loom, tollgate_shuttle))]
pub(super) const BATCH: usize = 2;

/// Tasks to be woken when the lock is released.
pub(super) struct Wakes {
    wakers: [Option<Waker>; BATCH],
    len: usize,
}

impl Wakes {
    pub(super) fn new() -> Self {
        Wakes { wakers: [const { None }; BATCH], len: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == BATCH
    }

    pub(super) fn push(&mut self, waker: &mut Option<Waker>) {
        self.wakers[self.len] = waker.take();
        self.len += 1;
    }

    pub(super) fn wake(self) {
        for waker in self.wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}
