//! Rate limit headers, in the dialects of the providers.

use super::problem::whole_seconds;
use crate::budget::{Level, Levels};
use crate::config::{ChargeRule, HeaderFamily};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names and values.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// What the headers of one answer depend on, beside the budgets.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(super) family: HeaderFamily,
    /// Whose errors are told.
    pub(super) words: HeaderFamily,
    pub(super) charge: ChargeRule,
    pub(super) model: &'a str,
    pub(super) request_id: String,
    pub(super) streamed: bool,
    /// The provider's time when it decided.
    pub(super) now: SystemTime,
}

impl Scene<'_> {
    /// A call by Anthropic's own protocol, which nobody answers in another dialect.
    #[cfg(feature = "server")]
    pub(crate) fn by_messages(mut self) -> Self {
        self.words = HeaderFamily::Anthropic;
        if self.family != HeaderFamily::None {
            self.family = HeaderFamily::Anthropic;
        }
        self
    }
}

/// Good answers' rate limit headers, with what the call really cost where the family tells it.
pub(crate) fn of_good(scene: &Scene<'_>, levels: &Levels, cost: u64) -> Headers {
    let mut headers = rate_limits(scene, levels);
    if scene.family == HeaderFamily::Mistral && !scene.streamed {
        headers.push(("x-ratelimit-tokens-query-cost", cost.to_string()));
    }
    headers
}

/// The headers that every answer to a call has that was not stopped at the door.
pub(crate) fn of_any(scene: &Scene<'_>, now: u64) -> Headers {
    let request_id = match scene.words {
        HeaderFamily::Anthropic => "request-id",
        _ => "x-request-id",
    };
    vec![("date", httpdate::fmt_http_date(utc(now))), (request_id, scene.request_id.clone())]
}

/// How long the call, charged at `at`, has been worked on. Rounded down, so that a client that subtracts it never
/// thinks it was charged later than it was.
pub(crate) fn processing_ms(at: u64, now: u64) -> (&'static str, String) {
    ("openai-processing-ms", (now.saturating_sub(at) / 1_000_000).to_string())
}

pub(super) fn utc(now: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(now)
}

/// The headers that tell how the budgets stand.
pub(super) fn rate_limits(scene: &Scene<'_>, levels: &Levels) -> Headers {
    match scene.family {
        // Where there is a day budget for requests, it hides the one per minute.
        HeaderFamily::OpenAi => plain(levels.rpd.or(levels.rpm), levels.tpm.or(levels.tpd)),
        HeaderFamily::Groq => plain(levels.rpd, levels.tpm),
        HeaderFamily::Azure => azure(scene, levels),
        HeaderFamily::Mistral => mistral(scene, levels),
        HeaderFamily::Anthropic => anthropic(scene, levels),
        HeaderFamily::None => Headers::new(),
    }
}

/// The headers that tell how long to wait.
pub(super) fn retry_after(family: HeaderFamily, wait: Duration) -> Headers {
    let seconds = ("retry-after", whole_seconds(wait).to_string());
    let millis = ("retry-after-ms", wait.as_millis().to_string());
    match family {
        HeaderFamily::OpenAi | HeaderFamily::Azure => vec![seconds, millis],
        HeaderFamily::Groq | HeaderFamily::Anthropic => vec![seconds],
        HeaderFamily::Mistral | HeaderFamily::None => Headers::new(),
    }
}

/// A duration as these providers write it, in whole milliseconds rounded down: `0s`, `120ms`, `8.64s`, `6m0s`, `1h0m2.5s`.
pub(super) fn span(span: Duration) -> String {
    let millis = span.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let seconds = (millis % 60_000) as f64 / 1_000.0;
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn plain(requests: Option<Level>, tokens: Option<Level>) -> Headers {
    let mut headers = Headers::new();
    if let Some(level) = requests {
        headers.push(("x-ratelimit-limit-requests", level.limit.to_string()));
        headers.push(("x-ratelimit-remaining-requests", level.remaining().to_string()));
        headers.push(("x-ratelimit-reset-requests", span(level.reset)));
    }
    if let Some(level) = tokens {
        headers.push(("x-ratelimit-limit-tokens", level.limit.to_string()));
        headers.push(("x-ratelimit-remaining-tokens", level.remaining().to_string()));
        headers.push(("x-ratelimit-reset-tokens", span(level.reset)));
    }
    headers
}

/// Resets as bare whole milliseconds, as recorded in 2026 from refilled budgets.
fn azure(scene: &Scene<'_>, levels: &Levels) -> Headers {
    let mut headers = vec![
        ("x-ratelimit-abusepenalty-active", "False".to_owned()),
        ("x-ratelimit-key", scene.model.to_owned()),
        ("x-ms-region", "Simulation".to_owned()),
    ];
    if let Some(level) = levels.rpm.or(levels.rpd) {
        headers.push(("x-ratelimit-limit-requests", level.limit.to_string()));
        headers.push(("x-ratelimit-remaining-requests", level.remaining().to_string()));
        headers.push(("x-ratelimit-reset-requests", level.reset.as_millis().to_string()));
        headers.push(("x-ratelimit-renewalperiod-requests", level.period.as_secs().to_string()));
    }
    if let Some(level) = levels.tpm.or(levels.tpd) {
        headers.push(("x-ratelimit-limit-tokens", level.limit.to_string()));
        headers.push(("x-ratelimit-remaining-tokens", level.remaining().to_string()));
        headers.push(("x-ratelimit-reset-tokens", level.reset.as_millis().to_string()));
        headers.push(("x-ratelimit-renewalperiod-tokens", level.period.as_secs().to_string()));
    }
    headers
}

/// The window is in the name, and there are no resets. Streamed answers carry none of it.
fn mistral(scene: &Scene<'_>, levels: &Levels) -> Headers {
    let mut headers = Headers::new();
    if scene.streamed {
        return headers;
    }
    if let Some(level) = levels.rpm {
        headers.push(("x-ratelimit-limit-req-minute", level.limit.to_string()));
        headers.push(("x-ratelimit-remaining-req-minute", level.remaining().to_string()));
    }
    if let Some(level) = levels.tpm {
        headers.push(("x-ratelimit-limit-tokens-minute", level.limit.to_string()));
        headers.push(("x-ratelimit-remaining-tokens-minute", level.remaining().to_string()));
    }
    headers
}

/// One family per budget per minute. Where only input is charged, the tokens are input tokens too.
fn anthropic(scene: &Scene<'_>, levels: &Levels) -> Headers {
    let reset = |level: Level| humantime::format_rfc3339_seconds(scene.now + level.reset).to_string();
    let coarse = |level: Level| (level.remaining().saturating_add(500) / 1_000 * 1_000).to_string();
    let mut headers = Headers::new();
    if let Some(level) = levels.rpm {
        headers.push(("anthropic-ratelimit-requests-limit", level.limit.to_string()));
        headers.push(("anthropic-ratelimit-requests-remaining", level.remaining().to_string()));
        headers.push(("anthropic-ratelimit-requests-reset", reset(level)));
    }
    if let Some(level) = levels.tpm {
        headers.push(("anthropic-ratelimit-tokens-limit", level.limit.to_string()));
        headers.push(("anthropic-ratelimit-tokens-remaining", coarse(level)));
        headers.push(("anthropic-ratelimit-tokens-reset", reset(level)));
        if scene.charge == ChargeRule::InputOnly {
            headers.push(("anthropic-ratelimit-input-tokens-limit", level.limit.to_string()));
            headers.push(("anthropic-ratelimit-input-tokens-remaining", coarse(level)));
            headers.push(("anthropic-ratelimit-input-tokens-reset", reset(level)));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LawKind;

    const MINUTE: Duration = Duration::from_secs(60);

    fn level(limit: u64, used: u64, reset: Duration, period: Duration) -> Option<Level> {
        Some(Level { limit, used, reset, period, law: LawKind::Refill })
    }

    fn show(family: HeaderFamily, streamed: bool, levels: &Levels) -> String {
        let scene = Scene {
            family,
            words: family,
            charge: ChargeRule::InputOnly,
            model: "gpt-4",
            request_id: String::new(),
            streamed,
            now: SystemTime::UNIX_EPOCH,
        };
        let lines = rate_limits(&scene, levels);
        lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    fn levels() -> Levels {
        Levels {
            rpm: level(500, 1, Duration::from_millis(120), MINUTE),
            rpd: level(10_000, 1, Duration::from_millis(8_640), Duration::from_secs(86_400)),
            tpm: level(10_000, 22, Duration::from_millis(132), MINUTE),
            tpd: None,
            in_flight: 1,
        }
    }

    #[test]
    fn durations_read_as_recorded_ones_do() {
        let cases = [
            (0, "0s"),
            (1, "1ms"),
            (120, "120ms"),
            (1_000, "1s"),
            (8_640, "8.64s"),
            (432_000, "7m12s"),
            (360_000, "6m0s"),
            (4_105_745, "1h8m25.745s"),
            (299_439_057, "83h10m39.057s"),
        ];
        for (millis, text) in cases {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
        assert_eq!(span(Duration::from_nanos(999_999)), "0s");
    }

    #[test]
    fn openai_shows_the_day_of_requests_where_there_is_one() {
        let day = show(HeaderFamily::OpenAi, false, &levels());
        assert!(day.contains("x-ratelimit-limit-requests: 10000\n"), "{day}");
        assert!(day.contains("x-ratelimit-reset-requests: 8.64s\n"), "{day}");
        assert!(
            day.contains("x-ratelimit-remaining-tokens: 9978\nx-ratelimit-reset-tokens: 132ms\n"),
            "{day}"
        );
        let minute = show(HeaderFamily::OpenAi, false, &Levels { rpd: None, ..levels() });
        assert!(minute.contains("x-ratelimit-limit-requests: 500\n"), "{minute}");
        assert!(minute.contains("x-ratelimit-reset-requests: 120ms\n"), "{minute}");
    }

    #[test]
    fn groq_never_shows_requests_per_minute() {
        let shown = show(HeaderFamily::Groq, false, &Levels { rpd: None, ..levels() });
        assert!(!shown.contains("requests"), "{shown}");
        assert!(shown.contains("x-ratelimit-limit-tokens: 10000\n"), "{shown}");
    }

    #[test]
    fn azure_writes_bare_milliseconds_and_renewal_periods() {
        let shown = show(HeaderFamily::Azure, false, &levels());
        assert!(shown.contains("x-ratelimit-reset-requests: 120\n"), "{shown}");
        assert!(shown.contains("x-ratelimit-renewalperiod-tokens: 60\n"), "{shown}");
        assert!(shown.contains("x-ratelimit-key: gpt-4\n"), "{shown}");
    }

    #[test]
    fn mistral_names_the_window_and_says_nothing_on_streams() {
        let shown = show(HeaderFamily::Mistral, false, &levels());
        assert!(shown.contains("x-ratelimit-remaining-req-minute: 499\n"), "{shown}");
        assert!(!shown.contains("reset"), "{shown}");
        assert_eq!(show(HeaderFamily::Mistral, true, &levels()), "");
    }

    #[test]
    fn anthropic_rounds_tokens_to_thousands_and_resets_to_instants() {
        let shown = show(HeaderFamily::Anthropic, false, &levels());
        assert!(shown.contains("anthropic-ratelimit-tokens-remaining: 10000\n"), "{shown}");
        assert!(shown.contains("anthropic-ratelimit-requests-remaining: 499\n"), "{shown}");
        assert!(shown.contains("anthropic-ratelimit-input-tokens-reset: 1970-01-01T00:00:00Z\n"), "{shown}");
    }

    #[test]
    fn waits_are_whole_seconds_rounded_up() {
        let shown = retry_after(HeaderFamily::OpenAi, Duration::from_millis(1_001));
        assert_eq!(shown, [("retry-after", "2".to_owned()), ("retry-after-ms", "1001".to_owned())]);
        assert_eq!(retry_after(HeaderFamily::Mistral, MINUTE), []);
    }
}
