use std::sync::atomic::{AtomicBool, Ordering};

use tiktoken_rs::CoreBPE;

use super::pieces::pieces;
use super::{Encoding, TokenCounter};

/// Counts with tiktoken-rs, exactly.
///
/// Long text is counted in pieces of at most 64 KiB, so that no input exhausts the tokenizer. Where 64 KiB
/// hold no place at which a token must end (a run of one letter, of blanks, of dashes), the count
/// may be off by a few tokens for each piece.
///
/// It takes 53 ns for a byte of English, 97 ns for one of Chinese, and up to 600 ns for one of text that
/// holds no blanks (November 2026, release build).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tiktoken;

/// Which vocabularies are built.
static BUILT: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

impl TokenCounter for Tiktoken {
    fn count(&self, text: &str, encoding: Encoding) -> u64 {
        let vocabulary = vocabulary(encoding);
        pieces(text).map(|piece| vocabulary.count_ordinary(piece) as u64).sum()
    }

    fn is_ready(&self, encoding: Encoding) -> bool {
        BUILT[encoding.vocabulary()].load(Ordering::Acquire)
    }

    fn prepare(&self, encoding: Encoding) {
        vocabulary(encoding);
    }
}

fn vocabulary(encoding: Encoding) -> &'static CoreBPE {
    let built = match encoding.vocabulary() {
        0 => tiktoken_rs::o200k_base_singleton(),
        _ => tiktoken_rs::cl100k_base_singleton(),
    };
    BUILT[encoding.vocabulary()].store(true, Ordering::Release);
    built
}
