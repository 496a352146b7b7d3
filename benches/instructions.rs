//! Instructions of what must not become dearer: times are noisy, these are not.
//!
//! `scripts/instructions` runs it. Each count is committed beside what it is of; the run fails where one is more
//! than a twentieth above. They are x86-64 Linux's with the toolchain of the day: a new one may need new counts.

#![forbid(unsafe_code)]

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use tokio::runtime::Runtime;
use tollgate::{Cost, Limiter, Observation, Permit, Usage, Verdict};
use tollgate_bench::heads::{ANTHROPIC, Head, OPENAI};
use tollgate_bench::{ByHandle, ByName, Contender, Governors, Line, Slots, TOKENS, now};

fn counts(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, instructions + instructions / 20)]);
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

/// After the first calls, which bind symbols and make rooms grow.
fn warm<C: Contender>() -> C {
    let contender = C::new();
    (0..100).for_each(|_| contender.call());
    contender
}

/// In a runtime that is never left, which the timer of those that wait needs.
fn line<C: Contender>(waiting: usize) -> Line<C> {
    let runtime = Box::leak(Box::new(Runtime::new().expect("a runtime")));
    std::mem::forget(runtime.enter());
    let mut line = Line::new(waiting);
    (0..100).for_each(|_| line.turn());
    (0..100).for_each(|_| line.join_and_leave());
    line
}

// What is measured gives back what it was given, so that its end is not counted.

#[library_benchmark(setup = warm)]
#[bench::now(config = counts(1_126))]
fn by_handle(tollgate: ByHandle) -> ByHandle {
    tollgate.call();
    tollgate
}

#[library_benchmark(setup = warm)]
#[bench::now(config = counts(1_480))]
fn by_name(tollgate: ByName) -> ByName {
    tollgate.call();
    tollgate
}

fn attempt(limiter: &Limiter) {
    let permit = limiter.try_acquire("gpt-4o-mini", Cost::input(TOKENS.into())).expect("never over");
    permit.release(Usage::new(TOKENS.into(), 0));
}

fn warm_attempts() -> ByName {
    let tollgate = warm::<ByName>();
    (0..100).for_each(|_| attempt(&tollgate.0));
    tollgate
}

#[library_benchmark(setup = warm_attempts)]
#[bench::now(config = counts(1_479))]
fn try_acquire(tollgate: ByName) -> ByName {
    attempt(&tollgate.0);
    tollgate
}

// A yardstick, without a limit: it is not ours to keep.
#[library_benchmark(setup = warm)]
#[bench::now()]
fn governors(governors: Governors) -> Governors {
    governors.call();
    governors
}

fn observed(tollgate: &ByHandle, head: Head) {
    let permit: Permit = now(tollgate.enter());
    permit.observe(200_u16, head);
    tollgate.end(permit);
}

fn warm_heads(head: Head) -> (ByHandle, Head) {
    let tollgate = warm();
    (0..100).for_each(|_| observed(&tollgate, head));
    (tollgate, head)
}

#[library_benchmark(setup = warm_heads)]
#[bench::openai(args = (OPENAI), config = counts(13_686))]
#[bench::anthropic(args = (ANTHROPIC), config = counts(25_872))]
fn acquire_observe_release((tollgate, head): (ByHandle, Head)) -> ByHandle {
    observed(&tollgate, head);
    tollgate
}

fn warm_read(head: Head) -> Head {
    (0..10).for_each(|_| assert!(!Observation::read(200, head, None).readings().is_empty()));
    head
}

#[library_benchmark(setup = warm_read)]
#[bench::openai(args = (OPENAI), config = counts(8_445))]
#[bench::anthropic(args = (ANTHROPIC), config = counts(19_758))]
fn read_head(head: Head) -> Observation {
    Observation::read(200, head, None)
}

const REFUSAL: &[u8] = br#"{"error":{"message":"Rate limit reached for gpt-4o-mini in organization org-x on tokens per min (TPM): Limit 200000, Used 199500, Requested 1200. Please try again in 210ms.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;

fn warm_refusal() -> &'static [u8] {
    (0..10).for_each(|_| assert!(Verdict::of_answer(429_u16, OPENAI, Some(REFUSAL)).is_some()));
    REFUSAL
}

#[library_benchmark(setup = warm_refusal)]
#[bench::now(config = counts(76_031))]
fn read_refusal(body: &[u8]) -> Option<Verdict> {
    Verdict::of_answer(429_u16, OPENAI, Some(body))
}

#[library_benchmark(setup = line)]
#[bench::a_hundred_in_line(args = (100), config = counts(10_791))]
#[bench::ten_thousand_in_line(args = (10_000), config = counts(10_802))]
fn hand_over(mut line: Line<ByHandle>) -> Line<ByHandle> {
    line.turn();
    line
}

// The yardstick of a line.
#[library_benchmark(setup = line)]
#[bench::ten_thousand_in_line(args = (10_000))]
fn semaphore_hands_over(mut line: Line<Slots>) -> Line<Slots> {
    line.turn();
    line
}

#[library_benchmark(setup = line)]
#[bench::a_hundred_in_line(args = (100), config = counts(8_942))]
#[bench::ten_thousand_in_line(args = (10_000), config = counts(8_797))]
fn join_and_leave(mut line: Line<ByHandle>) -> Line<ByHandle> {
    line.join_and_leave();
    line
}

library_benchmark_group!(name = calls, benchmarks = [by_handle, by_name, try_acquire, governors]);
library_benchmark_group!(name = answers, benchmarks = [acquire_observe_release, read_head, read_refusal]);
library_benchmark_group!(name = waiting, benchmarks = [hand_over, semaphore_hands_over, join_and_leave]);

main!(library_benchmark_groups = [calls, answers, waiting]);
