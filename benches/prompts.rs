//! What the estimate of one request costs, beside plain tiktoken-rs on its text.
//!
//! `estimate.rs` measures more kinds of text, and by the thread's clock; this is the part that a change to the
//! code shows in first.

#![forbid(unsafe_code)]

#[expect(dead_code, reason = "English alone")]
#[path = "estimate/text.rs"]
mod text;
#[path = "estimate/words.rs"]
mod words;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use text::{Kind, Random};
use tollgate::estimate::{self, Estimator};
use tollgate_bench::now;

const SMALL: &str = "What is the capital of France?";

fn chat(text: &str) -> Value {
    json!({
        "model": "gpt-4o-mini",
        "max_tokens": 300,
        "messages": [{ "role": "system", "content": "Answer briefly." }, { "role": "user", "content": text }],
    })
}

fn text_of(body: &Value) -> &str {
    body["messages"][1]["content"].as_str().expect("it was put there")
}

fn prompts(c: &mut Criterion) {
    let vocabulary = tiktoken_rs::o200k_base_singleton();
    let estimator = Estimator::new();
    estimator.request_blocking(&chat(SMALL)).expect("a chat"); // Builds the vocabulary.
    let random = &mut Random(0x746f_6c6c_6761_7465);

    let mut group = c.benchmark_group("small chat, again");
    let small = chat(SMALL);
    group.bench_function("Estimator", |b| b.iter(|| now(estimator.request(black_box(&small)))));
    group.bench_function("estimate::request", |b| b.iter(|| estimate::request(black_box(&small))));
    group.bench_function("tiktoken-rs", |b| {
        b.iter(|| vocabulary.encode_ordinary(text_of(black_box(&small))).len());
    });
    group.finish();

    let mut group = c.benchmark_group("4 kB of English, new");
    let mut new = || chat(&Kind::English.text(random, 4_000));
    group.bench_function("Estimator", |b| {
        b.iter_batched_ref(&mut new, |body| now(estimator.request(body)), BatchSize::SmallInput);
    });
    group.bench_function("estimate::request", |b| {
        b.iter_batched_ref(&mut new, |body| estimate::request(body), BatchSize::SmallInput);
    });
    group.bench_function("tiktoken-rs", |b| {
        let count = |body: &mut Value| vocabulary.encode_ordinary(text_of(body)).len();
        b.iter_batched_ref(&mut new, count, BatchSize::SmallInput);
    });
    group.finish();

    let mut group = c.benchmark_group("4 kB of English, again");
    let known = new();
    group.bench_function("Estimator", |b| b.iter(|| now(estimator.request(black_box(&known)))));
    group.finish();
}

criterion_group!(benches, prompts);
criterion_main!(benches);
