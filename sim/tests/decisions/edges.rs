//! Who is let in, who is not, and at which instant that changes.

use crate::{DAY, MINUTE, SECOND, admitted, refused, request};
use std::time::Duration;
use tollgate_sim::{Budget, ChargeRule, Config, Decision, Earliest, LawKind, Provider};

/// Lets calls of 10 tokens in until the budget of 30 is used up, then tries one nanosecond too early, and at the instant.
fn exact_edge(law: LawKind, instant: u64) {
    let config = Config { tpm: Some(30), charge: ChargeRule::InputOnly, law, ..Config::default() };
    let mut provider = Provider::new(config);
    for (id, at) in [10, 20, 30].into_iter().enumerate() {
        let _ = admitted(provider.decide(at * SECOND, &request(id as u64, 10, 0)));
    }
    let wait = refused(provider.decide(30 * SECOND, &request(9, 30, 0))).retry_after;
    assert_eq!(wait, Some(Duration::from_nanos(instant - 30 * SECOND)));
    let early = refused(provider.decide(instant - 1, &request(9, 30, 0)));
    assert_eq!(early.retry_after, Some(Duration::from_nanos(1)));
    let _ = admitted(provider.decide(instant, &request(9, 30, 0)));
}

#[test]
fn a_refilled_budget_refuses_one_nanosecond_before_the_stated_instant_and_admits_at_it() {
    // 30 tokens a minute are one in two seconds. Of the 30 charged, 5 are back by 20 s and 5 more by 30 s: 20 are missing.
    exact_edge(LawKind::Refill, 30 * SECOND + 40 * SECOND);
}

#[test]
fn a_fixed_window_refuses_until_the_minute_turns() {
    exact_edge(LawKind::Fixed, MINUTE);
}

#[test]
fn a_sliding_window_refuses_until_the_last_entry_is_a_minute_old() {
    exact_edge(LawKind::Sliding, 90 * SECOND);
}

#[test]
fn a_refused_call_takes_nothing_from_any_budget() {
    let config = Config {
        rpm: Some(10),
        rpd: Some(10),
        tpm: Some(100),
        tpd: Some(1_000),
        concurrency: Some(5),
        charge: ChargeRule::InputOnly,
        ..Config::default()
    };
    let mut provider = Provider::new(config);
    let _ = admitted(provider.decide(0, &request(1, 90, 0)));
    let before = provider.levels(0);
    let refusal = refused(provider.decide(0, &request(2, 20, 0)));
    assert_eq!((refusal.budget, refusal.limit, refusal.used), (Budget::Tpm, 100, 90));
    assert_eq!(refusal.requested, 20);
    assert_eq!(provider.levels(0), before);
    assert_eq!(refusal.levels, before);
}

#[test]
fn the_budget_that_takes_longest_is_named_and_its_wait_suffices() {
    for (before_midnight, budget, wait) in
        [(600 * SECOND, Budget::Rpd, 600 * SECOND), (30 * SECOND, Budget::Rpm, MINUTE)]
    {
        let mut provider = Provider::new(Config { rpm: Some(1), rpd: Some(1), ..Config::default() });
        let now = DAY - before_midnight;
        let _ = admitted(provider.decide(now, &request(1, 0, 0)));
        let refusal = refused(provider.decide(now, &request(2, 0, 0)));
        assert_eq!(refusal.budget, budget);
        assert_eq!(refusal.retry_after, Some(Duration::from_nanos(wait)));
        let _ = refused(provider.decide(now + wait - 1, &request(2, 0, 0)));
        let _ = admitted(provider.decide(now + wait, &request(2, 0, 0)));
    }
}

#[test]
fn a_clock_that_goes_back_gains_nothing() {
    let mut provider = Provider::new(Config { rpm: Some(1), ..Config::default() });
    let _ = admitted(provider.decide(MINUTE, &request(1, 0, 0)));
    let refusal = refused(provider.decide(0, &request(2, 0, 0)));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(60)));
    assert_eq!(provider.log().last().map(|entry| entry.at), Some(MINUTE));
}

#[test]
fn the_day_turns_at_midnight_utc_unless_it_is_refilled() {
    let noon = 20_000 * DAY + DAY / 2;
    for (day_law, wait) in [(LawKind::Fixed, DAY / 2), (LawKind::Refill, DAY / 4)] {
        let config = Config { tpd: Some(4), charge: ChargeRule::InputOnly, day_law, ..Config::default() };
        let mut provider = Provider::new(config);
        let _ = admitted(provider.decide(noon, &request(1, 4, 0)));
        let refusal = refused(provider.decide(noon, &request(2, 1, 0)));
        assert_eq!(refusal.budget, Budget::Tpd);
        assert_eq!(refusal.retry_after, Some(Duration::from_nanos(wait)), "{day_law:?}");
    }
}

#[test]
fn calls_in_flight_are_counted_and_nobody_promises_when_they_end() {
    let mut provider = Provider::new(Config { concurrency: Some(2), ..Config::default() });
    let first = admitted(provider.decide(0, &request(1, 1, 1)));
    let _second = admitted(provider.decide(0, &request(2, 1, 1)));
    let refusal = refused(provider.decide(0, &request(3, 1, 1)));
    assert_eq!((refusal.budget, refusal.limit, refusal.used), (Budget::Concurrency, 2, 2));
    assert_eq!(refusal.retry_after, None);
    assert_eq!(provider.earliest(0, &request(3, 1, 1)), Earliest::AfterAFinish);
    provider.finish(5, first.ticket);
    assert_eq!(provider.earliest(0, &request(3, 1, 1)), Earliest::At(5));
    let _ = admitted(provider.decide(5, &request(3, 1, 1)));
    assert_eq!(provider.summary().max_in_flight, 2);
}

#[test]
fn a_call_larger_than_a_limit_is_told_never() {
    let mut provider = Provider::new(Config { tpm: Some(100), ..Config::default() });
    let Decision::TooLarge(refusal) = provider.decide(0, &request(1, 60, 41)) else {
        panic!("101 do not fit into 100");
    };
    assert_eq!((refusal.budget, refusal.limit, refusal.requested), (Budget::Tpm, 100, 101));
    assert_eq!(provider.earliest(0, &request(1, 60, 41)), Earliest::Never);
    let _ = admitted(provider.decide(0, &request(1, 60, 40)));
}

#[test]
fn a_limit_of_zero_means_never() {
    for config in
        [Config { rpm: Some(0), ..Config::default() }, Config { concurrency: Some(0), ..Config::default() }]
    {
        let decision = Provider::new(config).decide(0, &request(1, 1, 1));
        assert!(matches!(decision, Decision::TooLarge(_)));
    }
}

#[test]
fn minutes_and_days_may_be_shortened() {
    let config = Config {
        rpm: Some(1),
        rpd: Some(3),
        minute: Duration::from_secs(2),
        day: Duration::from_secs(10),
        ..Config::default()
    };
    let mut provider = Provider::new(config);
    for at in [0, 2, 4] {
        let _ = admitted(provider.decide(at * SECOND, &request(at, 0, 0)));
    }
    let refusal = refused(provider.decide(6 * SECOND, &request(6, 0, 0)));
    assert_eq!(refusal.budget, Budget::Rpd);
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(4)));
}
