//! A clock that stands still until it is moved, and timers that ring when they are told to.
//!
//! Only where a checker decides which thread runs next. A program's clock runs on and its runtime fires the
//! timers at some time after they are due; here both are done by whichever thread the checker lets.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::LazyLock;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::nanos;
use crate::sync::{AtomicU64, Mutex, lazy_static};

#[expect(clippy::disallowed_methods, reason = "what the clock is counted from; never compared with another")]
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// A whole number of days, so that windows begin where the clock does.
const UTC: u64 = 20_000 * 86_400 * 1_000_000_000;

lazy_static! {
    static ref CLOCK: AtomicU64 = AtomicU64::new(0);
    static ref TIMERS: Mutex<Timers> = Mutex::new(Timers::default());
}

fn clock() -> u64 {
    CLOCK.load(SeqCst)
}

pub(crate) fn instant() -> Instant {
    *BEGIN + Duration::from_nanos(clock())
}

pub(super) fn system_instant() -> std::time::Instant {
    instant().into_std()
}

pub(super) fn system_utc() -> u64 {
    UTC + clock()
}

/// As a runtime's timer wheel.
#[derive(Default)]
struct Timers {
    /// What is due by this has fired.
    turned: u64,
    last: u64,
    all: BTreeMap<u64, Timer>,
}

struct Timer {
    at: u64,
    elapsed: bool,
    waker: Option<Waker>,
}

/// Moves the clock on. Nothing rings yet.
pub fn advance(by: Duration) {
    CLOCK.fetch_add(nanos(by), SeqCst);
}

/// Fires what is due, as a runtime does now and then.
pub fn ring() {
    let now = clock();
    let mut timers = TIMERS.lock();
    timers.turned = timers.turned.max(now);
    let mut due = Vec::new();
    for timer in timers.all.values_mut().filter(|timer| timer.at <= now && !timer.elapsed) {
        timer.elapsed = true;
        due.extend(timer.waker.take());
    }
    drop(timers);
    due.into_iter().for_each(Waker::wake);
}

/// Moves the clock to where the next timer is due and fires it. Says whether there was one.
pub fn turn() -> bool {
    let timers = TIMERS.lock();
    let next =
        timers.all.values().filter(|timer| !timer.elapsed && timer.waker.is_some()).map(|timer| timer.at);
    let next = next.min();
    drop(timers);
    let Some(next) = next else { return false };
    CLOCK.fetch_max(next, SeqCst);
    ring();
    true
}

/// As tokio's: set anew it keeps its waker, and set to what is past it calls it on the spot.
#[derive(Debug)]
pub(crate) struct Sleep {
    id: u64,
}

pub(crate) fn sleep(by: Duration) -> Sleep {
    let at = clock().saturating_add(nanos(by));
    let mut timers = TIMERS.lock();
    timers.last += 1;
    let id = timers.last;
    timers.all.insert(id, Timer { at, elapsed: false, waker: None });
    Sleep { id }
}

impl Sleep {
    pub(crate) fn is_elapsed(&self) -> bool {
        TIMERS.lock().all[&self.id].elapsed
    }

    pub(crate) fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let at = nanos(deadline - *BEGIN);
        let mut timers = TIMERS.lock();
        let elapsed = at <= timers.turned;
        let timer = timers.all.get_mut(&self.id).expect("it is there until it is dropped");
        (timer.at, timer.elapsed) = (at, elapsed);
        let woken = if elapsed { timer.waker.take() } else { None };
        drop(timers);
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut timers = TIMERS.lock();
        let timer = timers.all.get_mut(&self.id).expect("it is there until it is dropped");
        if timer.elapsed {
            return Poll::Ready(());
        }
        let before = timer.waker.replace(waker);
        drop(timers);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let gone = TIMERS.lock().all.remove(&self.id);
        drop(gone);
    }
}
