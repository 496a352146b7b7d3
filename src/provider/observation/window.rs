//! The window behind a limit whose field does not name it.

use std::time::Duration;

/// The windows that providers measure by, in seconds: a second, ten, a minute, an hour, a day, thirty days.
const WINDOWS: [u64; 6] = [1, 10, 60, 3_600, 86_400, 2_592_000];

/// The window of a budget that refills evenly, from what its answer says: `limit x reset / used`.
///
/// `reset` is cut or rounded to `step`, and `remaining` is rounded down: of `used` units the last may be
/// a part, but the first is this very call, which was just charged. So the numbers allow a range; one
/// window of the known ones lies in it or the answer tells nothing. (OpenAI and Groq, and Azure in 2026: recorded
/// answers of dd-trace-py and openllmetry, read November 2026. A budget that is emptied on the minute
/// follows no such law and mostly fits no window.)
pub(super) fn inferred(limit: u64, remaining: u64, reset: Duration, step: Duration) -> Option<Duration> {
    let used = limit.checked_sub(remaining).filter(|used| *used > 0)?;
    if reset.is_zero() {
        return None;
    }
    // A limit is below 2^53 and a reset below 2^55 nanoseconds: products fit with room.
    let limit = u128::from(limit);
    let least = limit * reset.saturating_sub(step / 2).as_nanos() / u128::from(used);
    let most = limit * (reset + step).as_nanos() / u128::from(used.saturating_sub(1).max(1));
    // A tenth of leeway: the two numbers may have been taken at slightly different times.
    let (least, most) = (least - least / 11, most + most / 10);
    let mut fitting = WINDOWS.into_iter().map(Duration::from_secs);
    let fits = |window: &Duration| (least..=most).contains(&window.as_nanos());
    let window = fitting.find(fits)?;
    fitting.all(|other| !fits(&other)).then_some(window)
}

/// A reset that is a bare number, of which nobody says whether it counts seconds or milliseconds, with
/// its unit.
///
/// Azure sends both (500 and 7 were milliseconds in March 2026, dd-trace-py cassettes; 55 were seconds
/// in 2023, openai-python#937; read November 2026). What was used of the limit tells which it can be:
/// by the window, where the answer names it, else by which of the two gives a window at all.
/// Zero is no information: it was seen where 24 ms were due.
pub(super) fn clear(
    number: u64,
    limit: u64,
    remaining: u64,
    window: Option<Duration>,
) -> Option<(Duration, Duration)> {
    let used = limit.checked_sub(remaining).filter(|used| *used > 0)?;
    if number == 0 {
        return None;
    }
    let units = [Duration::from_secs, Duration::from_millis].map(|unit| (unit(number), unit(1)));
    let from_law =
        units.into_iter().find(|(reset, step)| inferred(limit, remaining, *reset, *step).is_some());
    if window.is_none() && from_law.is_some() {
        return from_law;
    }
    // A budget with nothing left takes a whole window, and where none is named that is a minute.
    let assumed = (remaining == 0).then_some(Duration::from_secs(60));
    let due = window.or(assumed)?.as_nanos() * u128::from(used) / u128::from(limit);
    let near = |reset: Duration| reset.as_nanos() <= 5 * due && due <= 5 * reset.as_nanos();
    units.into_iter().find(|(reset, _)| near(*reset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(limit: u64, remaining: u64, reset_ms: u64) -> Option<u64> {
        let step = Duration::from_millis(1);
        inferred(limit, remaining, Duration::from_millis(reset_ms), step).map(|window| window.as_secs())
    }

    #[test]
    fn the_window_follows_from_what_was_used_and_when_it_is_back() {
        assert_eq!(seconds(400, 399, 150), Some(60));
        assert_eq!(seconds(7_200, 7_199, 12_000), Some(86_400));
        assert_eq!(seconds(60_000, 59_984, 16), Some(60));
        assert_eq!(seconds(200_000, 199_000, 12_960_000), Some(2_592_000));
        assert_eq!(seconds(1_000, 990, 36_000), Some(3_600));
        assert_eq!(seconds(20, 15, 2_500), Some(10));
    }

    #[test]
    fn a_part_of_a_unit_that_counts_as_used_does_not_mislead() {
        // 2.4 of 3 units used, as Groq rounds.
        assert_eq!(seconds(14_400, 14_397, 14_400), Some(86_400));
        // 1.1 of 2 units used.
        assert_eq!(seconds(600, 598, 110), Some(60));
    }

    #[test]
    fn numbers_that_fit_no_window_or_several_tell_nothing() {
        assert_eq!(seconds(90_000, 89_000, 600_000), None, "fifteen hours");
        assert_eq!(seconds(600_000, 599_990, 0), None);
        assert_eq!(seconds(40_000, 39_998, 1), None, "ten seconds or sixty");
        assert_eq!(seconds(10, 10, 5_000), None);
        assert_eq!(seconds(10, 12, 5_000), None);
    }

    #[test]
    fn a_bare_number_is_seconds_or_milliseconds_as_the_law_demands() {
        let minute = Some(Duration::from_secs(60));
        let reset = |number, limit, remaining, window| {
            clear(number, limit, remaining, window).map(|(reset, _)| reset.as_millis())
        };
        assert_eq!(reset(250, 240, 239, None), Some(250));
        assert_eq!(reset(250, 240, 239, minute), Some(250));
        assert_eq!(reset(30, 240, 120, minute), Some(30_000));
        assert_eq!(reset(6, 100, 90, None), Some(6_000));
        assert_eq!(reset(41, 100, 0, None), Some(41_000));
        assert_eq!(reset(0, 100, 0, minute), None);
        assert_eq!(reset(35, 60, 59, minute), None, "seconds of a fixed minute, or milliseconds?");
        assert_eq!(reset(35, 60, 60, minute), None);
    }
}
