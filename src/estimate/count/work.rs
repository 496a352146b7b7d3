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
    let (mut slow, mut begin) = (0, 0);
    while text.len() - begin >= RUN {
        let rest = &text[begin..];
        // The last seam within reach leaves none but short runs before it: few characters are looked at.
        begin += last_seam(rest).unwrap_or_else(|| {
            let run = first_seam(rest);
            slow += run;
            run
        });
    }
    (text.len() - slow) * BYTE + slow * SEAMLESS
}

/// The last seam before [`RUN`] bytes.
fn last_seam(text: &str) -> Option<usize> {
    let mut right = None;
    let reach = (0..=RUN).rev().find(|&at| text.is_char_boundary(at))?;
    for (at, left) in text[..reach].char_indices().rev() {
        if let Some((at, _)) = right.filter(|&(_, right)| is_seam(left, right)) {
            return Some(at);
        }
        right = Some((at, left));
    }
    None
}

/// The first seam, or the end.
fn first_seam(text: &str) -> usize {
    let pairs = text.chars().zip(text.char_indices().skip(1));
    let mut seams = pairs.filter(|&(left, (_, right))| is_seam(left, right));
    seams.next().map_or(text.len(), |(_, (at, _))| at)
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

    #[test]
    fn runs_from_100_bytes_on_are_slow_wherever_they_stand() {
        let nanoseconds_of = |words: &[usize]| {
            let text: Vec<String> = words.iter().map(|&bytes| "-".repeat(bytes)).collect();
            nanoseconds(&text.join(" "))
        };
        // Each run but the first begins with its blank.
        assert_eq!(nanoseconds_of(&[99, 98, 98]), least(297));
        assert_eq!(nanoseconds_of(&[99, 99, 98]), least(298 + 5 * 100));
        assert_eq!(nanoseconds_of(&[3, 98, 500, 1, 7, 99]), least(713 + 5 * 601));
    }
}
