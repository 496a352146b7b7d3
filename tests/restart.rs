//! What a restart must not forget, by way of JSON.
//!
//! Time is paused. A limiter reads the system's clock when it is made, so the one that takes over
//! is made first: both then tell the same time.
#![allow(clippy::disallowed_methods, reason = "a test reads the system's clock")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::advance;
use tollgate::{Charge, Cost, Group, Limiter, Limits, Quota, Snapshot, Unit, Usage};

const M: &str = "gpt-4o-mini";
const MINUTE: Duration = Duration::from_secs(60);

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

fn remaining(limiter: &Limiter) -> Vec<i64> {
    limiter.snapshot().scopes()[0].budgets.iter().map(|budget| budget.remaining).collect()
}

fn through_json(snapshot: &Snapshot) -> Snapshot {
    serde_json::from_str(&serde_json::to_string(snapshot).unwrap()).unwrap()
}

fn restore(to: &Limiter, from: &Limiter) {
    assert_eq!(to.restore(&through_json(&from.snapshot())).unwrap(), Vec::<String>::new());
}

fn all_kinds() -> Limits {
    Limits::new()
        .with(Quota::refill(Unit::Tokens, 600, MINUTE).guard(Duration::ZERO))
        .with(Quota::fixed(Unit::Tokens, 1_000, 100_000 * MINUTE))
        .with(Quota::sliding(Unit::InputTokens, 1_000, MINUTE).guard(Duration::ZERO))
        .concurrency(5)
}

#[tokio::test(start_paused = true)]
async fn the_day_is_remembered() {
    let limits = || Limits::new().tpd(1_000_000).rpd(1_000);
    let (later, first) = (limiter(limits()), limiter(limits()));
    for _ in 0..10 {
        first.acquire(M, Cost::input(50_000)).await.unwrap().release(Usage::new(40_000, 0)).await;
    }
    restore(&later, &first);
    assert_eq!(remaining(&later), [600_000, 990]);
    assert!(later.try_acquire(M, Cost::input(600_001)).is_err());
    assert!(later.try_acquire(M, Cost::input(600_000)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_minute_is_remembered_and_what_flowed_back_since_is_taken_into_account() {
    let (later, first) = (limiter(all_kinds()), limiter(all_kinds()));
    first.acquire(M, Cost::input(500)).await.unwrap().release(Usage::new(500, 0)).await;
    advance(Duration::from_secs(10)).await;
    let snapshot = through_json(&first.snapshot());
    assert_eq!(remaining(&first), [200, 500, 500, 5]);
    advance(Duration::from_secs(20)).await;
    later.restore(&snapshot).unwrap();
    let left = remaining(&later);
    assert!((398..=400).contains(&left[0]), "{left:?}");
    assert_eq!(left[1..], [500, 500, 5]);
    advance(Duration::from_secs(31)).await;
    assert_eq!(remaining(&later), [600, 500, 1_000, 5]);
}

#[tokio::test(start_paused = true)]
async fn debt_is_remembered() {
    let (later, first) = (limiter(all_kinds()), limiter(all_kinds()));
    first.acquire(M, Cost::input(1)).await.unwrap().release(Usage::new(2_000, 0)).await;
    restore(&later, &first);
    assert_eq!(remaining(&later), remaining(&first));
    assert!(remaining(&later)[0] <= -1_399);
    assert!(later.try_acquire(M, Cost::input(1)).is_err());
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_count_as_charged_and_hold_no_slot() {
    let (later, first) = (limiter(all_kinds()), limiter(all_kinds()));
    let out = first.acquire(M, Cost::input(100).max_output(200)).await.unwrap();
    restore(&later, &first);
    assert_eq!(remaining(&later), [300, 700, 900, 5]);
    out.release(Usage::new(1, 1)).await;
    assert_eq!(remaining(&later), [300, 700, 900, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_flight_within_the_guard_of_its_windows_end_counts_in_the_next_one_too() {
    let utc = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ends = (utc + Duration::from_secs(20)).as_nanos() % MINUTE.as_nanos();
    let quota = Quota::fixed(Unit::Requests, 1, MINUTE)
        .resets_at(Duration::from_nanos(u64::try_from(ends).unwrap()))
        .guard(Duration::from_secs(5));
    let [later, first] = [(); 2].map(|()| limiter(Limits::new().with(quota)));
    let out = first.try_acquire(M, Cost::input(1)).unwrap();
    advance(Duration::from_secs(17)).await;
    restore(&later, &first);
    advance(Duration::from_secs(9)).await;
    assert_eq!(remaining(&later), [0]);
    drop(out);
}

#[tokio::test(start_paused = true)]
async fn a_restored_limiter_never_has_more_left_than_the_one_it_follows() {
    for seed in 0..60_u64 {
        let (later, first) = (limiter(all_kinds()), limiter(all_kinds()));
        let mut out = Vec::new();
        for step in 0..20 {
            let dice = (seed * 31 + step * 17) % 97;
            if let Ok(permit) = first.try_acquire(M, Cost::input(dice).max_output(dice / 2)) {
                match dice % 4 {
                    0 => permit.release(Usage::new(dice * 2, 1)).await,
                    1 => permit.release(Usage::new(dice / 3, 0)).await,
                    2 => drop(permit),
                    _ => out.push(permit),
                }
            }
            advance(Duration::from_millis(dice * 13)).await;
        }
        let snapshot = through_json(&first.snapshot());
        advance(Duration::from_millis(seed * 400)).await;
        later.restore(&snapshot).unwrap();
        let (has, had) = (remaining(&later), remaining(&first));
        assert!(has[..3].iter().zip(&had).all(|(has, had)| has <= had), "{has:?}, it had {had:?}");
        drop(out);
    }
}

#[tokio::test(start_paused = true)]
async fn groups_and_tenants_are_remembered_and_unknown_scopes_are_told() {
    let group = |tenant: &str| {
        Group::new(Limits::new().rpd(10))
            .model("a", Limits::new().rpd(5))
            .tenant(tenant, Limits::new().rpd(3))
    };
    let builder = |tenant: &str| Limiter::builder().group("account", group(tenant));
    let later = builder("bob").build().unwrap();
    let first = builder("alice").model("gone", Limits::new().rpd(1)).build().unwrap();
    drop(first.acquire("a", Cost::input(1)).tenant("alice").await.unwrap());
    let missing = later.restore(&through_json(&first.snapshot())).unwrap();
    assert_eq!(missing, ["model gone", "tenant alice of group account"]);
    let left = |scope: usize| later.snapshot().scopes()[scope].budgets[0].remaining;
    assert_eq!([left(0), left(1), left(2)], [9, 4, 3]);
}

#[tokio::test(start_paused = true)]
async fn quotas_that_are_given_in_another_order_take_up_their_own_past() {
    let day = Duration::from_secs(86_400);
    let sliding = Quota::sliding(Unit::Requests, 60, day);
    let refill = Quota::refill(Unit::Requests, 600, day);
    let later = limiter(Limits::new().with(refill).with(sliding));
    let first = limiter(Limits::new().with(sliding).with(refill));
    for _ in 0..60 {
        drop(first.try_acquire(M, Cost::input(1)).unwrap());
    }
    // The bucket is full again, the window is not empty yet.
    advance(day / 2).await;
    restore(&later, &first);
    assert!(later.try_acquire(M, Cost::input(1)).is_err(), "{:?}", remaining(&later));
}

#[tokio::test(start_paused = true)]
async fn another_version_is_refused_and_changes_nothing() {
    let limiter = limiter(all_kinds().charge(Charge::InputOnly));
    drop(limiter.try_acquire(M, Cost::input(100)).unwrap());
    let mut json = serde_json::to_value(limiter.snapshot()).unwrap();
    json["version"] = 99.into();
    let before = remaining(&limiter);
    let error = limiter.restore(&serde_json::from_value(json).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "version: 99 is not the snapshot format 1 that this version reads");
    assert_eq!((remaining(&limiter), error.version), (before, 99));
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_snapshot_is_an_error() {
    let limiter = limiter(all_kinds());
    let good = serde_json::to_string(&limiter.snapshot()).unwrap();
    for end in 0..good.len() {
        assert!(serde_json::from_str::<Snapshot>(&good[..end]).is_err());
    }
    for bad in ["", "null", "[]", "{}", "{\"version\":1}", "{\"version\":-1,\"scopes\":[]}", "\u{0}"] {
        assert!(serde_json::from_str::<Snapshot>(bad).is_err(), "{bad}");
    }
    assert!(serde_json::from_str::<Snapshot>(&good.replace("\"scopes\"", "\"scope\"")).is_err());
}

/// Every number of a snapshot in turn becomes absurd: an error or some level, but no panic.
#[tokio::test(start_paused = true)]
async fn a_snapshot_with_absurd_numbers_does_no_harm() {
    let first = limiter(all_kinds());
    drop(first.try_acquire(M, Cost::input(100)).unwrap());
    let good = serde_json::to_value(first.snapshot()).unwrap();
    for absurd in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        for budget in 0..3 {
            for part in 0..2 {
                let mut json = good.clone();
                json["scopes"][0]["budgets"][budget]["spent"]["charges"][0][part] = absurd.into();
                let Ok(snapshot) = serde_json::from_value::<Snapshot>(json) else { continue };
                let later = limiter(all_kinds());
                for _ in 0..2 {
                    later.restore(&snapshot).unwrap();
                }
                let _ = later.try_acquire(M, Cost::input(1)).map(drop);
                let _ = later.eta(M, Cost::input(1)).unwrap();
                advance(2 * MINUTE).await;
                later.snapshot();
            }
        }
    }
}
