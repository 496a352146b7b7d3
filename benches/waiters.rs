//! What a grant costs with many calls in line: of one tenant and class, and of a thousand tenants in
//! three classes.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tollgate::{Acquire, Cost, Limiter, Limits, Model, Permit, Priority, Usage};
use tollgate_bench::now;

const CLASSES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

/// A line of calls behind one that holds the only slot.
struct Line {
    model: Model,
    waiting: HashMap<usize, Pin<Box<Acquire>>>,
    woken: Arc<Mutex<Vec<usize>>>,
    holder: Option<Permit>,
    joined: usize,
    tenants: Vec<Model>,
}

/// Says which call was woken.
struct Bell {
    call: usize,
    woken: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.woken.lock().expect("nobody panics with it").push(self.call);
    }
}

impl Line {
    fn new(waiters: usize, tenants: usize) -> Self {
        let limits = Limits::new().rpm(60_000_000_000).tpm(600_000_000_000).tpd(1 << 40).concurrency(1);
        let limiter = Limiter::builder().model("m", limits).build().expect("valid limits");
        let model = limiter.model("m").expect("it was just given");
        let holder = now(model.acquire(Cost::input(10))).expect("the slot is free");
        let of_tenant = |i: usize| model.clone().tenant(&i.to_string()).priority(CLASSES[i % 3]);
        let tenants = if tenants == 1 { vec![model.clone()] } else { (0..tenants).map(of_tenant).collect() };
        let mut line = Line {
            model,
            waiting: HashMap::new(),
            woken: Arc::default(),
            holder: Some(holder),
            joined: 0,
            tenants,
        };
        for _ in 0..waiters {
            line.join();
        }
        line
    }

    fn join(&mut self) {
        let call = self.joined;
        let model = self.tenants.get(call % self.tenants.len()).unwrap_or(&self.model);
        let mut acquire = Box::pin(model.acquire(Cost::input(10)));
        let bell = Waker::from(Arc::new(Bell { call, woken: self.woken.clone() }));
        assert!(acquire.as_mut().poll(&mut Context::from_waker(&bell)).is_pending());
        self.waiting.insert(call, acquire);
        self.joined += 1;
    }

    /// The holder ends, whoever is next is granted and takes it, and a new call joins.
    fn turn(&mut self) {
        self.holder.take().expect("somebody holds the slot").release(Usage::new(10, 0));
        let call = self.woken.lock().expect("nobody panics with it").pop().expect("one was granted");
        let granted = self.waiting.remove(&call).expect("it waits");
        self.holder = Some(now(granted).expect("it was granted"));
        self.join();
    }
}

fn grants(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("release, wake, take, join");
    for (waiters, tenants) in [(100, 1), (10_000, 1), (100_000, 1), (100_000, 1_000)] {
        let mut line = Line::new(waiters, tenants);
        let id = BenchmarkId::new(format!("{waiters} in line"), format!("{tenants} tenants"));
        group.bench_function(id, |b| {
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
