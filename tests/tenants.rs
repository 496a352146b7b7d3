//! Tenants share what all of them use: by their weights while they wait, nothing saved up, and nobody
//! held up by another one's quota.
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep, timeout};
use tollgate::{Acquire, Cost, Group, Limiter, Limits, Permit, Priority, Quota, Unit, Usage, Waiting};

const G: &str = "account";
const TIMER: Duration = Duration::from_millis(2);
const LARGEST: u64 = 100;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn tokens(tokens: u64) -> Cost {
    Cost::input(tokens)
}

fn thousand_in_ten_seconds() -> Limits {
    Limits::new().with(Quota::refill(Unit::Tokens, 1_000, secs(10)).guard(Duration::ZERO))
}

/// 1,000 tokens a second, at most 100 of them at once.
fn thousand_a_second() -> Group {
    let quota = Quota::refill(Unit::Tokens, 1_000, secs(1)).burst(LARGEST).guard(Duration::ZERO);
    Group::new(Limits::new().with(quota)).member("a").member("b")
}

fn strict(group: Group) -> Limiter {
    let waiting = Waiting::new().slack(Duration::ZERO);
    Limiter::builder().group(G, group).waiting(waiting).build().unwrap()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn spent(permit: Permit, cost: u64) {
    permit.release(Usage::new(cost, 0));
}

fn taken(mut acquire: Acquire) -> Option<Permit> {
    match poll(&mut acquire) {
        Poll::Ready(permit) => Some(permit.unwrap()),
        Poll::Pending => None,
    }
}

/// Puts a call in line; tells when it was admitted, and ends it at once.
async fn go(acquire: Acquire, cost: u64) -> JoinHandle<Instant> {
    let task = tokio::spawn(async move {
        let permit = acquire.await.unwrap();
        let at = Instant::now();
        spent(permit, cost);
        at
    });
    tokio::task::yield_now().await;
    task
}

fn about(actual: Duration, expected: Duration) {
    assert!(actual >= expected && actual <= expected + TIMER, "{actual:?} instead of {expected:?}");
}

/// Counts the tokens that each tenant was admitted for.
#[derive(Clone, Default)]
struct Meter(Arc<Mutex<HashMap<&'static str, u64>>>);

impl Meter {
    fn of(&self, tenant: &'static str) -> u64 {
        self.0.lock().unwrap().get(tenant).copied().unwrap_or(0)
    }

    /// Tasks that always have a call in line each, of 1 token to [`LARGEST`], different in each tenant.
    fn load(&self, limiter: &Limiter, tenant: &'static str, tasks: u64) -> Vec<JoinHandle<()>> {
        let task = |number: u64| {
            let (limiter, meter) = (limiter.clone(), self.0.clone());
            tokio::spawn(async move {
                let mut x = number * 2_654_435_761 + tenant.len() as u64;
                loop {
                    x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let cost = 1 + (x >> 33) % LARGEST;
                    let permit = limiter.acquire("a", tokens(cost)).tenant(tenant).await.unwrap();
                    *meter.lock().unwrap().entry(tenant).or_default() += cost;
                    spent(permit, cost);
                }
            })
        };
        (0..tasks).map(task).collect()
    }
}

fn stop(tasks: Vec<JoinHandle<()>>) {
    tasks.iter().for_each(JoinHandle::abort);
}

fn share(part: u64, other: u64) -> f64 {
    part as f64 / (part + other) as f64
}

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 0.05 * expected, "{actual} instead of {expected}");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_with_a_hundred_times_the_calls_gets_no_more_than_another() {
    for slack in [Duration::ZERO, Duration::from_millis(250)] {
        let waiting = Waiting::new().slack(slack);
        let limiter = Limiter::builder().group(G, thousand_a_second()).waiting(waiting).build().unwrap();
        let meter = Meter::default();
        let _busy = meter.load(&limiter, "busy", 1_000);
        let _quiet = meter.load(&limiter, "quiet", 10);
        sleep(secs(100)).await;
        let (busy, quiet) = (meter.of("busy"), meter.of("quiet"));
        println!("slack {slack:?}: busy {busy}, quiet {quiet}: {:.4}", share(quiet, busy));
        near(share(quiet, busy), 0.5);
        assert!(busy + quiet >= 99_000);
        stop(_busy);
        stop(_quiet);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_of_weight_three_gets_three_parts() {
    let limiter = strict(thousand_a_second().weight("gold", 3));
    let meter = Meter::default();
    let _tasks = (meter.load(&limiter, "gold", 10), meter.load(&limiter, "plain", 10));
    sleep(secs(100)).await;
    let gold = share(meter.of("gold"), meter.of("plain"));
    println!("weights 3:1: {gold:.4}");
    near(gold, 0.75);
}

#[tokio::test(start_paused = true)]
async fn a_weight_that_is_changed_counts_from_then_on() {
    let limiter = strict(thousand_a_second());
    let meter = Meter::default();
    let _tasks = (meter.load(&limiter, "one", 10), meter.load(&limiter, "other", 10));
    for (weight, expected) in [(1, 0.5), (4, 0.8), (0, 0.5)] {
        limiter.set_weight(G, "one", weight).unwrap();
        let before = (meter.of("one"), meter.of("other"));
        sleep(secs(50)).await;
        let got = share(meter.of("one") - before.0, meter.of("other") - before.1);
        println!("weight {weight}: {got:.4}");
        near(got, expected);
    }
    assert!(limiter.set_weight("no such group", "one", 2).is_err());
}

#[tokio::test(start_paused = true)]
async fn what_an_idle_tenant_leaves_goes_to_the_others_and_is_not_saved_up() {
    let limiter = strict(thousand_a_second());
    let meter = Meter::default();
    // It has been served before, has calls no more, and comes back after the others had it all.
    let early = meter.load(&limiter, "late", 10);
    let _tasks = meter.load(&limiter, "early", 10);
    sleep(secs(10)).await;
    stop(early);
    tokio::task::yield_now().await;
    let (before, late) = (meter.of("early"), meter.of("late"));
    sleep(secs(50)).await;
    let alone = meter.of("early") - before;
    assert!((49_900..=50_200).contains(&alone), "{alone}");
    assert_eq!(meter.of("late"), late);
    let _late = meter.load(&limiter, "late", 10);
    let mut before = (meter.of("late"), meter.of("early"));
    for _ in 0..10 {
        sleep(secs(1)).await;
        let (late, early) = (meter.of("late") - before.0, meter.of("early") - before.1);
        // Fair queueing lets two lanes differ by a call of each.
        assert!(late <= (late + early) / 2 + LARGEST, "{late} {early}");
    }
    before = (meter.of("late"), meter.of("early"));
    sleep(secs(50)).await;
    near(share(meter.of("late") - before.0, meter.of("early") - before.1), 0.5);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_its_own_quota_blocks_holds_up_nobody_and_goes_on_when_it_can_pay() {
    let limiter = strict(thousand_a_second().tenant("poor", thousand_in_ten_seconds()));
    let meter = Meter::default();
    let (poor, rich) = (meter.load(&limiter, "poor", 50), meter.load(&limiter, "rich", 5));
    sleep(secs(100)).await;
    let (poor_got, rich_got) = (meter.of("poor"), meter.of("rich"));
    println!("own quota: poor {poor_got}, rich {rich_got}");
    // Its burst and its rate, and not a call more or less; the rest is the other's.
    assert!((11_000 - LARGEST..=11_000).contains(&poor_got), "{poor_got}");
    assert!(poor_got + rich_got >= 100_000 - LARGEST, "{rich_got}");
    stop(poor);
    stop(rich);
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_tenant_resumes_at_the_instant_at_which_its_own_quota_can_pay() {
    let group = Group::new(Limits::new().rpm(1_000)).member("a").tenant("poor", thousand_in_ten_seconds());
    let limiter = strict(group);
    spent(limiter.acquire("a", tokens(1_000)).tenant("poor").await.unwrap(), 1_000);
    let begin = Instant::now();
    let first = go(limiter.acquire("a", tokens(300)).tenant("poor"), 300).await;
    let second = go(limiter.acquire("a", tokens(100)).tenant("poor"), 100).await;
    for _ in 0..20 {
        let permit = taken(limiter.acquire("a", tokens(1_000)).tenant("rich"));
        spent(permit.expect("nobody else waits for the group"), 1_000);
    }
    about(first.await.unwrap() - begin, secs(3));
    about(second.await.unwrap() - begin, secs(4));
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_tenant_resumes_when_one_of_its_own_calls_gives_back() {
    let group = Group::new(Limits::new().rpm(1_000)).member("a").tenant("poor", thousand_in_ten_seconds());
    let limiter = strict(group);
    let out = limiter.acquire("a", tokens(10).max_output(990)).tenant("poor").await.unwrap();
    let begin = Instant::now();
    let waits = go(limiter.acquire("a", tokens(300)).tenant("poor"), 300).await;
    advance(secs(1)).await;
    out.release(Usage::new(10, 100)).await;
    about(waits.await.unwrap() - begin, secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_tenant_resumes_when_one_of_its_slots_is_free() {
    let group =
        Group::new(Limits::new().concurrency(10)).member("a").tenant("poor", Limits::new().concurrency(1));
    let limiter = strict(group);
    let out = limiter.acquire("a", tokens(1)).tenant("poor").await.unwrap();
    let begin = Instant::now();
    let waits = go(limiter.acquire("a", tokens(1)).tenant("poor"), 1).await;
    let others: Vec<_> = (0..9).map(|_| taken(limiter.acquire("a", tokens(1)).tenant("rich"))).collect();
    assert!(others.iter().all(Option::is_some), "the line of the poor is aside");
    advance(secs(1)).await;
    out.cancel().await;
    about(waits.await.unwrap() - begin, secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_tenant_resumes_when_a_call_that_is_still_out_has_left_its_window() {
    let quota = Quota::sliding(Unit::Requests, 1, secs(10)).guard(Duration::ZERO);
    let group = Group::new(Limits::new().rpm(1_000)).member("a").tenant("poor", Limits::new().with(quota));
    let limiter = strict(group);
    let out = limiter.acquire("a", tokens(1)).tenant("poor").await.unwrap();
    let begin = Instant::now();
    let waits = go(limiter.acquire("a", tokens(1)).tenant("poor"), 1).await;
    advance(secs(1)).await;
    // The head alone is in: from here on the charge ages.
    out.observe(200_u16, &[("", ""); 0]);
    let waited = timeout(secs(60), waits).await.expect("it need not wait for the end").unwrap() - begin;
    about(waited, secs(11));
    spent(out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_whose_tenant_falls_into_debt_holds_up_nobody() {
    let group =
        Group::new(Limits::new().concurrency(1)).member("a").tenant("poor", thousand_in_ten_seconds());
    let limiter = strict(group);
    let out = limiter.acquire("a", tokens(10)).tenant("poor").await.unwrap();
    let begin = Instant::now();
    // It waits for the slot, and is the head.
    let head = go(limiter.acquire("a", tokens(500)).tenant("poor"), 500).await;
    let rich = go(limiter.acquire("a", tokens(10)).tenant("rich"), 10).await;
    // Its own quota owes 2,000 now.
    spent(out, 3_000);
    about(rich.await.unwrap() - begin, Duration::ZERO);
    about(head.await.unwrap() - begin, secs(25));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_a_refund_to_the_tenant_could_keep_is_not_refused_because_others_of_it_wait() {
    let group = Group::new(Limits::new().rpm(1_000)).member("a").tenant("poor", thousand_in_ten_seconds());
    let limiter = strict(group);
    let out = limiter.acquire("a", tokens(10).max_output(990)).tenant("poor").await.unwrap();
    let mut ahead = limiter.acquire("a", tokens(300)).tenant("poor");
    assert!(poll(&mut ahead).is_pending());
    let mut hopeful = limiter.acquire("a", tokens(300)).tenant("poor").within(secs(1));
    assert!(poll(&mut hopeful).is_pending(), "990 may come back within a second");
    out.release(Usage::new(10, 0)).await;
    assert!(poll(&mut ahead).is_ready());
    assert!(poll(&mut hopeful).is_ready());
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_tenant_go_in_the_order_of_their_arrival_over_all_models() {
    let limiter = strict(thousand_a_second());
    spent(limiter.acquire("a", tokens(100)).await.unwrap(), 100);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for i in 0..40_u64 {
        let (tenant, model) = (["x", "y"][(i % 2) as usize], ["a", "b"][(i % 3 % 2) as usize]);
        let cost = 1 + i * 37 % LARGEST;
        let (acquire, order) = (limiter.acquire(model, tokens(cost)).tenant(tenant), order.clone());
        tasks.push(tokio::spawn(async move {
            let permit = acquire.await.unwrap();
            order.lock().unwrap().push(i);
            spent(permit, cost);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let order = order.lock().unwrap();
    for tenant in 0..2 {
        let own: Vec<u64> = order.iter().copied().filter(|i| i % 2 == tenant).collect();
        assert!(own.is_sorted() && own.len() == 20, "{own:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tenants_each_get_a_call_through_before_anybody_gets_a_second() {
    let quota = Quota::refill(Unit::Requests, 100, secs(1)).burst(1).guard(Duration::ZERO);
    let limiter = strict(Group::new(Limits::new().with(quota)).member("a"));
    spent(limiter.acquire("a", tokens(1)).await.unwrap(), 1);
    let begin = Instant::now();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    // Each brings three calls at once, one tenant after the other.
    for i in 0..3_000_usize {
        let acquire = limiter.acquire("a", tokens(1)).tenant(&format!("tenant {}", i / 3));
        let order = order.clone();
        tasks.push(tokio::spawn(async move {
            let permit = acquire.await.unwrap();
            order.lock().unwrap().push(i / 3);
            spent(permit, 1);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let took = begin.elapsed();
    assert!(took >= secs(30) && took <= secs(30) + Duration::from_millis(20), "{took:?}");
    let order = order.lock().unwrap();
    for (round, of_round) in order.chunks(1_000).enumerate() {
        let expected: Vec<usize> = (0..1_000).collect();
        assert!(of_round == expected, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_for_a_tenant_is_charged_to_its_quota_and_stands_in_its_line() {
    let limiter = strict(thousand_a_second().tenant("poor", Limits::new().rpd(2)));
    let handle = limiter.model("a").unwrap().tenant("poor");
    spent(handle.acquire(tokens(1)).await.unwrap(), 1);
    spent(handle.try_acquire(tokens(1)).unwrap(), 1);
    assert!(handle.try_acquire(tokens(1)).is_err(), "two a day");
    assert!(taken(limiter.acquire("b", tokens(1)).tenant("poor")).is_none(), "over all models of the group");
    let other = handle.tenant("rich");
    spent(other.try_acquire(tokens(1)).unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handle_of_a_tenant_and_the_name_at_each_call_are_the_same_line() {
    let limiter = strict(thousand_a_second());
    spent(limiter.acquire("a", tokens(100)).await.unwrap(), 100);
    let handle = limiter.model("a").unwrap().tenant("x").priority(Priority::High);
    let mut first = handle.acquire(tokens(100));
    let mut second = limiter.acquire("a", tokens(1)).tenant("x").priority(Priority::High);
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    advance(Duration::from_millis(50)).await;
    assert!(poll(&mut second).is_pending(), "first come, first served inside a tenant");
    advance(Duration::from_millis(50)).await;
    assert!(poll(&mut first).is_ready());
}
