//! The laws against their definitions, checked by brute force on busy random runs.

use crate::{MINUTE, SECOND};
use tollgate_sim::{ChargeRule, Config, Decision, LawKind, Outcome, Provider, Request};

const LIMIT: u64 = 1_000;

/// Instants and amounts of everything charged while 3,000 calls of random sizes knock at random times.
fn charges(law: LawKind) -> Vec<(u64, u64)> {
    let config = Config { tpm: Some(LIMIT), law, charge: ChargeRule::InputOnly, ..Config::default() };
    let mut provider = Provider::new(config);
    let mut now = 1_700_000_000 * SECOND;
    let mut random = 1_u64;
    for id in 0..3_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        now += (random >> 33) % (2 * SECOND);
        let input_tokens = 1 + (random >> 20) % 200;
        let call = Request { id, input_tokens, max_output_tokens: Some(0), output_tokens: Some(0) };
        match provider.decide(now, &call) {
            Decision::Admitted(admission) => provider.finish(now, admission.ticket),
            Decision::Refused(refusal) => {
                let wait = refusal.retry_after.expect("only tokens are limited");
                let instant = now + wait.as_nanos() as u64;
                if random.is_multiple_of(2) {
                    let Decision::Admitted(admission) = provider.decide(instant, &call) else {
                        panic!("{law:?}: the stated wait was too short");
                    };
                    provider.finish(instant, admission.ticket);
                    now = instant;
                }
            }
            Decision::TooLarge(refusal) => panic!("{refusal:?}"),
        }
    }
    let entries = provider.log().iter().filter(|entry| entry.outcome == Outcome::Admitted);
    entries.map(|entry| (entry.at, entry.charged)).collect()
}

/// For every pair of charges, the instants of both and the sum of all from the first to the second.
fn for_all_spans(charges: &[(u64, u64)], check: impl Fn(u64, u64, u64)) {
    for (first, &(from, _)) in charges.iter().enumerate() {
        let mut sum = 0;
        for &(to, amount) in &charges[first..] {
            sum += amount;
            check(from, to, sum);
        }
    }
}

#[test]
fn refilled_never_more_than_one_limit_and_the_rate_in_any_span() {
    for_all_spans(&charges(LawKind::Refill), |from, to, sum| {
        let allowed = u128::from(LIMIT) * u128::from(MINUTE + to - from);
        assert!(u128::from(sum) * u128::from(MINUTE) <= allowed, "{sum} from {from} to {to}");
    });
}

#[test]
fn sliding_never_more_than_one_limit_in_any_span_shorter_than_a_minute() {
    for_all_spans(&charges(LawKind::Sliding), |from, to, sum| {
        assert!(to - from >= MINUTE || sum <= LIMIT, "{sum} from {from} to {to}");
    });
}

#[test]
fn fixed_never_more_than_one_limit_between_two_turns_of_the_minute() {
    for_all_spans(&charges(LawKind::Fixed), |from, to, sum| {
        assert!(from / MINUTE != to / MINUTE || sum <= LIMIT, "{sum} from {from} to {to}");
    });
}

#[test]
fn every_law_lets_nearly_all_of_its_limit_be_used() {
    for law in [LawKind::Refill, LawKind::Fixed, LawKind::Sliding] {
        let charges = charges(law);
        let (first, last) = (charges[0].0, charges[charges.len() - 1].0);
        let charged: u64 = charges.iter().map(|&(_, amount)| amount).sum();
        let share = charged as f64 / (LIMIT as f64 * ((last - first) as f64 / MINUTE as f64 + 1.0));
        assert!(share > 0.9, "{law:?}: {share}");
    }
}
