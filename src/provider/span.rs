//! Durations as providers print them: `0s`, `120ms`, `7m12s`, `1h8m25.745s`, `6m 11.52s`.

use std::time::Duration;

/// Units from the longest to the shortest, each with its nanoseconds. A longer spelling stands before
/// the shorter one that it begins with nowhere: `spelling` takes whole words.
const UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// The longest duration at the beginning of `text`, and what follows it.
///
/// A duration is one part or more, from the longest unit to the shortest, each a number with its unit;
/// spaces may stand between. A number has no sign; it may have a fraction, whose digits
/// beyond the ninth do not count. `None` where the text does not begin with one, or where it is too long for
/// 64 bits of nanoseconds (584 years).
pub(super) fn leading(text: &str) -> Option<(Duration, &str)> {
    let (mut nanos, mut unit, mut rest) = part(text.trim_start())?;
    while let Some((more, smaller, after)) = part(rest.trim_start()) {
        // "20s 5s" is two durations.
        if smaller >= unit {
            break;
        }
        nanos = nanos.checked_add(more)?;
        (unit, rest) = (smaller, after);
    }
    Some((Duration::from_nanos(nanos), rest))
}

/// The duration that `text` is, with nothing but spaces around it.
pub(super) fn whole(text: &str) -> Option<Duration> {
    let (span, rest) = leading(text)?;
    rest.trim_end().is_empty().then_some(span)
}

/// One number with its unit: the nanoseconds, those of the unit, and what follows.
fn part(text: &str) -> Option<(u64, u64, &str)> {
    let (number, fraction, rest) = decimal(text)?;
    let (unit, rest) = spelling(rest.trim_start())?;
    // Below 86,400 x 10^18 / 10^9.
    let below_one = u128::from(fraction) * u128::from(unit) / 1_000_000_000;
    let nanos = number.checked_mul(unit)?.checked_add(u64::try_from(below_one).ok()?)?;
    Some((nanos, unit, rest))
}

/// The unsigned decimal number at the beginning of `text`: its whole part, its fraction in
/// billionths, and what follows.
pub(super) fn decimal(text: &str) -> Option<(u64, u32, &str)> {
    let (whole, rest) = digits(text);
    let number = whole.parse().ok()?;
    let Some((fraction, after)) = rest.strip_prefix('.').map(digits).filter(|(some, _)| !some.is_empty())
    else {
        return Some((number, 0, rest));
    };
    let billionths = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    Some((number, billionths.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), after))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// The unit that is the whole word at the beginning of `text`: "m" is none in "minutes".
fn spelling(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|letter: char| !letter.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == word)?;
    Some((*nanos, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(text: &str) -> Option<u128> {
        whole(text).map(|span| span.as_millis())
    }

    #[test]
    fn every_spelling_of_a_duration_is_read() {
        for (text, expected) in [
            ("0s", 0),
            ("1s", 1_000),
            ("45ms", 45),
            ("9.26s", 9_260),
            ("3m18s", 198_000),
            ("6m0s", 360_000),
            ("2h11m4.25s", 7_864_250),
            ("71h3m2.5s", 255_782_500),
            ("1d2h", 93_600_000),
            (" 6m 11.52s ", 371_520),
            ("4 m 2 s 7 ms", 242_007),
            ("1.5m", 90_000),
            ("0.25h", 900_000),
            ("800µs", 0),
        ] {
            assert_eq!(millis(text), Some(expected), "{text}");
        }
        assert_eq!(whole("17.399999999s"), Some(Duration::from_nanos(17_399_999_999)));
        assert_eq!(whole("0.12345678999999999999s"), Some(Duration::from_nanos(123_456_789)));
        assert_eq!(whole("1.5us"), Some(Duration::from_nanos(1_500)));
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in ["", " ", "s", "12", "-5s", "1,5s", "5 minutes", "5.s", "1e3s", "NaN", "inf", "12 apples"]
        {
            assert_eq!(millis(text), None, "{text}");
        }
        for text in ["99999999999999999999s", "18446744073709551615d", "600y", "213504d213504h", "5m x"] {
            assert_eq!(millis(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_in_a_sentence_ends_where_the_sentence_goes_on() {
        let read = |text| leading(text).map(|(span, rest)| (span.as_millis(), rest));
        assert_eq!(read("6m 11.52s. Need more"), Some((371_520, ". Need more")));
        assert_eq!(read("644ms. Visit"), Some((644, ". Visit")));
        assert_eq!(read("20s 5s"), Some((20_000, " 5s")));
        assert_eq!(read("3s more"), Some((3_000, " more")));
        assert_eq!(read("2m5 tokens"), Some((120_000, "5 tokens")));
        assert_eq!(read("3s/4s"), Some((3_000, "/4s")));
        assert_eq!(read("22 seconds"), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(hours in 0_u64..2_000, minutes in 0_u64..60, millis in 0_u64..60_000) {
            let text = format!("{hours}h{minutes}m{}.{:03}s", millis / 1_000, millis % 1_000);
            let expected = Duration::from_millis((hours * 60 + minutes) * 60_000 + millis);
            prop_assert_eq!(whole(&text), Some(expected));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "([0-9]{0,22}\\.?[0-9]{0,12} ?(ms|s|m|h|d|µs)?){0,4}\\PC{0,4}") {
            if let Some((_, rest)) = leading(&text) {
                prop_assert!(text.ends_with(rest) && rest.len() < text.len());
            }
        }
    }
}
