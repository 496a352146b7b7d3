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

impl Charge {
    /// How much of `unit` is taken when a call that is expected to cost `cost` is admitted.
    pub(crate) fn reserve(self, unit: Unit, cost: &Cost) -> u64 {
        match unit {
            Unit::Requests | Unit::InFlight => 1,
            Unit::Tokens if self == Charge::InputOnly => cost.input_tokens(),
            Unit::Tokens => cost.tokens(),
            Unit::InputTokens => cost.input_tokens(),
            Unit::OutputTokens => cost.max_output_tokens(),
        }
    }

    /// The least that `calls` calls, expected to cost `cost` together, take of `unit` for good.
    pub(crate) fn least(self, unit: Unit, calls: u64, cost: &Cost) -> u64 {
        match unit {
            Unit::Requests => calls,
            Unit::InFlight => 0,
            _ => self.price(unit, cost, &Usage::new(cost.input_tokens(), 0)),
        }
    }

    /// How much of `unit` a call has cost once its usage is known. Slots in flight are not a price.
    pub(crate) fn price(self, unit: Unit, cost: &Cost, usage: &Usage) -> u64 {
        match (unit, self) {
            (Unit::Requests | Unit::InFlight, _) => 1,
            (Unit::InputTokens, _) | (Unit::Tokens, Charge::InputOnly) => usage.input_tokens(),
            (Unit::OutputTokens, Charge::InputPlusMaxOutput) => cost.max_output_tokens(),
            (Unit::OutputTokens, _) => usage.output_tokens(),
            (Unit::Tokens, Charge::InputPlusMaxOutput) => {
                usage.input_tokens().saturating_add(cost.max_output_tokens())
            }
            (Unit::Tokens, Charge::Usage) => usage.tokens(),
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
