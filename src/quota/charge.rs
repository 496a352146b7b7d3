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
    /// What the call really used. `input + max_output` is reserved, and what was not used comes
    /// back when the call is released. The safe rule where the provider's is not known.
    #[default]
    Usage,
    /// `input + max_output`, taken when the call is admitted and never given back.
    InputPlusMaxOutput,
    /// The prompt alone; output is free.
    InputOnly,
}

/// How much of each unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) in_flight: u64,
}

impl std::ops::Index<Unit> for Amounts {
    type Output = u64;

    #[inline]
    fn index(&self, unit: Unit) -> &u64 {
        match unit {
            Unit::Requests => &self.requests,
            Unit::Tokens => &self.tokens,
            Unit::InputTokens => &self.input_tokens,
            Unit::OutputTokens => &self.output_tokens,
            Unit::InFlight => &self.in_flight,
        }
    }
}

impl Charge {
    /// What is taken when a call that is expected to cost `cost` is admitted.
    #[inline]
    pub(crate) fn reserve(self, cost: &Cost) -> Amounts {
        let tokens = if self == Charge::InputOnly { cost.input_tokens() } else { cost.tokens() };
        Amounts {
            requests: 1,
            tokens,
            input_tokens: cost.input_tokens(),
            output_tokens: cost.max_output_tokens(),
            in_flight: 1,
        }
    }

    /// What a call has cost once its usage is known. A slot in flight is no price.
    #[inline]
    pub(crate) fn price(self, cost: &Cost, usage: &Usage) -> Amounts {
        let output = match self {
            Charge::Usage | Charge::InputOnly => usage.output_tokens(),
            Charge::InputPlusMaxOutput => cost.max_output_tokens(),
        };
        let of_tokens = if self == Charge::InputOnly { 0 } else { output };
        Amounts {
            requests: 1,
            tokens: usage.input_tokens().saturating_add(of_tokens),
            input_tokens: usage.input_tokens(),
            output_tokens: output,
            in_flight: 0,
        }
    }

    /// The least that `calls` calls, expected to cost `cost` together, take for good.
    pub(crate) fn least(self, calls: u64, cost: &Cost) -> Amounts {
        let used = Usage::new(cost.input_tokens(), 0);
        Amounts { requests: calls, ..self.price(cost, &used) }
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
