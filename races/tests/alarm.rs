//! What only time brings: the alarm rings while calls arrive, give up and are polled.
#![cfg(any(tollgate_loom, tollgate_shuttle))]

use std::time::Duration;

use tollgate::{AcquireError, Cost, Limiter, Limits, Quota, Unit};
use tollgate_races::{Caller, M, check, crowd, finish, free_slots, limiter, race, take, thread, time};

const SECOND: Duration = Duration::from_secs(1);
const LAPSE: Duration = Duration::from_millis(250);

/// One request in each second, used up for the first.
fn one_a_second() -> Limiter {
    let quota = Quota::refill(Unit::Requests, 1, SECOND).burst(1).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota));
    let permit = take(&limiter);
    permit.observe(200_u16, &[("", "")]);
    drop(permit);
    limiter
}

fn call(limiter: &Limiter) -> Caller {
    Caller::new(limiter.acquire(M, Cost::input(1)))
}

fn waiting(limiter: &Limiter) -> Caller {
    Caller::waiting(limiter.acquire(M, Cost::input(1)))
}

fn a_second_passes() {
    time::advance(SECOND);
    time::ring();
}

#[test]
fn a_call_that_arrives_as_the_alarm_rings_is_served_in_its_turn() {
    check(|| {
        let limiter = one_a_second();
        let first = waiting(&limiter);
        let second = call(&limiter);
        let ((), second) = race(a_second_passes, || second.polled());
        assert!(first.is_called() || second.decided.is_some(), "a second's request was not handed out");
        finish(vec![first, second], 2);
        assert_eq!(limiter.waiting(), 0);
    });
}

#[test]
fn a_call_that_gives_up_as_the_alarm_rings_for_it_lets_the_next_go() {
    check(|| {
        let limiter = one_a_second();
        let (first, second) = (waiting(&limiter), waiting(&limiter));
        race(a_second_passes, move || drop(first));
        assert!(second.is_called(), "the second's request is still there for it");
        finish(vec![second], 1);
        assert_eq!(limiter.waiting(), 0);
    });
}

#[test]
fn the_first_call_to_wait_sets_an_alarm_though_time_passes_meanwhile() {
    check(|| {
        let limiter = one_a_second();
        let first = call(&limiter);
        let ((), first) = race(a_second_passes, || first.polled());
        finish(vec![first], 1);
        assert_eq!(limiter.waiting(), 0);
    });
}

#[test]
fn an_alarm_that_rings_as_it_is_set_is_set_again_for_the_next_call() {
    check(|| {
        let limiter = one_a_second();
        let first = call(&limiter);
        let ((), first) = race(a_second_passes, || first.polled());
        finish(vec![first, call(&limiter).polled()], 2);
        assert_eq!(limiter.waiting(), 0);
    });
}

#[test]
fn two_calls_that_set_the_alarm_at_once_leave_it_at_the_earlier() {
    check(|| {
        let limiter = limiter(Limits::new().concurrency(1));
        let out = take(&limiter);
        let within = |seconds: u32| Caller::new(limiter.acquire(M, Cost::input(1)).within(SECOND * seconds));
        // The call that is out may end at any time, so both may hope.
        let (late, soon) = (within(9), within(1));
        let (late, soon) = race(move || late.polled(), || soon.polled());
        a_second_passes();
        assert!(soon.is_called() && !late.is_called(), "a second is over for one of them");
        drop((late, soon, out));
        assert_eq!((limiter.waiting(), free_slots(&limiter)), (0, 1));
    });
}

#[test]
fn a_grant_that_lapses_as_its_call_is_polled_is_one_calls_and_no_more() {
    check(|| {
        let limiter = limiter(Limits::new().concurrency(1));
        let out = take(&limiter);
        let (first, second) = (waiting(&limiter), waiting(&limiter));
        drop(out);
        assert!(first.is_called() && !second.is_called());
        let lapse = || {
            time::advance(LAPSE);
            time::ring();
        };
        let ((), first) = race(lapse, || first.polled());
        assert!(first.decided.is_some() != second.is_called(), "the slot is one call's");
        finish(vec![first, second], 1);
        assert_eq!((limiter.waiting(), free_slots(&limiter)), (0, 1));
    });
}

#[test]
fn a_grant_that_lapses_as_its_call_is_dropped_goes_to_the_next() {
    check(|| {
        let limiter = limiter(Limits::new().concurrency(1));
        let out = take(&limiter);
        let (first, second) = (waiting(&limiter), waiting(&limiter));
        drop(out);
        let lapse = || {
            time::advance(LAPSE);
            time::ring();
        };
        race(lapse, move || drop(first));
        assert_eq!(second.bell.rung(), 1);
        finish(vec![second], 1);
        assert_eq!((limiter.waiting(), free_slots(&limiter)), (0, 1));
    });
}

#[test]
fn a_call_whose_time_is_up_as_its_slot_comes_back_has_one_or_the_other() {
    check(|| {
        let limiter = limiter(Limits::new().concurrency(1));
        let out = take(&limiter);
        let mut first = Caller::waiting(limiter.acquire(M, Cost::input(1)).within(SECOND));
        race(a_second_passes, move || drop(out));
        assert_eq!(first.bell.rung(), 1);
        assert!(first.poll());
        match first.decided.take().unwrap() {
            Ok(permit) => drop(permit),
            Err(AcquireError::NotYet(_)) => {}
            Err(error) => panic!("{error}"),
        }
        assert_eq!((limiter.waiting(), free_slots(&limiter)), (0, 1));
    });
}

#[test]
fn an_alarm_that_rings_as_the_limiter_is_dropped_harms_nobody() {
    check(|| {
        let limiter = one_a_second();
        let first = waiting(&limiter);
        race(a_second_passes, move || drop((limiter, first)));
    });
}

#[test]
fn an_old_alarm_that_rings_late_does_not_silence_the_next() {
    crowd(|| {
        let limiter = one_a_second();
        let (first, second) = (waiting(&limiter), waiting(&limiter));
        let rings = thread::spawn(a_second_passes);
        race(a_second_passes, move || drop(first));
        rings.join().unwrap();
        finish(vec![second], 1);
        assert_eq!(limiter.waiting(), 0);
    });
}
