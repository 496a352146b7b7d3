//! What a request will cost, before it is sent: for a run, and for `tollgate estimate`.

mod command;
mod input;
mod report;
mod totals;

use std::collections::HashSet;

use serde_json::Value;
use tollgate::estimate::{
    Accuracy, DEFAULT_MAX_OUTPUT, Encoding, Estimate, Estimator, Tiktoken, TokenCounter,
};

use crate::progress::Console;

pub(crate) use command::{EstimateArgs, run};

/// Counts requests, and says once per model what it had to assume.
#[derive(Debug)]
pub(crate) struct Estimates {
    estimator: Estimator,
    console: Console,
    told: HashSet<(String, Caveat)>,
}

/// What an estimate is not to be trusted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Caveat {
    Vocabulary,
    Length,
    Output,
    Partial,
}

/// Names that are remembered; a file that invents a model for every line must not fill the memory.
const REMEMBERED: usize = 1_000;

/// [`Tiktoken`] that builds a vocabulary when the first text comes: a file of counted prompts needs none.
#[derive(Debug)]
pub(crate) struct LazyTiktoken;

impl TokenCounter for LazyTiktoken {
    fn count(&self, text: &str, encoding: Encoding) -> u64 {
        Tiktoken.count(text, encoding)
    }
}

impl Estimates {
    pub(crate) fn new(estimator: Estimator, console: Console) -> Self {
        Estimates { estimator, console, told: HashSet::new() }
    }

    /// The model that `body` names, and what the call is expected to cost.
    ///
    /// # Errors
    ///
    /// What makes the body one whose tokens cannot be counted.
    pub(crate) fn request(&mut self, body: &Value) -> Result<Estimate, String> {
        let estimate = self.estimator.request_blocking(body).map_err(|error| error.to_string())?;
        let model = estimate.model();
        match estimate.accuracy() {
            Accuracy::Exact => {}
            Accuracy::Assumed => self.tell(
                model,
                Caveat::Vocabulary,
                "is not known; its tokens are counted as gpt-4o's, and as its answers tell from then on",
            ),
            _ => {
                self.tell(model, Caveat::Length, "has texts too long to be counted whole; parts of them are")
            }
        }
        if estimate.assumes_output() {
            let assumed =
                format!("without max_tokens is taken to answer with {DEFAULT_MAX_OUTPUT} tokens at most");
            self.tell(model, Caveat::Output, &assumed);
        }
        if estimate.is_partial() {
            let held = "has prompts of which the provider holds a part; what is counted of them is partial";
            self.tell(model, Caveat::Partial, held);
        }
        Ok(estimate)
    }

    fn tell(&mut self, model: &str, caveat: Caveat, what: &str) {
        if self.told.len() < REMEMBERED && self.told.insert((model.to_owned(), caveat)) {
            self.console.say(&format!("note: {model} {what}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tollgate::Usage;

    use super::*;

    #[test]
    fn a_model_that_is_not_known_is_estimated_by_what_its_answers_said() {
        let estimator = Estimator::builder().counter(LazyTiktoken).build();
        let mut estimates = Estimates::new(estimator.clone(), Console::new(true));
        let words = "the quick brown fox ".repeat(100);
        let body = json!({ "model": "acme-1", "messages": [{ "role": "user", "content": words }] });
        let mut input = || estimates.request(&body).unwrap();
        let first = input();
        let counted = first.cost().input_tokens() * 3 / 2;
        for _ in 0..5 {
            estimator.learn(&first, &Usage::new(counted, 7));
        }
        let learned = input().cost().input_tokens();
        assert!(learned.abs_diff(counted) <= counted / 50, "{learned}, not {counted}");
    }
}
