use serde::{Deserialize, Serialize};

/// What one call is expected to cost, told before it is sent.
///
/// Every call costs one request and one slot in flight beside its tokens.
///
/// # Example: a prompt of 1,200 tokens whose answer is capped at 500
///
/// ```
/// use tollgate::Cost;
///
/// let cost = Cost::input(1_200).max_output(500);
/// assert_eq!(cost.tokens(), 1_700);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    #[serde(rename = "input")]
    input_tokens: u64,
    #[serde(rename = "max_output", default)]
    max_output_tokens: u64,
    #[serde(rename = "expected_output", default, skip_serializing_if = "Option::is_none")]
    expected_output_tokens: Option<u64>,
}

impl Cost {
    /// A call whose prompt holds `tokens` tokens and whose answer costs none (an embedding).
    pub const fn input(tokens: u64) -> Self {
        Cost { input_tokens: tokens, max_output_tokens: 0, expected_output_tokens: None }
    }

    /// The most tokens the answer may hold: what the request says as `max_tokens`, times `n`.
    pub const fn max_output(self, tokens: u64) -> Self {
        Cost { max_output_tokens: tokens, ..self }
    }

    /// The tokens that the answer will probably hold. Where the provider charges what was really
    /// used ([`Charge::Usage`](super::Charge::Usage)), so much is reserved instead of the most; what
    /// an answer uses beyond stays as debt. More than the most counts as the most.
    pub const fn expected_output(self, tokens: u64) -> Self {
        Cost { expected_output_tokens: Some(tokens), ..self }
    }

    /// Tokens of the prompt.
    pub const fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    /// The most tokens the answer may hold.
    pub const fn max_output_tokens(&self) -> u64 {
        self.max_output_tokens
    }

    /// The tokens that the answer will probably hold: the most, where nothing else is known.
    pub const fn expected_output_tokens(&self) -> u64 {
        match self.expected_output_tokens {
            Some(tokens) if tokens < self.max_output_tokens => tokens,
            _ => self.max_output_tokens,
        }
    }

    /// The prompt and the most that the answer may hold together.
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.max_output_tokens)
    }

    /// Whether it is no more than `other` of anything.
    pub(crate) fn is_at_most(self, other: Cost) -> bool {
        self.input_tokens <= other.input_tokens
            && self.max_output_tokens <= other.max_output_tokens
            && self.expected_output_tokens() <= other.expected_output_tokens()
    }
}

/// What one call really used, told when its answer is complete (the answer's `usage`).
///
/// # Example: a prompt of 1,200 tokens, of which 1,024 came from the provider's cache
///
/// ```
/// use tollgate::Usage;
///
/// let usage = Usage::new(1_200, 212).cached_input(1_024);
/// assert_eq!((usage.input_tokens(), usage.tokens()), (1_200, 1_412));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    #[serde(rename = "input")]
    input_tokens: u64,
    #[serde(rename = "output", default)]
    output_tokens: u64,
    #[serde(rename = "cached_input", default, skip_serializing_if = "is_zero")]
    cached_input_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

impl Usage {
    /// `input` tokens of the whole prompt and `output` tokens of the answer, as the provider counted them.
    pub const fn new(input: u64, output: u64) -> Self {
        Usage { input_tokens: input, output_tokens: output, cached_input_tokens: 0 }
    }

    /// Of the input, so many tokens were read from the provider's cache. They cost nothing where the
    /// limits say [so](super::Limits::cached_input_is_free). More than the input counts as the input.
    pub const fn cached_input(self, tokens: u64) -> Self {
        Usage { cached_input_tokens: tokens, ..self }
    }

    /// Tokens of the prompt that were read from the provider's cache.
    pub const fn cached_input_tokens(&self) -> u64 {
        if self.cached_input_tokens < self.input_tokens {
            self.cached_input_tokens
        } else {
            self.input_tokens
        }
    }

    /// Tokens of the whole prompt, cached or not.
    pub const fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    /// Tokens of the answer.
    pub const fn output_tokens(&self) -> u64 {
        self.output_tokens
    }

    /// Both together.
    pub const fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}
