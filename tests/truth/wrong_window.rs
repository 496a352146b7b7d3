//! The client counts by another window law than the provider does.

use tollgate::Charge;
use tollgate_sim::{ChargeRule, HeaderFamily, LawKind};

use crate::driver::Scenario;
use crate::{LAWS, limits, truth};

/// The client's law and the provider's, wherever they differ.
pub(crate) fn pairs() -> impl Iterator<Item = (LawKind, LawKind)> {
    LAWS.into_iter()
        .flat_map(|client| LAWS.map(|provider| (client, provider)))
        .filter(|(one, other)| one != other)
}

pub(crate) fn scenario((client, provider): (LawKind, LawKind), headers: HeaderFamily) -> Scenario {
    let mut truth = truth(provider, ChargeRule::InputPlusMaxOutput);
    truth.headers = headers;
    let name = format!("{headers:?} headers, client {client:?}, provider {provider:?}");
    Scenario::new(name, limits(client, Charge::InputPlusMaxOutput), truth)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_window_is_put_right_by_headers_within_one_window() {
    let mut missed = Vec::new();
    for pair in pairs() {
        let run = scenario(pair, HeaderFamily::OpenAi).run().await;
        missed.extend(run.missed((3..=10, 0.95), (2..=10, 0.001)));
    }
    crate::all_met(&missed);
}
