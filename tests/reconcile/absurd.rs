//! Answers that cannot be, contradict each other or speak of something else.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::advance;
use tollgate::{Charge, Cost, Limiter, Limits, Permit, Quota, Unit, Usage};
use tollgate_sim::LawKind;

use crate::{MINUTE, limits, paused, quota, trace};

const M: &str = "m";
const LIMIT: u64 = 10_000;

#[derive(Clone, Debug)]
enum Op {
    Call(u64),
    /// The head of a call's answer: limit, remaining, reset in milliseconds.
    Head(usize, &'static str, String, &'static str),
    End(usize),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let limit = prop_oneof![
        4 => Just("10000"), 2 => Just("20000"), 2 => Just("5000"),
        1 => prop::sample::select(vec!["1", "1000000000000", "0", "-5", "many", "", "18446744073709551616"]),
    ];
    let left = prop_oneof![
        4 => (0_u64..12_000).prop_map(|left| left.to_string()),
        1 => prop::sample::select(vec!["-1", "1000000000000", "9007199254740992", "much", ""])
            .prop_map(str::to_owned),
    ];
    let reset = prop::sample::select(vec!["0", "1", "30000", "60000", "999999999999", "-3", "soon", ""]);
    prop_oneof![
        4 => (0_u64..900).prop_map(Op::Call),
        4 => (0_usize..8, limit, left, reset).prop_map(|(call, limit, left, reset)| Op::Head(call, limit, left, reset)),
        3 => (0_usize..8).prop_map(Op::End),
        2 => (0_u64..20_000).prop_map(Op::Wait),
    ]
}

fn budget(limiter: &Limiter) -> (u64, i64) {
    let snapshot = limiter.snapshot();
    let budget = &snapshot.scopes()[0].budgets[0];
    (budget.quota.limit(), budget.remaining)
}

fn hear(permit: &Permit, limit: &str, left: &str, reset: &str) {
    let head = [
        ("x-ratelimit-limit-tokens", limit),
        ("x-ratelimit-remaining-tokens", left),
        ("x-ratelimit-reset-tokens", reset),
        ("x-ratelimit-renewalperiod-tokens", "60"),
    ];
    permit.observe(200_u16, &head);
}

async fn answered(limiter: &Limiter, limit: u64, left: u64) {
    let permit = limiter.try_acquire(M, Cost::input(10)).unwrap();
    hear(&permit, &limit.to_string(), &left.to_string(), "");
    permit.release(Usage::new(10, 0)).await;
}

proptest! {
    #![proptest_config(crate::config(300))]

    #[test]
    fn whatever_answers_say_levels_stay_within_limits_and_calls_go_on(
        law in trace::law(), ops in prop::collection::vec(op(), 1..80),
    ) {
        paused(async {
            let limiter = Limiter::builder().model(M, Limits::new().with(quota(law, Unit::Tokens, LIMIT))).build();
            let limiter = limiter.unwrap();
            let mut out: Vec<(Permit, bool, u64)> = Vec::new();
            let mut heard: Vec<&str> = Vec::new();
            // Told of more before anything was adopted.
            let (mut share, mut adopted) = (false, false);
            for op in ops {
                let before = budget(&limiter);
                match op {
                    Op::Call(tokens) => if let Ok(permit) = limiter.try_acquire(M, Cost::input(tokens)) {
                        out.push((permit, false, tokens));
                    },
                    Op::Head(call, limit, left, reset) => {
                        let count = out.len();
                        let Some((permit, seen, _)) = out.get_mut(call % count.max(1)) else { continue };
                        hear(permit, limit, &left, reset);
                        if std::mem::replace(seen, true) {
                            assert_eq!(budget(&limiter), before, "a second head counts");
                            continue;
                        }
                        let valid = limit.parse::<u64>().is_ok_and(|limit| limit > 0 && limit < 1 << 53);
                        heard.extend(valid.then_some(limit));
                        let (now, level) = budget(&limiter);
                        if now != before.0 {
                            let told = heard.iter().map(|told| told.parse::<u64>().unwrap());
                            let first = told.clone().find(|told| *told >= LIMIT);
                            share |= !adopted && first.is_some_and(|told| told > LIMIT);
                            adopted = true;
                            assert!(!share || now <= LIMIT, "a share was raised to {now}");
                            // To a share, all that is above it is the same.
                            let most = if share { LIMIT } else { u64::MAX };
                            let told = told.filter(|told| (*told).min(most) == now).count();
                            assert!(told >= 2, "adopted after {told}: {heard:?}");
                        } else if limit.parse::<u64>().is_ok_and(|limit| limit != before.0)
                            || left.parse::<u64>().is_ok_and(|left| left > before.0)
                        {
                            assert!(level <= before.1, "raised from {} to {level} by {limit}, {left}", before.1);
                        }
                    }
                    Op::End(call) => if !out.is_empty() {
                        let (permit, _, tokens) = out.swap_remove(call % out.len());
                        permit.release(Usage::new(tokens / 2, 0)).await;
                    },
                    Op::Wait(millis) => advance(Duration::from_millis(millis)).await,
                }
                let (limit, level) = budget(&limiter);
                assert!(level <= limit as i64, "{level} of {limit}");
                assert!(level >= -2 * LIMIT as i64, "{level} of {limit}");
            }
            for (permit, _, tokens) in out {
                permit.release(Usage::new(tokens / 2, 0)).await;
            }
            // Debt is paid off, however absurd the answers were.
            let least = Cost::input(1);
            let waited = async {
                // A limit of one a minute leaves debts of twenty thousand minutes.
                for _ in 0..2_000 {
                    if limiter.try_acquire(M, least).is_ok() {
                        return true;
                    }
                    advance(20 * MINUTE).await;
                }
                false
            };
            assert!(waited.await, "nothing passes any more: {:?}", limiter.snapshot());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_stays_one_when_the_provider_lowers_its_limit_below_it_and_raises_it_again() {
    let limiter = Limiter::builder().model(M, limits(LawKind::Sliding, Charge::Usage)).build().unwrap();
    let limit = |limiter: &Limiter| limiter.snapshot().scopes()[0].budgets[1].quota.limit();
    for (told, follows) in [
        (100_000, 61_000),
        (100_000, 61_000),
        (40_000, 61_000),
        (40_000, 40_000),
        (100_000, 40_000),
        (100_000, 61_000),
        (100_000, 61_000),
    ] {
        answered(&limiter, told, told - 100).await;
        assert_eq!(limit(&limiter), follows, "after {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_set_below_the_providers_is_not_overruled_by_answers() {
    let limits = |limit| Limits::new().with(Quota::refill(Unit::Tokens, limit, MINUTE));
    let limiter = Limiter::builder().model(M, limits(LIMIT)).build().unwrap();
    for _ in 0..3 {
        answered(&limiter, LIMIT, LIMIT - 100).await;
    }
    limiter.set_limits(M, &limits(LIMIT / 2)).unwrap();
    for _ in 0..5 {
        answered(&limiter, LIMIT, LIMIT - 100).await;
        assert_eq!(budget(&limiter).0, LIMIT / 2);
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_took_is_missing_beside_what_was_sent_since() {
    for law in [LawKind::Refill, LawKind::Sliding] {
        let quota = quota(law, Unit::Tokens, LIMIT).guard(Duration::ZERO);
        let limiter = Limiter::builder().model(M, Limits::new().with(quota)).build().unwrap();
        answered(&limiter, LIMIT, 9_990).await;
        let first = limiter.try_acquire(M, Cost::input(100)).unwrap();
        let _later = limiter.try_acquire(M, Cost::input(1_000)).unwrap();
        // 10 and 100 of ours, and 500 of somebody else; the later call is not in it.
        hear(&first, "10000", "9390", "");
        let (_, level) = budget(&limiter);
        assert!((8_389..=8_391).contains(&level), "{law:?}: {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_half_a_second_after_a_call_is_not_in_what_its_answer_tells() {
    let quota = quota(LawKind::Sliding, Unit::Tokens, LIMIT).guard(Duration::ZERO);
    let limiter = Limiter::builder().model(M, Limits::new().with(quota)).build().unwrap();
    answered(&limiter, LIMIT, 9_990).await;
    let first = limiter.try_acquire(M, Cost::input(100)).unwrap();
    advance(Duration::from_millis(500)).await;
    let _later = limiter.try_acquire(M, Cost::input(1_000)).unwrap();
    advance(Duration::from_millis(500)).await;
    // 10 and 100 of ours, and 500 of somebody else; no call is on its way for so long.
    hear(&first, "10000", "9390", "");
    let (_, level) = budget(&limiter);
    assert!((8_389..=8_391).contains(&level), "{level}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_never_sent_are_not_missing_in_what_an_answer_tells() {
    for law in [LawKind::Refill, LawKind::Sliding] {
        let quota = quota(law, Unit::Tokens, LIMIT).guard(Duration::ZERO);
        let limiter = Limiter::builder().model(M, Limits::new().with(quota)).build().unwrap();
        answered(&limiter, LIMIT, 9_990).await;
        let permit = limiter.try_acquire(M, Cost::input(100)).unwrap();
        for _ in 0..20 {
            limiter.try_acquire(M, Cost::input(400)).unwrap().cancel().await;
        }
        hear(&permit, "10000", "9890", "");
        assert_eq!(budget(&limiter), (LIMIT, 9_890), "{law:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_is_not_filled_by_an_answer_that_names_no_limit() {
    let limits = Limits::new().with(quota(LawKind::Sliding, Unit::Tokens, 1_000)).charge(Charge::InputOnly);
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    answered(&limiter, LIMIT, 9_990).await;
    let permit = limiter.try_acquire(M, Cost::input(900)).unwrap();
    hear(&permit, "", "950", "");
    assert_eq!(budget(&limiter), (1_000, 90));
}
