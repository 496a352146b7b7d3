//! What calls are charged and draw.

use crate::{MINUTE, admitted, refused, request};
use std::time::Duration;
use tollgate_sim::{ChargeRule, Config, Faults, Provider, Request};

#[test]
fn charge_rules_differ_in_what_they_take_and_when() {
    for (charge, at_admission, at_the_end) in [
        (ChargeRule::InputOnly, 10, 10),
        (ChargeRule::InputPlusMaxOutput, 60, 60),
        (ChargeRule::RealUsage, 10, 30),
    ] {
        let mut provider = Provider::new(Config { tpm: Some(100), charge, ..Config::default() });
        let call = Request { output_tokens: Some(20), ..request(1, 10, 50) };
        let admission = admitted(provider.decide(0, &call));
        assert_eq!(admission.charged, at_admission, "{charge:?}");
        assert_eq!(admission.output_tokens, 20);
        assert_eq!(admission.levels.tpm.map(|level| level.used), Some(at_admission));
        provider.finish(0, admission.ticket);
        assert_eq!(provider.levels(0).tpm.map(|level| level.used), Some(at_the_end), "{charge:?}");
        assert_eq!(provider.summary().tokens_charged, at_the_end);
    }
}

#[test]
fn an_absent_max_tokens_counts_as_the_default() {
    let mut provider = Provider::new(Config { tpm: Some(100), ..Config::default() });
    let call = Request { max_output_tokens: None, ..request(1, 10, 0) };
    assert_eq!(admitted(provider.decide(0, &call)).charged, 26);
}

#[test]
fn real_usage_may_go_into_debt_which_later_calls_wait_out() {
    let config = Config { tpm: Some(60), charge: ChargeRule::RealUsage, ..Config::default() };
    let mut provider = Provider::new(config);
    let call = Request { output_tokens: Some(90), ..request(1, 30, 90) };
    let admission = admitted(provider.decide(0, &call));
    provider.finish(0, admission.ticket);
    let refusal = refused(provider.decide(0, &request(2, 10, 0)));
    assert_eq!((refusal.used, refusal.limit, refusal.requested), (120, 60, 10));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(70)));
    assert_eq!(refusal.levels.tpm.map(|level| level.remaining()), Some(0));
}

#[test]
fn a_call_that_ends_early_is_charged_for_what_it_made() {
    let config = Config { tpm: Some(60), charge: ChargeRule::RealUsage, ..Config::default() };
    let mut provider = Provider::new(config);
    let call = Request { output_tokens: Some(40), ..request(1, 10, 90) };
    let admission = admitted(provider.decide(0, &call));
    provider.abandon(0, admission.ticket, 15);
    assert_eq!(provider.summary().tokens_charged, 25);
}

#[test]
fn latency_and_length_follow_the_call_not_the_order_of_arrival() {
    let calls: Vec<Request> = (0..50).map(|id| request(id, 1, 1_000)).collect();
    let drawn = |order: &mut dyn Iterator<Item = &Request>| {
        let mut provider = Provider::new(Config { seed: 3, ..Config::default() });
        let mut drawn: Vec<_> = order
            .map(|call| {
                let admission = admitted(provider.decide(0, call));
                (call.id, admission.latency, admission.output_tokens)
            })
            .collect();
        drawn.sort();
        drawn
    };
    assert_eq!(drawn(&mut calls.iter()), drawn(&mut calls.iter().rev()));
}

#[test]
fn a_refusal_does_not_change_what_the_call_draws() {
    let config = Config { rpm: Some(1), ..Config::default() };
    let mut refused_first = Provider::new(config.clone());
    let _ = admitted(refused_first.decide(0, &request(1, 1, 100)));
    let _ = refused(refused_first.decide(0, &request(2, 1, 100)));
    let later = admitted(refused_first.decide(MINUTE, &request(2, 1, 100)));
    let direct = admitted(Provider::new(config).decide(0, &request(2, 1, 100)));
    assert_eq!(later.latency, direct.latency);
}

#[test]
fn a_failing_call_is_charged_but_makes_no_output() {
    let faults = Faults { server_errors: 1.0, ..Faults::default() };
    let config = Config { tpm: Some(100), charge: ChargeRule::RealUsage, faults, ..Config::default() };
    let mut provider = Provider::new(config);
    let admission = admitted(provider.decide(0, &request(1, 10, 50)));
    assert_eq!(admission.output_tokens, 0);
    provider.finish(0, admission.ticket);
    let summary = provider.summary();
    assert_eq!((summary.ok, summary.server_errors, summary.tokens_charged), (0, 1, 10));
}
