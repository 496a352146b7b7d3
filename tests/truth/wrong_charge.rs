//! The client thinks that the provider charges something else than it does.

use tollgate::Charge;
use tollgate_sim::{ChargeRule, HeaderFamily, LawKind};

use crate::driver::Scenario;
use crate::{limits, truth};

const RULES: [(Charge, ChargeRule); 3] = [
    (Charge::InputOnly, ChargeRule::InputOnly),
    (Charge::InputPlusMaxOutput, ChargeRule::InputPlusMaxOutput),
    (Charge::Usage, ChargeRule::RealUsage),
];

/// The client's rule and the provider's, wherever they differ.
pub(crate) fn pairs() -> impl Iterator<Item = (Charge, ChargeRule)> {
    let others = |own: usize| (0..RULES.len()).filter(move |&other| other != own);
    (0..RULES.len()).flat_map(move |own| others(own).map(move |other| (RULES[own].0, RULES[other].1)))
}

pub(crate) fn scenario((client, provider): (Charge, ChargeRule), headers: HeaderFamily) -> Scenario {
    let mut truth = truth(LawKind::Refill, provider);
    truth.headers = headers;
    let name = format!("{headers:?} headers, client {client:?}, provider {provider:?}");
    Scenario::new(name, limits(LawKind::Refill, client), truth)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_charge_rule_is_put_right_by_headers_within_one_window() {
    let mut missed = Vec::new();
    for pair in pairs() {
        let run = scenario(pair, HeaderFamily::OpenAi).run().await;
        missed.extend(run.missed((3..=10, 0.95), (2..=10, 0.001)));
    }
    crate::all_met(&missed);
}
