//! What a grant costs with many calls in line, and what a waiting call weighs.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tollgate::{Acquire, Cost, Limiter, Limits, Model, Permit, Usage};
use tollgate_bench::now;

/// A line of `waiters` calls behind one that holds the only slot.
struct Line {
    model: Model,
    waiting: std::collections::VecDeque<Pin<Box<Acquire>>>,
    holder: Option<Permit>,
}

impl Line {
    fn new(waiters: usize) -> Self {
        let limits = Limits::new().rpm(1 << 39).tpm(1 << 40).tpd(1 << 40).concurrency(1);
        let limiter = Limiter::builder().model("m", limits).build().expect("valid limits");
        let model = limiter.model("m").expect("it was just given");
        let holder = now(model.acquire(Cost::input(10))).expect("the slot is free");
        let mut line = Line { model, waiting: Default::default(), holder: Some(holder) };
        for _ in 0..waiters {
            line.join();
        }
        line
    }

    fn join(&mut self) {
        let mut acquire = Box::pin(self.model.acquire(Cost::input(10)));
        assert!(acquire.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        self.waiting.push_back(acquire);
    }

    /// The holder ends, the head is granted and takes it, and a new call joins the line.
    fn turn(&mut self) {
        let holder = self.holder.take().expect("somebody holds the slot");
        holder.release(Usage::new(10, 0));
        let head = self.waiting.pop_front().expect("the line is never empty");
        self.holder = Some(now(head).expect("it was granted"));
        self.join();
    }
}

fn grants(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("release, grant, take, join with so many in line");
    for waiters in [100, 10_000, 100_000] {
        let mut line = Line::new(waiters);
        group.bench_function(BenchmarkId::from_parameter(waiters), |b| {
            b.iter_custom(|turns| {
                let begin = Instant::now();
                for _ in 0..turns {
                    line.turn();
                }
                begin.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, grants);
criterion_main!(benches);
