//! Where a long text may be cut, so that its pieces have as many tokens as the whole.
//!
//! Before a vocabulary is asked, text is split by a pattern into words, numbers, punctuation and
//! blanks, and no token crosses such a split. The pattern looks one character ahead and never back.
//! So a cut where the pattern always splits, whatever stands around, changes nothing.
//!
//! Why cut at all: the pattern is run by a backtracking engine that gives up at a million states,
//! and tiktoken-rs 0.12 panics then: 999,999 spaces do it (github.com/zurawiki/tiktoken-rs,
//! pull request 117). Pieces of 64 KiB stay an order of magnitude below that.

/// Bytes of the longest piece.
const LONGEST: usize = 64 * 1024;

/// `text` in pieces of at most [`LONGEST`] bytes; itself, where it is no longer.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let piece;
        (piece, rest) = rest.split_at(cut(rest));
        (!piece.is_empty()).then_some(piece)
    })
}

/// How many bytes the first piece of `text` takes.
///
/// The last seam that is within reach; else all that fits, which is the only inexact cut. (Two pieces
/// in a row are longer than [`LONGEST`] together, or the second would have been part of the first:
/// searching backwards stays linear.)
fn cut(text: &str) -> usize {
    if text.len() <= LONGEST {
        return text.len();
    }
    let end = (0..=LONGEST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let mut right = text[end..].chars().next().unwrap_or(' ');
    for (at, left) in text[..end].char_indices().rev() {
        if is_seam(left, right) {
            return at + left.len_utf8();
        }
        right = left;
    }
    end
}

/// Whether every pattern splits between `left` and `right`, whatever stands around them.
///
/// - A blank after anything that is none: the patterns take blanks only at the beginning of a match,
///   or after blanks. Except line ends, which punctuation before them takes along.
/// - Punctuation or a line end after a letter or digit: neither is ever followed by them within a
///   match. Except an apostrophe, which may begin the `'s` that belongs to a word.
/// - A digit after a letter, a letter after a digit.
///
/// "Letter" and "punctuation" are told for ASCII and for the scripts that write without blanks only.
/// That is enough to find a seam, and does not depend on the Unicode version.
pub(super) fn is_seam(left: char, right: char) -> bool {
    if right.is_whitespace() && !matches!(right, '\r' | '\n') {
        return !left.is_whitespace();
    }
    let breaks = matches!(right, '\r' | '\n' | '、' | '。' | '，' | '！' | '？' | '：' | '；')
        || (right.is_ascii_punctuation() && right != '\'');
    (breaks && (left.is_ascii_alphanumeric() || is_unspaced_letter(left)))
        || (left.is_ascii_alphabetic() && right.is_ascii_digit())
        || (left.is_ascii_digit() && right.is_ascii_alphabetic())
}

/// Hiragana, katakana, Chinese characters, hangul: letters (`Lo`) all of them.
fn is_unspaced_letter(c: char) -> bool {
    matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '\u{4e00}'..='\u{9fff}' | '가'..='힣')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tiktoken_rs::{cl100k_base_singleton, o200k_base_singleton};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn text_cut_at_any_seam_has_as_many_tokens_as_the_whole(
            text in "([ab\u{e9}ZÉ漢か。，가19²'’s.,/\\-\"(ß٣ऀ\u{301}\u{94d}😀ー々 ]|[ \t\r\n\u{a0}\u{3000}\u{85}]|'s|'LL|!\n/){0,60}|\\PC{0,60}",
        ) {
            for bpe in [o200k_base_singleton(), cl100k_base_singleton()] {
                let whole = bpe.count_ordinary(&text);
                for (at, right) in text.char_indices() {
                    let Some(left) = text[..at].chars().next_back() else { continue };
                    if is_seam(left, right) {
                        let (a, b) = text.split_at(at);
                        prop_assert_eq!(bpe.count_ordinary(a) + bpe.count_ordinary(b), whole, "{:?} | {:?}", a, b);
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50))]

        #[test]
        fn pieces_are_the_text_and_none_is_too_long(unit in "\\PC{1,9}|\\s{1,9}", times in 1usize..40_000) {
            let text = unit.repeat(times);
            let joined: String = pieces(&text).collect();
            prop_assert!(pieces(&text).all(|piece| !piece.is_empty() && piece.len() <= LONGEST));
            prop_assert_eq!(joined, text);
        }
    }

    #[test]
    fn text_up_to_the_longest_piece_is_not_cut() {
        assert_eq!(pieces(&"a ".repeat(LONGEST / 2)).count(), 1);
        assert_eq!(pieces(&"a ".repeat(LONGEST / 2 + 1)).count(), 2);
        assert_eq!(pieces("").count(), 0);
    }

    #[test]
    fn every_kind_of_ordinary_text_has_seams() {
        for text in ["two words", "minified\":{\"json", "今天，明天", "です。はい", "line\nline", "base64x9y"]
        {
            let mut pairs = text.chars().zip(text.chars().skip(1));
            assert!(pairs.any(|(left, right)| is_seam(left, right)), "{text}");
        }
    }
}
