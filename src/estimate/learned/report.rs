use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an [`Estimator`](crate::estimate::Estimator) has counted and learned: for a display.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// Texts whose count was remembered.
    pub cache_hits: u64,
    /// Texts that had to be counted.
    pub cache_misses: u64,
    /// Texts whose counts are remembered now.
    pub cache_entries: usize,
    /// What was learned, by model.
    pub models: BTreeMap<String, ModelReport>,
}

/// What an [`Estimator`](crate::estimate::Estimator) has learned about one model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelReport {
    /// What the provider counts as input, in parts of what is estimated; estimates that are not exact
    /// are multiplied by it. Between 0.25 and 4.
    pub correction: f64,
    /// From how many calls it was learned.
    pub corrected_by: u64,
    /// How many answers have ended.
    pub answers: u64,
    /// What they used of the most that they could have, from 0 to 1.
    pub cap_used: Option<f64>,
}
