//! What is learned of each model from the calls that have ended.

mod correction;
mod forecast;
mod report;

use std::collections::{BTreeMap, HashMap};

use super::Accuracy;
use correction::Correction;
use forecast::Lengths;

pub use forecast::Forecast;
pub use report::{ModelReport, Report};

pub(super) use correction::times;

/// How many models, and how many keys of each, are told apart. Those that come later are not learned.
const MOST: usize = 1_024;

/// By the model's name, as requests spell it.
#[derive(Debug, Default)]
pub(super) struct Learned {
    models: HashMap<String, Model>,
}

#[derive(Debug, Default)]
struct Model {
    /// Of what was counted with a vocabulary.
    counted: Correction,
    /// Of what was told by the kinds of characters.
    told: Correction,
    /// The lengths of all answers, whatever their key.
    lengths: Lengths,
    keys: HashMap<String, Lengths>,
    /// The caps of all answers together, and what was used of them.
    capped: u64,
    used: u64,
    answers: u64,
}

impl Learned {
    /// What the provider counts, in parts of what is estimated so accurately.
    pub(super) fn ratio(&self, model: &str, accuracy: Accuracy) -> f64 {
        self.models.get(model).map_or(1.0, |known| match accuracy {
            Accuracy::Approximate => known.told.ratio(),
            _ => known.counted.ratio(),
        })
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

    pub(super) fn learn_input(&mut self, model: &str, accuracy: Accuracy, estimated: u64, counted: u64) {
        let Some(known) = self.of(model) else { return };
        let correction = match accuracy {
            Accuracy::Approximate => &mut known.told,
            _ => &mut known.counted,
        };
        correction.learn(estimated, counted);
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
            correction: known.counted.ratio(),
            corrected_by: known.counted.calls(),
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
            self.models.insert(model.to_owned(), Model::default());
        }
        self.models.get_mut(model)
    }
}
