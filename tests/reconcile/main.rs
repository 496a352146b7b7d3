//! The provider is right, and the books follow it no further than is safe: random traces against `tollgate-sim`,
//! with calls on their way, answers in any order and other users on the same key.
//!
//! Time is paused; the provider's own books are what the limiter's are compared with.
#![cfg(feature = "json")]
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

mod absurd;
mod laws;
mod levels;
mod trace;
mod world;

use std::time::Duration;

use proptest::prelude::ProptestConfig;
use tollgate::{Charge, Limits, Quota, Unit};
use tollgate_sim::{ChargeRule, Config, LawKind};

const MINUTE: Duration = Duration::from_secs(60);
/// The guard of a quota over a minute, in nanoseconds.
const GUARD: u64 = 50_000_000;
const TPM: u64 = 61_000;
const RPM: u64 = 300;
const LAWS: [LawKind; 3] = [LawKind::Refill, LawKind::Fixed, LawKind::Sliding];

fn config(cases: u32) -> ProptestConfig {
    // Found cases are kept by hand, as tests with names.
    ProptestConfig { cases, failure_persistence: None, max_shrink_time: 20_000, ..ProptestConfig::default() }
}

fn quota(law: LawKind, unit: Unit, limit: u64) -> Quota {
    match law {
        LawKind::Refill => Quota::refill(unit, limit, MINUTE),
        LawKind::Fixed => Quota::fixed(unit, limit, MINUTE),
        LawKind::Sliding => Quota::sliding(unit, limit, MINUTE),
    }
}

/// What the client believes.
fn limits(law: LawKind, charge: Charge) -> Limits {
    Limits::new().with(quota(law, Unit::Requests, RPM)).with(quota(law, Unit::Tokens, TPM)).charge(charge)
}

/// What is true.
fn truth(law: LawKind, charge: ChargeRule) -> Config {
    Config { rpm: Some(RPM), tpm: Some(TPM), law, charge, ..Config::default() }
}

/// The same rule, as the client and as the provider says it.
fn rules() -> [(Charge, ChargeRule); 3] {
    [
        (Charge::InputPlusMaxOutput, ChargeRule::InputPlusMaxOutput),
        (Charge::InputOnly, ChargeRule::InputOnly),
        (Charge::Usage, ChargeRule::RealUsage),
    ]
}

/// Runs under a clock that stands still but for sleeping.
fn paused<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test)
}
