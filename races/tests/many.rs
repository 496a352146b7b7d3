//! Many threads that acquire, give up, try and end calls in every way while the clock runs.
#![cfg(tollgate_shuttle)]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tollgate::{AcquireError, Cost, Limiter, Limits, Permit, Priority, Quota, Unit, Usage, Verdict};
use tollgate_races::rand::{Rng, thread_rng};
use tollgate_races::{Bell, M, crowd, free_slots, take, thread, time};

const SLOTS: usize = 2;
const THREADS: usize = 4;
const CALLS: usize = 3;
/// More than the slots let through at once, so that both the clock and the calls that end hold up others.
const RATE: u64 = 8;
const BURST: u64 = 3;

type Decided = Result<Permit, AcquireError>;

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks until it is decided. Who is never woken never returns.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(decided) => return decided,
            Poll::Pending => thread::park(),
        }
    }
}

/// Polled once by a task that does not come back to it.
fn polled<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let waker = Waker::from(Arc::<Bell>::default());
    match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(decided) => Some(decided),
        Poll::Pending => None,
    }
}

/// One call in one of the ways there are. `None` where it gave up.
fn acquire(limiter: &Limiter) -> Option<Permit> {
    let mut acquire = limiter.acquire(M, Cost::input(thread_rng().gen_range(1..4)));
    let decided: Decided = match thread_rng().gen_range(0..8) {
        0 => limiter.try_acquire(M, Cost::input(1)),
        1 => {
            let _ = polled(&mut acquire);
            return None;
        }
        2 => {
            let any = limiter.acquire_any([M, "other"], Cost::input(1));
            wait(any).map(|(_, permit)| permit)
        }
        3 => wait(acquire.within(Duration::from_millis(thread_rng().gen_range(1..500)))),
        4 => wait(acquire.priority(Priority::High)),
        5 => {
            // Left alone for a while, perhaps for longer than a grant lasts.
            let first = polled(&mut acquire);
            thread::yield_now();
            first.unwrap_or_else(|| wait(acquire))
        }
        _ => wait(acquire),
    };
    match decided {
        Ok(permit) => Some(permit),
        Err(AcquireError::NotYet(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn end(permit: Permit) {
    let _settled = match thread_rng().gen_range(0..5) {
        0 => return drop(permit),
        1 => permit.cancel(),
        2 => permit.refused(Verdict::too_large()),
        3 => {
            permit.observe(200_u16, &[("openai-processing-ms", "1")]);
            permit.release(Usage::new(2, 0))
        }
        _ => permit.release(Usage::new(1, 0)),
    };
}

/// Time passes for as long as somebody is at work.
fn run_clock(at_work: &AtomicUsize) {
    while at_work.load(SeqCst) > 0 {
        if thread_rng().gen_bool(0.5) {
            time::turn();
        } else {
            time::advance(Duration::from_millis(60));
            time::ring();
        }
        thread::yield_now();
    }
}

fn serve(limits: Limits, change: Option<Limits>) {
    let limiter = Limiter::builder().model(M, limits).model("other", Limits::new().concurrency(1)).build();
    let limiter = limiter.unwrap();
    let out = Arc::new(AtomicUsize::new(0));
    let at_work = Arc::new(AtomicUsize::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (limiter, out, at_work, change) =
                (limiter.clone(), out.clone(), at_work.clone(), change.clone());
            thread::spawn(move || {
                for _ in 0..CALLS {
                    let Some(permit) = acquire(&limiter) else { continue };
                    let others = out.fetch_add(1, SeqCst);
                    // One more for the other model.
                    assert!(others <= SLOTS, "{others} calls were out already");
                    thread::yield_now();
                    out.fetch_sub(1, SeqCst);
                    end(permit);
                    if let (0, Some(change)) = (number, &change) {
                        limiter.set_limits(M, change).unwrap();
                    }
                }
                at_work.fetch_sub(1, SeqCst);
            })
        })
        .collect();
    run_clock(&at_work);
    threads.into_iter().for_each(|thread| thread.join().unwrap());

    assert_eq!(limiter.waiting(), 0);
    assert_eq!(free_slots(&limiter), SLOTS as i64 + 1, "all slots are free");
    time::advance(Duration::from_secs(60));
    let taken: Vec<Permit> = (0..SLOTS).map(|_| take(&limiter)).collect();
    assert!(limiter.try_acquire(M, Cost::input(1)).is_err());
    drop(taken);
}

fn rate() -> Quota {
    Quota::refill(Unit::Requests, RATE, Duration::from_secs(1)).burst(BURST)
}

#[test]
fn threads_that_share_slots_are_all_served_and_lose_none() {
    crowd(|| serve(Limits::new().concurrency(SLOTS as u64), None));
}

#[test]
fn threads_that_share_slots_and_a_rate_are_all_served_and_lose_none() {
    crowd(|| serve(Limits::new().concurrency(SLOTS as u64).with(rate()), None));
}

#[test]
fn threads_whose_limits_change_meanwhile_are_all_served_and_lose_none() {
    let slots = Limits::new().concurrency(SLOTS as u64);
    crowd(move || serve(slots.clone().with(rate()), Some(slots.clone().with(rate().burst(BURST + 1)))));
}
