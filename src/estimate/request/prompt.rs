//! A prompt taken apart: the texts to count, and what is known without counting.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What a part of a prompt is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::estimate) enum Part {
    /// What people and the model said.
    Text,
    /// Declarations of tools and schemas, calls of tools.
    Tools,
    /// Pictures.
    Images,
    /// Audio and documents.
    Files,
    /// What the provider adds: roles, names, beginnings and ends.
    Overhead,
}

/// Input tokens by what they are spent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parts {
    /// What people and the model said.
    pub text: u64,
    /// Declarations of tools and schemas, calls of tools.
    pub tools: u64,
    /// Pictures.
    pub images: u64,
    /// Audio and documents.
    pub files: u64,
    /// What the provider adds: roles, names, beginnings and ends.
    pub overhead: u64,
}

impl Parts {
    /// All of them together.
    pub fn tokens(&self) -> u64 {
        [self.text, self.tools, self.images, self.files, self.overhead]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// The prompt of one request.
#[derive(Debug, Default)]
pub(in crate::estimate) struct Prompt<'a> {
    texts: Vec<(Part, Cow<'a, str>)>,
    /// Corrections may take off: signed until they are added up.
    known: [i64; 5],
}

impl<'a> Prompt<'a> {
    /// A text to count.
    pub(super) fn text(&mut self, part: Part, text: impl Into<Cow<'a, str>>) {
        self.texts.push((part, text.into()));
    }

    /// Tokens that are known without counting; fewer than none to take off.
    pub(super) fn add(&mut self, part: Part, tokens: i64) {
        let known = &mut self.known[part as usize];
        *known = known.saturating_add(tokens);
    }

    /// The texts, in the order in which they were found.
    pub(in crate::estimate) fn texts(&self) -> &[(Part, Cow<'a, str>)] {
        &self.texts
    }

    /// All tokens, given those of each text in [`Prompt::texts`].
    pub(in crate::estimate) fn parts(&self, counts: impl IntoIterator<Item = u64>) -> Parts {
        let mut sums = self.known;
        for ((part, _), tokens) in self.texts.iter().zip(counts) {
            let sum = &mut sums[*part as usize];
            *sum = sum.saturating_add_unsigned(tokens);
        }
        let [text, tools, images, files, overhead] = sums.map(|sum| sum.max(0).unsigned_abs());
        Parts { text, tools, images, files, overhead }
    }
}
