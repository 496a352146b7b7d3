//! Texts too long to be counted: windows of them are counted instead.

/// Bytes of a window.
const WINDOW: usize = 1_024;
/// How many windows there are.
const WINDOWS: usize = 32;

/// Windows spread evenly over `text`, one after another, and how many bytes of the text stand for
/// each of their bytes.
///
/// The text is to be longer than they are together.
pub(super) fn windows(text: &str) -> impl Iterator<Item = &str> {
    let stride = text.len() / WINDOWS;
    (0..WINDOWS).map(move |index| {
        let begin = boundary(text, index * stride + (stride - WINDOW) / 2);
        &text[begin..boundary(text, begin + WINDOW)]
    })
}

/// The tokens of a text of `length` bytes whose windows of `sampled` bytes together have `tokens`.
pub(super) fn scaled(tokens: u64, sampled: usize, length: usize) -> u64 {
    let scaled = u128::from(tokens) * length as u128;
    u64::try_from(scaled.div_ceil(sampled.max(1) as u128)).unwrap_or(u64::MAX)
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
