//! Dates as error texts write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first date in a text: `2026-09-01`, with a time after "at", "T" or a space. UTC.
pub(super) fn in_text(text: &str) -> Option<SystemTime> {
    let mut starts = text.char_indices().filter(|(_, letter)| letter.is_ascii_digit());
    starts.find_map(|(start, _)| {
        let date = text.get(start..start + 10)?;
        let (year, rest) = date.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        let plain = |part: &str, len| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(year, 4) || !plain(month, 2) || !plain(day, 2) {
            return None;
        }
        let rest = text[start + 10..].trim_start_matches([' ', 'T', 't']);
        let rest = rest.strip_prefix("at ").unwrap_or(rest);
        let end = rest.find(|letter: char| !matches!(letter, '0'..='9' | ':')).unwrap_or(rest.len());
        let time = seconds(&rest[..end]).unwrap_or(0);
        at(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?, time)
    })
}

/// The seconds of a day at `hours:minutes` or `hours:minutes:seconds`.
fn seconds(text: &str) -> Option<u64> {
    let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    (hours < 24 && minutes < 60 && seconds <= 60).then_some(hours * 3_600 + minutes * 60 + seconds)
}

/// The instant at `time` seconds of a day of the Gregorian calendar, from 1970 on.
fn at(year: u64, month: u64, day: u64, time: u64) -> Option<SystemTime> {
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // A year that begins in March has its odd day at its end.
    let shifted = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * months + 2) / 5 + day;
    // 719,469 = the same sum for 1 January 1970.
    let days = days.checked_sub(719_469)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(days * 86_400 + time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(date: Option<SystemTime>) -> Option<u64> {
        Some(date?.duration_since(UNIX_EPOCH).ok()?.as_secs())
    }

    #[test]
    fn a_date_in_a_sentence_is_read_with_its_time() {
        let september = 1_788_220_800;
        assert_eq!(epoch(in_text("regain access on 2026-09-01 at 00:00 UTC.")), Some(september));
        assert_eq!(epoch(in_text("until 2026-09-01T06:30:15Z")), Some(september + 23_415));
        assert_eq!(epoch(in_text("claude-opus-20240229 until 2026-09-01.")), Some(september));
        assert_eq!(epoch(in_text("2026-13-01 and 2026-9-1")), None);
    }
}
