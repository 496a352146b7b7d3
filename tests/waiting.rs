//! Calls that wait: their order, their wake-up, and that none of them is lost or in the way.
//!
//! Time is paused: it jumps to the next timer when every task waits, so instants are exact but for
//! tokio's timers, which round up to the next millisecond.

#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tollgate::{AcquireError, Cost, Limiter, Limits, Permit, Quota, Unit, Usage, Waiting};

const M: &str = "gpt-4o-mini";

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

/// Nobody passes.
fn strict(limits: Limits) -> Limiter {
    let waiting = Waiting::new().slack(Duration::ZERO);
    Limiter::builder().model(M, limits).waiting(waiting).build().unwrap()
}

fn tokens(tokens: u64) -> Cost {
    Cost::input(tokens)
}

/// 1,000 tokens per 10 s, exact: no guard.
fn thousand_in_ten_seconds() -> Limits {
    Limits::new().with(Quota::refill(Unit::Tokens, 1_000, Duration::from_secs(10)).guard(Duration::ZERO))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn spent(permit: Permit, cost: u64) {
    permit.release(Usage::new(cost, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_starts_at_the_first_instant_at_which_its_budget_can_pay() {
    let limiter = limiter(thousand_in_ten_seconds());
    let begin = Instant::now();
    spent(limiter.acquire(M, tokens(1_000)).await.unwrap(), 1_000);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    spent(limiter.acquire(M, tokens(250)).await.unwrap(), 250);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(2_500) && waited <= Duration::from_millis(2_502), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_are_admitted_in_the_order_of_their_arrival() {
    let limiter = strict(thousand_in_ten_seconds());
    spent(limiter.acquire(M, tokens(1_000)).await.unwrap(), 1_000);
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (i, cost) in [300, 5, 700, 1, 40].into_iter().enumerate() {
        let (limiter, order) = (limiter.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            spent(limiter.acquire(M, tokens(cost)).await.unwrap(), cost);
            order.lock().unwrap().push(i);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_large_call_under_a_stream_of_small_ones_waits_no_longer_than_its_turn() {
    let limiter = limiter(thousand_in_ten_seconds());
    spent(limiter.acquire(M, tokens(1_000)).await.unwrap(), 1_000);
    let begin = Instant::now();
    let mut large = limiter.acquire(M, tokens(800));
    assert!(poll(&mut large).is_pending());
    for _ in 0..12 {
        let limiter = limiter.clone();
        tokio::spawn(async move {
            loop {
                spent(limiter.acquire(M, tokens(5)).await.unwrap(), 5);
            }
        });
    }
    spent(large.await.unwrap(), 800);
    let waited = begin.elapsed();
    assert!(waited <= Duration::from_millis(8_000 + 250 + 2), "its turn, and the slack: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_call_gives_back_admits_the_next_one_at_once() {
    let limiter = limiter(thousand_in_ten_seconds());
    let first = limiter.acquire(M, tokens(10).max_output(990)).await.unwrap();
    let begin = Instant::now();
    let second = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(M, tokens(500)).await.map(|permit| spent(permit, 500)) }
    });
    tokio::task::yield_now().await;
    first.release(Usage::new(10, 40)).await;
    second.await.unwrap().unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_takes_nothing_and_lets_the_next_one_go() {
    let limiter = strict(thousand_in_ten_seconds());
    spent(limiter.acquire(M, tokens(900)).await.unwrap(), 900);
    let mut large = limiter.acquire(M, tokens(1_000));
    let mut small = limiter.acquire(M, tokens(100));
    assert!(poll(&mut large).is_pending());
    assert!(poll(&mut small).is_pending(), "it waits behind the large one");
    drop(large);
    assert!(poll(&mut small).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_dropped_before_it_is_taken_comes_back_whole() {
    let limiter = limiter(Limits::new().concurrency(1).rpm(10));
    let holder = limiter.acquire(M, tokens(1)).await.unwrap();
    let mut waiter = limiter.acquire(M, tokens(1));
    assert!(poll(&mut waiter).is_pending());
    holder.cancel().await;
    // It was granted by the cancel, and is dropped without being polled again.
    drop(waiter);
    let remaining: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
    assert_eq!(remaining, [1, 9], "the slot, and 9 whole requests: the guard takes a fraction of one");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_nobody_polls_delays_the_others_by_no_more_than_its_own_grant() {
    let limiter = limiter(Limits::new().concurrency(1));
    let holder = limiter.acquire(M, tokens(1)).await.unwrap();
    let mut snoozed = limiter.acquire(M, tokens(1));
    assert!(poll(&mut snoozed).is_pending());
    let next = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire(M, tokens(1)).await.unwrap() }
    });
    tokio::task::yield_now().await;
    let begin = Instant::now();
    spent(holder, 1);
    let next = next.await.unwrap();
    let waited = begin.elapsed();
    assert!((Duration::from_millis(250)..Duration::from_millis(253)).contains(&waited), "{waited:?}");
    // It kept its place: polled again, it goes before all but the one whose turn it has become.
    let mut turn = limiter.acquire(M, tokens(1));
    let mut last = limiter.acquire(M, tokens(1));
    assert!(poll(&mut turn).is_pending());
    assert!(poll(&mut last).is_pending());
    assert!(poll(&mut snoozed).is_pending());
    spent(next, 1);
    let Poll::Ready(Ok(turn)) = poll(&mut turn) else { panic!("it was promised its turn") };
    spent(turn, 1);
    assert!(poll(&mut last).is_pending());
    assert!(poll(&mut snoozed).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_takes_comes_back_whole() {
    let limiter = limiter(Limits::new().concurrency(1).rpm(10));
    let holder = limiter.acquire(M, tokens(1)).await.unwrap();
    let mut snoozed = limiter.acquire(M, tokens(1));
    assert!(poll(&mut snoozed).is_pending());
    holder.cancel().await;
    tokio::time::sleep(Duration::from_millis(260)).await;
    let remaining: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
    assert_eq!(remaining, [1, 9], "the slot, and 9 whole requests: the guard takes a fraction of one");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_did_not_take_its_grant_still_waits_no_longer_than_it_is_willing_to() {
    let limiter = limiter(Limits::new().concurrency(1));
    let holder = limiter.acquire(M, tokens(1)).await.unwrap();
    let mut snoozed = limiter.acquire(M, tokens(1)).within(Duration::from_secs(1));
    assert!(poll(&mut snoozed).is_pending());
    holder.cancel().await;
    tokio::time::sleep(Duration::from_millis(260)).await;
    let _holder = limiter.try_acquire(M, tokens(1)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let Poll::Ready(Err(AcquireError::NotYet(why))) = poll(&mut snoozed) else { panic!("its time is over") };
    assert_eq!(why.within, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn the_gate_goes_on_by_itself_while_the_head_is_not_polled() {
    let limiter = limiter(thousand_in_ten_seconds());
    spent(limiter.acquire(M, tokens(1_000)).await.unwrap(), 1_000);
    let mut snoozed = limiter.acquire(M, tokens(100));
    assert!(poll(&mut snoozed).is_pending());
    let begin = Instant::now();
    let second = limiter.acquire(M, tokens(100)).await.unwrap();
    let waited = begin.elapsed();
    assert!(
        waited <= Duration::from_millis(2_002),
        "granted after the head's grant, not after its lapse: {waited:?}"
    );
    spent(second, 100);
}

#[tokio::test(start_paused = true)]
async fn a_wait_known_to_be_too_long_is_refused_at_once() {
    let limiter = limiter(thousand_in_ten_seconds());
    spent(limiter.acquire(M, tokens(1_000)).await.unwrap(), 1_000);
    let begin = Instant::now();
    let error = limiter.acquire(M, tokens(500)).within(Duration::from_secs(4)).await.unwrap_err();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(
        error.to_string(),
        "gpt-4o-mini: 1000 tokens per 10s has 0 tokens left of the 500 needed, and has them in 5s; \
         it was to wait 4s at most"
    );
}

#[tokio::test(start_paused = true)]
async fn the_queue_ahead_counts_when_a_wait_is_known_to_be_too_long() {
    let limiter = strict(thousand_in_ten_seconds());
    spent(limiter.acquire(M, tokens(1_000)).await.unwrap(), 1_000);
    let mut ahead: Vec<_> = (0..10).map(|_| limiter.acquire(M, tokens(1_000))).collect();
    assert!(ahead.iter_mut().all(|waiting| poll(waiting).is_pending()));
    let mut patient = limiter.acquire(M, tokens(1)).within(Duration::from_secs(101));
    assert!(poll(&mut patient).is_pending());
    let mut hasty = limiter.acquire(M, tokens(1)).within(Duration::from_secs(99));
    assert!(matches!(poll(&mut hasty), Poll::Ready(Err(AcquireError::NotYet(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_might_have_been_short_enough_ends_at_its_deadline() {
    let limiter = limiter(Limits::new().concurrency(1));
    let holder = limiter.acquire(M, tokens(1)).await.unwrap();
    let begin = Instant::now();
    let error = limiter.acquire(M, tokens(1)).within(Duration::from_secs(3)).await.unwrap_err();
    let waited = begin.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_millis(3_002)).contains(&waited), "{waited:?}");
    let AcquireError::NotYet(why) = error else { panic!("{error}") };
    assert_eq!(why.blocking.unwrap().wait, None, "only a call that ends makes room");
    spent(holder, 1);
    assert!(limiter.try_acquire(M, tokens(1)).is_ok(), "the one that gave up has taken nothing");
}

#[tokio::test(start_paused = true)]
async fn dropping_a_wait_at_any_of_its_polls_leaves_the_books_as_they_were() {
    for polls in 0..4 {
        let limiter = limiter(Limits::new().concurrency(1).tpm(60_000));
        let holder = limiter.acquire(M, tokens(100)).await.unwrap();
        {
            let mut waiter = limiter.acquire(M, tokens(200));
            for _ in 0..polls {
                assert!(poll(&mut waiter).is_pending());
                tokio::time::advance(Duration::from_millis(10)).await;
            }
        }
        holder.cancel().await;
        let all: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
        assert_eq!(all, [1, 59_950], "after {polls} polls");
        assert_eq!(limiter.waiting(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_call_frees_the_slot_and_keeps_the_estimate() {
    let limiter = limiter(Limits::new().concurrency(1).with(Quota::fixed(
        Unit::Tokens,
        1_000,
        Duration::from_secs(3_600),
    )));
    let task = tokio::spawn({
        let limiter = limiter.clone();
        async move {
            let request = (M, Cost::input(300));
            let sent = limiter.call(&request, |_| async { panic!("the client is broken") }).await;
            sent.map(|usage: Usage| usage)
                .map_err(|error: tollgate::CallError<Usage, std::io::Error>| error.to_string())
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    let all: Vec<i64> = limiter.snapshot().scopes()[0].budgets.iter().map(|b| b.remaining).collect();
    assert_eq!(all, [1, 700]);
}

#[test]
fn waiters_of_another_runtime_get_on_when_the_one_that_held_the_timer_is_gone() {
    let limiter = limiter(
        Limits::new()
            .with(Quota::refill(Unit::Requests, 10, Duration::from_secs(1)).burst(1).guard(Duration::ZERO)),
    );
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let (first, second) = (runtime(), runtime());
    second.block_on(async { spent(limiter.acquire(M, tokens(1)).await.unwrap(), 1) });
    // The first waiter makes the timer, in the first runtime.
    let (joined, waits) = std::sync::mpsc::channel();
    first.spawn({
        let limiter = limiter.clone();
        async move {
            let mut acquire = limiter.acquire(M, tokens(1));
            assert!(poll(&mut acquire).is_pending());
            joined.send(()).unwrap();
            acquire.await.unwrap()
        }
    });
    waits.recv().unwrap();
    let others: Vec<_> = (0..3)
        .map(|_| {
            let limiter = limiter.clone();
            second.spawn(async move { spent(limiter.acquire(M, tokens(1)).await.unwrap(), 1) })
        })
        .collect();
    drop(first);
    second.block_on(async {
        for other in others {
            tokio::time::timeout(Duration::from_secs(10), other).await.expect("nobody is stuck").unwrap();
        }
    });
}

#[tokio::test(start_paused = true)]
async fn two_thousand_waiters_all_get_through_at_the_rate_of_the_quota() {
    let limiter = limiter(
        Limits::new().with(Quota::refill(Unit::Requests, 100, Duration::from_secs(1)).guard(Duration::ZERO)),
    );
    let begin = Instant::now();
    let tasks: Vec<_> = (0..2_100)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { spent(limiter.acquire(M, tokens(1)).await.unwrap(), 1) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = begin.elapsed();
    assert!((Duration::from_secs(20)..Duration::from_millis(20_020)).contains(&took), "{took:?}");
}
