//! The client is told no limit at all.

use tollgate::{Charge, Limits};
use tollgate_sim::ChargeRule;

use crate::driver::Scenario;
use crate::{LAWS, truth};

#[tokio::test(start_paused = true)]
async fn limits_that_nobody_gave_are_learned_from_headers_with_few_refusals() {
    let mut missed = Vec::new();
    for law in LAWS {
        let limits = Limits::new().charge(Charge::InputPlusMaxOutput).learned();
        let truth = truth(law, ChargeRule::InputPlusMaxOutput);
        let run = Scenario::new(format!("no limits given, {law:?}"), limits, truth).run().await;
        missed.extend(run.missed((3..=10, 0.95), (2..=10, 0.001)));
    }
    crate::all_met(&missed);
}
