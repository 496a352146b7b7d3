//! Texts too long to be counted: windows of them are counted instead.

/// Bytes of a window: many short ones tell more of a text of many parts than few long ones.
const WINDOW: usize = 512;
/// How many windows there are, at most.
const WINDOWS: usize = 128;

/// Bytes of all of them.
pub(super) const BYTES: usize = WINDOW * WINDOWS;
/// Shortest text that is worth it.
pub(super) const SHORTEST: usize = 64 * 1024;

/// Windows spread evenly over `text`, one after another: a quarter of the text at the most.
///
/// The text is to have at least [`SHORTEST`] bytes.
pub(super) fn windows(text: &str) -> impl Iterator<Item = &str> {
    let windows = WINDOWS.min(text.len() / (4 * WINDOW));
    let stride = text.len() / windows;
    (0..windows).map(move |index| {
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
