//! Acquire and release without waiting: alone, and two threads at once.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use tokio::runtime::{Handle, Runtime};
use tollgate_bench::{ByHandle, ByName, Contender, Governors, LeakyBuckets, RateLimits, Slots, ThrottleNet};

fn alone(c: &mut Criterion) {
    fn bench<C: Contender>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let contender = C::new();
        group.bench_function(C::NAME, |b| b.iter(|| black_box(&contender).call()));
    }

    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("alone");
    bench::<ByHandle>(&mut group);
    bench::<ByName>(&mut group);
    bench::<Governors>(&mut group);
    bench::<LeakyBuckets>(&mut group);
    bench::<RateLimits>(&mut group);
    bench::<ThrottleNet>(&mut group);
    bench::<Slots>(&mut group);
    group.finish();
}

/// Time of `calls` calls on this thread while another thread makes the same calls.
fn contended<C: Contender>(contender: &Arc<C>, calls: u64) -> Duration {
    let (done, running) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let other = thread::spawn({
        let (contender, done, running) = (contender.clone(), done.clone(), running.clone());
        let runtime = Handle::current();
        move || {
            let _inside = runtime.enter();
            running.store(true, Ordering::Release);
            while !done.load(Ordering::Relaxed) {
                contender.call();
            }
        }
    });
    while !running.load(Ordering::Acquire) {
        thread::yield_now();
    }
    let begin = Instant::now();
    for _ in 0..calls {
        contender.call();
    }
    let took = begin.elapsed();
    done.store(true, Ordering::Relaxed);
    other.join().expect("the other thread only makes calls");
    took
}

fn two_threads(c: &mut Criterion) {
    fn bench<C: Contender>(group: &mut BenchmarkGroup<'_, WallTime>) {
        let contender = Arc::new(C::new());
        group.bench_function(C::NAME, |b| b.iter_custom(|calls| contended(&contender, calls)));
    }

    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("two threads");
    bench::<ByHandle>(&mut group);
    bench::<ByName>(&mut group);
    bench::<Governors>(&mut group);
    bench::<LeakyBuckets>(&mut group);
    bench::<RateLimits>(&mut group);
    bench::<ThrottleNet>(&mut group);
    bench::<Slots>(&mut group);
    group.finish();
}

criterion_group!(benches, alone, two_threads);
criterion_main!(benches);
