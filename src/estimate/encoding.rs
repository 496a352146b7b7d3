use std::fmt;

/// A vocabulary: how text is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// GPT-4o and later.
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
    ("text-embedding-3-", Encoding::Cl100kBase),
    ("text-embedding-ada-002", Encoding::Cl100kBase),
];

impl Encoding {
    /// What models that are not known are counted with.
    pub const FALLBACK: Encoding = Encoding::O200kBase;

    /// The vocabulary of `model`; `None` where it is not known, and [`Encoding::FALLBACK`] is used instead.
    ///
    /// Known are OpenAI's models by the beginning of their names, fine-tunes of them
    /// (`ft:gpt-4o:acme::id`), and any of these behind the name of who serves it (`openai/gpt-4o`).
    ///
    /// # Example: the vocabulary of a dated model
    ///
    /// ```
    /// use tollgate::estimate::Encoding;
    ///
    /// assert_eq!(Encoding::of("gpt-4-0613"), Some(Encoding::Cl100kBase));
    /// assert_eq!(Encoding::of("gpt-4o-2024-08-06"), Some(Encoding::O200kBase));
    /// assert_eq!(Encoding::of("mistral-large"), None);
    /// ```
    pub fn of(model: &str) -> Option<Encoding> {
        let name = base_name(model);
        let known = MODELS.iter().filter(|(beginning, _)| begins(name, beginning));
        known.max_by_key(|(beginning, _)| beginning.len()).map(|&(_, encoding)| encoding)
    }

    /// Which of the two vocabularies it cuts text with. Harmony is `o200k_base` with more special tokens,
    /// and special tokens are never counted here: sharing the vocabulary spares 45 MB and 180 ms.
    pub(super) fn vocabulary(self) -> usize {
        match self {
            Encoding::O200kBase | Encoding::O200kHarmony => 0,
            Encoding::Cl100kBase => 1,
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
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether `model` is one to embed with, by its name.
pub(super) fn is_embedding(model: &str) -> bool {
    base_name(model).contains("embed")
}

/// Whether `model` is one that answers: OpenAI's, Anthropic's and Google's.
pub(super) fn is_generative(model: &str) -> bool {
    let families = ["gpt-", "claude", "gemini"];
    !is_embedding(model)
        && (Encoding::of(model).is_some() || families.iter().any(|family| base_name(model).contains(family)))
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
pub(super) fn begins(name: &str, beginning: &str) -> bool {
    name.strip_prefix(beginning).is_some_and(|rest| {
        rest.is_empty() || beginning.ends_with(['-', '.']) || rest.starts_with(['-', ':', '@'])
    })
}
