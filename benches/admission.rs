//! Acquire and release without waiting: alone, and two threads at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tollgate_bench::{Governors, LeakyBuckets, Tollgate};

fn alone(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("alone");
    let (tollgate, governors, buckets) = (Tollgate::new(), Governors::new(), LeakyBuckets::new());
    group.bench_function("tollgate by handle", |b| b.iter(|| tollgate.by_handle()));
    group.bench_function("tollgate by name", |b| b.iter(|| tollgate.by_name()));
    group.bench_function("3 governors + semaphore", |b| b.iter(|| governors.call()));
    group.bench_function("3 leaky buckets + semaphore", |b| b.iter(|| buckets.call()));
    group.finish();
}

/// Time of `calls` calls on this thread while another thread makes the same calls.
fn contended(calls: u64, call: impl Fn() + Send + Sync + 'static) -> Duration {
    let call = Arc::new(call);
    let (done, running) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let other = thread::spawn({
        let (call, done, running) = (call.clone(), done.clone(), running.clone());
        move || {
            running.store(true, Ordering::Release);
            while !done.load(Ordering::Relaxed) {
                call();
            }
        }
    });
    while !running.load(Ordering::Acquire) {
        thread::yield_now();
    }
    let begin = Instant::now();
    for _ in 0..calls {
        call();
    }
    let took = begin.elapsed();
    done.store(true, Ordering::Relaxed);
    other.join().expect("the other thread only makes calls");
    took
}

fn two_threads(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let handle = runtime.handle().clone();
    let mut group = c.benchmark_group("two threads");
    let tollgate = Tollgate::new();
    let by_handle = tollgate.clone();
    group.bench_function("tollgate by handle", |b| {
        b.iter_custom(|calls| {
            contended(calls, {
                let it = by_handle.clone();
                move || it.by_handle()
            })
        });
    });
    group.bench_function("tollgate by name", |b| {
        b.iter_custom(|calls| {
            contended(calls, {
                let it = tollgate.clone();
                move || it.by_name()
            })
        });
    });
    let governors = Governors::new();
    group.bench_function("3 governors + semaphore", |b| {
        b.iter_custom(|calls| {
            contended(calls, {
                let it = governors.clone();
                move || it.call()
            })
        });
    });
    let buckets = LeakyBuckets::new();
    group.bench_function("3 leaky buckets + semaphore", |b| {
        b.iter_custom(|calls| {
            let (it, handle) = (buckets.clone(), handle.clone());
            contended(calls, move || {
                let _inside = handle.enter();
                it.call();
            })
        });
    });
    group.finish();
}

criterion_group!(benches, alone, two_threads);
criterion_main!(benches);
