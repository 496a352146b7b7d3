//! Real threads and real time: no slot is lost and no quota is passed.
#![allow(clippy::disallowed_methods, reason = "tests read the clock")]

mod audit;
mod laws;
mod log;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tollgate::{AcquireError, Cost, Limiter, Limits, Quota, Unit, Usage, Verdict};

const M: &str = "gpt-4o-mini";
const SLOTS: u64 = 5;
/// A second's requests, of which a tenth can be taken at once.
const RATE: u64 = 5_000;
const BURST: u64 = 500;
const LASTS: Duration = Duration::from_millis(1_500);

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

/// Numbers that look random (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[derive(Default)]
struct Seen {
    in_flight: AtomicU64,
    most: AtomicU64,
    admitted: Mutex<Vec<Duration>>,
    calls: AtomicUsize,
}

async fn hammer(limiter: Limiter, seen: Arc<Seen>, begin: Instant, seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    while begin.elapsed() < LASTS {
        let mut acquire = limiter.acquire(M, Cost::input(dice.below(90)).max_output(dice.below(10)));
        match dice.below(10) {
            0 => continue,
            1 | 2 => {
                // Dropped after one poll, granted or not.
                let _ = Pin::new(&mut acquire).poll(&mut Context::from_waker(Waker::noop())).map(|permit| {
                    let _settled = permit.unwrap().cancel();
                });
                continue;
            }
            3 => acquire = acquire.within(Duration::from_micros(dice.below(3_000))),
            _ => {}
        }
        let permit = if dice.below(8) == 0 { limiter.try_acquire(M, Cost::input(3)) } else { acquire.await };
        let permit = match permit {
            Ok(permit) => permit,
            Err(AcquireError::NotYet(_)) => {
                tokio::task::yield_now().await;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        seen.admitted.lock().unwrap().push(begin.elapsed());
        seen.calls.fetch_add(1, Ordering::Relaxed);
        let now = seen.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        if dice.below(3) == 0 {
            tokio::time::sleep(Duration::from_micros(dice.below(500))).await;
        }
        if dice.below(4) == 0 {
            permit.observe(200_u16, &[("openai-processing-ms", "1")]);
        }
        seen.in_flight.fetch_sub(1, Ordering::SeqCst);
        match dice.below(4) {
            0 => drop(permit),
            1 => permit.refused(Verdict::too_large()).await,
            _ => permit.release(Usage::new(dice.below(100), dice.below(10))).await,
        }
    }
}

#[test]
fn threads_that_acquire_and_drop_in_every_way_lose_no_slot_and_pass_no_quota() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(8).enable_time().build().unwrap();
    let quota = Quota::refill(Unit::Requests, RATE, Duration::from_secs(1)).burst(BURST);
    let limiter = limiter(
        Limits::new()
            .concurrency(SLOTS)
            .with(quota)
            .with(Quota::sliding(Unit::Tokens, 400_000, Duration::from_millis(200)))
            .with(Quota::fixed(Unit::InputTokens, 1 << 40, Duration::from_millis(100))),
    );
    let seen = Arc::new(Seen::default());
    let begin = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|seed| tokio::spawn(hammer(limiter.clone(), seen.clone(), begin, seed + 1)))
            .collect();
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(20), task).await.expect("nobody is stuck").unwrap();
        }
    });

    assert_eq!(limiter.waiting(), 0);
    assert_eq!(limiter.snapshot().scopes()[0].budgets[0].remaining, SLOTS as i64, "all slots are free");
    assert!(seen.most.load(Ordering::SeqCst) <= SLOTS, "{} in flight", seen.most.load(Ordering::SeqCst));
    let calls = seen.calls.load(Ordering::SeqCst);
    assert!(calls > 500, "{calls} calls");

    // A call is logged after it was admitted, so at every instant at least as many were admitted
    // as are logged.
    let mut admitted = seen.admitted.lock().unwrap().clone();
    admitted.sort_unstable();
    for (number, at) in admitted.iter().enumerate() {
        let allowed = BURST as f64 + RATE as f64 * at.as_secs_f64();
        assert!(((number + 1) as f64) <= allowed, "{} admitted after {at:?}, {allowed} allowed", number + 1);
    }
}

#[test]
fn threads_outside_any_runtime_share_the_budgets_too() {
    let limiter = limiter(Limits::new().concurrency(3).with(Quota::fixed(
        Unit::Tokens,
        1_000,
        Duration::from_secs(366 * 86_400),
    )));
    let taken = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    if let Ok(permit) = limiter.try_acquire(M, Cost::input(7)) {
                        taken.fetch_add(7, Ordering::Relaxed);
                        let _settled = permit.release(Usage::new(7, 0));
                    }
                }
            });
        }
    });
    let left: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
    let taken = taken.load(Ordering::Relaxed);
    assert_eq!(left, [3, 1_000 - taken as i64]);
    assert_eq!(taken, 994, "142 whole calls of 7, whoever made them");
}

#[test]
fn waiters_in_several_runtimes_are_all_served() {
    let limiter = limiter(Limits::new().concurrency(2));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let limiter = limiter.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    for _ in 0..200 {
                        let acquire = limiter.acquire(M, Cost::input(1));
                        let permit = tokio::time::timeout(Duration::from_secs(20), acquire).await;
                        tokio::task::yield_now().await;
                        permit.expect("nobody is stuck").unwrap().cancel().await;
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(limiter.waiting(), 0);
}
