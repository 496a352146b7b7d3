use std::fmt;

use serde::{Deserialize, Serialize};

/// What a quota counts.
///
/// "Token" always means a token of a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Calls, whatever their size: RPM, RPD.
    Requests,
    /// Input and output tokens together: TPM, TPD.
    Tokens,
    /// Tokens of the prompt: ITPM.
    InputTokens,
    /// Tokens of the answer: OTPM.
    OutputTokens,
    /// Calls sent whose answers are not finished: concurrency.
    InFlight,
}

impl Unit {
    pub(crate) const COUNT: usize = 5;

    /// The unit as a word for a person: `requests`, `input tokens`, `calls in flight`.
    pub fn noun(self) -> &'static str {
        match self {
            Unit::Requests => "requests",
            Unit::Tokens => "tokens",
            Unit::InputTokens => "input tokens",
            Unit::OutputTokens => "output tokens",
            Unit::InFlight => "calls in flight",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.noun())
    }
}
