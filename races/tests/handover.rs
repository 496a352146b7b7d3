//! A slot goes from one call to the next: no order loses it or hands it out twice.
#![cfg(any(tollgate_loom, tollgate_shuttle))]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use tollgate::{Acquire, AcquireError, Cost, Limiter, Limits, Usage};
use tollgate_races::{Caller, M, check, crowd, finish, free_slots, limiter, race, take, thread};

fn slots(slots: u64) -> Limiter {
    limiter(Limits::new().concurrency(slots))
}

fn call(limiter: &Limiter) -> Acquire {
    limiter.acquire(M, Cost::input(1))
}

fn all_is_back(limiter: &Limiter, slots: i64) {
    assert_eq!(limiter.waiting(), 0, "nobody waits");
    assert_eq!(free_slots(limiter), slots, "slots that are free");
}

#[test]
fn a_slot_that_comes_back_while_its_waiter_is_dropped_is_free_again() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let waiter = Caller::waiting(call(&limiter));
        race(move || drop(waiter), move || out.release(Usage::new(1, 0)));
        all_is_back(&limiter, 1);
        drop(take(&limiter));
    });
}

#[test]
fn a_slot_whose_waiter_is_dropped_goes_to_the_next() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let head = Caller::waiting(call(&limiter));
        let next = Caller::waiting(call(&limiter));
        race(move || drop(head), move || out.release(Usage::new(1, 0)));
        assert_eq!(next.bell.rung(), 1, "it is woken, and once");
        finish(vec![next], 1);
        all_is_back(&limiter, 1);
    });
}

#[test]
fn a_granted_call_that_is_dropped_makes_room_for_one_that_arrives() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let granted = Caller::waiting(call(&limiter));
        drop(out);
        let arrives = Caller::new(call(&limiter));
        let ((), arrived) = race(move || drop(granted), || arrives.polled());
        finish(vec![arrived], 1);
        all_is_back(&limiter, 1);
    });
}

#[test]
fn two_calls_that_end_at_once_wake_two_that_wait_once_each() {
    check(|| {
        let limiter = slots(2);
        let (one, two) = (take(&limiter), take(&limiter));
        let mut waiters = vec![Caller::waiting(call(&limiter)), Caller::waiting(call(&limiter))];
        race(move || one.release(Usage::new(1, 0)), move || drop(two));
        for waiter in &mut waiters {
            assert_eq!(waiter.bell.rung(), 1);
            assert!(waiter.poll(), "woken for something");
        }
        finish(waiters, 2);
        all_is_back(&limiter, 2);
    });
}

#[test]
fn two_calls_that_end_while_one_gives_up_serve_those_that_are_left() {
    crowd(|| {
        let limiter = slots(2);
        let (one, two) = (take(&limiter), take(&limiter));
        let gives_up = Caller::waiting(call(&limiter));
        let waiters: Vec<Caller> = (0..2).map(|_| Caller::waiting(call(&limiter))).collect();
        let ends = thread::spawn(move || drop(one));
        race(move || drop(two), move || drop(gives_up));
        ends.join().unwrap();
        finish(waiters, 2);
        all_is_back(&limiter, 2);
    });
}

#[test]
fn a_call_that_moves_to_another_task_wakes_that_task() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let waiter = Caller::waiting(call(&limiter));
        let (waiter, ()) = race(move || waiter.moved(), move || drop(out));
        assert!(waiter.decided.is_some() || waiter.is_called(), "its permit lies there and nobody tells it");
        finish(vec![waiter], 1);
        all_is_back(&limiter, 1);
    });
}

#[test]
fn a_call_that_arrives_as_the_last_one_ends_is_served() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let arrives = Caller::new(call(&limiter));
        let (arrived, ()) = race(move || arrives.polled(), move || drop(out));
        assert!(arrived.decided.is_some() || arrived.is_called());
        finish(vec![arrived], 1);
        all_is_back(&limiter, 1);
    });
}

#[test]
fn who_will_not_wait_takes_no_slot_that_is_another_calls() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let mut waiter = Caller::waiting(call(&limiter));
        let tries = limiter.clone();
        let (taken, ()) = race(move || tries.try_acquire(M, Cost::input(1)), move || drop(out));
        assert!(taken.is_err(), "a call was waiting for it the whole time");
        assert_eq!(waiter.bell.rung(), 1);
        assert!(waiter.poll());
        finish(vec![waiter], 1);
        all_is_back(&limiter, 1);
    });
}

#[test]
fn limits_that_change_while_a_call_ends_serve_who_waits() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let waiters = vec![Caller::waiting(call(&limiter)), Caller::waiting(call(&limiter))];
        let changed = limiter.clone();
        let change = move || changed.set_limits(M, &Limits::new().concurrency(2)).unwrap();
        race(change, move || drop(out));
        assert!(waiters.iter().all(|waiter| waiter.bell.rung() == 1), "there is room for both");
        finish(waiters, 2);
        all_is_back(&limiter, 2);
    });
}

#[test]
fn a_limit_of_none_reaches_a_call_that_is_polled() {
    check(|| {
        let limiter = limiter(Limits::new().concurrency(1).tpm(100));
        let out = take(&limiter);
        let waiter = Caller::waiting(limiter.acquire(M, Cost::input(50)));
        let changed = limiter.clone();
        let change = move || changed.set_limits(M, &Limits::new().concurrency(1).tpm(10)).unwrap();
        let ((), mut waiter) = race(change, move || waiter.moved());
        assert!(waiter.decided.is_some() || waiter.is_called());
        assert!(waiter.poll());
        let told = waiter.decided.unwrap();
        assert!(matches!(told, Err(AcquireError::ExceedsQuota(_))), "{told:?}");
        drop(out);
        all_is_back(&limiter, 1);
    });
}

#[test]
fn whichever_model_is_free_costs_the_others_nothing() {
    check(|| {
        let limiter = Limiter::builder()
            .model("a", Limits::new().concurrency(1))
            .model("b", Limits::new().concurrency(1))
            .build()
            .unwrap();
        let one = limiter.try_acquire("a", Cost::input(1)).unwrap();
        let two = limiter.try_acquire("b", Cost::input(1)).unwrap();
        let any = limiter.acquire_any(["a", "b"], Cost::input(1));
        let waiter = Caller::waiting(async move { any.await.map(|(_, permit)| permit) });
        let polls = move || {
            drop(two);
            waiter.polled()
        };
        let ((), waiter) = race(move || drop(one), polls);
        assert!(waiter.decided.is_some());
        finish(vec![waiter], 1);
        all_is_back(&limiter, 2);
    });
}

#[test]
fn more_calls_than_are_woken_in_one_go_are_all_woken() {
    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let waiters: Vec<Caller> = (0..3).map(|_| Caller::waiting(call(&limiter))).collect();
        let changed = limiter.clone();
        let change = move || changed.set_limits(M, &Limits::new().concurrency(4)).unwrap();
        race(change, || limiter.waiting());
        assert!(waiters.iter().all(|waiter| waiter.bell.rung() == 1), "three, where two are a batch");
        drop(out);
        finish(waiters, 4);
        all_is_back(&limiter, 4);
    });
}

#[test]
fn a_task_that_is_woken_may_ask_the_limiter_on_the_spot() {
    struct Asks(Limiter);

    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            assert_eq!(self.0.waiting(), 0, "its call is granted");
        }
    }

    check(|| {
        let limiter = slots(1);
        let out = take(&limiter);
        let mut waiter = call(&limiter);
        let waker = Waker::from(Arc::new(Asks(limiter.clone())));
        assert!(Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker)).is_pending());
        let asks = limiter.clone();
        race(move || asks.waiting(), move || drop(out));
        drop(waiter);
        all_is_back(&limiter, 1);
    });
}
