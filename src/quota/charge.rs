use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cost, Unit, Usage};

/// Which tokens the provider takes from a token budget for one call.
///
/// Providers differ, and change: OpenAI took `input + max_tokens` at admission until March 2025
/// and the input alone since (read off `x-ratelimit-remaining-tokens` of recorded answers,
/// openllmetry and dd-trace-py cassettes, November 2025); its guide still documents the former
/// (platform.openai.com/docs/guides/rate-limits, read November 2026). Choosing the rule that the
/// provider follows is what makes the books agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Charge {
    /// What the call really used. `input + max_output` is reserved, or less where the cost says what is
    /// [expected](Cost::expected_output), and what was not used comes back when the call is released. The safe
    /// rule where the provider's is not known.
    #[default]
    Usage,
    /// `input + max_output`, taken when the call is admitted: what the answer did not use of the cap does
    /// not come back, and only the input is corrected.
    InputPlusMaxOutput,
    /// The prompt alone; output is free.
    InputOnly,
}

/// `what is used`, `the input and the most of the output`: in a sentence after "charges".
impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Charge::Usage => "what is used",
            Charge::InputPlusMaxOutput => "the input and the most of the output",
            Charge::InputOnly => "the input",
        })
    }
}

/// How much of each unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts([u64; Unit::COUNT]);

impl Amounts {
    #[inline]
    pub(crate) fn new(
        requests: u64,
        tokens: u64,
        input_tokens: u64,
        output_tokens: u64,
        in_flight: u64,
    ) -> Self {
        Amounts([requests, tokens, input_tokens, output_tokens, in_flight])
    }
}

impl std::ops::Index<Unit> for Amounts {
    type Output = u64;

    #[inline]
    fn index(&self, unit: Unit) -> &u64 {
        &self.0[unit as usize]
    }
}

impl Charge {
    /// What is taken when a call that is expected to cost `cost` is admitted.
    #[inline]
    pub(crate) fn reserve(self, cost: &Cost) -> Amounts {
        let output = match self {
            Charge::Usage | Charge::InputOnly => cost.expected_output_tokens(),
            Charge::InputPlusMaxOutput => cost.max_output_tokens(),
        };
        let of_tokens = if self == Charge::InputOnly { 0 } else { output };
        let tokens = cost.input_tokens().saturating_add(of_tokens);
        Amounts::new(1, tokens, cost.input_tokens(), output, 1)
    }

    /// What a call has cost once its usage is known. A slot in flight is no price.
    #[inline]
    pub(crate) fn price(self, cost: &Cost, usage: &Usage) -> Amounts {
        let output = match self {
            Charge::Usage | Charge::InputOnly => usage.output_tokens(),
            Charge::InputPlusMaxOutput => cost.max_output_tokens(),
        };
        let of_tokens = if self == Charge::InputOnly { 0 } else { output };
        let tokens = usage.input_tokens().saturating_add(of_tokens);
        Amounts::new(1, tokens, usage.input_tokens(), output, 0)
    }

    /// The least that a call, expected to cost `cost`, can be known to cost in the end.
    pub(crate) fn least(self, cost: &Cost) -> Cost {
        match self {
            Charge::InputPlusMaxOutput => *cost,
            Charge::Usage | Charge::InputOnly => Cost::input(cost.input_tokens()),
        }
    }

    /// Whether the provider can only know the price of `unit` when the answer is complete, and so
    /// may charge it as late as that.
    pub(crate) fn known_at_the_end(self, unit: Unit) -> bool {
        match unit {
            Unit::Tokens => self == Charge::Usage,
            Unit::OutputTokens => self != Charge::InputPlusMaxOutput,
            Unit::Requests | Unit::InputTokens | Unit::InFlight => false,
        }
    }
}
