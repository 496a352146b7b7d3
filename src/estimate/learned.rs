//! What is learned of each model from the calls that have ended.

use std::collections::{BTreeMap, HashMap};

use super::correction::Correction;
use super::forecast::{Forecast, Lengths};
use super::report::ModelReport;

/// How many models, and how many keys of each, are told apart. Those that come later are not learned.
const MOST: usize = 1_024;

/// By the model's name, as requests spell it.
#[derive(Debug, Default)]
pub(super) struct Learned {
    models: HashMap<String, Model>,
}

#[derive(Debug)]
struct Model {
    correction: Correction,
    /// The lengths of all answers, whatever their key.
    lengths: Lengths,
    keys: HashMap<String, Lengths>,
    /// The caps of all answers together, and what was used of them.
    capped: u64,
    used: u64,
    answers: u64,
}

impl Learned {
    /// What the provider counts, in parts of what is estimated.
    pub(super) fn ratio(&self, model: &str) -> f64 {
        match self.models.get(model) {
            Some(known) => known.correction.ratio(),
            None => Correction::first(model).ratio(),
        }
    }

    /// How many tokens an answer will probably have; `None` where its cap is all that is known.
    pub(super) fn expected(&mut self, forecast: Forecast, model: &str, key: Option<&str>) -> Option<u64> {
        let percentile = match forecast {
            Forecast::MaxOutput => return None,
            Forecast::Fixed(tokens) => return Some(tokens),
            Forecast::Learned { percentile } => percentile,
        };
        let known = self.models.get_mut(model)?;
        let of_key = key.and_then(|key| known.keys.get_mut(key)?.percentile(percentile));
        of_key.or_else(|| known.lengths.percentile(percentile))
    }

    pub(super) fn learn_input(&mut self, model: &str, estimated: u64, counted: u64) {
        if let Some(known) = self.of(model) {
            known.correction.learn(estimated, counted);
        }
    }

    pub(super) fn learn_output(&mut self, model: &str, key: Option<&str>, cap: u64, used: u64) {
        let Some(known) = self.of(model) else { return };
        known.answers += 1;
        known.capped = known.capped.saturating_add(cap);
        known.used = known.used.saturating_add(used);
        known.lengths.learn(used);
        let Some(key) = key else { return };
        if let Some(lengths) = known.keys.get_mut(key) {
            lengths.learn(used);
        } else if known.keys.len() < MOST {
            known.keys.entry(key.to_owned()).or_default().learn(used);
        }
    }

    pub(super) fn report(&self) -> BTreeMap<String, ModelReport> {
        let report = |known: &Model| ModelReport {
            correction: known.correction.ratio(),
            corrected_by: known.correction.calls(),
            answers: known.answers,
            cap_used: (known.capped > 0).then(|| known.used as f64 / known.capped as f64),
        };
        self.models.iter().map(|(name, known)| (name.clone(), report(known))).collect()
    }

    fn of(&mut self, model: &str) -> Option<&mut Model> {
        if !self.models.contains_key(model) {
            if self.models.len() >= MOST {
                return None;
            }
            let new = Model {
                correction: Correction::first(model),
                lengths: Lengths::default(),
                keys: HashMap::new(),
                capped: 0,
                used: 0,
                answers: 0,
            };
            self.models.insert(model.to_owned(), new);
        }
        self.models.get_mut(model)
    }
}
