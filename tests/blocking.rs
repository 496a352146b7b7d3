//! Threads that wait parked, alone and beside tasks.
//!
//! Time is real, and nothing is asserted of it but that no quota is passed and no wait ends early. What waits for
//! ever fails by [`HUNG`].

#![allow(clippy::disallowed_methods, reason = "tests read the clock")]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tollgate::{AcquireError, Cost, Limiter, Limits, Permit, Quota, Unit, Usage};

const M: &str = "gpt-4o-mini";
/// Nothing here takes a tenth of it.
const HUNG: Duration = Duration::from_secs(60);

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

fn one() -> Cost {
    Cost::input(1)
}

fn refill(limit: u64) -> Quota {
    Quota::refill(Unit::Requests, limit, Duration::from_secs(1)).burst(1).guard(Duration::ZERO)
}

fn release(permit: Permit) {
    let _settled = permit.release(Usage::new(1, 0));
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < HUNG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    let threads: Vec<_> = threads.into_iter().collect();
    wait_until("a thread hangs", || threads.iter().all(JoinHandle::is_finished));
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

/// An executor that knows nothing of tokio.
fn poll_to_the_end<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park();
    }
}

/// A call that stands in line once this returns.
fn parked(limiter: &Limiter) -> JoinHandle<Permit> {
    let ahead = limiter.waiting();
    let thread = std::thread::spawn({
        let limiter = limiter.clone();
        move || limiter.acquire_blocking(M, one()).unwrap()
    });
    wait_until("it joins the line", || limiter.waiting() > ahead);
    thread
}

#[test]
fn threads_are_admitted_as_time_brings_it_without_any_runtime() {
    const RATE: u64 = 400;
    let limiter = limiter(Limits::new().with(refill(RATE)));
    let begin = Instant::now();
    let threads = (0..8).map(|_| {
        let limiter = limiter.clone();
        std::thread::spawn(move || {
            let call = |_| {
                let permit = limiter.acquire_blocking(M, one()).unwrap();
                let at = begin.elapsed();
                release(permit);
                at
            };
            (0..10).map(call).collect::<Vec<_>>()
        })
    });
    let mut admitted: Vec<Duration> = join(threads.collect::<Vec<_>>()).concat();
    admitted.sort_unstable();
    assert_eq!((admitted.len(), limiter.waiting()), (80, 0));
    for (before, at) in admitted.iter().enumerate() {
        let allowed = 1.0 + RATE as f64 * at.as_secs_f64();
        assert!((before + 1) as f64 <= allowed, "{} admitted after {at:?}, {allowed} allowed", before + 1);
    }
}

#[test]
fn threads_that_wait_for_a_slot_are_admitted_in_the_order_of_their_arrival() {
    let limiter = limiter(Limits::new().concurrency(1));
    let out = limiter.acquire_blocking(M, one()).unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = (0..8)
        .map(|i| {
            let (limiter, order, ahead) = (limiter.clone(), order.clone(), limiter.waiting());
            let thread = std::thread::spawn({
                let limiter = limiter.clone();
                move || {
                    let permit = limiter.acquire_blocking(M, one()).unwrap();
                    order.lock().unwrap().push(i);
                    release(permit);
                }
            });
            wait_until("it joins the line", || limiter.waiting() > ahead);
            thread
        })
        .collect();
    release(out);
    join(threads);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_thread_and_a_task_wake_each_other_when_their_calls_end() {
    let limiter = limiter(Limits::new().concurrency(1));
    let runtime = runtime();
    for _ in 0..200 {
        let permit = limiter.acquire_blocking(M, one()).unwrap();
        let task = runtime.spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire(M, one()).await.unwrap() }
        });
        wait_until("the task joins the line", || limiter.waiting() == 1);
        let thread = parked(&limiter);
        release(permit);
        let permit = runtime.block_on(async { tokio::time::timeout(HUNG, task).await }).unwrap().unwrap();
        release(permit);
        join([thread]).into_iter().for_each(release);
    }
    assert_eq!(limiter.waiting(), 0);
}

#[test]
fn a_thread_waits_no_longer_than_it_is_willing_to() {
    let limiter = limiter(Limits::new().concurrency(1));
    let out = limiter.acquire_blocking(M, one()).unwrap();
    let begin = Instant::now();
    let wait = Duration::from_millis(60);
    let thread = std::thread::spawn({
        let limiter = limiter.clone();
        move || limiter.acquire(M, one()).within(wait).wait_blocking()
    });
    let refused = join([thread]).remove(0);
    assert!(matches!(refused, Err(AcquireError::NotYet(why)) if why.within == wait));
    assert!(begin.elapsed() >= wait);
    assert_eq!(limiter.waiting(), 0);
    release(out);
    release(limiter.try_acquire(M, one()).expect("the refused call has taken nothing"));
}

#[test]
fn a_shorter_wait_that_comes_later_is_kept_too() {
    let limiter = limiter(Limits::new().concurrency(1));
    let out = limiter.acquire_blocking(M, one()).unwrap();
    let first = parked(&limiter);
    let thread = std::thread::spawn({
        let limiter = limiter.clone();
        move || limiter.acquire(M, one()).within(Duration::from_millis(40)).wait_blocking()
    });
    assert!(join([thread]).remove(0).is_err(), "the first keeps the time, and had nothing to wake for");
    release(out);
    join([first]).into_iter().for_each(release);
}

#[test]
fn a_calls_place_is_kept_from_its_first_poll_to_the_thread() {
    let limiter = limiter(Limits::new().concurrency(1));
    let out = limiter.acquire_blocking(M, one()).unwrap();
    let runtime = runtime();
    let _inside = runtime.enter();
    let mut early = limiter.acquire(M, one());
    assert!(Pin::new(&mut early).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let late = parked(&limiter);
    let early = std::thread::spawn(move || early.wait_blocking().unwrap());
    release(out);
    let early = join([early]);
    assert!(!late.is_finished());
    early.into_iter().for_each(release);
    join([late]).into_iter().for_each(release);
}

#[test]
fn threads_wait_on_when_a_runtime_goes() {
    let limiter = limiter(Limits::new().with(refill(100)));
    let runtime = runtime();
    release(limiter.acquire_blocking(M, one()).unwrap());
    // The gate's timer is made in this runtime, which goes while it is set.
    let mut task = limiter.acquire(M, one());
    runtime.block_on(async {
        assert!(Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    });
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let limiter = limiter.clone();
            std::thread::spawn(move || release(limiter.acquire_blocking(M, one()).unwrap()))
        })
        .collect();
    drop(runtime);
    join(threads);
    drop(task);
    assert_eq!(limiter.waiting(), 0);
}

#[test]
fn a_task_behind_many_threads_gets_a_new_timer_when_they_are_through() {
    let limiter = limiter(Limits::new().with(refill(200)));
    let (gone, stays) = (runtime(), runtime());
    let out = limiter.acquire_blocking(M, one()).unwrap();
    let mut first = limiter.acquire(M, one());
    gone.block_on(async {
        assert!(Pin::new(&mut first).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    });
    // More than are woken at once when the timer turns out to be gone.
    let threads: Vec<_> = (0..48)
        .map(|_| {
            let limiter = limiter.clone();
            std::thread::spawn(move || release(limiter.acquire_blocking(M, one()).unwrap()))
        })
        .collect();
    wait_until("most are in line", || limiter.waiting() > 40 || threads.iter().all(JoinHandle::is_finished));
    let (done, is_done) = mpsc::channel();
    stays.spawn({
        let limiter = limiter.clone();
        async move {
            release(limiter.acquire(M, one()).await.unwrap());
            done.send(()).unwrap();
        }
    });
    drop((gone, first));
    release(out);
    join(threads);
    is_done.recv_timeout(HUNG).expect("the task is served");
    assert_eq!(limiter.waiting(), 0);
}

#[test]
fn a_thread_that_drives_tasks_is_not_parked() {
    let limiter = limiter(Limits::new());
    let runtime = runtime();
    let inside = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async { limiter.acquire_blocking(M, one()).map(release) })
    }));
    let message = *inside.expect_err("it panics, though it need not wait").downcast::<String>().unwrap();
    assert!(message.contains("Cannot block the current thread from within a runtime"), "{message}");

    let aside = runtime.spawn_blocking({
        let limiter = limiter.clone();
        move || release(limiter.acquire_blocking(M, one()).unwrap())
    });
    runtime.block_on(aside).unwrap();
}

#[test]
fn an_unknown_model_is_an_error_for_a_thread_too() {
    let refused = limiter(Limits::new()).acquire_blocking("gpt-5", one());
    assert!(matches!(refused, Err(AcquireError::UnknownModel(_))));
}

#[test]
fn a_call_waits_under_another_executor_where_a_runtime_is_entered() {
    let limiter = limiter(Limits::new().with(refill(100)));
    release(limiter.acquire_blocking(M, one()).unwrap());
    let runtime = runtime();
    let thread = std::thread::spawn({
        let handle = runtime.handle().clone();
        move || {
            let _inside = handle.enter();
            release(poll_to_the_end(limiter.acquire(M, one())).unwrap());
        }
    });
    join([thread]);
}

#[test]
fn threads_and_tasks_together_lose_no_slot() {
    const SLOTS: u64 = 3;
    const CALLS: u64 = 300;
    let limiter = limiter(Limits::new().concurrency(SLOTS).with(refill(20_000).burst(50)));
    let (out, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let seen = {
        let (out, most) = (out.clone(), most.clone());
        move |permit: Permit, i: u64| {
            most.fetch_max(out.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            out.fetch_sub(1, Ordering::SeqCst);
            if i.is_multiple_of(3) { drop(permit) } else { release(permit) }
        }
    };
    let runtime = runtime();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (limiter, seen) = (limiter.clone(), seen.clone());
            runtime.spawn(async move {
                for i in 0..CALLS {
                    // Some give up while they wait, or when they were granted.
                    let wait = Duration::from_micros(i % 7 * 100);
                    let timed = tokio::time::timeout(wait, limiter.acquire(M, one())).await;
                    let permit = match timed {
                        Ok(permit) => permit.unwrap(),
                        Err(_) => limiter.acquire(M, one()).await.unwrap(),
                    };
                    seen(permit, i);
                }
            })
        })
        .collect();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (limiter, seen) = (limiter.clone(), seen.clone());
            std::thread::spawn(move || {
                for i in 0..CALLS {
                    let wait = Duration::from_micros(i % 7 * 100);
                    let permit = match limiter.acquire(M, one()).within(wait).wait_blocking() {
                        Ok(permit) => permit,
                        Err(_) => limiter.acquire_blocking(M, one()).unwrap(),
                    };
                    seen(permit, i);
                }
            })
        })
        .collect();
    join(threads);
    for task in tasks {
        runtime.block_on(async { tokio::time::timeout(HUNG, task).await }).expect("nobody hangs").unwrap();
    }
    assert_eq!((limiter.waiting(), out.load(Ordering::SeqCst)), (0, 0));
    assert_eq!(limiter.levels()[0].reserved, 0, "all slots are free");
    assert!(most.load(Ordering::SeqCst) <= SLOTS);
}
