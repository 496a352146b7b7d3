//! What tollgate is held to.

use tollgate_sim::LawKind;

use crate::contenders::TOLLGATE;
use crate::figures::Figures;
use crate::rounds::Round;
use crate::scenarios::{Counted, MINUTE, Scenario, TPM};

/// Goodput in parts of the oracle's, and 429s in parts of what was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Goal {
    pub(crate) goodput: f64,
    pub(crate) refused: f64,
}

/// Where tokens bind and the price of a call is known when it is admitted.
pub(crate) const KNOWN: Goal = Goal { goodput: 0.97, refused: 0.001 };
/// Where tokens bind and what was really used is charged.
pub(crate) const REAL: Goal = Goal { goodput: 0.95, refused: 0.01 };

impl Goal {
    /// `None` where something else than tokens binds.
    pub(crate) fn of(scenario: &Scenario) -> Option<Goal> {
        let goal = if scenario.is_known() { KNOWN } else { REAL };
        (scenario.counted == Counted::Tokens).then_some(goal)
    }

    pub(crate) fn is_met(&self, figures: &Figures, oracle: &Figures) -> bool {
        figures.share_of(oracle) >= self.goodput && figures.refused < self.refused
    }
}

/// What was missed on one trace.
pub(crate) fn missed(round: &Round) -> Vec<String> {
    let label = round.scenario.label();
    let ours = round.figures_of(TOLLGATE.name);
    let fell_short = Goal::of(&round.scenario).filter(|goal| !goal.is_met(ours, &round.oracle)).map(|goal| {
        let (goodput, wanted) = (100.0 * ours.share_of(&round.oracle), 100.0 * goal.goodput);
        let refused = 100.0 * ours.refused;
        let quota = allowed(&round.scenario) as f64;
        let [of_quota, oracles] = [ours, &round.oracle].map(|of| 100.0 * of.goodput as f64 / quota);
        format!(
            "{label}: {goodput:.1} % of the oracle's goodput and {refused:.2} % 429s, wanted {wanted:.0} %. It is \
             {of_quota:.0} % of what the limits allow, and the oracle's {oracles:.0} %"
        )
    });
    let ahead = |(_, peer): &&(&str, Figures)| peer.goodput > ours.goodput && peer.refused < ours.refused;
    let behind = round
        .figures
        .iter()
        .filter(ahead)
        .map(|(name, _)| format!("{label}: behind {name} on goodput and on 429s"));
    fell_short.into_iter().chain(behind).collect()
}

/// What the limit of tokens allows in a run, a full bucket at its beginning and windows that it cuts included.
fn allowed(scenario: &Scenario) -> u64 {
    let minutes = scenario.horizon.as_secs() / MINUTE.as_secs();
    match scenario.config.law {
        LawKind::Refill | LawKind::Fixed => TPM * (minutes + 1),
        LawKind::Sliding => TPM * minutes,
    }
}
