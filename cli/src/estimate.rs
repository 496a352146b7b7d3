//! What a request will cost, before it is sent: for a run, and for `tollgate estimate`.

mod command;
mod input;
mod report;
mod totals;

use std::collections::HashSet;

use serde_json::Value;
use tollgate::Cost;
use tollgate::estimate::{self, Accuracy, DEFAULT_MAX_OUTPUT};

use crate::progress::Console;

pub(crate) use command::{EstimateArgs, run};

/// Counts requests, and says once per model what it had to assume.
#[derive(Debug)]
pub(crate) struct Estimator {
    console: Console,
    told: HashSet<(String, bool)>,
}

/// Names that are remembered; a file that invents a model for every line must not fill the memory.
const REMEMBERED: usize = 1_000;

impl Estimator {
    pub(crate) fn new(console: Console) -> Self {
        Estimator { console, told: HashSet::new() }
    }

    /// The model that `body` names, and what the call is expected to cost.
    ///
    /// # Errors
    ///
    /// What makes the body one whose tokens cannot be counted.
    pub(crate) fn request(&mut self, body: &Value) -> Result<(String, Cost), String> {
        let estimate = estimate::request(body).map_err(|error| error.to_string())?;
        let model = estimate.model();
        match estimate.accuracy() {
            Accuracy::Assumed => self.tell(model, true, "is not known; its tokens are counted as gpt-4o's"),
            Accuracy::Approximate => {
                self.tell(
                    model,
                    true,
                    "has no public vocabulary; its tokens are told by the kinds of characters",
                );
            }
            _ => {}
        }
        if estimate.assumes_output() {
            let assumed =
                format!("without max_tokens is taken to answer with {DEFAULT_MAX_OUTPUT} tokens at most");
            self.tell(model, false, &assumed);
        }
        Ok((model.to_owned(), estimate.cost()))
    }

    fn tell(&mut self, model: &str, which: bool, what: &str) {
        if self.told.len() < REMEMBERED && self.told.insert((model.to_owned(), which)) {
            self.console.say(&format!("note: {model} {what}"));
        }
    }
}
