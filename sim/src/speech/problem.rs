//! Answers that are not the one asked for.

use super::headers::{self, Headers, Scene, span};
use crate::budget::{Budget, Level};
use crate::config::HeaderFamily;
use crate::provider::{Refusal, TooLarge};
use crate::shared::Denied;
use crate::status;
use crate::trouble::Trouble;
use serde_json::{Value, json};
use std::time::Duration;

/// A status, extra headers and a JSON body. Nothing of the request but the model's name is ever in it.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Value,
}

impl Problem {
    #[cfg(feature = "server")]
    pub(crate) fn server_error(scene: &Scene<'_>, levels: &crate::budget::Levels) -> Self {
        let text = "The server had an error while processing your request.";
        let body = match scene.words {
            HeaderFamily::Anthropic => {
                anthropic_error(&scene.request_id, "api_error", "Internal server error")
            }
            _ => json!({ "error": { "message": text, "type": "server_error", "param": null, "code": null } }),
        };
        Self { status: 500, headers: headers::rate_limits(scene, levels), body }
    }

    pub(crate) fn denied(scene: &Scene<'_>, denied: &Denied) -> Self {
        match denied {
            Denied::Refused(refusal) => Self::refused(scene, refusal),
            Denied::TooLarge(refusal) => Self::too_large(scene, refusal),
            Denied::TurnedAway(trouble) => Self::turned_away(scene, *trouble),
        }
    }

    fn refused(scene: &Scene<'_>, refusal: &Refusal) -> Self {
        let wait = stated_wait(refusal);
        let mut headers = headers::rate_limits(scene, &refusal.levels);
        if let Some(wait) = wait {
            headers.extend(headers::retry_after(scene.family, wait));
        }
        let Refusal { budget, limit, used, requested, .. } = *refusal;
        let numbers = format!("Limit {limit}, Used {used}, Requested {requested}");
        let hint = wait.map_or_else(
            || "Please try again when a request in flight has ended.".to_owned(),
            |wait| format!("Please try again in {}.", span(wait)),
        );
        let body = match scene.words {
            HeaderFamily::OpenAi | HeaderFamily::None => {
                let text = format!(
                    "Rate limit reached for {}: {numbers}. {hint}",
                    openai_place(scene.model, budget)
                );
                rate_limit_exceeded(&format!("{text} {OPENAI_FOOT}"), budget)
            }
            HeaderFamily::Groq => {
                let text =
                    format!("Rate limit reached for {}: {numbers}. {hint}", groq_place(scene.model, budget));
                rate_limit_exceeded(&text, budget)
            }
            HeaderFamily::Azure => azure_body(scene.model, budget, wait),
            HeaderFamily::Mistral => mistral_body(),
            HeaderFamily::Anthropic => anthropic_body(scene, budget, limit),
        };
        Self { status: status::REFUSED, headers, body }
    }

    fn too_large(scene: &Scene<'_>, refusal: &TooLarge) -> Self {
        let TooLarge { budget, limit, requested, .. } = *refusal;
        let numbers = format!("Limit {limit}, Requested {requested}");
        let body = match scene.words {
            HeaderFamily::OpenAi | HeaderFamily::None => {
                let place = openai_place(scene.model, budget);
                let hint = "The input or output tokens must be reduced in order to run successfully.";
                rate_limit_exceeded(
                    &format!("Request too large for {place}: {numbers}. {hint} {OPENAI_FOOT}"),
                    budget,
                )
            }
            HeaderFamily::Groq => {
                let place = groq_place(scene.model, budget);
                let hint = "please reduce your message size and try again.";
                rate_limit_exceeded(&format!("Request too large for {place}: {numbers}, {hint}"), budget)
            }
            HeaderFamily::Azure => azure_body(scene.model, budget, None),
            HeaderFamily::Mistral => mistral_body(),
            HeaderFamily::Anthropic => anthropic_body(scene, budget, limit),
        };
        Self {
            status: status::too_large(scene.words),
            headers: headers::rate_limits(scene, &refusal.levels),
            body,
        }
    }

    /// No budget is at fault, so none is told.
    fn turned_away(scene: &Scene<'_>, trouble: Trouble) -> Self {
        let anthropic = scene.words == HeaderFamily::Anthropic;
        let (headers, body) = match trouble {
            Trouble::Outage if anthropic => (Headers::new(), overloaded(&scene.request_id)),
            Trouble::Outage => (
                Headers::new(),
                json!({ "error": {
                    "message": "The engine is currently overloaded, please try again later",
                    "type": "server_error",
                    "param": null,
                    "code": null,
                } }),
            ),
            Trouble::Storm { retry_after } => {
                (headers::retry_after(scene.family, retry_after), storm_body(scene, retry_after))
            }
            Trouble::AccountStop if anthropic => {
                let text = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing \
                            to upgrade or purchase credits.";
                (Headers::new(), anthropic_error(&scene.request_id, "invalid_request_error", text))
            }
            Trouble::AccountStop => (
                Headers::new(),
                json!({ "error": {
                    "message": "You exceeded your current quota, please check your plan and billing details.",
                    "type": "insufficient_quota",
                    "param": null,
                    "code": "insufficient_quota",
                } }),
            ),
        };
        Self { status: status::turned_away(scene.words, trouble), headers, body }
    }
}

const OPENAI_FOOT: &str = "Visit https://platform.openai.com/account/rate-limits to learn more.";

fn openai_place(model: &str, budget: Budget) -> String {
    let budget = match budget {
        Budget::Rpm => "requests per min (RPM)",
        Budget::Rpd => "requests per day (RPD)",
        Budget::Tpm => "tokens per min (TPM)",
        Budget::Tpd => "tokens per day (TPD)",
        Budget::Concurrency => "concurrent requests",
    };
    format!("{model} in organization org-sim on {budget}")
}

fn groq_place(model: &str, budget: Budget) -> String {
    let budget = match budget {
        Budget::Rpm => "requests per minute (RPM)",
        Budget::Rpd => "requests per day (RPD)",
        Budget::Tpm => "tokens per minute (TPM)",
        Budget::Tpd => "tokens per day (TPD)",
        Budget::Concurrency => "concurrent requests",
    };
    format!("model `{model}` in organization `org_sim` service tier `on_demand` on {budget}")
}

fn rate_limit_exceeded(message: &str, budget: Budget) -> Value {
    let kind = if counts_tokens(budget) { "tokens" } else { "requests" };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": "rate_limit_exceeded" } })
}

fn azure_body(model: &str, budget: Budget, wait: Option<Duration>) -> Value {
    let kind = if counts_tokens(budget) { "token" } else { "call" };
    let hint =
        wait.map_or(String::new(), |wait| format!(" Please retry after {} seconds.", whole_seconds(wait)));
    let message = format!(
        "Your requests to {model} for {model} in Simulation have exceeded the {kind} rate limit for your current S0 pricing tier.{hint}"
    );
    json!({ "error": { "code": "429", "message": message } })
}

fn mistral_body() -> Value {
    json!({
        "object": "error",
        "message": "Rate limit exceeded",
        "type": "rate_limited",
        "param": null,
        "code": "1300",
        "raw_status_code": 429,
    })
}

fn anthropic_body(scene: &Scene<'_>, budget: Budget, limit: u64) -> Value {
    let what = match budget {
        Budget::Rpm => "requests per minute",
        Budget::Rpd => "requests per day",
        Budget::Tpm => "tokens per minute",
        Budget::Tpd => "tokens per day",
        Budget::Concurrency => "concurrent connections",
    };
    let message = format!(
        "This request would exceed the rate limit for your organization of {} {what} (org: org-sim, model: {}).",
        thousands(limit),
        scene.model
    );
    anthropic_error(&scene.request_id, "rate_limit_error", &message)
}

/// Anthropic's error when it has too much to do.
pub(crate) fn overloaded(request_id: &str) -> Value {
    anthropic_error(request_id, "overloaded_error", "Overloaded")
}

pub(super) fn anthropic_error(request_id: &str, kind: &str, message: &str) -> Value {
    let error = json!({ "type": kind, "message": message });
    json!({ "type": "error", "error": error, "request_id": request_id })
}

/// A refusal that gives no numbers.
fn storm_body(scene: &Scene<'_>, wait: Duration) -> Value {
    match scene.words {
        HeaderFamily::OpenAi | HeaderFamily::Groq | HeaderFamily::None => rate_limit_exceeded(
            &format!("Rate limit reached for requests. Please try again in {}.", span(wait)),
            Budget::Rpm,
        ),
        HeaderFamily::Azure => azure_body(scene.model, Budget::Rpm, Some(wait)),
        HeaderFamily::Mistral => mistral_body(),
        HeaderFamily::Anthropic => anthropic_error(
            &scene.request_id,
            "rate_limit_error",
            "Number of concurrent connections has exceeded your rate limit. Please try again later.",
        ),
    }
}

/// The wait a client is told, in whole milliseconds rounded up.
///
/// Providers that refill compute it from the very numbers they print. Those are rounded up as well, so it is never
/// shorter than the true wait.
fn stated_wait(refusal: &Refusal) -> Option<Duration> {
    let exact = refusal.retry_after?;
    let wait = match refused_level(refusal) {
        Some(level) if level.law == crate::LawKind::Refill && level.limit > 0 => {
            let missing =
                u128::from(refusal.used) + u128::from(refusal.requested) - u128::from(refusal.limit);
            let nanos = (missing * level.period.as_nanos()).div_ceil(u128::from(level.limit));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).max(exact)
        }
        _ => exact,
    };
    Some(Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)))
}

fn refused_level(refusal: &Refusal) -> Option<Level> {
    match refusal.budget {
        Budget::Rpm => refusal.levels.rpm,
        Budget::Rpd => refusal.levels.rpd,
        Budget::Tpm => refusal.levels.tpm,
        Budget::Tpd => refusal.levels.tpd,
        Budget::Concurrency => None,
    }
}

fn counts_tokens(budget: Budget) -> bool {
    matches!(budget, Budget::Tpm | Budget::Tpd)
}

/// Rounded up.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// `30000` as `30,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
