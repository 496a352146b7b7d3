//! Who waits for how long, and who goes first.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, sleep};

use super::*;

/// In the order in which they were admitted: their numbers, and how often each was polled.
async fn waiters(limiter: &Limiter, count: usize, cost: u64) -> Vec<(usize, u32)> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let wait = |number| {
        let (limiter, order) = (limiter.clone(), order.clone());
        tokio::spawn(async move {
            let mut acquire = pin!(limiter.acquire(M, tokens(cost)));
            let mut polls = 0;
            let permit = poll_fn(|cx| {
                polls += 1;
                acquire.as_mut().poll(cx)
            });
            permit.await.unwrap().release(Usage::new(cost, 0)).await;
            order.lock().unwrap().push((number, polls));
        })
    };
    for waiter in (0..count).map(wait).collect::<Vec<_>>() {
        waiter.await.unwrap();
    }
    Arc::into_inner(order).unwrap().into_inner().unwrap()
}

/// Calls of `cost` without end from each of several tasks.
fn stream(limiter: &Limiter, tasks: usize, cost: u64) -> Vec<tokio::task::JoinHandle<()>> {
    let task = |_| {
        let limiter = limiter.clone();
        tokio::spawn(async move {
            loop {
                call(&limiter, cost).await;
            }
        })
    };
    (0..tasks).map(task).collect()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

// aiolimiter 1.3, token-throttle 14.0.0 and throttle-net 1.0.0, run: not served in 30 s. boinkor-net/governor 0.10.4,
// run: 80 of 100 not served in 20 s beside four tasks that take 1 each; pelikan-io/rustcommon PR #129.
#[tokio::test(start_paused = true)]
async fn a_large_call_under_a_stream_of_small_ones_is_served_in_its_turn() {
    let limiter = limiter(thousand_in_ten_seconds());
    call(&limiter, 1_000).await;
    let small = stream(&limiter, 12, 20);
    let begin = Instant::now();
    call(&limiter, 800).await;
    let waited = begin.elapsed();
    // Alone it would wait for 8 s; before it stand at most twelve small ones; the slack is a quarter of a second.
    assert!(waited <= secs(8 + 3) + 250 * MS, "{waited:?}");
    small.iter().for_each(tokio::task::JoinHandle::abort);
}

// SGrondin/bottleneck 2.19.5, run: 10 units waited 8.0 s behind 800 although 100 were free; Curator, the OpenAI
// cookbook's script, golang/go #56910.
#[tokio::test(start_paused = true)]
async fn a_small_call_behind_a_large_one_goes_at_once_where_it_cannot_delay_it() {
    let limiter = limiter(thousand_in_ten_seconds());
    call(&limiter, 900).await;
    let begin = Instant::now();
    let large = tokio::spawn({
        let limiter = limiter.clone();
        async move { call(&limiter, 800).await }
    });
    sleep(MS).await;
    assert_eq!(limiter.waiting(), 1);
    call(&limiter, 10).await;
    assert!(begin.elapsed() <= 2 * MS, "{:?}", begin.elapsed());
    large.await.unwrap();
    assert!(begin.elapsed() <= secs(7) + 250 * MS, "{:?}", begin.elapsed());
}

// token-throttle 14.0.0, run: 94 of 190 pairs out of order; governor 0.10.4, run: 8,501 of 19,900; smol-rs/async-lock #23.
#[tokio::test(start_paused = true)]
async fn equal_calls_go_in_the_order_in_which_they_came() {
    let limiter = limiter(thousand_in_ten_seconds());
    call(&limiter, 1_000).await;
    let order: Vec<usize> = waiters(&limiter, 200, 10).await.into_iter().map(|(number, _)| number).collect();
    assert!(order.is_sorted(), "{order:?}");
}

// governor 0.10.4, run: 89 looks at the limiter for each of 200 calls that wait, for each wakes all.
#[tokio::test(start_paused = true)]
async fn each_of_two_hundred_waiting_calls_is_woken_once() {
    let limiter = limiter(thousand_in_ten_seconds());
    call(&limiter, 1_000).await;
    let polls: Vec<u32> = waiters(&limiter, 200, 10).await.into_iter().map(|(_, polls)| polls).collect();
    assert!(polls.iter().all(|polls| *polls == 2), "{polls:?}");
}

// leaky-bucket 1.1.2, run: a task that asks again at once is served before those that wait.
#[tokio::test(start_paused = true)]
async fn a_task_that_asks_again_at_once_stands_behind_those_that_wait() {
    let limiter = strict(thousand_in_ten_seconds());
    call(&limiter, 1_000).await;
    let again = stream(&limiter, 1, 100);
    sleep(MS).await;
    let begin = Instant::now();
    let others: Vec<_> = (0..5)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move { call(&limiter, 100).await })
        })
        .collect();
    for other in others {
        other.await.unwrap();
    }
    about(begin, secs(6) - MS);
    again.iter().for_each(tokio::task::JoinHandle::abort);
}

// leaky-bucket 1.1.2, run: a waiting future that nobody polls stopped all others for 1.98 s; oxidecomputer/omicron #9259.
#[tokio::test(start_paused = true)]
async fn a_waiting_call_that_nobody_polls_holds_up_nobody_for_longer_than_its_own_grant() {
    let limiter = limiter(thousand_in_ten_seconds());
    call(&limiter, 1_000).await;
    let begin = Instant::now();
    let mut kept = limiter.acquire(M, tokens(10));
    assert!(poll(&mut kept).is_pending());
    call(&limiter, 10).await;
    let waited = begin.elapsed();
    assert!(waited <= 100 * MS + 100 * MS + 250 * MS, "{waited:?}");
    drop(kept);
    assert_eq!(limiter.waiting(), 0);
}

// joshrotenberg/tower-resilience #363: after a second wait, a call goes without taking anything.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_more_than_once_still_pays() {
    let limiter = limiter(thousand_in_ten_seconds());
    let debt = limiter.try_acquire(M, tokens(1_000)).unwrap();
    let waits = tokio::spawn(limiter.acquire(M, tokens(600)));
    sleep(secs(5)).await;
    // Just before its turn it has to wait anew.
    debt.release(Usage::new(1_500, 0)).await;
    let permit = waits.await.unwrap().unwrap();
    assert!(remaining(&limiter)[0] <= 0, "{:?}", remaining(&limiter));
    permit.release(Usage::new(600, 0)).await;
    assert!(remaining(&limiter)[0] <= 0, "{:?}", remaining(&limiter));
}

// BerriAI/litellm #7669 and #3646, vercel/ai #7247: it waits where it could only fail.
#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_be_in_time_is_told_so_at_once_with_the_calls_ahead_counted() {
    let limiter = strict(thousand_in_ten_seconds());
    call(&limiter, 1_000).await;
    let ahead = tokio::spawn(limiter.acquire(M, tokens(900)));
    sleep(MS).await;
    let begin = Instant::now();
    let why = not_yet(limiter.acquire(M, tokens(200)).within(secs(10)).await);
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(why.ahead, 1);
    ahead.abort();
}
