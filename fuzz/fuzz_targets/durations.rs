//! Durations as providers and as people write them: every line is read as both. What is read is never
//! beyond a year, is what another reader makes of it, and is written so that it reads back the same.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tollgate::{Limiter, Limits, Observation, Quota};

const M: &str = "gpt-4o-mini";
const YEAR: Duration = Duration::from_secs(366 * 86_400);

fuzz_target!(|text: &str| {
    for line in text.lines().take(16) {
        as_a_provider_writes_it(line);
        as_people_write_it(line);
    }
});

fn as_a_provider_writes_it(text: &str) {
    let fields = |name| [(name, text), ("date", "Sat, 15 Mar 2025 09:38:37 GMT")];
    let wait = |name| Observation::read(429, &fields(name), None).retry_after();
    for told in [wait("retry-after"), wait("retry-after-ms")].into_iter().flatten() {
        assert!(!told.is_zero() && told <= YEAR, "{text:?}: {told:?}");
    }
    let resets = ["x-ratelimit-reset-tokens", "anthropic-ratelimit-tokens-reset", "x-ratelimit-reset"];
    for name in resets {
        for reading in Observation::read(200, &fields(name), None).readings() {
            assert!(reading.reset.is_none_or(|reset| reset <= YEAR), "{text:?}: {:?}", reading.reset);
        }
    }
    // The other reader knows no fractions, and more units.
    if let Some(told) = wait("retry-after")
        && let Ok(other) = humantime::parse_duration(text)
        && other.subsec_nanos() % 1_000 == 0
    {
        assert_eq!(told, other, "{text:?}");
    }
}

fn as_people_write_it(text: &str) {
    let quota = |more: &str| {
        let text = serde_json::to_string(text).expect("text can be written");
        let json = format!(r#"{{"unit": "tokens", "limit": 600, "period": {text}{more}}}"#);
        serde_json::from_str::<Quota>(&json).ok()
    };
    for more in ["", r#", "window": "sliding""#, r#", "window": "fixed", "resets_at": "1ms""#] {
        let Some(quota) = quota(more) else { continue };
        let period = quota.window().period().expect("it has one");
        assert_eq!(humantime::parse_duration(text), Ok(period), "{text:?}");
        let json = serde_json::to_string(&quota).expect("a quota can be written");
        assert_eq!(serde_json::from_str::<Quota>(&json).expect("and read back"), quota);

        let limiter = Limiter::builder().model(M, Limits::new().with(quota)).build().expect("it was valid");
        let _out = limiter.try_acquire(M, tollgate::Cost::input(600)).expect("a full budget pays its limit");
        assert!(limiter.try_acquire(M, tollgate::Cost::input(600)).is_err(), "{quota:?}");
    }
}
