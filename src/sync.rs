//! What the gate locks with.
//!
//! Where a checker decides which thread runs next, its own mutex stands in, and before each hold of the lock
//! any other thread may come first.

#[cfg(any(tollgate_loom, tollgate_shuttle))]
mod checked;

#[cfg(not(any(tollgate_loom, tollgate_shuttle)))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(any(tollgate_loom, tollgate_shuttle))]
pub(crate) use checked::{AtomicU64, Mutex, MutexGuard, lazy_static};
