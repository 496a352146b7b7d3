//! The counts of a request's texts, as far as they are known, and what is left to count.

use std::borrow::Cow;

use super::cache::{Count, Counts, Key};
use super::{Accuracy, Encoding, Part, TokenCounter, classes, sample, work};

/// Longest text whose kind is looked at on the caller's thread to tell how long counting it takes.
const LOOKED_AT: usize = 8 * 1024;
/// Shortest text that can be sampled.
const SAMPLED: usize = sample::SHORTEST;
/// Nanoseconds that it takes to look up a text, beside hashing it.
const LOOK: usize = 50;
/// Bytes that are hashed or copied in a nanosecond.
const MOVED: usize = 10;
/// Longest text that is looked for among the last ones before its hash is: names of roles, mostly.
const SHORT: usize = 16;

pub(in crate::estimate) struct Tally<'a> {
    texts: &'a [(Part, Cow<'a, str>)],
    encoding: Encoding,
    accuracy: Accuracy,
    /// Of the texts that were looked at: as many as there are.
    counts: Vec<u64>,
    missing: Vec<Missing<'a>>,
    /// How many of the missing were counted.
    taken: usize,
    /// The bytes that may still be counted rather than sampled.
    left: usize,
}

/// A text to be counted, or windows of it.
struct Missing<'a> {
    index: usize,
    key: Key,
    text: Cow<'a, str>,
}

/// The last short texts that were known, and their counts: a chat says "user" in every other message.
#[derive(Default)]
struct Last<'a> {
    known: [Option<(&'a str, u64)>; 3],
    next: usize,
}

impl<'a> Last<'a> {
    fn get(&self, text: &str) -> Option<u64> {
        self.known.iter().flatten().find(|(known, _)| *known == text).map(|(_, tokens)| *tokens)
    }

    fn put(&mut self, text: &'a str, tokens: u64) {
        self.known[self.next] = Some((text, tokens));
        self.next = (self.next + 1) % self.known.len();
    }
}

impl<'a> Tally<'a> {
    /// Nothing is counted yet. Of what is not known, `exact_up_to` bytes are to be counted, and the rest is
    /// to be sampled.
    pub(in crate::estimate) fn new(
        texts: &'a [(Part, Cow<'a, str>)],
        encoding: Encoding,
        exact_up_to: usize,
        accuracy: Accuracy,
    ) -> Self {
        let counts = Vec::with_capacity(texts.len());
        Tally { texts, encoding, accuracy, counts, missing: Vec::new(), taken: 0, left: exact_up_to }
    }

    /// Looks up what was counted before, for about so many nanoseconds. Says whether that was all.
    pub(in crate::estimate) fn look_up(&mut self, known: &Counts, nanoseconds: usize) -> bool {
        let mut spent = 0;
        let mut last = Last::default();
        let (before, mut misses) = (self.counts.len(), 0);
        while let Some((_, text)) = self.texts.get(self.counts.len()).filter(|_| spent < nanoseconds) {
            spent += LOOK + text.len() / MOVED;
            let again = if text.len() <= SHORT { last.get(text) } else { None };
            let tokens = again.unwrap_or_else(|| {
                let key = known.key(text, self.encoding);
                let Some(count) = known.get(&key) else {
                    misses += 1;
                    return self.miss(key, text, &mut spent);
                };
                if text.len() <= SHORT {
                    last.put(text, count.tokens);
                }
                self.remembered(count)
            });
            self.counts.push(tokens);
        }
        known.looked_up((self.counts.len() - before) as u64 - misses, misses);
        self.counts.len() == self.texts.len()
    }

    /// Tells texts by the kinds of their characters, for about so many nanoseconds. Says whether those
    /// were all.
    pub(in crate::estimate) fn tell(&mut self, nanoseconds: usize) -> bool {
        self.accuracy = Accuracy::Approximate;
        let mut spent = 0;
        while let Some((_, text)) = self.texts.get(self.counts.len()).filter(|_| spent < nanoseconds) {
            spent += told_in(text);
            self.counts.push(by_classes(text, self.encoding));
        }
        self.counts.len() == self.texts.len()
    }

    /// Counts every text, however long that takes.
    pub(in crate::estimate) fn whole(
        texts: &'a [(Part, Cow<'a, str>)],
        encoding: Encoding,
        counter: &dyn TokenCounter,
        accuracy: Accuracy,
    ) -> Self {
        let mut tally = Tally::new(texts, encoding, usize::MAX, accuracy);
        tally.counts = texts.iter().map(|(_, text)| counter.count(text, encoding)).collect();
        tally
    }

    fn remembered(&mut self, count: Count) -> u64 {
        if count.sampled {
            self.accuracy = self.accuracy.max(Accuracy::Sampled);
        }
        count.tokens
    }

    /// Of the text that is looked up.
    fn miss(&mut self, key: Key, text: &'a str, spent: &mut usize) -> u64 {
        let index = self.counts.len();
        if let Some(rest) = self.left.checked_sub(text.len()) {
            self.left = rest;
            self.missing.push(Missing { index, key, text: Cow::Borrowed(text) });
        } else if text.len() >= SAMPLED {
            self.accuracy = self.accuracy.max(Accuracy::Sampled);
            *spent += sample::BYTES / MOVED;
            self.missing.push(Missing { index, key, text: sample::windows(text).collect() });
        } else {
            self.accuracy = Accuracy::Approximate;
            *spent += told_in(text);
            return by_classes(text, self.encoding);
        }
        0
    }

    /// Whether it takes less than about so many nanoseconds to count what is missing.
    pub(in crate::estimate) fn takes_less_than(&self, nanoseconds: usize) -> bool {
        let long = |text: &str| text.len() > LOOKED_AT;
        let one = |text: &str| if long(text) { work::least(text.len()) } else { work::nanoseconds(text) };
        // Ends with the first that is too much: looking at a megabyte in messages takes a millisecond.
        let mut texts = self.missing();
        texts.try_fold(nanoseconds, |left, text| left.checked_sub(one(text))).is_some()
    }

    pub(in crate::estimate) fn missing(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(|missing| &*missing.text)
    }

    pub(in crate::estimate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Counts what is missing.
    pub(in crate::estimate) fn count(&mut self, counter: &dyn TokenCounter, known: &Counts) {
        let counted: Vec<u64> = self.missing().map(|text| counter.count(text, self.encoding)).collect();
        self.take(Some(&counted), known, usize::MAX);
    }

    /// Takes the counts of all that was missing, for about so many nanoseconds; without them, what is
    /// missing is told by the kinds of its characters. Says whether that was all.
    pub(in crate::estimate) fn take(
        &mut self,
        counted: Option<&[u64]>,
        known: &Counts,
        nanoseconds: usize,
    ) -> bool {
        let mut spent = 0;
        while let Some(missing) = self.missing.get(self.taken).filter(|_| spent < nanoseconds) {
            let text = &*self.texts[missing.index].1;
            let tokens = match counted {
                Some(counted) => {
                    spent += 2 * LOOK;
                    let sampled = missing.text.len() < text.len();
                    let tokens = counted[self.taken];
                    let tokens =
                        if sampled { sample::scaled(tokens, missing.text.len(), text.len()) } else { tokens };
                    known.put(missing.key, Count { tokens, sampled });
                    tokens
                }
                None => {
                    self.accuracy = Accuracy::Approximate;
                    spent += told_in(text);
                    by_classes(text, self.encoding)
                }
            };
            self.counts[missing.index] = tokens;
            self.taken += 1;
        }
        self.taken == self.missing.len()
    }

    pub(in crate::estimate) fn accuracy(&self) -> Accuracy {
        self.accuracy
    }

    pub(in crate::estimate) fn finish(self) -> (Vec<u64>, Accuracy) {
        (self.counts, self.accuracy)
    }
}

/// About how many nanoseconds [`by_classes`] takes.
fn told_in(text: &str) -> usize {
    LOOK + if text.len() < SAMPLED { text.len() } else { sample::BYTES }
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
