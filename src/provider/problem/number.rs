//! Counts in the text of an error: `30000`, `30,000`, `6.0`.

/// The number at the beginning of `text`. Commas part thousands only where three digits follow, so that
/// the one in "Limit 10000, Used 8554" does not.
pub(super) fn leading(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    if end == 0 {
        return None;
    }
    let grouped = end <= 3;
    while grouped && bytes.get(end) == Some(&b',') && digits(end + 1) == 3 {
        end += 4;
    }
    // "10KTPM" is a name, "128k" and "1e5" are spellings that no provider was seen to use.
    if bytes.get(end).is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let mut plain = text[..end].bytes().filter(u8::is_ascii_digit);
    plain.try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
}

/// The number at the end of `text`, but for spaces.
pub(super) fn before(text: &str) -> Option<u64> {
    let text = text.trim_end();
    let numeric = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b',' | b'.');
    let len = text.bytes().rev().take_while(|byte| numeric(byte)).count();
    let start = text.len() - len;
    if text[..start].ends_with(|letter: char| letter.is_alphanumeric() || letter == '-') {
        return None;
    }
    leading(text[start..].trim_start_matches([',', '.']))
}

/// The first number that follows `phrase` in `text`, past the signs and small words that may stand
/// between.
pub(super) fn after(text: &str, phrase: &str) -> Option<u64> {
    text.match_indices(phrase).find_map(|(at, _)| {
        if text[..at].ends_with(|letter: char| letter.is_alphanumeric()) {
            return None;
        }
        let mut rest = text[at + phrase.len()..].trim_start_matches([' ', ':', '=', '(', '~']);
        for word in ["of ", "to ", "is ", "about ", "approximately "] {
            rest = rest.strip_prefix(word).unwrap_or(rest);
        }
        leading(rest.trim_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_thousands_and_nothing_else() {
        assert_eq!(leading("30,000 input"), Some(30_000));
        assert_eq!(leading("4,000,000."), Some(4_000_000));
        assert_eq!(leading("10000, Used 8554"), Some(10_000));
        assert_eq!(leading("10000,8554"), Some(10_000));
        assert_eq!(leading("6.0 queries"), Some(6));
        assert_eq!(leading("100,20 used"), Some(100));
        assert_eq!(leading("10,0000"), Some(10));
        for none in ["", "x", "10KTPM", "99999999999999999999999", "-5", "1e9"] {
            assert_eq!(leading(none), None, "{none}");
        }
    }

    #[test]
    fn a_number_is_found_before_and_after_words() {
        assert_eq!(before("limited to 20 "), Some(20));
        assert_eq!(before("of 1,000,000 "), Some(1_000_000));
        assert_eq!(before("rate is 6.0 "), Some(6));
        assert_eq!(before("gpt-4 "), None);
        assert_eq!(before("more "), None);
        assert_eq!(after("rate limit of 50 per", "limit"), Some(50));
        assert_eq!(after("limit reached. limit: 10,000 / min", "limit"), Some(10_000));
        assert_eq!(after("unlimited 5", "limited"), None);
    }
}
