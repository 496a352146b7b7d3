//! The provider is right: what the limiter makes of what answers say, where its own configuration is wrong, somebody else
//! uses the key, limits change or the provider is in trouble.
//!
//! Time is paused. The provider is `tollgate-sim`, which shares no code with the library and speaks as real
//! ones do. The costs of calls are known, and there is always more to do than the limits allow. Each scenario prints
//! its figures (`cargo test --test truth -- --nocapture`).
#![cfg(feature = "json")]

mod driver;
mod learned;
mod new_limits;
mod no_headers;
mod run;
mod second_client;
mod trouble;
mod wrong_charge;
mod wrong_window;

use std::time::Duration;

use tollgate::{Charge, Limits, Quota, Unit};
use tollgate_sim::{ChargeRule, Config, Latency, LawKind};

const MINUTE: Duration = Duration::from_secs(60);
const TPM: u64 = 120_000;
/// More than the tokens allow, but few enough to show where requests are counted wrong.
const RPM: u64 = 1_000;

const LAWS: [LawKind; 3] = [LawKind::Refill, LawKind::Fixed, LawKind::Sliding];

/// What the client believes.
fn limits(law: LawKind, charge: Charge) -> Limits {
    let quota = |unit, limit| match law {
        LawKind::Refill => Quota::refill(unit, limit, MINUTE),
        LawKind::Fixed => Quota::fixed(unit, limit, MINUTE),
        LawKind::Sliding => Quota::sliding(unit, limit, MINUTE),
    };
    Limits::new().with(quota(Unit::Requests, RPM)).with(quota(Unit::Tokens, TPM)).charge(charge)
}

/// What is true.
fn truth(law: LawKind, charge: ChargeRule) -> Config {
    let latency = Latency {
        median: Duration::from_secs(2),
        sigma: 0.5,
        min: Duration::from_millis(200),
        max: Duration::from_secs(10),
    };
    Config { rpm: Some(RPM), tpm: Some(TPM), law, charge, latency, ..Config::default() }
}

/// Fails with all targets that were missed.
fn all_met(missed: &[String]) {
    assert!(missed.is_empty(), "missed targets:\n{}", missed.join("\n"));
}
