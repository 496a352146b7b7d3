use crate::quota::Unit;

/// What a [`Reading`](crate::Reading) counts, as the provider divides it.
///
/// Names as in the providers' answers and pages, read November 2026.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Calls: `x-ratelimit-*-requests` and its like, and every field that names no unit.
    Requests,
    /// Tokens of prompt and answer together.
    Tokens,
    /// Tokens of the prompt.
    InputTokens,
    /// Tokens of the answer.
    OutputTokens,
    /// Calls that are not finished.
    InFlight,
    /// Tokens by real use, beside those by estimate (OpenAI in 2023: `-tokens_usage_based`).
    UsageTokens,
    /// Tokens of one project of the account (OpenAI: `-project-tokens`).
    ProjectTokens,
    /// Images of prompts (OpenAI: `-input-images`).
    InputImages,
    /// Tokens of the prompt that were not in the cache (Fireworks: `-tokens-cache-adjusted-prompt`).
    UncachedTokens,
    /// Tokens of the prompt, of bought capacity (Anthropic: `anthropic-priority-input-tokens-*`).
    PriorityInputTokens,
    /// Tokens of the answer, of bought capacity (Anthropic: `anthropic-priority-output-tokens-*`).
    PriorityOutputTokens,
    /// Tokens of the prompt, of the fast mode (Anthropic: `anthropic-fast-input-tokens-*`).
    FastInputTokens,
    /// Tokens of the answer, of the fast mode (Anthropic: `anthropic-fast-output-tokens-*`).
    FastOutputTokens,
    /// A subscription's use, which has no numbers but a reset, and a remaining 0 once it is used up
    /// (Anthropic: `anthropic-ratelimit-unified-*`).
    Subscription,
}

impl Family {
    /// The unit of a quota that this is a level of; `None` where no quota counts the same.
    ///
    /// Two families may have one unit: both limits hold then.
    pub fn unit(self) -> Option<Unit> {
        match self {
            Family::Requests => Some(Unit::Requests),
            Family::Tokens | Family::UsageTokens | Family::ProjectTokens => Some(Unit::Tokens),
            Family::InputTokens => Some(Unit::InputTokens),
            Family::OutputTokens => Some(Unit::OutputTokens),
            Family::InFlight => Some(Unit::InFlight),
            Family::InputImages
            | Family::UncachedTokens
            | Family::PriorityInputTokens
            | Family::PriorityOutputTokens
            | Family::FastInputTokens
            | Family::FastOutputTokens
            | Family::Subscription => None,
        }
    }

    /// The family that a word in the name of a field stands for, in lower case.
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "" | "requests" | "request" | "req" | "calls" => Family::Requests,
            "tokens" | "token" => Family::Tokens,
            "input-tokens" | "tokens-input" | "prompt-tokens" | "tokens-prompt" => Family::InputTokens,
            "output-tokens" | "tokens-output" | "completion-tokens" | "tokens-generated" => {
                Family::OutputTokens
            }
            "tokens_usage_based" | "tokens-usage-based" => Family::UsageTokens,
            "project-tokens" => Family::ProjectTokens,
            "input-images" => Family::InputImages,
            "tokens-cache-adjusted-prompt" => Family::UncachedTokens,
            _ => return None,
        })
    }
}
