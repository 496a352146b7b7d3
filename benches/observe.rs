//! What it costs to read an answer's head, and to put the books right by it.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use tollgate::Observation;
use tollgate_bench::{ByHandle, Contender, heads, now};

const HEADS: [(&str, heads::Head); 2] = [("OpenAI", heads::OPENAI), ("Anthropic", heads::ANTHROPIC)];

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("Observation::read");
    for (provider, head) in HEADS {
        group.bench_function(provider, |b| b.iter(|| Observation::read(200, black_box(head), None)));
    }
    group.finish();
}

/// Beside the same without `observe`, in the same run.
fn observe(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = c.benchmark_group("acquire, observe, release");
    let silent = ByHandle::new();
    group.bench_function("nothing observed", |b| b.iter(|| black_box(&silent).call()));
    for (provider, head) in HEADS {
        let tollgate = ByHandle::new();
        group.bench_function(BenchmarkId::from_parameter(provider), |b| {
            b.iter(|| {
                let permit = now(black_box(&tollgate).enter());
                permit.observe(200_u16, black_box(head));
                tollgate.end(permit);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, read, observe);
criterion_main!(benches);
