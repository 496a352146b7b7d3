/// The fields of an answer's head.
pub type Head = &'static [(&'static str, &'static str)];

/// What OpenAI writes of the limits, here of the contenders' and nearly all left.
pub const OPENAI: Head = &[
    ("x-ratelimit-limit-requests", "60000000000"),
    ("x-ratelimit-remaining-requests", "59999999999"),
    ("x-ratelimit-reset-requests", "1ms"),
    ("x-ratelimit-limit-tokens", "600000000000"),
    ("x-ratelimit-remaining-tokens", "599999999990"),
    ("x-ratelimit-reset-tokens", "1ms"),
    ("openai-processing-ms", "420"),
];

/// The same of Anthropic.
pub const ANTHROPIC: Head = &[
    ("date", "Sun, 22 Nov 2026 09:59:59 GMT"),
    ("anthropic-ratelimit-requests-limit", "60000000000"),
    ("anthropic-ratelimit-requests-remaining", "59999999999"),
    ("anthropic-ratelimit-requests-reset", "2026-11-22T10:00:00Z"),
    ("anthropic-ratelimit-tokens-limit", "600000000000"),
    ("anthropic-ratelimit-tokens-remaining", "599999999990"),
    ("anthropic-ratelimit-tokens-reset", "2026-11-22T10:00:00Z"),
    ("anthropic-ratelimit-input-tokens-limit", "600000000000"),
    ("anthropic-ratelimit-input-tokens-remaining", "599999999990"),
    ("anthropic-ratelimit-input-tokens-reset", "2026-11-22T10:00:00Z"),
    ("anthropic-ratelimit-output-tokens-limit", "600000000000"),
    ("anthropic-ratelimit-output-tokens-remaining", "599999999990"),
    ("anthropic-ratelimit-output-tokens-reset", "2026-11-22T10:00:00Z"),
];
