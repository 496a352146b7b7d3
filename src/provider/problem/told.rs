//! What the body of an error answer tells, whatever its shape.

use std::time::Duration;

/// The longest text that is looked at, in bytes.
pub(super) const TEXT: usize = 8 * 1_024;
/// The most names and the most quotas that are looked at.
const MOST: usize = 12;
/// The longest name that is looked at, in bytes: Google's quotas have 70.
const NAME: usize = 160;

/// What is told, free of its shape.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Codes, types and reasons, each as small letters and digits only: `RateLimitReached`,
    /// `rate-limit-reached` and `rate_limit_reached` are one name.
    pub(super) names: Vec<String>,
    /// The HTTP status that the body repeats, which may differ from the one it came with.
    pub(super) status: Option<u16>,
    /// The message, and further texts each on its own line.
    pub(super) text: String,
    /// The same in small letters.
    pub(super) low: String,
    /// Google's violated quotas.
    pub(super) quotas: Vec<Violation>,
    /// A wait in a field of its own.
    pub(super) wait: Option<Duration>,
    /// When the budget comes back, in milliseconds since the epoch.
    pub(super) reset: Option<u64>,
    /// A relay says that its provider refused.
    pub(super) upstream: bool,
}

/// One of Google's violated quotas.
#[derive(Debug)]
pub(super) struct Violation {
    /// Its id and its metric, which name unit and period.
    pub(super) name: String,
    pub(super) limit: Option<u64>,
}

impl Told {
    /// A body that is text and nothing else.
    pub(super) fn plain(text: &str) -> Told {
        let mut told = Told::default();
        told.say(text);
        told.end()
    }

    pub(super) fn name(&mut self, name: &str) {
        if self.names.len() < MOST && name.len() <= NAME {
            let plain = name.bytes().filter(u8::is_ascii_alphanumeric);
            let plain: String = plain.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
            if !plain.is_empty() {
                self.names.push(plain);
            }
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        let left = TEXT.saturating_sub(self.text.len() + 1);
        let text = cut(text, left);
        if !text.is_empty() {
            self.text.push_str(text);
            self.text.push('\n');
        }
    }

    #[cfg_attr(not(feature = "json"), expect(dead_code, reason = "only JSON tells quotas"))]
    pub(super) fn violated(&mut self, name: String, limit: Option<u64>) {
        if self.quotas.len() < MOST && name.len() <= 2 * NAME {
            self.quotas.push(Violation { name, limit });
        }
    }

    /// Nothing more is said.
    pub(super) fn end(mut self) -> Told {
        // Letter by letter, so that places in both texts are the same.
        self.low = self.text.to_ascii_lowercase();
        self
    }

    pub(super) fn is_named(&self, any: &[&str]) -> bool {
        self.names.iter().any(|name| any.contains(&name.as_str()))
    }

    pub(super) fn says(&self, any: &[&str]) -> bool {
        any.iter().any(|phrase| self.low.contains(phrase))
    }
}

/// The beginning of `text`, at most `len` bytes of it.
pub(super) fn cut(text: &str, len: usize) -> &str {
    let end = (0..=len.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}
