//! One trace, and all who ran it.

use crate::contenders::Entry;
use crate::drive::drive;
use crate::figures::{Figures, Story};
use crate::scenarios::Scenario;

/// What came of one scenario.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) scenario: Scenario,
    pub(crate) oracle: Figures,
    pub(crate) figures: Vec<(&'static str, Figures)>,
}

impl Round {
    /// Runs a scenario through each contender.
    pub(crate) fn play(scenario: Scenario, contenders: &[Entry]) -> Self {
        let outcomes: Vec<_> = contenders.iter().map(|entry| drive(entry, &scenario)).collect();
        let oracle = Story::of_oracle(&scenario, outcomes[0].begin).expect("every call fits");
        let figures = |(entry, outcome): (&Entry, _)| {
            (entry.name, Figures::new(&scenario, &Story::of(&scenario, outcome)))
        };
        Round {
            oracle: Figures::new(&scenario, &oracle),
            figures: contenders.iter().zip(&outcomes).map(figures).collect(),
            scenario,
        }
    }

    /// The figures of a contender by its name.
    pub(crate) fn figures_of(&self, name: &str) -> &Figures {
        let found = self.figures.iter().find(|(of, _)| *of == name);
        found.map(|(_, figures)| figures).expect("it took part")
    }
}
