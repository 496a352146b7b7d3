//! Who goes when calls of different sizes, classes and models wait: nobody is starved, nobody is kept
//! waiting for nothing, and what was promised is kept.
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tokio::time::{Instant, advance, sleep, sleep_until};
use tollgate::{
    Acquire, AcquireError, Charge, Cost, Group, Limiter, Limits, Oversize, Permit, Priority, Quota, Unit,
    Usage, Waiting,
};

const M: &str = "gpt-4o-mini";
const SLACK: Duration = Duration::from_millis(250);
const TIMER: Duration = Duration::from_millis(2);
const LIMIT: u64 = 10_000;
const PERIOD: Duration = Duration::from_secs(10);
const PERIOD_MS: u64 = 10_000;

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

/// Nobody passes on account.
fn strict(limits: Limits) -> Limiter {
    with_slack(limits, Duration::ZERO)
}

fn with_slack(limits: Limits, slack: Duration) -> Limiter {
    Limiter::builder().model(M, limits).waiting(Waiting::new().slack(slack)).build().unwrap()
}

fn tokens(tokens: u64) -> Cost {
    Cost::input(tokens)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn refill() -> Quota {
    Quota::refill(Unit::Tokens, LIMIT, PERIOD).guard(Duration::ZERO)
}

fn sliding() -> Quota {
    Quota::sliding(Unit::Tokens, LIMIT, PERIOD).guard(Duration::ZERO)
}

/// A limiter with a fixed window of [`PERIOD`] that began at this instant, to the millisecond.
fn with_fixed(more: impl Fn(Limits) -> Limits, waiting: Waiting) -> Limiter {
    let utc = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for _ in 0..1_000 {
        let before = utc();
        let offset = Duration::from_nanos((before.as_nanos() % PERIOD.as_nanos()) as u64);
        let quota = Quota::fixed(Unit::Tokens, LIMIT, PERIOD).guard(Duration::ZERO).resets_at(offset);
        let limits = more(Limits::new().with(quota));
        let limiter = Limiter::builder().model(M, limits).waiting(waiting).build().unwrap();
        if utc() - before < ms(1) {
            return limiter;
        }
    }
    panic!("the machine is too busy to make a limiter within a millisecond");
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn spent(permit: Permit, cost: u64) {
    permit.release(Usage::new(cost, 0));
}

/// Starts as a task; tells when it was admitted, and ends the call at once.
fn go(acquire: Acquire, cost: u64) -> tokio::task::JoinHandle<Instant> {
    tokio::spawn(async move {
        let permit = acquire.await.unwrap();
        let at = Instant::now();
        spent(permit, cost);
        at
    })
}

fn about(actual: Duration, expected: Duration) {
    assert!(actual >= expected && actual <= expected + TIMER, "{actual:?} instead of {expected:?}");
}

/// Random enough, and the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % bound
    }

    /// Times between events of a Poisson process, rounded up to whole milliseconds.
    fn pause(&mut self, mean_ms: f64) -> u64 {
        let uniform = (self.below(1 << 30) + 1) as f64 / (1_u64 << 30) as f64;
        (-uniform.ln() * mean_ms).ceil().max(1.0) as u64
    }
}

#[derive(Clone, Copy, Debug)]
struct Job {
    at_ms: u64,
    tokens: u64,
    lasts_ms: u64,
}

impl Job {
    fn is_large(&self) -> bool {
        self.tokens == LIMIT * 8 / 10
    }
}

/// Calls of 1 to 3 % of the limit, now and then one of 80 %, at `load` percent of what the limit allows.
fn trace(load: u64, lasts_ms: u64, seed: u64) -> Vec<Job> {
    let mut dice = Dice(seed);
    // One in fifty is large: 49 * 200 + 8,000 tokens in 50 calls, 356 each.
    let mean_ms = 356.0 * PERIOD_MS as f64 / LIMIT as f64 * 100.0 / load as f64;
    let (mut at_ms, mut jobs) = (0, Vec::new());
    loop {
        at_ms += dice.pause(mean_ms);
        if at_ms > lasts_ms {
            return jobs;
        }
        let tokens = if dice.below(50) == 0 { LIMIT * 8 / 10 } else { LIMIT / 100 + dice.below(LIMIT / 50) };
        jobs.push(Job { at_ms, tokens, lasts_ms: dice.below(2_001) });
    }
}

/// When each call starts, since the beginning. The head of the answer is in at once.
async fn run(limiter: &Limiter, jobs: &[Job]) -> Vec<Duration> {
    let begin = Instant::now();
    let tasks: Vec<_> = jobs
        .iter()
        .map(|&job| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                sleep_until(begin + ms(job.at_ms)).await;
                let permit = limiter.acquire(M, tokens(job.tokens)).await.unwrap();
                let start = begin.elapsed();
                permit.observe(200_u16, &[] as &[(&str, &str)]);
                sleep(ms(job.lasts_ms)).await;
                spent(permit, job.tokens);
                start
            })
        })
        .collect();
    let mut starts = Vec::new();
    for task in tasks {
        starts.push(task.await.unwrap());
    }
    starts
}

/// A plain limiter: one budget, one line, nobody passes. In milliseconds.
#[derive(Clone, Copy)]
enum Law {
    Refill,
    Fixed,
    Sliding,
}

fn first_come_first_served(law: Law, jobs: &[Job]) -> Vec<Duration> {
    // In thousandths of a token; one millisecond brings `LIMIT * 1_000 / PERIOD_MS`.
    let rate = LIMIT * 1_000 / PERIOD_MS;
    let (mut now, mut level, mut at) = (0, LIMIT * 1_000, 0);
    let mut window: VecDeque<(u64, u64)> = VecDeque::new();
    let mut starts = Vec::new();
    for job in jobs {
        now = job.at_ms.max(now);
        match law {
            Law::Refill => {
                level = (level + (now - at) * rate).min(LIMIT * 1_000);
                let missing = (job.tokens * 1_000).saturating_sub(level).div_ceil(rate);
                now += missing;
                level = level + missing * rate - job.tokens * 1_000;
                at = now;
            }
            Law::Fixed => {
                window.retain(|&(then, _)| then / PERIOD_MS == now / PERIOD_MS);
                if window.iter().map(|charge| charge.1).sum::<u64>() + job.tokens > LIMIT {
                    now = (now / PERIOD_MS + 1) * PERIOD_MS;
                    window.clear();
                }
                window.push_back((now, job.tokens));
            }
            Law::Sliding => {
                window.retain(|&(then, _)| then + PERIOD_MS > now);
                while window.iter().map(|charge| charge.1).sum::<u64>() + job.tokens > LIMIT {
                    now = window.pop_front().unwrap().0 + PERIOD_MS;
                }
                window.push_back((now, job.tokens));
            }
        }
        starts.push(ms(now));
    }
    starts
}

fn last(starts: &[Duration]) -> Duration {
    *starts.iter().max().unwrap()
}

/// The part of what the budget allowed until the last start that was used.
fn utilisation(jobs: &[Job], starts: &[Duration]) -> f64 {
    let all: u64 = jobs.iter().map(|job| job.tokens).sum();
    all as f64 / (LIMIT as f64 * (1.0 + last(starts).as_secs_f64() / PERIOD.as_secs_f64()))
}

/// The longest time by which a large call started later than under first come, first served.
fn worst_delay(jobs: &[Job], starts: &[Duration], strict: &[Duration]) -> Duration {
    let large = (0..jobs.len()).filter(|&i| jobs[i].is_large());
    large.map(|i| starts[i].saturating_sub(strict[i])).max().unwrap()
}

fn p99_of_small(jobs: &[Job], starts: &[Duration]) -> Duration {
    let small = (0..jobs.len()).filter(|&i| !jobs[i].is_large());
    let mut waits: Vec<Duration> = small.map(|i| starts[i].saturating_sub(ms(jobs[i].at_ms))).collect();
    waits.sort();
    waits[waits.len() * 99 / 100]
}

fn charged_at_once(limits: Limits) -> Limits {
    limits.charge(Charge::InputPlusMaxOutput)
}

#[tokio::test(start_paused = true)]
async fn at_twice_the_load_a_large_call_waits_for_its_turn_and_the_slack_and_the_budget_is_used_up() {
    for seed in 0..4 {
        let jobs = trace(200, 300_000, seed);
        let starts = run(&limiter(charged_at_once(Limits::new().with(refill()))), &jobs).await;
        let strict = first_come_first_served(Law::Refill, &jobs);
        let worst = worst_delay(&jobs, &starts, &strict);
        let used = utilisation(&jobs, &starts);
        println!("refill seed {seed}: {} calls, worst delay {worst:?}, utilisation {used:.4}", jobs.len());
        assert!(worst <= SLACK + secs(2) + TIMER, "{worst:?} later than in strict order");
        assert!(used >= 0.99, "{used}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_fixed_windows_a_large_call_waits_no_longer_than_its_turn_and_more_is_used_than_in_strict_order() {
    for seed in 0..4 {
        let jobs = trace(200, 300_000, seed);
        let limiter = with_fixed(charged_at_once, Waiting::new());
        let starts = run(&limiter, &jobs).await;
        let strict = first_come_first_served(Law::Fixed, &jobs);
        let worst = worst_delay(&jobs, &starts, &strict);
        let (used, plain) = (utilisation(&jobs, &starts), utilisation(&jobs, &strict));
        println!("fixed seed {seed}: worst delay {worst:?}, utilisation {used:.4}, strict {plain:.4}");
        assert!(worst <= SLACK + secs(2) + TIMER, "{worst:?} later than in strict order");
        assert!(used >= plain - 0.001, "{used} {plain}");
    }
}

#[tokio::test(start_paused = true)]
async fn in_sliding_windows_a_large_call_waits_no_longer_than_its_turn_and_more_is_used_than_in_strict_order()
{
    for seed in 0..4 {
        let jobs = trace(200, 300_000, seed);
        let starts = run(&limiter(charged_at_once(Limits::new().with(sliding()))), &jobs).await;
        let strict = first_come_first_served(Law::Sliding, &jobs);
        let worst = worst_delay(&jobs, &starts, &strict);
        let (used, plain) = (utilisation(&jobs, &starts), utilisation(&jobs, &strict));
        println!("sliding seed {seed}: worst delay {worst:?}, utilisation {used:.4}, strict {plain:.4}");
        // A charge stays 0.15 % of the period longer than it must, in every window that it is in line.
        assert!(
            worst <= SLACK + secs(2) + last(&strict) * 15 / 10_000,
            "{worst:?} later than in strict order"
        );
        assert!(used >= plain * 0.998, "{used} {plain}");
    }
}

#[tokio::test(start_paused = true)]
async fn small_calls_wait_far_less_where_they_may_pass() {
    // In a bucket all passing is on account: it is a slack for each head, and no more.
    for (name, load, most) in [("refill", 80, 1.1), ("fixed", 60, 0.75), ("sliding", 60, 0.9)] {
        let jobs = trace(load, 600_000, 7);
        let (passing, law) = match name {
            "refill" => (limiter(charged_at_once(Limits::new().with(refill()))), Law::Refill),
            "fixed" => (with_fixed(charged_at_once, Waiting::new()), Law::Fixed),
            _ => (limiter(charged_at_once(Limits::new().with(sliding()))), Law::Sliding),
        };
        let starts = run(&passing, &jobs).await;
        let strict = first_come_first_served(law, &jobs);
        let (with, without) = (p99_of_small(&jobs, &starts), p99_of_small(&jobs, &strict));
        let worst = worst_delay(&jobs, &starts, &strict);
        println!("{name} at {load} %: small p99 {with:?} with, {without:?} without; large {worst:?} later");
        assert!(with <= without.mul_f64(most), "{name}: {with:?} {without:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_small_call_passes_a_large_one_that_must_wait_out_a_fixed_window() {
    let limiter = with_fixed(|limits| limits, Waiting::new().slack(Duration::ZERO));
    let begin = Instant::now();
    advance(secs(1)).await;
    spent(limiter.acquire(M, tokens(5_000)).await.unwrap(), 5_000);
    let large = go(limiter.acquire(M, tokens(8_000)), 8_000);
    tokio::task::yield_now().await;
    for _ in 0..5 {
        let mut small = limiter.acquire(M, tokens(1_000));
        let Poll::Ready(Ok(permit)) = poll(&mut small) else { panic!("it costs the large one nothing") };
        spent(permit, 1_000);
    }
    let mut none_left = limiter.acquire(M, tokens(1));
    assert!(poll(&mut none_left).is_pending());
    let waited = large.await.unwrap() - begin;
    assert!(waited + ms(1) >= PERIOD && waited <= PERIOD + TIMER, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_small_call_passes_a_large_one_that_waits_for_a_sliding_window_if_it_leaves_room_for_it() {
    let limiter = strict(Limits::new().with(sliding()));
    let begin = Instant::now();
    spent(limiter.acquire(M, tokens(9_000)).await.unwrap(), 9_000);
    advance(secs(4)).await;
    let large = go(limiter.acquire(M, tokens(9_500)), 9_500);
    tokio::task::yield_now().await;
    let mut fits_beside = limiter.acquire(M, tokens(500));
    let Poll::Ready(Ok(permit)) = poll(&mut fits_beside) else { panic!("10,000 hold both") };
    spent(permit, 500);
    let mut in_the_way = limiter.acquire(M, tokens(1));
    assert!(poll(&mut in_the_way).is_pending(), "it would still count when the large one is due");
    let waited = large.await.unwrap() - begin;
    assert!(waited >= PERIOD && waited <= PERIOD + PERIOD * 15 / 10_000 + TIMER, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_starts_at_once_while_another_model_of_the_group_waits_for_its_own_budget() {
    let group = Group::new(Limits::new().rpm(10_000))
        .model("a", Limits::new().with(refill()))
        .model("b", Limits::new().with(refill()));
    let limiter = Limiter::builder()
        .group("account", group)
        .waiting(Waiting::new().slack(Duration::ZERO))
        .build()
        .unwrap();
    spent(limiter.acquire("a", tokens(LIMIT)).await.unwrap(), LIMIT);
    let begin = Instant::now();
    let head = go(limiter.acquire("a", tokens(5_000)), 5_000);
    tokio::task::yield_now().await;
    for _ in 0..10 {
        let mut other = limiter.acquire("b", tokens(1_000));
        let Poll::Ready(Ok(permit)) = poll(&mut other) else { panic!("nothing of b's is wanted by a") };
        spent(permit, 1_000);
    }
    about(head.await.unwrap() - begin, secs(5));
}

#[tokio::test(start_paused = true)]
async fn one_that_passes_leaves_the_head_a_slot() {
    let group = Group::new(Limits::new().concurrency(2)).model("a", Limits::new().with(refill())).member("b");
    let limiter = Limiter::builder().group("account", group).build().unwrap();
    spent(limiter.acquire("a", tokens(LIMIT)).await.unwrap(), LIMIT);
    let begin = Instant::now();
    let head = go(limiter.acquire("a", tokens(5_000)), 5_000);
    tokio::task::yield_now().await;
    let mut first = limiter.acquire("b", tokens(1));
    let mut second = limiter.acquire("b", tokens(1));
    let Poll::Ready(Ok(held)) = poll(&mut first) else { panic!("there are two slots") };
    assert!(poll(&mut second).is_pending(), "the other is the head's");
    about(head.await.unwrap() - begin, secs(5));
    let Poll::Ready(Ok(permit)) = poll(&mut second) else { panic!("the head has come and gone") };
    spent(permit, 1);
    spent(held, 1);
}

async fn closed_loops(limiter: &Limiter, classes: &[Priority], lasts: Duration) -> [u64; 3] {
    let counts = Arc::new(Mutex::new([0; 3]));
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for &class in classes {
        for _ in 0..40 {
            let (limiter, counts) = (limiter.clone(), counts.clone());
            tasks.push(tokio::spawn(async move {
                loop {
                    let permit = limiter.acquire(M, tokens(1)).priority(class).await.unwrap();
                    if begin.elapsed() > lasts {
                        return;
                    }
                    counts.lock().unwrap()[class as usize] += 1;
                    spent(permit, 1);
                }
            }));
        }
    }
    sleep(lasts).await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    *counts.lock().unwrap()
}

fn hundred_calls_a_second() -> Limits {
    Limits::new().with(Quota::refill(Unit::Requests, 100, secs(1)).burst(1).guard(Duration::ZERO))
}

#[tokio::test(start_paused = true)]
async fn classes_that_wait_get_sixteen_four_and_one_part_and_none_starves() {
    for lasts in [secs(3), secs(30), secs(100)] {
        let all = [Priority::High, Priority::Normal, Priority::Low];
        let counts = closed_loops(&limiter(hundred_calls_a_second()), &all, lasts).await;
        let sum: u64 = counts.iter().sum();
        println!("classes after {lasts:?}: {counts:?} of {sum}");
        assert!(counts[2] + 1 >= sum / 21, "{counts:?}");
        let high = counts[0] as f64 / sum as f64;
        assert!((high - 16.0 / 21.0).abs() <= 2.0 / sum as f64 + 0.01, "{high}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_that_waits_alone_gets_everything() {
    for class in [Priority::High, Priority::Normal, Priority::Low] {
        let counts = closed_loops(&limiter(hundred_calls_a_second()), &[class], secs(30)).await;
        let got = counts[class as usize];
        assert!((2_970..=3_001).contains(&got), "{got}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_that_was_idle_has_saved_nothing_up() {
    let limiter = strict(Limits::new().with(refill()));
    spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
    let begin = Instant::now();
    let call = |class| go(limiter.acquire(M, tokens(100)).priority(class), 100);
    let _high: Vec<_> = (0..250).map(|_| call(Priority::High)).collect();
    sleep(secs(16)).await;
    let low: Vec<_> = (0..20).map(|_| call(Priority::Low)).collect();
    let mut early = 0;
    for call in low {
        early += usize::from(call.await.unwrap() - begin < secs(18));
    }
    assert!((1..=2).contains(&early), "{early} of the next twenty calls, and sixteen parts are the others'");
}

#[tokio::test(start_paused = true)]
async fn an_urgent_call_that_comes_late_waits_behind_the_present_head_only() {
    let limiter = strict(Limits::new().with(refill()));
    spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
    let begin = Instant::now();
    let head = go(limiter.acquire(M, tokens(2_000)).priority(Priority::Low), 2_000);
    tokio::task::yield_now().await;
    let normal = go(limiter.acquire(M, tokens(1_000)), 1_000);
    let low = go(limiter.acquire(M, tokens(1_000)).priority(Priority::Low), 1_000);
    tokio::task::yield_now().await;
    advance(secs(1)).await;
    let urgent = go(limiter.acquire(M, tokens(1_000)).priority(Priority::High), 1_000);
    about(head.await.unwrap() - begin, secs(2));
    about(urgent.await.unwrap() - begin, secs(3));
    about(normal.await.unwrap() - begin, secs(4));
    about(low.await.unwrap() - begin, secs(5));
}

#[tokio::test(start_paused = true)]
async fn calls_behind_a_large_one_that_pass_those_before_it_do_not_delay_it_by_more_than_one_slack() {
    let limiter = limiter(Limits::new().with(refill()));
    spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
    let begin = Instant::now();
    // In strict order the large one starts after 20 * 300 + 8,000 tokens.
    let ahead: Vec<_> = (0..20).map(|_| go(limiter.acquire(M, tokens(300)), 300)).collect();
    tokio::task::yield_now().await;
    let large = go(limiter.acquire(M, tokens(8_000)), 8_000);
    tokio::task::yield_now().await;
    let behind: Vec<_> = (0..100).map(|_| go(limiter.acquire(M, tokens(100)), 100)).collect();
    let waited = large.await.unwrap() - begin;
    ahead.iter().chain(&behind).for_each(tokio::task::JoinHandle::abort);
    assert!(waited <= secs(14) + SLACK + TIMER, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_the_calls_ahead_make_impossible_is_refused_at_once_and_the_next_later_one_waits() {
    let limiter = strict(Limits::new().with(refill()));
    spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
    let mut ahead: Vec<_> = (0..1_000).map(|_| limiter.acquire(M, tokens(10))).collect();
    assert!(ahead.iter_mut().all(|waiting| poll(waiting).is_pending()));
    let mut too_soon = limiter.acquire(M, tokens(10)).within(ms(10_009));
    let Poll::Ready(Err(AcquireError::NotYet(why))) = poll(&mut too_soon) else {
        panic!("10,010 are needed")
    };
    assert_eq!((why.ahead, why.within), (1_000, ms(10_009)));
    let mut possible = limiter.acquire(M, tokens(10)).within(ms(10_010));
    assert!(poll(&mut possible).is_pending());
    assert_eq!(limiter.waiting(), 1_001, "nobody lost its place");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_could_have_been_kept_ends_the_wait_when_it_comes_and_not_before() {
    let limiter = strict(Limits::new().with(refill()));
    let first = limiter.acquire(M, tokens(1).max_output(LIMIT - 1)).await.unwrap();
    let begin = Instant::now();
    let mut ahead = limiter.acquire(M, tokens(1).max_output(4_999));
    assert!(poll(&mut ahead).is_pending());
    // The first may come back whole, and the one ahead too.
    let error = limiter.acquire(M, tokens(5_000)).within(secs(3)).await.unwrap_err();
    about(begin.elapsed(), secs(3));
    let AcquireError::NotYet(why) = error else { panic!("{error}") };
    assert_eq!(why.ahead, 1);
    spent(first, 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_a_call_could_keep_by_passing_the_one_ahead_is_not_refused() {
    let limiter = with_fixed(|limits| limits, Waiting::new());
    spent(limiter.acquire(M, tokens(4_000)).await.unwrap(), 4_000);
    let out = limiter.acquire(M, tokens(100).max_output(1_900)).await.unwrap();
    // 4,000 are left of this window: it waits for the next.
    let mut head = limiter.acquire(M, tokens(5_000).max_output(500));
    assert!(poll(&mut head).is_pending());
    let mut patient = limiter.acquire(M, tokens(4_100));
    assert!(poll(&mut patient).is_pending());
    let eta = patient.eta().unwrap();
    let mut hasty = limiter.acquire(M, tokens(4_100)).within(secs(5));
    let refused = poll(&mut hasty).is_ready();
    // 4,900 are left: too few for the head, and enough for the other, that leaves it its next window.
    out.release(Usage::new(100, 1_000)).await;
    assert!(poll(&mut head).is_pending());
    assert!(poll(&mut patient).is_ready(), "it passes");
    assert_eq!(eta.earliest, Duration::ZERO);
    assert!(!refused);
}

#[tokio::test(start_paused = true)]
async fn a_call_due_at_the_instant_of_its_deadline_goes() {
    let limiter = strict(Limits::new().with(refill()));
    spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
    let begin = Instant::now();
    let permit = limiter.acquire(M, tokens(3_000)).within(secs(3)).await.unwrap();
    about(begin.elapsed(), secs(3));
    spent(permit, 3_000);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_next_call_with_the_numbers_and_leaves_the_others_alone() {
    for (waiting, calls, most) in [
        (Waiting::new().most_calls(3), 3, (3, u64::MAX)),
        (Waiting::new().most_tokens(3_500), 3, (usize::MAX, 3_500)),
    ] {
        let limits = Limits::new().with(refill());
        let limiter = Limiter::builder().model(M, limits).waiting(waiting).build().unwrap();
        spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
        let begin = Instant::now();
        let inside: Vec<_> =
            (0..calls).map(|_| go(limiter.acquire(M, tokens(600).max_output(400)), 1_000)).collect();
        tokio::task::yield_now().await;
        let error = limiter.acquire(M, tokens(600).max_output(400)).await.unwrap_err();
        let AcquireError::QueueFull(full) = error else { panic!("{error}") };
        assert_eq!((full.model.as_str(), full.calls, full.tokens), (M, 3, 3_000));
        assert_eq!((full.most_calls, full.most_tokens), most);
        assert_eq!(limiter.waiting(), 3);
        for (i, call) in (1..).zip(inside) {
            about(call.await.unwrap() - begin, secs(i));
        }
        let again = go(limiter.acquire(M, tokens(500)), 500);
        about(again.await.unwrap() - begin, ms(3_500));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fits_needs_no_place_in_a_full_queue() {
    let waiting = Waiting::new().most_calls(0);
    let limiter = Limiter::builder().model(M, Limits::new().with(refill())).waiting(waiting).build().unwrap();
    spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
    assert!(matches!(limiter.acquire(M, tokens(1)).await, Err(AcquireError::QueueFull(_))));
    advance(secs(1)).await;
    spent(limiter.acquire(M, tokens(1_000)).await.unwrap(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_the_limit_is_refused_at_once_unless_it_may_drain() {
    let limiter = limiter(Limits::new().with(refill()));
    let error = limiter.acquire(M, tokens(3 * LIMIT)).await.unwrap_err();
    let AcquireError::ExceedsQuota(why) = error else { panic!("{error}") };
    assert_eq!(why.cost, 3 * LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_a_bucket_waits_until_it_is_full_and_the_others_wait_out_its_debt() {
    let limiter = limiter(Limits::new().with(refill()).oversize(Oversize::DrainAndGo));
    spent(limiter.acquire(M, tokens(5_000)).await.unwrap(), 5_000);
    let begin = Instant::now();
    let large = go(limiter.acquire(M, tokens(3 * LIMIT)), 3 * LIMIT);
    tokio::task::yield_now().await;
    let next = go(limiter.acquire(M, tokens(1_000)), 1_000);
    about(large.await.unwrap() - begin, secs(5));
    about(next.await.unwrap() - begin, secs(5 + 20 + 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_a_fixed_window_waits_for_an_empty_one_and_the_others_for_the_next() {
    let limiter = with_fixed(|limits| limits.oversize(Oversize::DrainAndGo), Waiting::new());
    let begin = Instant::now();
    spent(limiter.acquire(M, tokens(1)).await.unwrap(), 1);
    let large = go(limiter.acquire(M, tokens(3 * LIMIT)), 3 * LIMIT);
    tokio::task::yield_now().await;
    let next = go(limiter.acquire(M, tokens(1_000)), 1_000);
    let waited = large.await.unwrap() - begin;
    assert!(waited + ms(1) >= PERIOD && waited <= PERIOD + TIMER, "{waited:?}");
    let waited = next.await.unwrap() - begin;
    assert!(waited + ms(1) >= 2 * PERIOD && waited <= 2 * PERIOD + TIMER, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_larger_than_a_sliding_window_waits_until_it_is_empty_and_the_others_until_it_has_left() {
    let limiter = limiter(Limits::new().with(sliding()).oversize(Oversize::DrainAndGo));
    let begin = Instant::now();
    spent(limiter.acquire(M, tokens(1)).await.unwrap(), 1);
    let large = go(limiter.acquire(M, tokens(3 * LIMIT)), 3 * LIMIT);
    tokio::task::yield_now().await;
    let next = go(limiter.acquire(M, tokens(1_000)), 1_000);
    let slot = PERIOD * 15 / 10_000 + TIMER;
    let waited = large.await.unwrap() - begin;
    assert!(waited >= PERIOD && waited <= PERIOD + slot, "{waited:?}");
    let waited = next.await.unwrap() - begin;
    assert!(waited >= 2 * PERIOD && waited <= 2 * (PERIOD + slot), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_drain_the_bucket_again_and_again_starve_nobody() {
    let limiter = limiter(Limits::new().with(refill()).oversize(Oversize::DrainAndGo));
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for i in 0..40 {
        let size = if i % 10 == 0 { 3 * LIMIT } else { 100 };
        tasks.push((i, go(limiter.acquire(M, tokens(size)), size)));
        tokio::task::yield_now().await;
    }
    for (i, task) in tasks {
        let waited = task.await.unwrap() - begin;
        // Each drain before it costs 30 s, and each may wait for 10 s more until the bucket is full.
        assert!(waited <= secs(40 * (i / 10 + 1) + 4), "call {i} waited {waited:?}");
    }
}

/// Calls of up to 30 % of the limit, of every class, that all wait behind an empty bucket.
fn in_line(limiter: &Limiter, dice: &mut Dice, calls: u64) -> Vec<(Acquire, Cost)> {
    let mut line = Vec::new();
    for _ in 0..calls {
        let cost = tokens(1 + dice.below(LIMIT / 5)).max_output(dice.below(LIMIT / 10));
        let class = [Priority::High, Priority::Normal, Priority::Low][dice.below(3) as usize];
        let mut acquire = limiter.acquire(M, cost).priority(class);
        assert!(poll(&mut acquire).is_pending());
        line.push((acquire, cost));
    }
    line
}

#[tokio::test(start_paused = true)]
async fn the_latest_start_is_exact_while_nothing_comes_back_and_nobody_joins() {
    for seed in 0..30 {
        let mut dice = Dice(seed);
        let quota = if seed % 2 == 0 { refill() } else { sliding() };
        let limiter = limiter(Limits::new().charge(Charge::InputPlusMaxOutput).with(quota));
        let all = limiter.acquire(M, tokens(LIMIT)).await.unwrap();
        all.observe(200_u16, &[] as &[(&str, &str)]);
        let begin = Instant::now();
        let line = in_line(&limiter, &mut dice, if seed % 2 == 0 { 12 } else { 3 });
        let told: Vec<_> = line.iter().map(|(acquire, _)| acquire.eta().unwrap().latest).collect();
        let tasks: Vec<_> = line
            .into_iter()
            .map(|(acquire, _)| {
                tokio::spawn(async move {
                    let permit = acquire.await.unwrap();
                    let start = begin.elapsed();
                    sleep(secs(1_000)).await;
                    drop(permit);
                    start
                })
            })
            .collect();
        for (task, told) in tasks.into_iter().zip(told) {
            let start = task.await.unwrap();
            // None where a call in flight has to end first: a charge that is out does not age.
            let Some(told) = told else { continue };
            assert!(start + ms(1) >= told && start <= told + TIMER, "seed {seed}: {start:?} told {told:?}");
        }
        drop(all);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_starts_between_its_earliest_and_its_latest_start_whatever_comes_back() {
    let mut most = Duration::ZERO;
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let limiter = limiter(Limits::new().with(refill()));
        let all = limiter.acquire(M, tokens(LIMIT / 2).max_output(LIMIT / 2)).await.unwrap();
        let begin = Instant::now();
        let line = in_line(&limiter, &mut dice, 12);
        let told: Vec<_> = line.iter().map(|(acquire, _)| acquire.eta().unwrap()).collect();
        tokio::spawn({
            let (wait, used) = (dice.below(4_000), dice.below(LIMIT / 2));
            async move {
                sleep(ms(wait)).await;
                all.release(Usage::new(LIMIT / 2, used)).await;
            }
        });
        let tasks: Vec<_> = line
            .into_iter()
            .map(|(acquire, cost)| {
                let (lasts, used) = (dice.below(4_000), dice.below(cost.max_output_tokens() + 1));
                tokio::spawn(async move {
                    let permit = acquire.await.unwrap();
                    let start = begin.elapsed();
                    sleep(ms(lasts)).await;
                    permit.release(Usage::new(cost.input_tokens(), used)).await;
                    start
                })
            })
            .collect();
        for (i, (task, told)) in tasks.into_iter().zip(told).enumerate() {
            let start = task.await.unwrap();
            let latest = told.latest.unwrap();
            most = most.max(start.saturating_sub(latest));
            assert!(start >= told.earliest, "seed {seed}, call {i}: {start:?} before {told:?}");
            assert!(start <= latest + SLACK + TIMER, "seed {seed}, call {i}: {start:?} after {told:?}");
        }
    }
    println!("at most {most:?} after the latest start");
}

fn paused(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn equal_calls_start_in_the_order_of_their_arrival(size in 1..=LIMIT, pauses in prop::collection::vec(0_u64..300, 1..40)) {
        paused(async {
            let limiter = strict(Limits::new().with(refill()));
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for (i, &pause) in pauses.iter().enumerate() {
                let (limiter, order) = (limiter.clone(), order.clone());
                tasks.push(tokio::spawn(async move {
                    let permit = limiter.acquire(M, tokens(size)).await.unwrap();
                    order.lock().unwrap().push(i);
                    spent(permit, size);
                }));
                tokio::task::yield_now().await;
                sleep(ms(pause)).await;
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert!(order.lock().unwrap().is_sorted(), "{order:?}");
        });
    }

    #[test]
    fn without_slack_nobody_passes_in_a_bucket(sizes in prop::collection::vec(1..=LIMIT, 1..40)) {
        paused(async {
            let limiter = strict(Limits::new().with(refill()));
            spent(limiter.acquire(M, tokens(LIMIT)).await.unwrap(), LIMIT);
            let order = Arc::new(Mutex::new(Vec::new()));
            let mut tasks = Vec::new();
            for (i, &size) in sizes.iter().enumerate() {
                let (limiter, order) = (limiter.clone(), order.clone());
                tasks.push(tokio::spawn(async move {
                    let permit = limiter.acquire(M, tokens(size)).await.unwrap();
                    order.lock().unwrap().push(i);
                    spent(permit, size);
                }));
                tokio::task::yield_now().await;
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert!(order.lock().unwrap().is_sorted(), "{order:?}");
        });
    }
}
