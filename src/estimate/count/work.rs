//! What it takes to count a text, told before it is counted.

use super::pieces::is_seam;

/// Nanoseconds for a byte of ordinary text: Chinese, the slowest of natural languages.
const BYTE: usize = 100;
/// Nanoseconds for a byte in a long run without a place where a token must end.
const SEAMLESS: usize = 600;
/// Bytes from which on a run is long.
const RUN: usize = 100;

/// About how many nanoseconds it takes to count `text`: rather too many.
pub(super) fn nanoseconds(text: &str) -> usize {
    if text.len() < RUN {
        return text.len() * BYTE;
    }
    let mut slow = 0;
    let mut begin = 0;
    let mut end_run = |begin: usize, end: usize| slow += if end - begin >= RUN { end - begin } else { 0 };
    let mut left = '\n';
    for (at, right) in text.char_indices() {
        if is_seam(left, right) {
            end_run(begin, at);
            begin = at;
        }
        left = right;
    }
    end_run(begin, text.len());
    (text.len() - slow) * BYTE + slow * SEAMLESS
}

/// The fewest nanoseconds that a text of `bytes` can take.
pub(super) fn least(bytes: usize) -> usize {
    bytes.saturating_mul(BYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_blanks_is_more_work_than_text_with_them() {
        let words = "word ".repeat(200);
        assert_eq!(nanoseconds(&words), least(words.len()));
        for hostile in ["a".repeat(1_000), "-".repeat(1_000), " ".repeat(1_000)] {
            assert_eq!(nanoseconds(&hostile), 6 * least(hostile.len()), "{hostile}");
        }
    }
}
