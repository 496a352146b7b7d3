//! Why a provider said no: from the status, the header and the body of an answer to a [`Verdict`].
//!
//! # How is an answer judged?
//!
//! By what is least likely to be said by accident, first:
//!
//! 1. names: codes, types and reasons that stand for one thing (`names`), Google's violated quotas;
//! 2. numbers: a call that wants more than the limit never fits, whatever the code says;
//! 3. sentences (`text`), since one code stands for several things: OpenAI's `rate_limit_exceeded` for a limit
//!    that passes and for a call that never fits, Google's `RESOURCE_EXHAUSTED` for a minute, a day,
//!    money and a full pool;
//! 4. the status.
//!
//! Every step is bounded: 64 KiB of JSON, 8 KiB of text, a dozen names and quotas.

mod budget;
mod date;
#[cfg(feature = "json")]
mod json;
mod limit;
mod names;
mod number;
#[cfg(all(test, feature = "json"))]
mod tests;
mod text;
mod told;
mod wait;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::headers::Headers;
use super::observation::Observation;
use super::verdict::{AccountProblem, Hit, ModelProblem, Overload, Verdict};
use told::Told;

const DAY: Duration = Duration::from_secs(86_400);

/// What an error is about, before its details are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    RateLimited,
    Overloaded(Overload),
    TooLarge,
    Account(AccountProblem),
    Model(ModelProblem),
}

impl Verdict {
    /// The verdict that an answer stands for; `None` for an answer that is no refusal.
    ///
    /// `body` is the whole body, if it was read. An error inside an answer with status 200 counts as one
    /// (OpenRouter sends them). Bodies that are JSON are read with the feature `json`, up to 64 KiB;
    /// without it, and without a body, status and header decide.
    ///
    /// The wait is, in this order, that of `retry-after-ms`, of `retry-after` (seconds, or a date less the
    /// answer's own `date`), of the body, and of the reset of a budget with nothing left.
    ///
    /// # Example: a limit that passes, and one that never does
    ///
    /// ```
    /// use std::time::Duration;
    /// use tollgate::{Retry, Verdict};
    ///
    /// let headers = [("retry-after", "22")];
    /// let verdict = Verdict::of_answer(429_u16, &headers, None).unwrap();
    /// assert_eq!(verdict.retry(), Retry::After(Duration::from_secs(22)));
    ///
    /// # #[cfg(feature = "json")] {
    /// let body = br#"{"error": {"type": "insufficient_quota", "message": "You exceeded your current quota"}}"#;
    /// let verdict = Verdict::of_answer(429_u16, &headers, Some(body)).unwrap();
    /// assert_eq!(verdict.retry(), Retry::No);
    /// # }
    /// ```
    pub fn of_answer<H: Headers + ?Sized>(
        status: impl Into<u16>,
        headers: &H,
        body: Option<&[u8]>,
    ) -> Option<Verdict> {
        let status = status.into();
        Verdict::of_seen(status, headers, Observation::read(status, headers, None), body)
    }

    /// As [`Verdict::of_answer`], for a head that is read already.
    pub(crate) fn of_seen<H: Headers + ?Sized>(
        status: u16,
        headers: &H,
        seen: Observation,
        body: Option<&[u8]>,
    ) -> Option<Verdict> {
        let (head, body) = (Head { headers, seen }, body.unwrap_or_default());
        if (400..600).contains(&status) {
            return Some(judge(status, &head, &read(body)));
        }
        let told = error_in_success(body)?;
        Some(judge(status_of(&told), &head, &told))
    }

    /// The verdict that an event of a stream stands for, given as its JSON; `None` for an event that
    /// is no error, and without the feature `json`.
    ///
    /// A stream that has begun has status 200, so an error in it comes as an event: Anthropic's
    /// `{"type":"error","error":{..}}`, OpenAI's `response.failed`, OpenRouter's chunk with an `error`.
    ///
    /// # Example: a provider that is full tells so in the middle of a stream
    ///
    /// ```
    /// use tollgate::{Retry, Verdict};
    ///
    /// # #[cfg(feature = "json")] {
    /// let data = br#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#;
    /// assert_eq!(Verdict::of_event(data).unwrap().retry(), Retry::BackOff);
    /// assert_eq!(Verdict::of_event(br#"{"type": "ping"}"#), None);
    /// # }
    /// ```
    pub fn of_event(data: &[u8]) -> Option<Verdict> {
        let told = error_in_success(data)?;
        Some(judge(status_of(&told), &Head::NONE, &told))
    }

    /// As [`Verdict::of_answer`], for a body that is read already.
    #[cfg(feature = "json")]
    pub(crate) fn of_json(status: u16, body: &serde_json::Value) -> Option<Verdict> {
        if (400..600).contains(&status) {
            return Some(judge(status, &Head::NONE, &json::told(body)));
        }
        let told = json::is_error(body).then(|| json::told(body))?;
        Some(judge(status_of(&told), &Head::NONE, &told))
    }
}

const NO_HEADERS: [(&str, &str); 0] = [];

/// What judges an error beside its body.
struct Head<'a, H: ?Sized> {
    headers: &'a H,
    /// What its fields say. That of a success has no wait.
    seen: Observation,
}

impl Head<'_, [(&str, &str); 0]> {
    const NONE: Self = Head { headers: &NO_HEADERS, seen: Observation::EMPTY };
}

/// What the body of an error tells.
fn read(body: &[u8]) -> Told {
    #[cfg(feature = "json")]
    if let Some(body) = json::parse(body) {
        return json::told(&body);
    }
    // A page of a proxy says no more than its status; JSON that is cut off or not read is no text.
    let text = String::from_utf8_lossy(&body[..body.len().min(told::TEXT)]);
    match text.trim_start().chars().next() {
        None | Some('<' | '{' | '[' | '"') => Told::default(),
        _ => Told::plain(&text),
    }
}

/// What an answer tells whose status is none of an error, if it is one.
fn error_in_success(body: &[u8]) -> Option<Told> {
    #[cfg(feature = "json")]
    {
        // Most answers are none: spare them the parsing.
        let marked = |mark: &[u8]| body.windows(mark.len()).any(|part| part == mark);
        if body.len() <= json::BODY && (marked(b"\"error\"") || marked(b"Exception\"")) {
            return json::parse(body).filter(json::is_error).map(|body| json::told(&body));
        }
    }
    let _ = body;
    None
}

/// The status that an error stands for which came without one.
fn status_of(told: &Told) -> u16 {
    told.status.or_else(|| names::status(&told.names)).unwrap_or(500)
}

/// The verdict over an error.
fn judge<H: Headers + ?Sized>(status: u16, head: &Head<'_, H>, told: &Told) -> Verdict {
    let mut hit = limit::named(head, told);
    let class = class(status, head.headers, told, &mut hit);
    let asked = || head.seen.wait(wait_in_body(&head.seen, told));
    let advice = head.seen.should_retry();
    match class {
        Some(Class::TooLarge) => {
            limit::sizes(told, &mut hit);
            Verdict::TooLarge { hit }
        }
        Some(Class::Account(problem)) => {
            Verdict::Account { problem, until: until(&head.seen, told, problem) }
        }
        Some(Class::Model(problem)) => Verdict::Model { problem },
        Some(Class::Overloaded(cause)) => Verdict::Overloaded { cause, retry_after: asked() },
        Some(Class::RateLimited) => {
            // Cerebras says so of limits that pass within a minute (reports of 2026).
            let advised = advice == Some(false) && !told.is_named(&["toomanyrequestserror"]);
            let futile = advised || is_of_a_calendar_day(told, &hit);
            // Gemini tells 26 s for a day.
            let retry_after = asked().filter(|_| told.quotas.is_empty() || !futile);
            Verdict::RateLimited { hit, retry_after, futile }
        }
        None => match Verdict::from_status(status) {
            Some(Verdict::Overloaded { cause, .. }) => Verdict::Overloaded { cause, retry_after: asked() },
            // The call was in order: OpenAI says so of a 409.
            Some(Verdict::Rejected) if advice == Some(true) => Verdict::Failed,
            Some(verdict) => verdict,
            None => Verdict::Failed,
        },
    }
}

/// What the error is about; `None` where only its status says anything. Completes the numbers of the hit.
fn class<H: Headers + ?Sized>(status: u16, headers: &H, told: &Told, hit: &mut Hit) -> Option<Class> {
    let exception = headers.field("x-amzn-errortype").map(|name| name.split(':').next().unwrap_or(name));
    let of_header = exception.map(|name| {
        let mut named = Told::default();
        named.name(name.rsplit('#').next().unwrap_or(name));
        named.names
    });
    let named = names::class(&told.names).or_else(|| names::class(&of_header?));
    let limited = named == Some(Class::RateLimited);
    if named.is_some() && !limited {
        return named;
    }
    // A quota of Google's is a limit of its own, whatever the sentence beside it says.
    if told.quotas.is_empty() {
        if let Some(account) = text::account(told, hit) {
            return Some(account);
        }
        // Azure's API Management: 429 for a rate, 403 for a quota (learn.microsoft.com/azure/api-management,
        // "quota-by-key" and "llm-token-limit", read November 2026).
        if status == 403
            && !limited
            && told.says(&["quota is exceeded", "out of call volume quota", "quota exceeded"])
        {
            return Some(Class::Account(AccountProblem::Quota));
        }
    }
    let too_large = status == 413 || (!matches!(status, 503 | 529) && text::too_large(told));
    // The limit that an upstream names is not the caller's.
    if !too_large && text::is_upstream(told, status) {
        return Some(Class::Overloaded(Overload::Upstream));
    }
    if limited || matches!(status, 403 | 413 | 429) {
        limit::numbers(told, hit);
    }
    if limited || status == 429 {
        if hit.limit == Some(0) || limit::is_zero(told) {
            return Some(Class::Model(ModelProblem::NoQuota));
        }
        if hit.requested.zip(hit.limit).is_some_and(|(requested, limit)| requested > limit) {
            return Some(Class::TooLarge);
        }
    }
    let named_budget = hit.period.is_some() || hit.limit.is_some();
    if too_large {
        return Some(Class::TooLarge);
    }
    if text::is_too_steep(told, status) {
        return Some(Class::Overloaded(Overload::SlowDown));
    }
    if !named_budget && text::is_full(told, status) {
        return Some(Class::Overloaded(Overload::Capacity));
    }
    if limited || status == 429 {
        return Some(Class::RateLimited);
    }
    text::model(told, status)
        .or_else(|| (matches!(status, 400 | 403 | 500) && text::limited(told)).then_some(Class::RateLimited))
}

/// Whether the budget comes back at a date of the calendar and not bit by bit: Gemini's days end at
/// midnight Pacific, OpenRouter's at midnight UTC, months on the first.
/// (ai.google.dev/gemini-api/docs/rate-limits, openrouter.ai/docs/api-reference/limits, read November 2026)
fn is_of_a_calendar_day(told: &Told, hit: &Hit) -> bool {
    let day = hit.period.is_some_and(|period| period >= DAY);
    let month = hit.period.is_some_and(|period| period > DAY);
    month || (day && (!told.quotas.is_empty() || told.says(&["free-models-per"])))
}

/// The wait that the body tells: of its fields and its text the longer one, since Google rounds one of
/// them; else the time to OpenRouter's reset.
fn wait_in_body(seen: &Observation, told: &Told) -> Option<Duration> {
    let reset = || {
        let reset = UNIX_EPOCH.checked_add(Duration::from_millis(told.reset?))?;
        reset.duration_since(seen.date()?).ok().and_then(wait::meant)
    };
    told.wait.max(wait::in_text(&told.low)).or_else(reset)
}

/// When access to the account returns, where that is told.
fn until(seen: &Observation, told: &Told, problem: AccountProblem) -> Option<SystemTime> {
    match problem {
        AccountProblem::Quota | AccountProblem::Spending | AccountProblem::Credit => {}
        _ => return None,
    }
    let on = ["access on", "resets on", "reset on", "until", "resets at"];
    let after = on.iter().find_map(|phrase| told.low.find(phrase).map(|at| at + phrase.len()));
    let date = after.and_then(|at| date::in_text(told::cut(&told.text[at..], 64)));
    let wait = || seen.retry_after().or_else(|| wait::in_text(&told.low));
    date.or_else(|| seen.date()?.checked_add(wait()?))
}
