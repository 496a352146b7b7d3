//! The provider changes its limit, and its headers show it.

use std::time::Duration;

use tollgate::Charge;
use tollgate_sim::{Budget, ChargeRule};

use crate::driver::Scenario;
use crate::{LAWS, MINUTE, TPM, limits, truth};

async fn follows(name: &str, tpm: u64) {
    // In the middle of minute 4; minute 6 is the first whole one after a minute of the new limit.
    let change = 4 * MINUTE + Duration::from_secs(30);
    let mut missed = Vec::new();
    for law in LAWS {
        let limits = limits(law, Charge::InputPlusMaxOutput);
        let truth = truth(law, ChargeRule::InputPlusMaxOutput);
        let run = Scenario::new(format!("limit {name}, {law:?}"), limits, truth)
            .event(change, move |provider| provider.set_limit(Budget::Tpm, tpm))
            .run()
            .await;
        let (share, refused) = (run.share_of(tpm, 6..=10), run.refused(6..=10));
        println!("    after the change: share {share:.4} of the new limit, 429s {refused:.5}");
        if share < 0.95 || refused >= 0.01 || run.stopped.is_some() {
            missed
                .push(format!("{}: share {share:.4}, wanted 0.95; 429s {refused:.5}, wanted 0.01", run.name));
        }
    }
    crate::all_met(&missed);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_halved_is_kept_after_a_minute() {
    follows("halved", TPM / 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_doubled_is_used_after_a_minute() {
    follows("doubled", TPM * 2).await;
}
