use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// How long an answer is expected to be, where the provider charges what it really is.
///
/// It is never expected to be longer than its cap. What it uses beyond what was expected stays as debt,
/// what it does not use comes back.
///
/// Which percentile? About 60 where the provider holds room for an answer while the call is out. 1 where it asks for none
/// and counts output as it is made, as Anthropic says of its output tokens per minute (`max_tokens` plays no part:
/// <https://docs.claude.com/en/api/rate-limits>, November 2026): there, room that is held back lies idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Forecast {
    /// As long as it may be. Never in debt, and the rest of the cap lies idle while the call is out.
    #[default]
    MaxOutput,
    /// So many tokens.
    Fixed(u64),
    /// As long as this percentage of the recent answers to the same model and key. While fewer than 20
    /// of a key are known, those of all keys of the model count; while fewer than 20 of the model are,
    /// the cap.
    Learned {
        /// 1 to 100; 100 is the longest of them.
        percentile: u8,
    },
}

/// Answers from which on a forecast is made.
const ENOUGH: usize = 20;
/// How many answers are recent.
const RECENT: usize = 512;

/// The lengths of recent answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Lengths {
    /// In the order in which they came, the oldest overwritten first.
    recent: Vec<u32>,
    next: usize,
    /// The last forecast, with its percentile.
    told: Option<(u8, u64)>,
}

impl Lengths {
    pub(super) fn learn(&mut self, tokens: u64) {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
        match self.next.cmp(&self.recent.len()) {
            Ordering::Less => self.recent[self.next] = tokens,
            _ => self.recent.push(tokens),
        }
        self.next = (self.next + 1) % RECENT;
        // Looked up anew after each sixteenth answer: sorting takes longer than all the rest.
        if self.recent.len() < 4 * ENOUGH || self.next.is_multiple_of(16) {
            self.told = None;
        }
    }

    /// The length that so many percent of the recent answers do not exceed; `None` while too few are known.
    pub(super) fn percentile(&mut self, percentile: u8) -> Option<u64> {
        if self.recent.len() < ENOUGH {
            return None;
        }
        if let Some((_, tokens)) = self.told.filter(|told| told.0 == percentile) {
            return Some(tokens);
        }
        let mut sorted = self.recent.clone();
        let rank = (sorted.len() * usize::from(percentile.min(100))).div_ceil(100).max(1) - 1;
        let (_, &mut tokens, _) = sorted.select_nth_unstable(rank);
        self.told = Some((percentile, u64::from(tokens)));
        Some(u64::from(tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_forecast_from_a_few_answers() {
        let mut lengths = Lengths::default();
        (0..19).for_each(|_| lengths.learn(100));
        assert_eq!(lengths.percentile(50), None);
        lengths.learn(100);
        assert_eq!(lengths.percentile(50), Some(100));
    }

    #[test]
    fn the_percentile_is_one_of_the_recent_answers_only() {
        let mut lengths = Lengths::default();
        (0..10_000).for_each(|_| lengths.learn(9_999));
        (1..=512).for_each(|tokens| lengths.learn(tokens));
        assert_eq!(lengths.percentile(50), Some(256));
        assert_eq!(lengths.percentile(100), Some(512));
        assert_eq!(lengths.percentile(1), Some(6));
        assert_eq!(lengths.percentile(0), Some(1));
    }

    #[test]
    fn an_answer_longer_than_any_is_no_overflow() {
        let mut lengths = Lengths::default();
        (0..20).for_each(|_| lengths.learn(u64::MAX));
        assert_eq!(lengths.percentile(90), Some(u64::from(u32::MAX)));
    }
}
