//! What the requests of the files come to.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use tollgate::estimate::{Accuracy, Estimate, Parts};

/// Models that are told apart; a file that invents one for every line must not fill the memory.
const MODELS: usize = 1_000;
/// What the others are counted under.
const OTHERS: &str = "other models";

/// Sums by model.
#[derive(Debug, Default)]
pub(super) struct Totals {
    models: BTreeMap<String, Sum>,
    all: Sum,
}

/// What some requests come to. Tokens stop at `u64::MAX`, as the library's do.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) requests: u64,
    pub(super) input: u64,
    pub(super) parts: Parts,
    pub(super) max_output: u64,
    pub(super) tokens: u64,
    /// Those that are not exact, by how they were counted.
    pub(super) inexact: BTreeMap<Accuracy, u64>,
    /// Those of which the provider holds a part.
    pub(super) partial: u64,
    /// Those that do not cap their answers.
    pub(super) assume_output: u64,
    /// How many requests there are of each size.
    sizes: HashMap<u64, u64>,
}

/// Of the requests, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Sizes {
    pub(super) smallest: u64,
    pub(super) median: u64,
    pub(super) largest: u64,
}

impl Totals {
    pub(super) fn add(&mut self, estimate: &Estimate) {
        self.all.add(estimate);
        let model = estimate.model();
        let model =
            if self.models.len() < MODELS || self.models.contains_key(model) { model } else { OTHERS };
        match self.models.get_mut(model) {
            Some(sum) => sum.add(estimate),
            None => self.models.entry(model.to_owned()).or_default().add(estimate),
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.all.requests
    }

    pub(super) fn tokens(&self) -> u64 {
        self.all.tokens
    }

    pub(super) fn all(&self) -> &Sum {
        &self.all
    }

    pub(super) fn models(&self) -> impl ExactSizeIterator<Item = (&str, &Sum)> {
        self.models.iter().map(|(name, sum)| (name.as_str(), sum))
    }
}

impl Sum {
    fn add(&mut self, estimate: &Estimate) {
        let (cost, parts) = (estimate.cost(), estimate.parts());
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        add(&mut self.requests, 1);
        add(&mut self.input, cost.input_tokens());
        add(&mut self.parts.text, parts.text);
        add(&mut self.parts.tools, parts.tools);
        add(&mut self.parts.images, parts.images);
        add(&mut self.parts.files, parts.files);
        add(&mut self.parts.overhead, parts.overhead);
        add(&mut self.max_output, cost.max_output_tokens());
        add(&mut self.tokens, cost.tokens());
        add(&mut self.partial, u64::from(estimate.is_partial()));
        add(&mut self.assume_output, u64::from(estimate.assumes_output()));
        if estimate.accuracy() != Accuracy::Exact {
            *self.inexact.entry(estimate.accuracy()).or_default() += 1;
        }
        *self.sizes.entry(cost.tokens()).or_default() += 1;
    }

    /// `None` without requests. The median of an even number is the smaller of the two in the middle.
    pub(super) fn sizes(&self) -> Option<Sizes> {
        let mut sizes: Vec<(u64, u64)> = self.sizes.iter().map(|(&size, &count)| (size, count)).collect();
        sizes.sort_unstable();
        let mut left = self.requests.div_ceil(2);
        let median = sizes.iter().find(|(_, count)| {
            left = left.saturating_sub(*count);
            left == 0
        });
        Some(Sizes { smallest: sizes.first()?.0, median: median?.0, largest: sizes.last()?.0 })
    }
}
