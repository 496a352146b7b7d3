//! Never over, and not under: each kind of quota against its own law, under a random load.
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, advance, sleep};
use tollgate::{AcquireError, Cost, Limiter, Limits, Quota, Unit, Usage};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const MS: u64 = 1_000_000;

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn utc() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn remaining(limiter: &Limiter) -> i64 {
    limiter.snapshot().scopes()[0].budgets[0].remaining
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
}

/// One call as its provider may have seen it, in nanoseconds since the beginning.
#[derive(Clone, Copy, Debug)]
struct Call {
    sent: u64,
    /// When the head of the answer was seen, or else the end.
    head: u64,
    ended: u64,
    tokens: u64,
}

/// What each task does between two calls, at the most.
#[derive(Clone, Copy)]
struct Load {
    tasks: u64,
    call_ms: u64,
    pause_ms: u64,
    lasts: Duration,
}

/// Calls of up to 120 tokens by several tasks at once; a call uses no more than it reserved. Some
/// are never sent, some wait in vain.
async fn run(limits: Limits, load: Load, seed: u64) -> Vec<Call> {
    let limiter = limiter(limits);
    let begin = Instant::now();
    let now = move || u64::try_from(begin.elapsed().as_nanos()).unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let task = |number: u64| {
        let (limiter, log) = (limiter.clone(), log.clone());
        let mut dice = Dice(seed * 1_000 + number);
        async move {
            while begin.elapsed() < load.lasts {
                let (input, output) = (1 + dice.below(60), dice.below(60));
                let mut acquire = limiter.acquire(M, Cost::input(input).max_output(output));
                if dice.below(8) == 0 {
                    acquire = acquire.within(Duration::from_millis(dice.below(5_000)));
                }
                match acquire.await {
                    Ok(permit) => {
                        let sent = now();
                        if dice.below(10) == 0 {
                            sleep(Duration::from_millis(dice.below(load.call_ms))).await;
                            permit.cancel().await;
                            continue;
                        }
                        sleep(Duration::from_millis(dice.below(load.call_ms))).await;
                        let mut head = None;
                        if dice.below(2) == 0 {
                            permit.observe(200_u16, &[("x-request-id", "1")]);
                            head = Some(now());
                            sleep(Duration::from_millis(dice.below(load.call_ms))).await;
                        }
                        let usage = Usage::new(dice.below(input + 1), dice.below(output + 1));
                        let lost = dice.below(12) == 0;
                        let tokens = if lost { input + output } else { usage.tokens() };
                        if lost {
                            drop(permit);
                        } else {
                            permit.release(usage).await;
                        }
                        let ended = now();
                        let head = head.unwrap_or(ended);
                        log.lock().unwrap().push(Call { sent, head, ended, tokens });
                    }
                    Err(AcquireError::NotYet(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                if load.pause_ms > 0 {
                    sleep(Duration::from_millis(dice.below(load.pause_ms))).await;
                }
            }
        }
    };
    let tasks: Vec<_> = (0..load.tasks).map(|number| tokio::spawn(task(number))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut log = Arc::into_inner(log).unwrap().into_inner().unwrap();
    log.sort_by_key(|call: &Call| call.sent);
    log
}

const LOADS: [Load; 3] = [
    // Always more than the quota.
    Load { tasks: 25, call_ms: 4_000, pause_ms: 0, lasts: secs_const(600) },
    // Around it, with pauses in which buckets fill.
    Load { tasks: 12, call_ms: 9_000, pause_ms: 20_000, lasts: secs_const(900) },
    // Calls that take longer than a window.
    Load { tasks: 30, call_ms: 90_000, pause_ms: 100, lasts: secs_const(900) },
];

const fn secs_const(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Charges in the order of their instants: each at its sending, at the latest, or between. Requests are
/// charged by the time the head of the answer is out, tokens that are charged by usage by its end.
fn charges(log: &[Call], unit: Unit, seed: u64) -> [Vec<(u64, u64)>; 4] {
    let mut dice = Dice(seed);
    let latest = |call: &Call| if unit == Unit::Requests { call.head } else { call.ended };
    let mut between = |call: &Call| call.sent + dice.below(latest(call) - call.sent + 1);
    let amount = |call: &Call| if unit == Unit::Requests { 1 } else { call.tokens };
    let at = |when: &mut dyn FnMut(&Call) -> u64| {
        let mut all: Vec<_> = log.iter().map(|call| (when(call), amount(call))).collect();
        all.sort_unstable();
        all
    };
    [at(&mut |call| call.sent), at(&mut { latest }), at(&mut between), at(&mut between)]
}

#[tokio::test(start_paused = true)]
async fn a_bucket_never_gives_more_than_its_burst_and_what_flows_back_in_any_interval() {
    for (seed, load) in LOADS.into_iter().enumerate() {
        for (unit, limit, burst) in
            [(Unit::Tokens, 600, 600), (Unit::Tokens, 900, 150), (Unit::Requests, 30, 7)]
        {
            let quota = Quota::refill(unit, limit, MINUTE).burst(burst);
            let log = run(Limits::new().with(quota), load, seed as u64).await;
            let [charges, ..] = charges(&log, unit, 0);
            assert!(charges.len() > 100, "{} calls", charges.len());
            // Played through an exact bucket in parts of a unit: 60 s bring `limit` units.
            let part = u128::from(60_000 * MS);
            let full = u128::from(burst) * part;
            let (mut level, mut last) = (full, 0);
            for &(at, amount) in &charges {
                level = full.min(level + u128::from(at - last) * u128::from(limit));
                last = at;
                let cost = u128::from(amount) * part;
                assert!(level >= cost, "{quota}: over at {} ms", at / MS);
                level -= cost;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sliding_window_never_holds_more_than_its_limit_whenever_within_a_call_it_was_charged() {
    for (seed, load) in LOADS.into_iter().enumerate() {
        for (unit, limit) in [(Unit::Tokens, 600), (Unit::Requests, 30)] {
            let quota = Quota::sliding(unit, limit, MINUTE);
            let log = run(Limits::new().with(quota), load, seed as u64).await;
            for charges in charges(&log, unit, seed as u64) {
                let (mut first, mut sum) = (0, 0);
                for &(at, amount) in &charges {
                    sum += amount;
                    while charges[first].0 + 60_000 * MS <= at {
                        sum -= charges[first].1;
                        first += 1;
                    }
                    assert!(sum <= limit, "{quota}: {sum} in the minute up to {} ms", at / MS);
                }
                assert!(charges.len() > 50, "{} calls", charges.len());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_aligned_window_never_holds_more_than_its_limit_whenever_within_a_call_it_was_charged() {
    for (seed, load) in LOADS.into_iter().enumerate() {
        for (unit, limit, offset) in [(Unit::Tokens, 600, 0), (Unit::Requests, 30, 17)] {
            let quota = Quota::fixed(unit, limit, MINUTE).resets_at(secs(offset));
            // The system's clock is read a little before the limiter reads it.
            let begin = utc() - secs(offset);
            let log = run(Limits::new().with(quota), load, seed as u64).await;
            for charges in charges(&log, unit, seed as u64) {
                let mut windows = std::collections::BTreeMap::new();
                for (at, amount) in charges {
                    let window = (begin + Duration::from_nanos(at)).as_secs() / 60;
                    *windows.entry(window).or_insert(0) += amount;
                }
                let most = *windows.values().max().unwrap();
                assert!(most <= limit, "{quota}: {most} in one minute, of {windows:?}");
                assert!(windows.len() > 5, "{windows:?}");
            }
        }
    }
}

/// Makes calls of 1 to 5 tokens that take no time, as many as the quota lets go, and says how many
/// tokens they were.
async fn backlog(quota: Quota, lasts: Duration, call: Duration) -> u64 {
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    let used = Arc::new(Mutex::new(0));
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let (limiter, used) = (limiter.clone(), used.clone());
            tokio::spawn(async move {
                let mut dice = Dice(number);
                loop {
                    let tokens = 1 + dice.below(5);
                    let permit = limiter.acquire(M, Cost::input(tokens).max_output(3)).await.unwrap();
                    if begin.elapsed() >= lasts {
                        return;
                    }
                    *used.lock().unwrap() += tokens;
                    sleep(call).await;
                    permit.release(Usage::new(tokens, 0)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    *used.lock().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_backlog_gets_what_a_bucket_allows() {
    // In a burst of 20, what is reserved for too long and not used spills: those calls take no time.
    for (quota, call) in [
        (Quota::refill(Unit::Tokens, 1_000, MINUTE), Duration::ZERO),
        (Quota::refill(Unit::Tokens, 1_000, MINUTE), secs(1)),
        (Quota::refill(Unit::Tokens, 1_000, MINUTE).burst(20), Duration::ZERO),
        (Quota::refill(Unit::Tokens, 333, secs(20)), secs(1)),
    ] {
        let used = backlog(quota, 30 * MINUTE, call).await;
        let allowed = quota.limit() as f64 * (1_800.0 / quota.window().period().unwrap().as_secs_f64());
        assert!(used as f64 >= 0.99 * allowed, "{quota}, calls of {call:?}: {used} of {allowed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_of_quick_calls_gets_what_a_window_allows() {
    for quota in [Quota::sliding(Unit::Tokens, 1_000, MINUTE), Quota::fixed(Unit::Tokens, 1_000, MINUTE)] {
        let used = backlog(quota, 40 * MINUTE, Duration::ZERO).await;
        assert!(used >= 39_600, "{quota}: {used} of 40000");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sliding_window_gives_no_double_burst_at_a_minutes_edge() {
    let limiter = limiter(Limits::new().with(Quota::sliding(Unit::Requests, 60, MINUTE)));
    advance(Duration::from_millis(59_900)).await;
    let begin = Instant::now();
    for _ in 0..60 {
        drop(limiter.try_acquire(M, Cost::input(1)).unwrap());
    }
    drop(limiter.acquire(M, Cost::input(1)).await.unwrap());
    let waited = begin.elapsed();
    let due = MINUTE + Duration::from_millis(50);
    assert!((due..due + Duration::from_millis(2)).contains(&waited), "a minute and the guard: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_sliding_window_each_request_leaves_a_period_after_it_and_little_later() {
    let quota = Quota::sliding(Unit::Requests, 20, MINUTE).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    let mut starts = Vec::new();
    for number in 0..60 {
        drop(limiter.acquire(M, Cost::input(1)).await.unwrap());
        starts.push(begin.elapsed());
        if number < 20 {
            advance(Duration::from_millis(31)).await;
        } else {
            let apart = starts[number] - starts[number - 20];
            // Charges are kept in slots of 0.15 % of the period.
            assert!((MINUTE..MINUTE + Duration::from_millis(92)).contains(&apart), "{apart:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn three_requests_a_minute_are_one_every_twenty_seconds() {
    let quota = Quota::refill(Unit::Requests, 3, MINUTE).burst(1).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let begin = Instant::now();
    for number in 0..30 {
        limiter.acquire(M, Cost::input(1)).await.unwrap().release(Usage::new(1, 0)).await;
        let due = secs(20) * number;
        let at = begin.elapsed();
        assert!((due..due + Duration::from_millis(2)).contains(&at), "{at:?} instead of {due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_its_burst_rpm_3_is_one_every_twenty_seconds_without_drift() {
    let limiter = limiter(Limits::new().rpm(3));
    let begin = Instant::now();
    for number in 0..30_u32 {
        drop(limiter.acquire(M, Cost::input(1)).await.unwrap());
        let due = secs(20) * number.saturating_sub(2);
        let at = begin.elapsed();
        assert!((due..due + Duration::from_millis(52)).contains(&at), "the guard is 50 ms: {at:?}, {due:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_flows_back_in_fractions_is_not_lost_by_looking() {
    let limiter = limiter(
        Limits::new()
            .with(Quota::refill(Unit::Requests, 1, Duration::from_millis(60_000)).guard(Duration::ZERO)),
    );
    drop(limiter.try_acquire(M, Cost::input(1)).unwrap());
    let begin = Instant::now();
    while limiter.try_acquire(M, Cost::input(1)).is_err() {
        limiter.snapshot();
        advance(Duration::from_micros(7_001)).await;
    }
    assert!(begin.elapsed() < MINUTE + Duration::from_micros(7_001), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_too_large_for_nanoseconds_loses_nothing_by_looking_either() {
    // A prime just below the largest limit: what a nanosecond brings is no whole number of parts that
    // 64 bits could hold, so it comes in steps of 100 ms.
    let limit = (1 << 40) - 87;
    let limiter = limiter(Limits::new().with(Quota::refill(Unit::Tokens, limit, DAY).guard(Duration::ZERO)));
    drop(limiter.try_acquire(M, Cost::input(limit)).unwrap());
    for _ in 0..3_000 {
        advance(Duration::from_nanos(3_333_333)).await;
        limiter.snapshot();
    }
    let due = limit as f64 * 9.999_999 / 86_400.0;
    let left = remaining(&limiter) as f64;
    assert!(left <= due && left >= 0.98 * due, "{left} of {due}");
}

#[tokio::test(start_paused = true)]
async fn large_limits_are_exact() {
    for limit in [150_000_000, 150_000_001, 1 << 40, (1 << 40) - 87] {
        let quota = Quota::refill(Unit::Tokens, limit, MINUTE).guard(Duration::ZERO);
        let limiter = limiter(Limits::new().with(quota));
        let begin = Instant::now();
        for minute in 0..5 {
            drop(limiter.acquire(M, Cost::input(limit)).await.unwrap());
            let due = minute * MINUTE;
            let at = begin.elapsed();
            assert!((due..due + Duration::from_millis(7)).contains(&at), "{limit}: {at:?}");
        }
        advance(secs(30)).await;
        let off = remaining(&limiter).abs_diff((limit / 2) as i64);
        assert!(off <= limit / 4_000, "{limit}: off by {off}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_of_years_are_kept() {
    let year = 366 * DAY;
    for quota in [
        Quota::refill(Unit::Tokens, 1 << 40, year),
        Quota::fixed(Unit::Tokens, 1 << 40, year),
        Quota::sliding(Unit::Tokens, 1 << 40, year),
    ] {
        let limiter = limiter(Limits::new().with(quota));
        let begin = Instant::now();
        drop(limiter.acquire(M, Cost::input(1 << 40)).await.unwrap());
        drop(limiter.acquire(M, Cost::input(1 << 40)).await.unwrap());
        assert!(begin.elapsed() <= year + secs(101), "{quota}: {:?}", begin.elapsed());
        if !matches!(quota.window(), tollgate::Window::Fixed { .. }) {
            assert!(begin.elapsed() >= year, "{quota}: {:?}", begin.elapsed());
        }
    }
}

/// How long until a day begins that starts `offset` after UTC midnight.
fn until_the_day_begins(offset: Duration) -> Duration {
    let into = (utc().as_secs_f64() - offset.as_secs_f64()) % 86_400.0;
    Duration::from_secs_f64(86_400.0 - into)
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_day_waits_until_the_next_begins() {
    for offset in [Duration::ZERO, secs(8 * 3_600), secs(7 * 3_600 + 1_800), secs(86_399)] {
        let quota = Quota::fixed(Unit::Tokens, 1_000, DAY).resets_at(offset);
        let limiter = limiter(Limits::new().with(quota));
        let due = until_the_day_begins(offset);
        let begin = Instant::now();
        limiter.acquire(M, Cost::input(1_000)).await.unwrap().release(Usage::new(1_000, 0)).await;
        for day in 0..3 {
            limiter.acquire(M, Cost::input(1_000)).await.unwrap().release(Usage::new(1_000, 0)).await;
            let (at, due) = (begin.elapsed(), due + day * DAY);
            assert!(at + secs(1) >= due && at <= due + secs(1), "{at:?} instead of {due:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn minutes_and_days_of_one_model_are_kept_together() {
    let limiter = limiter(Limits::new().tpm(1_000).tpd(2_500));
    let due = until_the_day_begins(Duration::ZERO);
    let begin = Instant::now();
    for _ in 0..3 {
        limiter.acquire(M, Cost::input(1_000)).await.unwrap().release(Usage::new(1_000, 0)).await;
    }
    let at = begin.elapsed();
    // The minute has to refill twice and, for the third call, the next day has to begin.
    let due = due.max(2 * MINUTE);
    assert!(at + secs(1) >= due && at <= due + secs(1), "{at:?} instead of {due:?}");
}
