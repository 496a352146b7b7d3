//! Bodies that are JSON, in all the shapes that providers give their errors.

use std::time::Duration;

use serde_json::{Map, Value};

use super::told::Told;
use super::wait;

/// The longest body that is read, in bytes.
pub(super) const BODY: usize = 64 * 1_024;
/// How many of Google's details and violations are looked at.
const MOST: usize = 16;

/// The body as JSON, unless it is longer than an error is.
pub(super) fn parse(body: &[u8]) -> Option<Value> {
    if body.len() > BODY { None } else { serde_json::from_slice(body).ok() }
}

/// What an error's body tells.
pub(super) fn told(body: &Value) -> Told {
    let mut told = Told::default();
    let Some(root) = object(body) else {
        told.say(body.as_str().unwrap_or_default());
        return told.end();
    };
    let inner = error(root);
    if let Some(Value::Object(inner)) = inner {
        read(inner, &mut told);
        // One relay wraps what another has wrapped.
        if let Some(Value::Object(within)) = inner.get("error") {
            read(within, &mut told);
        }
    }
    // xAI's `error` is a text beside a code; of a body without one everything lies flat.
    if !matches!(inner, Some(Value::Object(_))) {
        read(root, &mut told);
    }
    told.wait = told.wait.or(wait_of(root));
    // Bedrock's streams name the exception by the key it stands under.
    for (key, value) in root.iter().take(MOST).filter(|(key, _)| key.ends_with("Exception")) {
        told.name(key);
        if let Value::Object(exception) = value {
            read(exception, &mut told);
        }
    }
    told.end()
}

/// Whether a body that came with a success is an error all the same: only `error` (or Bedrock's
/// exceptions) says so.
pub(super) fn is_error(body: &Value) -> bool {
    let exception = |root: &Map<String, Value>| {
        root.iter().take(MOST).any(|(key, value)| key.ends_with("Exception") && value.is_object())
    };
    object(body).is_some_and(|root| error(root).is_some_and(says_something) || exception(root))
}

/// Whether an `error` is one: null, false, 0, "" and {} are not.
fn says_something(error: &Value) -> bool {
    match error {
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => false,
    }
}

/// The answer itself, or the only element of Gemini's list.
fn object(body: &Value) -> Option<&Map<String, Value>> {
    match body {
        Value::Array(list) => list.first()?.as_object(),
        body => body.as_object(),
    }
}

/// Where the error lies: in `error`, in the `response` of an OpenAI event, in a choice of OpenRouter's.
fn error(root: &Map<String, Value>) -> Option<&Value> {
    let of_response = || root.get("response")?.get("error");
    let of_choice = || root.get("choices")?.get(0)?.get("error");
    let of_list = || root.get("errors")?.get(0);
    let found = root.get("error").filter(|error| !error.is_null());
    found.or_else(of_response).or_else(of_choice).or_else(of_list).filter(|error| !error.is_null())
}

/// Reads the fields of one object.
fn read(error: &Map<String, Value>, told: &mut Told) {
    let field = |name: &str| error.get(name);
    for name in ["code", "status", "statusCode", "status_code", "raw_status_code"] {
        match field(name) {
            Some(Value::String(text)) => code(text, told),
            Some(Value::Number(number)) => number_code(number.as_u64(), told),
            _ => {}
        }
    }
    let named = ["type", "reason", "error_type", "error_code", "errorCode", "__type"];
    for text in named.iter().filter_map(|name| field(name)?.as_str()) {
        told.name(&bare(text));
    }
    let texts = ["message", "error", "detail", "title", "msg", "error_description", "Message"];
    for text in texts.iter().filter_map(|name| field(name)?.as_str()) {
        told.say(text);
    }
    told.wait = told.wait.or(wait_of(error));
    match field("details") {
        Some(Value::Array(details)) => details.iter().take(MOST).for_each(|detail| google(detail, told)),
        Some(Value::Object(details)) => {
            for name in ["error_code", "code", "reason", "type"] {
                told.name(details.get(name).and_then(Value::as_str).unwrap_or_default());
            }
        }
        _ => {}
    }
    if let Some(Value::Object(metadata)) = field("metadata") {
        relay(metadata, told);
    }
    if let Some(code) = field("innererror").and_then(|inner| inner.get("code")?.as_str()) {
        told.name(code);
    }
}

/// A code as text: "rate_limit_exceeded", "429", "403 FORBIDDEN".
fn code(text: &str, told: &mut Told) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text[..digits].parse().ok().filter(|_| digits == 3) {
        Some(number) => number_code(Some(number), told),
        None => told.name(text),
    }
}

fn number_code(number: Option<u64>, told: &mut Told) {
    match number.and_then(|number| u16::try_from(number).ok()) {
        Some(status @ 400..600) => told.status = told.status.or(Some(status)),
        Some(code @ 1_000..) => told.name(&code.to_string()),
        _ => {}
    }
}

/// A type without the address before it; those of the IETF are marked, because OpenAI uses one of
/// their names for something else.
fn bare(name: &str) -> String {
    let last = name.rsplit(['#', '/', ':']).next().unwrap_or(name);
    if name.contains("http-problem-types") { format!("ietf {last}") } else { last.to_owned() }
}

/// A wait in a field: a number of seconds or a text with a unit.
fn wait_of(error: &Map<String, Value>) -> Option<Duration> {
    let fields = [
        ("retry_after_ms", 1_000_000),
        ("retry_after", 1_000_000_000),
        ("retryAfter", 1_000_000_000),
        ("retry_after_seconds", 1_000_000_000),
    ];
    fields.iter().find_map(|(name, nanos)| match error.get(*name)? {
        Value::Number(number) => wait::number(&number.to_string(), *nanos),
        Value::String(text) => wait::number(text, *nanos),
        _ => None,
    })
}

/// One of Google's details, by its type.
fn google(detail: &Value, told: &mut Told) {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text(detail, "@type");
    if kind.ends_with("RetryInfo") {
        told.wait = wait::number(&text(detail, "retryDelay"), 1_000_000_000).or(told.wait);
    } else if kind.ends_with("ErrorInfo") {
        // Its RATE_LIMIT_EXCEEDED says no more than the status does.
        told.name(&text(detail, "reason"));
        let metadata = &detail["metadata"];
        if metadata.get("quota_limit").is_some() {
            let limit = text(metadata, "quota_limit_value").parse().ok();
            told.violated(text(metadata, "quota_limit") + " " + &text(metadata, "quota_unit"), limit);
        }
    } else if kind.ends_with("QuotaFailure") {
        let violations = detail.get("violations").and_then(Value::as_array);
        for violation in violations.into_iter().flatten().take(MOST) {
            let name = ["quotaId", "quotaMetric", "subject"].map(|field| text(violation, field)).join(" ");
            let limit = match violation.get("quotaValue") {
                Some(Value::String(limit)) => limit.parse().ok(),
                limit => limit.and_then(Value::as_u64),
            };
            told.violated(name, limit);
        }
    }
}

/// What OpenRouter adds: the fields of its header, and what its provider said.
fn relay(metadata: &Map<String, Value>, told: &mut Told) {
    told.upstream |= metadata.get("provider_name").is_some_and(Value::is_string);
    told.wait = told.wait.or(wait_of(metadata));
    told.say(metadata.get("raw").and_then(Value::as_str).unwrap_or_default());
    let Some(Value::Object(headers)) = metadata.get("headers") else { return };
    let field = |name: &str| headers.iter().take(64).find(|(key, _)| key.eq_ignore_ascii_case(name));
    if let Some((_, reset)) = field("x-ratelimit-reset") {
        told.reset = reset.as_u64().or_else(|| reset.as_str()?.parse().ok());
    }
    if let Some((_, Value::String(text))) = field("retry-after") {
        told.wait = told.wait.or(wait::number(text, 1_000_000_000));
    }
}
