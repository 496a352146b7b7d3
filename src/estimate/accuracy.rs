use std::fmt;

use serde::{Deserialize, Serialize};

/// How the texts of a request were counted; later ones are to be trusted less.
///
/// It speaks of texts alone. Tools, images and files are approximations of their own: see
/// [`estimate::request`](super::request()).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Accuracy {
    /// With the model's own vocabulary.
    Exact,
    /// With `o200k_base`, since the model's own vocabulary is not known: 6 % too few to 2 % too many in nine
    /// calls of English to Claude 3 and 4; other languages and models may be further off.
    Assumed,
    /// At least one text was too long, and windows of it were counted: 2 % off on the average, 5 % at
    /// worst on megabytes of prose, code and JSON, and of documents of these kinds mixed (`docs/estimate`).
    /// A text that is made to be sparse where it is looked at is counted wrong.
    Sampled,
    /// By the kinds of characters, since the vocabulary is not built yet, or there is too much text in one request: 7 % off on the
    /// average, 19 % at the 95th percentile, beside what `o200k_base` would count.
    Approximate,
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accuracy::Exact => "exact",
            Accuracy::Assumed => "assumed",
            Accuracy::Sampled => "sampled",
            Accuracy::Approximate => "approximate",
        })
    }
}
