//! What the text of an error says, where its names do not.
//!
//! Sentences of real answers of 2023 to 2026, in small letters. A text may hold what the caller
//! wrote, so each is as much of a sentence as its variants have in common.

use super::Class;
use super::told::Told;
use crate::provider::verdict::{AccountProblem, Hit, ModelProblem};

/// Texts that need no status to be understood, the strongest first.
const ACCOUNT: &[(AccountProblem, &[&str])] = &[
    (
        AccountProblem::Credit,
        &[
            "credit balance is too low",
            "insufficient balance",
            "insufficient credit",
            "insufficient funds",
            "out of credit",
            "credits are depleted",
            "credits depleted",
            "credits exhausted",
            "all available credits",
            "have any credits",
            "never purchased credits",
            "requires more credits",
            "add more credits",
            "credit limit exceeded",
            "monthly included credits",
            "account is in arrears",
            "余额不足",
            "欠费",
        ],
    ),
    (
        AccountProblem::Spending,
        &[
            "spend limit",
            "spending limit",
            "spend cap",
            "spending cap",
            "spend-based",
            "specified api usage limits",
            "regain access on",
            "budget has been exceeded",
            "key limit exceeded",
            "billing hard limit",
        ],
    ),
    (
        AccountProblem::Billing,
        &[
            "billing is not active",
            "billing not active",
            "not active, please check your billing",
            "requires billing to be enabled",
            "enable billing",
        ],
    ),
    (
        AccountProblem::Key,
        &[
            "incorrect api key",
            "invalid api key",
            "invalid x-api-key",
            "api key not valid",
            "api key expired",
            "api key has expired",
            "api key was reported as leaked",
        ],
    ),
    (
        AccountProblem::Suspended,
        &[
            "organization has been disabled",
            "account has been deactivated",
            "account has been disabled",
            "account has been locked",
            "account has been suspended",
            "account is deactivated",
        ],
    ),
];

/// The call is too large for the limit that is told with it. Anthropic's "reduce the prompt length" also
/// stands in limits that pass.
const TOO_LARGE: &[&str] = &[
    "request too large",
    "request is too large",
    "context length",
    "context_length",
    "context window",
    "context limit",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "prompt too long",
    "input length and",
    "number of prompt tokens",
    "number of tokens in the prompt",
    "input token count",
    "maximum number of tokens allowed",
    "maximum number of input tokens",
    "request exceeds the maximum",
    "request size exceeds",
    "payload size exceeds",
    "maximum prompt length",
    "exceeds max length",
    "tokens must be reduced",
    "too large for model",
    "max_tokens is too large",
    "maximum request size",
    "single request limit",
];

const REGION: &[&str] = &[
    "country, region, or territory",
    "location is not supported",
    "not available in your region",
    "not available in your country",
    "not supported in your region",
    "not available in your location",
];

const UNKNOWN: &[&str] = &[
    "does not exist",
    "not found",
    "unknown model",
    "no endpoints found",
    "no allowed providers",
    "has been deprecated",
    "decommissioned",
    "invalid model",
    "is not a valid model",
    "model:",
];

const FORBIDDEN: &[&str] = &[
    "limited to use",
    "限制使用",
    "access to",
    "not allowed",
    "not have permission",
    "no permission",
    "not authorized",
    "not permitted",
    "access is denied",
    "access denied",
    "forbidden",
    "permission",
];

const SLOW_DOWN: &[&str] = &[
    "acceleration limit",
    "usage increase rate",
    "more gradually",
    "increased too fast",
    "increased too quickly",
];

const CAPACITY: &[&str] = &[
    "overloaded",
    "capacity",
    "high demand",
    "high load",
    "server is busy",
    "servers are busy",
    "model is busy",
    "model too busy",
    "currently loading",
    "not your usage limit",
    "temporarily unavailable",
    "error-code-429",
    "resource exhausted. please try again",
    "resource exhausted, please try again",
];

const LIMITED: &[&str] = &[
    "rate limit",
    "rate-limit",
    "ratelimit",
    "too many requests",
    "too many tokens",
    "throttl",
    "quota exceeded",
];

/// What is wrong with the account.
pub(super) fn account(told: &Told, hit: &Hit) -> Option<Class> {
    // Gemini has a spend limit of ten minutes: ai.google.dev/gemini-api/docs/rate-limits, read November 2026.
    let soon = hit.period.is_some_and(|period| period.as_secs() < 86_400);
    let spending = |problem: &AccountProblem| *problem == AccountProblem::Spending;
    let mut said = ACCOUNT.iter().filter(|(problem, _)| !(soon && spending(problem)));
    let found = said.find(|(_, any)| told.says(any)).map(|(problem, _)| *problem);
    // OpenAI's sentence for an empty account is Gemini's for every limit.
    let billing = || told.says(&["check your plan and billing"]) && !told.is_named(&["resourceexhausted"]);
    found.or_else(|| billing().then_some(AccountProblem::Quota)).map(Class::Account)
}

/// Whether the call is larger than a limit.
pub(super) fn too_large(told: &Told) -> bool {
    // Azure: "your request exceeds the maximum usage size allowed during peak load".
    told.says(TOO_LARGE) && !told.says(&["peak load", "high demand"])
}

/// What keeps the call from its model. `status` decides which texts count: "not found" may be an
/// address, and a permission may be the key's.
pub(super) fn model(told: &Told, status: u16) -> Option<Class> {
    let problem = match status {
        400 | 403 | 404 | 410 | 422 | 451 if told.says(REGION) => ModelProblem::Region,
        // OpenRouter's moderation speaks of the prompt.
        403 if told.says(&["flagged", "moderation"]) => return None,
        403 if told.says(&["api key"]) && !told.says(&["model"]) => {
            return Some(Class::Account(AccountProblem::Key));
        }
        403 if told.says(FORBIDDEN) => ModelProblem::Forbidden,
        403 if told.is_named(&["permissionerror", "permissiondenied", "accessdeniedexception"]) => {
            ModelProblem::Forbidden
        }
        400 | 404 | 410 | 422
            if told.says(&["model", "deployment", "no endpoints", "no allowed providers"]) =>
        {
            let known = told.says(&["have access to the model", "not allowed to use", "not have access"]);
            let unknown = told.says(UNKNOWN) || told.is_named(&["notfounderror", "notfound"]);
            match (unknown && (status != 400 || is_about_the_model(told)), known) {
                (true, _) => ModelProblem::Unknown,
                (false, true) => ModelProblem::Forbidden,
                (false, false) => return None,
            }
        }
        _ => return None,
    };
    Some(Class::Model(problem))
}

/// Whether a 400 says that the model itself is not there: its text may name many things that are not.
fn is_about_the_model(told: &Told) -> bool {
    let about = ["is not a valid model", "invalid model", "unknown model", "decommissioned"];
    told.says(&about) || (told.says(&["the model "]) && told.says(&["does not exist", "not found"]))
}

/// Whether the rate rose too fast, whatever budget the text names with it.
pub(super) fn is_too_steep(told: &Told, status: u16) -> bool {
    told.low.trim().starts_with("slow down")
        || (status == 503 && told.says(&["slow down"]))
        || (matches!(status, 429 | 503) && told.says(SLOW_DOWN))
}

/// Whether the provider is full, where the text names no limit.
pub(super) fn is_full(told: &Told, status: u16) -> bool {
    matches!(status, 429 | 498 | 500..) && told.says(CAPACITY)
}

/// Whether a relay's provider refused, not the relay. (openrouter.ai/docs/api-reference/errors, read
/// November 2026: such an error names its provider in `metadata.provider_name`.)
pub(super) fn is_upstream(told: &Told, status: u16) -> bool {
    let said = told.upstream || told.says(&["provider returned error", "rate-limited upstream"]);
    said && (status == 429 || status >= 500)
}

/// Whether a text under another status is about a rate limit.
pub(super) fn limited(told: &Told) -> bool {
    told.says(LIMITED)
}
