use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cost, Unit, Usage};

/// Which tokens the provider takes from a token budget for one call.
///
/// Providers differ, and change: OpenAI took `input + max_tokens` at admission until March 2025
/// and the input alone since (read off `x-ratelimit-remaining-tokens` of recorded answers,
/// openllmetry and dd-trace-py cassettes, November 2025); its guide documents the larger of the two
/// (platform.openai.com/docs/guides/rate-limits, read November 2026). Choosing the rule that the
/// provider follows is what makes the books agree.
///
/// A rule has two more sides: what a token of the answer counts ([`Limits::output_weight`]), and whether
/// input from the provider's cache does ([`Limits::cached_input_is_free`]).
///
/// Not modelled: that some providers count characters / 4 or a flat number for each picture at admission
/// (OpenAI, Groq, Azure, in the same recorded answers). Header fields, where there are any, correct that.
///
/// [`Limits::output_weight`]: super::Limits::output_weight
/// [`Limits::cached_input_is_free`]: super::Limits::cached_input_is_free
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
    /// `input` or `max_output`, whichever is larger, taken when the call is admitted; only the input is corrected.
    LargerOfInputAndMaxOutput,
    /// The prompt alone; output is free.
    InputOnly,
}

/// `what is used`, `the input and the most of the output`: in a sentence after "charges".
impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Charge::Usage => "what is used",
            Charge::InputPlusMaxOutput => "the input and the most of the output",
            Charge::LargerOfInputAndMaxOutput => "the larger of the input and the most of the output",
            Charge::InputOnly => "the input",
        })
    }
}

/// All that decides what one call is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) charge: Charge,
    /// What a token of the answer counts where it meets the prompt's in one budget.
    pub(crate) output_weight: u16,
    /// Input from the provider's cache costs nothing.
    pub(crate) cached_is_free: bool,
}

impl Default for Rule {
    fn default() -> Self {
        Rule { charge: Charge::default(), output_weight: 1, cached_is_free: false }
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

impl Rule {
    /// The same but for what is charged.
    pub(crate) fn with(self, charge: Charge) -> Self {
        Rule { charge, ..self }
    }

    /// Whether the most that the answer may hold is taken at admission, for good.
    fn keeps_most(self) -> bool {
        matches!(self.charge, Charge::InputPlusMaxOutput | Charge::LargerOfInputAndMaxOutput)
    }

    /// What is taken when a call that is expected to cost `cost` is admitted: nobody knows yet what
    /// comes from the cache.
    #[inline]
    pub(crate) fn reserve(self, cost: &Cost) -> Amounts {
        let output = if self.keeps_most() { cost.max_output_tokens() } else { cost.expected_output_tokens() };
        self.amounts(cost.input_tokens(), output, 1)
    }

    /// What a call has cost once its usage is known. A slot in flight is no price.
    #[inline]
    pub(crate) fn price(self, cost: &Cost, usage: &Usage) -> Amounts {
        let free = if self.cached_is_free { usage.cached_input_tokens() } else { 0 };
        let output = if self.keeps_most() { cost.max_output_tokens() } else { usage.output_tokens() };
        self.amounts(usage.input_tokens() - free, output, 0)
    }

    #[inline]
    fn amounts(self, input: u64, output: u64, in_flight: u64) -> Amounts {
        let weighed = output.saturating_mul(u64::from(self.output_weight));
        let tokens = match self.charge {
            Charge::Usage | Charge::InputPlusMaxOutput => input.saturating_add(weighed),
            Charge::LargerOfInputAndMaxOutput => input.max(weighed),
            Charge::InputOnly => input,
        };
        Amounts::new(1, tokens, input, output, in_flight)
    }

    /// The least that a call, expected to cost `cost`, can be known to cost in the end.
    pub(crate) fn least(self, cost: &Cost) -> Cost {
        let input = if self.cached_is_free { 0 } else { cost.input_tokens() };
        let output = if self.keeps_most() { cost.max_output_tokens() } else { 0 };
        Cost::input(input).max_output(output)
    }

    /// Whether the provider can only know the price of `unit` when the answer is complete, and so
    /// may charge it as late as that. What came from its cache it knows before the answer begins.
    pub(crate) fn known_at_the_end(self, unit: Unit) -> bool {
        match unit {
            Unit::Tokens => self.charge == Charge::Usage,
            Unit::OutputTokens => !self.keeps_most(),
            Unit::Requests | Unit::InputTokens | Unit::InFlight => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_that_is_too_much_for_64_bits_costs_as_much_as_they_hold() {
        let rule = Rule { output_weight: u16::MAX, ..Rule::default() };
        let amounts = rule.reserve(&Cost::input(7).max_output(u64::MAX));
        assert_eq!((amounts[Unit::Tokens], amounts[Unit::OutputTokens]), (u64::MAX, u64::MAX));
        let price = rule.price(&Cost::input(7), &Usage::new(u64::MAX, u64::MAX / 2));
        assert_eq!(price[Unit::Tokens], u64::MAX);
    }
}
