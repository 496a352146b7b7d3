//! What the `metrics` facade is told, name by name.

#![cfg(feature = "metrics")]

use std::future::Future;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tollgate::metrics::{Metrics, describe, record_levels};
use tollgate::{Cost, Group, Limiter, Limits, Quota, Unit, Usage, Verdict, Waiting};

const M: &str = "gpt-4o-mini";

/// Runs a story under paused time, with a recorder of its own.
fn tell<F: Future<Output = ()>>(story: impl FnOnce(Snapshotter) -> F) {
    let recorder = DebuggingRecorder::new();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(story(recorder.snapshotter())));
}

/// What was told since the last look: `name{label="value"} value`, in alphabetical order, to the hundredth.
fn seen(snapshotter: &Snapshotter) -> Vec<String> {
    let line = |(key, _, _, value): (metrics_util::CompositeKey, _, _, DebugValue)| {
        let key = key.key();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(level) => level.to_string(),
            DebugValue::Histogram(values) => {
                values.iter().map(|value| format!("{value:.2}")).collect::<Vec<_>>().join(" ")
            }
        };
        format!("{}{{{}}} {value}", key.name(), labels.join(","))
    };
    let mut lines: Vec<String> = snapshotter.snapshot().into_vec().into_iter().map(line).collect();
    lines.sort_unstable();
    lines
}

fn only(lines: &[String], part: &str) -> Vec<String> {
    lines.iter().filter(|line| line.contains(part)).cloned().collect()
}

#[test]
fn every_name_has_its_value_after_a_story() {
    tell(|snapshotter| async move {
        let quota = Quota::refill(Unit::Tokens, 1_000, Duration::from_secs(10)).guard(Duration::ZERO);
        let limits = Limits::new().with(quota).concurrency(2);
        let limiter = Limiter::builder().model(M, limits).build().unwrap();
        limiter.add_observer(Metrics);

        // Reserved 400, used 150.
        let permit = limiter.acquire(M, Cost::input(100).max_output(300)).await.unwrap();
        permit.release(Usage::new(100, 50)).await;
        // Reserved 800, used 900: the budget is left with a debt of 50.
        let permit = limiter.acquire(M, Cost::input(800)).await.unwrap();
        permit.release(Usage::new(900, 0)).await;
        // 200 have to flow back for 150: two seconds.
        let third = limiter.acquire(M, Cost::input(150));
        let third = tokio::spawn(third);
        tokio::task::yield_now().await;
        assert!(limiter.try_acquire(M, Cost::input(1)).is_err());
        record_levels(&limiter);
        let first = seen(&snapshotter);
        let scope = "tollgate.scope=\"model gpt-4o-mini\"";
        assert_eq!(
            only(&first, "tollgate.budget"),
            [
                format!("tollgate.budget.debt{{{scope},tollgate.budget=\"concurrency\"}} 0"),
                format!("tollgate.budget.debt{{{scope},tollgate.budget=\"tokens_per_10s\"}} 50"),
                format!("tollgate.budget.limit{{{scope},tollgate.budget=\"concurrency\"}} 2"),
                format!("tollgate.budget.limit{{{scope},tollgate.budget=\"tokens_per_10s\"}} 1000"),
                format!("tollgate.budget.remaining{{{scope},tollgate.budget=\"concurrency\"}} 2"),
                format!("tollgate.budget.remaining{{{scope},tollgate.budget=\"tokens_per_10s\"}} -50"),
                format!("tollgate.budget.reserved{{{scope},tollgate.budget=\"concurrency\"}} 0"),
                format!("tollgate.budget.reserved{{{scope},tollgate.budget=\"tokens_per_10s\"}} 0"),
            ]
        );
        assert_eq!(only(&first, "length"), ["tollgate.queue.length{} 1"]);

        let permit = third.await.unwrap().unwrap();
        record_levels(&limiter);
        let second = seen(&snapshotter);
        assert_eq!(
            only(&second, "reserved"),
            [
                format!("tollgate.budget.reserved{{{scope},tollgate.budget=\"concurrency\"}} 1"),
                format!("tollgate.budget.reserved{{{scope},tollgate.budget=\"tokens_per_10s\"}} 150"),
            ]
        );
        assert_eq!(only(&second, "length"), ["tollgate.queue.length{} 0"]);

        permit.refused(Verdict::rate_limited(Some(Duration::from_secs(30)))).await;
        assert!(limiter.acquire(M, Cost::input(2_000)).await.is_err());
        let given_up = limiter.acquire(M, Cost::input(10));
        assert!(tokio::time::timeout(Duration::from_secs(1), given_up).await.is_err());
        tokio::time::sleep(Duration::from_secs(40)).await;
        limiter.acquire(M, Cost::input(10)).await.unwrap().cancel().await;
        drop(limiter.acquire(M, Cost::input(10)).await.unwrap());
        assert!(limiter.acquire("unknown", Cost::input(1)).await.is_err());

        let last = seen(&snapshotter);
        let model = "gen_ai.request.model=\"gpt-4o-mini\"";
        let told = |lines: &[String]| -> Vec<String> {
            let news = |line: &&String| {
                let is_level = line.contains("tollgate.budget.") || line.contains("queue.length");
                !is_level && !line.ends_with(" 0") && !line.ends_with("} ")
            };
            lines.iter().filter(news).cloned().collect()
        };
        assert_eq!(
            told(&first),
            [
                format!("tollgate.calls{{{model},tollgate.end=\"released\"}} 2"),
                format!("tollgate.queue.refusals{{{model},error.type=\"not_yet\"}} 1"),
                format!("tollgate.queue.wait{{{model}}} 0.00 0.00"),
                format!("tollgate.settlement.overrun{{{model}}} 100"),
                format!("tollgate.settlement.ratio{{{model}}} 0.38 1.12"),
                format!("tollgate.settlement.unused{{{model}}} 250"),
            ]
        );
        assert_eq!(told(&second), [format!("tollgate.queue.wait{{{model}}} 2.00")]);
        assert_eq!(
            told(&last),
            [
                format!("tollgate.calls{{{model},tollgate.end=\"cancelled\"}} 1"),
                format!("tollgate.calls{{{model},tollgate.end=\"lost\"}} 1"),
                format!("tollgate.calls{{{model},tollgate.end=\"refused\"}} 1"),
                format!("tollgate.closings{{{scope},tollgate.budget=\"tokens_per_10s\"}} 1"),
                format!("tollgate.provider.refusals{{{model},error.type=\"rate_limited\"}} 1"),
                format!("tollgate.queue.refusals{{{model},error.type=\"exceeds_quota\"}} 1"),
                format!("tollgate.queue.refusals{{{model},error.type=\"given_up\"}} 1"),
                format!("tollgate.queue.wait{{{model}}} 0.00 0.00"),
            ]
        );
    });
}

#[test]
fn calls_of_every_name_and_tenant_count_under_the_name_that_was_configured() {
    tell(|snapshotter| async move {
        let group = Group::new(Limits::new().rpm(60)).member("gpt-4*").tenant("alice", Limits::new().tpd(10));
        let limiter = Limiter::builder().group("openai", group).alias("fast", "gpt-4*").build().unwrap();
        limiter.add_observer(Metrics);
        for name in ["gpt-4o", "gpt-4.1", "fast"] {
            let permit = limiter.acquire(name, Cost::input(1)).tenant("alice").await.unwrap();
            permit.release(Usage::new(1, 0)).await;
        }
        record_levels(&limiter);
        let lines = seen(&snapshotter);
        assert_eq!(
            only(&lines, "tollgate.calls"),
            ["tollgate.calls{gen_ai.request.model=\"gpt-4*\",tollgate.end=\"released\"} 3"]
        );
        let alice = "tollgate.scope=\"tenant alice of group openai\",tollgate.budget=\"tpd\"";
        assert_eq!(
            only(&lines, "limit{tollgate.scope=\"tenant"),
            [format!("tollgate.budget.limit{{{alice}}} 10")]
        );
        assert_eq!(only(&lines, "limit{tollgate.scope=\"group").len(), 1);
    });
}

#[test]
fn a_full_queue_and_a_thread_that_waits_are_told_of_too() {
    tell(|snapshotter| async move {
        let waiting = Waiting::new().most_calls(0);
        let limits = Limits::new().concurrency(1);
        let limiter = Limiter::builder().model(M, limits).waiting(waiting).build().unwrap();
        limiter.add_observer(Metrics);
        let out = limiter.acquire(M, Cost::input(1)).await.unwrap();
        assert!(limiter.acquire(M, Cost::input(1)).await.is_err());
        drop(out);
        let lines = seen(&snapshotter);
        assert_eq!(
            only(&lines, "refusals"),
            [format!("tollgate.queue.refusals{{gen_ai.request.model=\"{M}\",error.type=\"queue_full\"}} 1")]
        );
    });
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        let limiter = Limiter::builder().model(M, Limits::new()).build().unwrap();
        limiter.add_observer(Metrics);
        let _settled = limiter.acquire_blocking(M, Cost::input(1)).unwrap().cancel();
    });
    assert_eq!(only(&seen(&recorder.snapshotter()), "queue.wait").len(), 1);
}

#[test]
fn every_name_is_described() {
    tell(|snapshotter| async move {
        describe();
        let limiter = Limiter::builder().model(M, Limits::new().rpm(60)).build().unwrap();
        record_levels(&limiter);
        let of_gauges = snapshotter.snapshot().into_vec();
        assert_eq!(of_gauges.len(), 5);
        assert!(of_gauges.iter().all(|(_, _, described, _)| described.is_some()));
    });
}

#[test]
fn without_an_observer_nothing_is_told() {
    tell(|snapshotter| async move {
        let limiter = Limiter::builder().model(M, Limits::new()).build().unwrap();
        limiter.acquire(M, Cost::input(1)).await.unwrap().cancel().await;
        assert!(seen(&snapshotter).is_empty());
    });
}
