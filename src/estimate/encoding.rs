use std::fmt;

use tiktoken_rs::CoreBPE;

use super::pieces::pieces;

/// A vocabulary: how text is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// GPT-4o and later; also the fallback for models that are not known.
    O200kBase,
    /// The open-weight gpt-oss models. Text counts the same as with [`Encoding::O200kBase`].
    O200kHarmony,
    /// GPT-4, GPT-3.5 and the embedding models.
    Cl100kBase,
}

/// Beginnings of model names, after tiktoken's own table (github.com/openai/tiktoken,
/// `tiktoken/model.py`, version 0.14, read November 2026).
const MODELS: &[(&str, Encoding)] = &[
    ("gpt-5", Encoding::O200kBase),
    ("gpt-5.", Encoding::O200kBase),
    ("gpt-4.5-", Encoding::O200kBase),
    ("gpt-4.1", Encoding::O200kBase),
    ("gpt-4o", Encoding::O200kBase),
    ("chatgpt-4o-", Encoding::O200kBase),
    ("o1", Encoding::O200kBase),
    ("o3", Encoding::O200kBase),
    ("o4-mini", Encoding::O200kBase),
    ("gpt-oss-", Encoding::O200kHarmony),
    ("gpt-4", Encoding::Cl100kBase),
    ("gpt-3.5", Encoding::Cl100kBase),
    ("gpt-35-turbo", Encoding::Cl100kBase),
    ("davinci-002", Encoding::Cl100kBase),
    ("babbage-002", Encoding::Cl100kBase),
    (EMBEDDING_3, Encoding::Cl100kBase),
    (EMBEDDING_2, Encoding::Cl100kBase),
];

const EMBEDDING_3: &str = "text-embedding-3-";
const EMBEDDING_2: &str = "text-embedding-ada-002";

impl Encoding {
    /// The vocabulary of `model`, and whether the model is known. One that is not gets
    /// [`Encoding::O200kBase`].
    ///
    /// Known are OpenAI's models by the beginning of their names, fine-tunes of them
    /// (`ft:gpt-4o:acme::id`), and any of these behind the name of who serves it (`openai/gpt-4o`).
    ///
    /// # Example: the vocabulary of a dated model
    ///
    /// ```
    /// use tollgate::estimate::Encoding;
    ///
    /// assert_eq!(Encoding::of("gpt-4-0613"), (Encoding::Cl100kBase, true));
    /// assert_eq!(Encoding::of("gpt-4o-2024-08-06"), (Encoding::O200kBase, true));
    /// assert_eq!(Encoding::of("mistral-large"), (Encoding::O200kBase, false));
    /// ```
    pub fn of(model: &str) -> (Encoding, bool) {
        let name = base_name(model);
        let known = MODELS.iter().filter(|(beginning, _)| begins(name, beginning));
        match known.max_by_key(|(beginning, _)| beginning.len()) {
            Some(&(_, encoding)) => (encoding, true),
            None => (Encoding::O200kBase, false),
        }
    }

    /// The name that tiktoken knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::O200kBase => "o200k_base",
            Encoding::O200kHarmony => "o200k_harmony",
            Encoding::Cl100kBase => "cl100k_base",
        }
    }

    /// Harmony is `o200k_base` with more special tokens, and special tokens are never counted here:
    /// sharing the vocabulary spares 45 MB and 180 ms.
    fn vocabulary(self) -> &'static CoreBPE {
        match self {
            Encoding::O200kBase | Encoding::O200kHarmony => tiktoken_rs::o200k_base_singleton(),
            Encoding::Cl100kBase => tiktoken_rs::cl100k_base_singleton(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many tokens `text` is.
///
/// What looks like a special token (`<|endoftext|>`) is counted as the text that it is, as the
/// provider does with the text of a message.
///
/// The count is exact for text of up to 64 KiB, and beyond for any text in which words, numbers or
/// punctuation end now and then. Longer text is counted in pieces of at most 64 KiB, so that no input
/// exhausts the tokenizer; where 64 KiB hold no place at which a token must end (a run of one
/// letter, of blanks, of dashes), the count may be off by a few tokens for each piece.
///
/// The first call builds the vocabulary; see [`warm_up`].
///
/// # Example: count a text
///
/// ```
/// use tollgate::estimate::{self, Encoding};
///
/// assert_eq!(estimate::text("hello world", Encoding::O200kBase), 2);
/// assert_eq!(estimate::text("<|endoftext|>", Encoding::O200kBase), 7);
/// ```
pub fn text(text: &str, encoding: Encoding) -> u64 {
    let vocabulary = encoding.vocabulary();
    pieces(text).map(|piece| vocabulary.count_ordinary(piece) as u64).sum()
}

/// Builds the vocabularies now, instead of within the first call that needs them.
///
/// Blocks for about 0.25 s (180 ms `o200k_base`, 70 ms `cl100k_base`; release build) and holds some
/// 70 MB from then on. Call it before the program serves, or from a thread that may block. To build
/// one vocabulary alone, count an empty [`text`] with it.
///
/// # Example: pay for the vocabularies at the start
///
/// ```
/// tollgate::estimate::warm_up();
/// ```
pub fn warm_up() {
    Encoding::O200kBase.vocabulary();
    Encoding::Cl100kBase.vocabulary();
}

/// Whether `model` is known, and answers in text.
pub(super) fn is_generative(model: &str) -> bool {
    let name = base_name(model);
    Encoding::of(model).1 && !name.starts_with(EMBEDDING_3) && !name.starts_with(EMBEDDING_2)
}

/// The model behind a fine-tune or behind the name of who serves it.
pub(super) fn base_name(model: &str) -> &str {
    // The name of a fine-tune may hold slashes of its owner's, so it is not searched for one.
    if let Some(tuned) = model.strip_prefix("ft:") {
        return tuned;
    }
    let name = model.rsplit('/').next().unwrap_or(model);
    name.strip_prefix("ft:").unwrap_or(name)
}

/// Whether `name` is `beginning` or a variant of it: `gpt-4-0613` is a `gpt-4`, `gpt-4.9` may not be.
fn begins(name: &str, beginning: &str) -> bool {
    name.strip_prefix(beginning).is_some_and(|rest| {
        rest.is_empty() || beginning.ends_with(['-', '.']) || rest.starts_with(['-', ':', '@'])
    })
}
