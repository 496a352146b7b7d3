//! The plan as people and programs read it.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use indicatif::HumanCount;
use serde::Serializer;

use super::{End, Plan};

impl Plan {
    /// For a person.
    pub(crate) fn text(&self) -> String {
        let (requests, tokens) = (HumanCount(self.requests as u64), HumanCount(self.tokens));
        let mut text = format!("plan: {requests} requests, {tokens} tokens at most");
        if self.never_admitted > 0 {
            let _ = write!(text, "; {} more are never admitted", HumanCount(self.never_admitted));
        }
        text.push('\n');
        if self.requests == 0 {
            text.push_str("  nothing to do\n");
            return text;
        }
        let _ = match &self.binding {
            Some(limit) => writeln!(text, "  {limit} bind: it ends {}", ends(&self.at_most)),
            None if self.requests > self.queue => {
                let queue = HumanCount(self.queue as u64);
                writeln!(
                    text,
                    "  no limit binds, but the {queue} requests held at once (--queue): it ends {}",
                    ends(&self.at_most)
                )
            }
            None => writeln!(text, "  no limit binds: it ends {}", ends(&self.at_most)),
        };
        if let Some(expected) = &self.expected {
            let percent = (expected.output_share * 1_000.0).round() / 10.0;
            let _ = writeln!(text, "  with answers of {percent} % of their caps {}", ends(&expected.end));
        }
        if self.alone.len() > 1 {
            let alone = |alone: &super::Alone| format!("{} {}", alone.limit, span(&alone.end));
            let alone: Vec<String> = self.alone.iter().map(alone).collect();
            let _ = writeln!(text, "  each alone: {}", alone.join("; "));
        }
        if let Some((binding, without)) = self.binding.as_ref().zip(self.without_binding) {
            let _ = writeln!(text, "  without {binding} it would end after {}", span(&without));
        }
        let latency = humantime::format_duration(self.latency);
        let _ = writeln!(
            text,
            "  if it starts now with full budgets, answers take {latency} (--latency), and nothing is refused"
        );
        text
    }
}

/// `after 3 d 2 h (Wed 25 Nov 2026 14:10 UTC)`.
fn ends(end: &End) -> String {
    match end.ends_at.and_then(date) {
        Some(date) => format!("after {} ({date})", span(end)),
        None => format!("after {}", span(end)),
    }
}

/// As exact as a person wants it: `4.05 s`, `2 min 36 s`, `2 h 47 min`, `3 d 3 h`.
fn span(end: &End) -> String {
    if end.given_up {
        return "more than 100 years".to_owned();
    }
    let seconds = end.ended.as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, 0..10) => format!("{:.2} s", end.ended.as_secs_f64()),
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{} d {hours} h", HumanCount(days)),
    }
}

/// To the minute: `Wed 25 Nov 2026 14:10 UTC`.
fn date(at: SystemTime) -> Option<String> {
    // `Wed, 25 Nov 2026 14:10:05 GMT`; the plan ends within a century, long before that has another length.
    let text = httpdate::fmt_http_date(at);
    Some(format!("{} {} UTC", text.get(..3)?, text.get(5..22)?))
}

pub(super) fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

pub(super) fn instant<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

pub(super) fn maybe_instant<S: Serializer>(
    at: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => instant(at, serializer),
        None => serializer.serialize_none(),
    }
}
