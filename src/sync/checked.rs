//! The checkers' locks in the shape of those that the library uses.

use std::sync::PoisonError;

#[cfg(tollgate_loom)]
use loom as checker;
#[cfg(tollgate_shuttle)]
use shuttle as checker;

pub(crate) use checker::lazy_static;
pub(crate) use checker::sync::MutexGuard;
pub(crate) use checker::sync::atomic::AtomicU64;

/// As `parking_lot`'s: who panics under it leaves it free.
#[derive(Debug)]
pub(crate) struct Mutex<T>(checker::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(checker::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
