//! The counts of a request's texts, as far as they are known, and what is left to count.

use std::borrow::Cow;

use super::cache::{Count, Counts, Key};
use super::{Accuracy, Encoding, Part, TokenCounter, classes, sample, work};

/// Longest text whose kind is looked at on the caller's thread to tell how long counting it takes.
const LOOKED_AT: usize = 8 * 1024;
/// Shortest text that can be sampled.
const SAMPLED: usize = 64 * 1024;

pub(in crate::estimate) struct Tally<'a> {
    texts: &'a [(Part, Cow<'a, str>)],
    encoding: Encoding,
    accuracy: Accuracy,
    counts: Vec<u64>,
    missing: Vec<Missing<'a>>,
}

/// A text to be counted, or windows of it.
struct Missing<'a> {
    index: usize,
    key: Key,
    text: Cow<'a, str>,
}

impl<'a> Tally<'a> {
    /// Looks up what was counted before. Of what was not, so many bytes are to be counted, and the rest is
    /// to be sampled.
    pub(in crate::estimate) fn counted(
        texts: &'a [(Part, Cow<'a, str>)],
        encoding: Encoding,
        known: &Counts,
        exact_up_to: usize,
        accuracy: Accuracy,
    ) -> Self {
        let counts = Vec::with_capacity(texts.len());
        let mut tally = Tally { texts, encoding, accuracy, counts, missing: Vec::new() };
        let mut left = exact_up_to;
        for (index, (_, text)) in texts.iter().enumerate() {
            let key = known.key(text, encoding);
            let tokens = match known.get(&key) {
                Some(count) => tally.remembered(count),
                None => tally.miss(index, key, text, &mut left),
            };
            tally.counts.push(tokens);
        }
        tally
    }

    /// Tells every text by the kinds of its characters.
    pub(in crate::estimate) fn approximate(texts: &'a [(Part, Cow<'a, str>)], encoding: Encoding) -> Self {
        let counts = texts.iter().map(|(_, text)| by_classes(text, encoding)).collect();
        Tally { texts, encoding, accuracy: Accuracy::Approximate, counts, missing: Vec::new() }
    }

    /// Counts every text, however long that takes.
    pub(in crate::estimate) fn whole(
        texts: &'a [(Part, Cow<'a, str>)],
        encoding: Encoding,
        counter: &dyn TokenCounter,
        accuracy: Accuracy,
    ) -> Self {
        let counts = texts.iter().map(|(_, text)| counter.count(text, encoding)).collect();
        Tally { texts, encoding, accuracy, counts, missing: Vec::new() }
    }

    fn remembered(&mut self, count: Count) -> u64 {
        if count.sampled {
            self.accuracy = self.accuracy.max(Accuracy::Sampled);
        }
        count.tokens
    }

    fn miss(&mut self, index: usize, key: Key, text: &'a str, left: &mut usize) -> u64 {
        if let Some(rest) = left.checked_sub(text.len()) {
            *left = rest;
            self.missing.push(Missing { index, key, text: Cow::Borrowed(text) });
        } else if text.len() >= SAMPLED {
            self.accuracy = self.accuracy.max(Accuracy::Sampled);
            self.missing.push(Missing { index, key, text: sample::windows(text).collect() });
        } else {
            self.accuracy = Accuracy::Approximate;
            return by_classes(text, self.encoding);
        }
        0
    }

    /// About how long it takes to count what is missing.
    pub(in crate::estimate) fn nanoseconds(&self) -> usize {
        let long = |text: &str| text.len() > LOOKED_AT;
        let one = |text: &str| if long(text) { work::least(text.len()) } else { work::nanoseconds(text) };
        self.missing.iter().map(|missing| one(&missing.text)).fold(0, usize::saturating_add)
    }

    pub(in crate::estimate) fn missing(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(|missing| &*missing.text)
    }

    pub(in crate::estimate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Counts what is missing.
    pub(in crate::estimate) fn count(&mut self, counter: &dyn TokenCounter, known: &Counts) {
        let counted = self.missing().map(|text| counter.count(text, self.encoding)).collect();
        self.take(Some(counted), known);
    }

    /// Takes the counts of what is missing; without them, what is missing is told by the kinds of its
    /// characters.
    pub(in crate::estimate) fn take(&mut self, counted: Option<Vec<u64>>, known: &Counts) {
        let Some(counted) = counted else {
            self.accuracy = Accuracy::Approximate;
            for missing in std::mem::take(&mut self.missing) {
                self.counts[missing.index] = by_classes(&self.texts[missing.index].1, self.encoding);
            }
            return;
        };
        for (missing, tokens) in std::mem::take(&mut self.missing).into_iter().zip(counted) {
            let length = self.texts[missing.index].1.len();
            let sampled = missing.text.len() < length;
            let tokens = if sampled { sample::scaled(tokens, missing.text.len(), length) } else { tokens };
            known.put(missing.key, Count { tokens, sampled });
            self.counts[missing.index] = tokens;
        }
    }

    pub(in crate::estimate) fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    pub(in crate::estimate) fn finish(self) -> (Vec<u64>, Accuracy) {
        (self.counts, self.accuracy)
    }
}

/// By the kinds of characters; of windows of a long text.
fn by_classes(text: &str, encoding: Encoding) -> u64 {
    if text.len() < SAMPLED {
        return classes::count(text, encoding);
    }
    let (tokens, sampled) = sample::windows(text).fold((0, 0), |(tokens, sampled), window| {
        (tokens + classes::count(window, encoding), sampled + window.len())
    });
    sample::scaled(tokens, sampled, text.len())
}
