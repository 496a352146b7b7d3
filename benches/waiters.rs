//! What a line costs with many calls in it: to hand the slot on, and to join and give up.
//!
//! The other lines are first come, first served; tollgate's is also served by tenant and class, once with a
//! thousand tenants in three classes. leaky-bucket hands nothing on, since only time fills it, so its assembly
//! waits for the semaphore's slot, as governor's does, which has no line itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tollgate::{Cost, Model, Permit, Priority};
use tollgate_bench::{ByHandle, Contender, Governors, LeakyBuckets, Line, Slots, TOKENS, ThrottleNet};

const CLASSES: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

/// tollgate, called by a thousand tenants in turn.
struct Tenants {
    any: ByHandle,
    tenants: Vec<Model>,
    next: AtomicUsize,
}

impl Contender for Tenants {
    const NAME: &str = "tollgate, 1000 tenants";
    type Pass = Permit;

    fn with_slots(slots: u32) -> Self {
        let any = ByHandle::with_slots(slots);
        let tenant = |i: usize| any.0.clone().tenant(&i.to_string()).priority(CLASSES[i % CLASSES.len()]);
        let tenants = (0..1_000).map(tenant).collect();
        Tenants { any, tenants, next: AtomicUsize::new(0) }
    }

    async fn enter(&self) -> Permit {
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.tenants.len();
        self.tenants[next].acquire(Cost::input(TOKENS.into())).await.expect("never over")
    }

    fn end(&self, permit: Permit) {
        self.any.end(permit);
    }
}

fn bench<C: Contender>(group: &mut BenchmarkGroup<'_, WallTime>, waiting: usize, turn: fn(&mut Line<C>)) {
    let mut line = Line::<C>::new(waiting);
    group.bench_function(BenchmarkId::new(C::NAME, format!("{waiting} in line")), |b| {
        b.iter_custom(|turns| {
            let begin = Instant::now();
            (0..turns).for_each(|_| turn(&mut line));
            begin.elapsed()
        });
    });
}

fn grants(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("release, wake, take, join");
    for waiting in [100, 10_000, 100_000] {
        bench::<ByHandle>(&mut group, waiting, Line::turn);
        bench::<Tenants>(&mut group, waiting, Line::turn);
        bench::<Governors>(&mut group, waiting, Line::turn);
        bench::<LeakyBuckets>(&mut group, waiting, Line::turn);
        bench::<ThrottleNet>(&mut group, waiting, Line::turn);
        bench::<Slots>(&mut group, waiting, Line::turn);
    }
    group.finish();
}

fn joins(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("join and leave");
    let waiting = 10_000;
    bench::<ByHandle>(&mut group, waiting, Line::join_and_leave);
    bench::<Governors>(&mut group, waiting, Line::join_and_leave);
    bench::<ThrottleNet>(&mut group, waiting, Line::join_and_leave);
    bench::<Slots>(&mut group, waiting, Line::join_and_leave);
    group.finish();
}

criterion_group!(benches, grants, joins);
criterion_main!(benches);
