use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn read(status: u16, head: &[(&str, &str)]) -> Observation {
    Observation::read(status, head, None)
}

/// Limit, remaining and reset of the only reading of a family.
fn level(observation: &Observation, family: Family) -> (Option<u64>, Option<u64>, Option<Duration>) {
    let reading = only(observation, family);
    (reading.limit, reading.remaining, reading.reset)
}

#[track_caller]
fn only(observation: &Observation, family: Family) -> Reading {
    let mut found = observation.readings().iter().filter(|reading| reading.family == family);
    let reading = *found.next().expect("a reading of that family");
    assert_eq!(found.next(), None, "{observation:?}");
    reading
}

#[test]
fn an_openai_answer_tells_both_budgets_and_their_windows() {
    let observation = read(
        200,
        &[
            ("Date", "Tue, 10 Jun 2025 08:00:00 GMT"),
            ("OpenAI-Processing-Ms", "812"),
            ("X-RateLimit-Limit-Requests", "5000"),
            ("X-RateLimit-Remaining-Requests", "4990"),
            ("X-RateLimit-Reset-Requests", "2m52.8s"),
            ("X-RateLimit-Limit-Tokens", "800000"),
            ("X-RateLimit-Remaining-Tokens", "798800"),
            ("X-RateLimit-Reset-Tokens", "90ms"),
        ],
    );
    let requests = only(&observation, Family::Requests);
    assert_eq!((requests.limit, requests.remaining), (Some(5_000), Some(4_990)));
    assert_eq!((requests.reset, requests.window), (Some(Duration::from_millis(172_800)), Some(DAY)));
    assert!(requests.window_inferred && !requests.upstream);
    assert_eq!(only(&observation, Family::Tokens).window, Some(MINUTE));
    assert_eq!(observation.processing_time(), Some(Duration::from_millis(812)));
    assert_eq!((observation.retry_after(), observation.wait(None)), (None, None));
}

#[test]
fn openai_s_other_families_stay_apart() {
    let observation = read(
        200,
        &[
            ("x-ratelimit-limit-tokens", "90000"),
            ("x-ratelimit-limit-tokens_usage_based", "80000"),
            ("x-ratelimit-remaining-project-tokens", "70000"),
            ("x-ratelimit-reset-input-images", "3ms"),
        ],
    );
    let families: Vec<_> = observation.readings().iter().map(|reading| reading.family).collect();
    let expected = [Family::Tokens, Family::UsageTokens, Family::ProjectTokens, Family::InputImages];
    assert_eq!(families, expected);
}

#[test]
fn azure_s_bare_resets_are_read_in_the_unit_that_fits() {
    let observation = read(
        200,
        &[
            ("x-ratelimit-renewalperiod-requests", "60"),
            ("x-ratelimit-limit-requests", "300"),
            ("x-ratelimit-remaining-requests", "299"),
            ("x-ratelimit-reset-requests", "200"),
            ("x-ratelimit-limit-tokens", "300000"),
            ("x-ratelimit-remaining-tokens", "100000"),
            ("x-ratelimit-reset-tokens", "40"),
        ],
    );
    let requests = only(&observation, Family::Requests);
    assert_eq!((requests.reset, requests.window), (Some(Duration::from_millis(200)), Some(MINUTE)));
    assert!(!requests.window_inferred);
    let tokens = only(&observation, Family::Tokens);
    assert_eq!((tokens.reset, tokens.window), (Some(40 * SECOND), Some(MINUTE)));
    let unclear = read(429, &[("x-ratelimit-reset-requests", "12"), ("x-ratelimit-remaining-requests", "0")]);
    assert_eq!((only(&unclear, Family::Requests).reset, unclear.wait(None)), (None, None));
}

#[test]
fn azure_s_old_refusal_tells_the_wait_in_a_misspelt_field() {
    let observation = read(429, &[("x-rate-limit-reset-tokens", "17")]);
    assert_eq!((observation.retry_after(), observation.wait(None)), (None, Some(17 * SECOND)));
    assert_eq!(observation.wait(Some(SECOND)), Some(SECOND), "the body knows better");
}

#[test]
fn minus_one_is_not_known() {
    let observation = read(
        200,
        &[
            ("x-ratelimit-limit-tokens", "-1"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-tokens", "0"),
            ("x-ratelimit-limit-requests", "0"),
            ("x-ratelimit-remaining-requests", "0"),
        ],
    );
    assert_eq!(observation.readings(), []);
}

#[test]
fn anthropic_s_resets_are_measured_against_its_own_date() {
    let observation = read(
        429,
        &[
            ("anthropic-ratelimit-requests-limit", "60"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2025-06-10T08:00:31Z"),
            ("anthropic-ratelimit-input-tokens-limit", "90000"),
            ("anthropic-ratelimit-input-tokens-remaining", "88000"),
            ("anthropic-ratelimit-input-tokens-reset", "2025-06-10T07:59:58Z"),
            ("anthropic-ratelimit-output-tokens-reset", "1970-01-01T00:00:00Z"),
            ("anthropic-ratelimit-output-tokens-limit", "30000"),
            ("anthropic-priority-output-tokens-limit", "10000"),
            ("date", "Tue, 10 Jun 2025 08:00:01 GMT"),
            ("x-should-retry", "true"),
        ],
    );
    assert_eq!(level(&observation, Family::Requests), (Some(60), Some(0), Some(30 * SECOND)));
    assert_eq!(level(&observation, Family::InputTokens), (Some(90_000), Some(88_000), None));
    assert_eq!(level(&observation, Family::OutputTokens), (Some(30_000), None, None));
    assert_eq!(only(&observation, Family::OutputTokens).resets_at, None);
    assert_eq!(only(&observation, Family::Requests).window, Some(MINUTE));
    assert_eq!(Family::PriorityOutputTokens.unit(), None);
    assert_eq!(observation.wait(None), Some(30 * SECOND));
    assert_eq!(observation.should_retry(), Some(true));
}

#[test]
fn a_subscription_that_is_used_up_tells_when_it_is_back() {
    let observation = read(
        429,
        &[
            ("date", "Sun, 15 Jun 2025 15:06:40 GMT"),
            ("anthropic-ratelimit-unified-status", "rejected"),
            ("anthropic-ratelimit-unified-reset", "1750003600"),
            ("anthropic-ratelimit-unified-5h-status", "allowed"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.4"),
            ("anthropic-ratelimit-unified-5h-reset", "1750010000"),
        ],
    );
    let windows: Vec<_> = observation.readings().iter().map(|reading| reading.window).collect();
    assert_eq!(windows, [None, Some(5 * 3_600 * SECOND)]);
    assert_eq!(observation.wait(None), Some(3_600 * SECOND));
}

#[test]
fn an_instant_needs_a_date_or_the_caller_s_clock() {
    let head =
        [("X-RateLimit-Limit", "20"), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "1750000060000")];
    let bare = Observation::read(429, &head, None);
    let at = only(&bare, Family::Requests).resets_at;
    assert!(at.is_some() && bare.wait(None).is_none());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_020);
    assert_eq!(Observation::read(429, &head, Some(now)).wait(None), Some(40 * SECOND));
    let later = now + 100 * SECOND;
    let past = Observation::read(429, &head, Some(later));
    assert_eq!((past.wait(None), only(&past, Family::Requests).resets_at), (None, None));
    assert_eq!(Observation::read(429, &head, Some(now - 400 * DAY)).wait(None), None, "beyond a year");
}

#[test]
fn groq_counts_requests_by_the_day_and_tokens_by_the_minute() {
    let head = |region| {
        [
            (region, "somewhere"),
            ("x-ratelimit-limit-requests", "1000"),
            ("x-ratelimit-remaining-requests", "999"),
            ("x-ratelimit-reset-requests", "31.399999999s"),
            ("x-ratelimit-limit-tokens", "12000"),
        ]
    };
    let observation = read(200, &head("x-groq-region"));
    let requests = only(&observation, Family::Requests);
    assert_eq!((requests.reset, requests.window), (Some(Duration::from_millis(31_400)), Some(DAY)));
    assert_eq!(only(&observation, Family::Tokens).window, Some(MINUTE));
    assert_eq!(only(&read(200, &head("x-region")), Family::Requests).window, None);
}

#[test]
fn windows_in_names_are_taken_from_there() {
    let observation = read(
        200,
        &[
            ("x-ratelimit-limit-req-10-second", "40"),
            ("x-ratelimit-remaining-req-10-second", "39"),
            ("x-ratelimit-limit-tokens-month", "4000000000"),
            ("x-ratelimit-limit-tokens-minute", "500000"),
            ("x-ratelimit-tokens-query-cost", "321"),
            ("x-ratelimit-reset-requests-day", "40211.75"),
            ("x-ratelimit-reset-tokens-hour", "59"),
        ],
    );
    let windows: Vec<_> = observation
        .readings()
        .iter()
        .map(|reading| (reading.family, reading.window.unwrap_or_default().as_secs()))
        .collect();
    let (requests, tokens) = (Family::Requests, Family::Tokens);
    let expected = [(requests, 10), (tokens, 2_592_000), (tokens, 60), (requests, 86_400), (tokens, 3_600)];
    assert_eq!(windows, expected);
    let resets: Vec<_> = observation.readings().iter().filter_map(|reading| reading.reset).collect();
    assert_eq!(resets, [Duration::from_millis(40_211_750), 59 * SECOND]);
    assert_eq!(observation.charged_tokens(), Some(321));
}

#[test]
fn a_window_in_a_name_that_cannot_be_is_none() {
    for name in ["x-ratelimit-limit-tokens-400-month", "anthropic-ratelimit-unified-0s-reset"] {
        let observation = read(200, &[(name, "1750000000")]);
        assert_eq!(observation.readings()[0].window, None, "{name}");
    }
}

#[test]
fn mistral_s_sizes_are_one_budget_under_both_names() {
    let observation = read(
        200,
        &[
            ("ratelimitbysize-limit", "20000"),
            ("ratelimitbysize-reset", "44"),
            ("x-ratelimitbysize-limit-minute", "20000"),
            ("x-ratelimitbysize-remaining-minute", "19000"),
        ],
    );
    assert_eq!(level(&observation, Family::Tokens), (Some(20_000), Some(19_000), Some(44 * SECOND)));
}

#[test]
fn limits_per_second_are_known_as_such() {
    let observation = read(
        200,
        &[
            ("X-Ratelimit-Limit-Tokens-Prompt", "60000"),
            ("X-Ratelimit-Remaining-Tokens-Cache-Adjusted-Prompt", "15000"),
            ("X-Ratelimit-Limit-Tokens-Generated", "600"),
            ("x-tokenlimit-limit", "4000"),
        ],
    );
    assert!(observation.readings().iter().all(|reading| reading.window == Some(SECOND)));
    let units: Vec<_> = observation.readings().iter().map(|reading| reading.family.unit()).collect();
    use crate::quota::Unit;
    assert_eq!(units, [Some(Unit::InputTokens), None, Some(Unit::OutputTokens), Some(Unit::Tokens)]);
}

#[test]
fn github_models_tells_the_window_beside_the_wait() {
    let head = [("x-ratelimit-type", "UserByModelByDay"), ("x-ratelimit-timeremaining", "7300")];
    let observation = read(429, &head);
    let requests = only(&observation, Family::Requests);
    assert_eq!((requests.reset, requests.window), (Some(7_300 * SECOND), Some(DAY)));
    assert_eq!(observation.wait(None), Some(7_300 * SECOND));
}

#[test]
fn the_draft_s_levels_are_matched_to_their_policies_by_name() {
    let level = ("RateLimit", r#""slow";r=0;t=20"#);
    let policy = ("RateLimit-Policy", r#""fast";q=5;w=1, "slow";q=90;w=60"#);
    for head in [[level, policy], [policy, level]] {
        let observation = read(429, &head);
        assert_eq!(observation.readings().len(), 2);
        let slow = observation.readings().iter().find(|reading| reading.limit == Some(90));
        let slow = slow.map(|reading| (reading.remaining, reading.reset, reading.window));
        assert_eq!(slow, Some((Some(0), Some(20 * SECOND), Some(MINUTE))));
        assert_eq!(observation.wait(None), Some(20 * SECOND));
    }
    let malformed = read(429, &[level, ("RateLimit-Policy", r#""slow";"90";w=60"#)]);
    assert_eq!(only(&malformed, Family::Requests).limit, None);
    let bytes = read(429, &[level, ("RateLimit-Policy", r#""slow";q=90;qu="content-bytes";w=60"#)]);
    assert_eq!(bytes.readings(), [], "what is not counted here");
}

#[test]
fn older_forms_of_the_draft_are_one_budget() {
    for head in [
        [("ratelimit-limit", "90"), ("ratelimit-remaining", "80"), ("ratelimit-policy", "90;w=60")],
        [("ratelimit-policy", "90;w=60"), ("ratelimit", "limit=90, remaining=80"), ("ratelimit-reset", "")],
        [("x-ratelimit-limit", "90, 5;w=1, 90;w=60"), ("x-ratelimit-remaining", "80"), ("x", "")],
    ] {
        let reading = only(&read(200, &head), Family::Requests);
        let said = (reading.limit, reading.remaining, reading.window);
        assert_eq!(said, (Some(90), Some(80), Some(MINUTE)), "{head:?}");
    }
    let other = read(200, &[("ratelimit-limit", "90"), ("ratelimit-policy", "5;w=1")]);
    assert_eq!(only(&other, Family::Requests).window, None);
}

#[test]
fn a_relay_s_own_budget_is_never_mixed_with_the_one_behind_it() {
    let observation = read(
        429,
        &[
            ("llm_provider-x-ratelimit-limit-tokens", "2000000"),
            ("llm_provider-x-ratelimit-remaining-tokens", "0"),
            ("llm_provider-x-ratelimit-reset-tokens", "60s"),
            ("llm_provider-anthropic-ratelimit-requests-limit", "50"),
            ("llm_provider-retry-after", "33"),
            ("llm_provider-date", "Tue, 10 Jun 2025 08:00:00 GMT"),
            ("x-ratelimit-limit-tokens", "40000"),
        ],
    );
    let tokens: Vec<_> = observation
        .readings()
        .iter()
        .filter(|reading| reading.family == Family::Tokens)
        .map(|reading| (reading.upstream, reading.limit, reading.remaining))
        .collect();
    assert_eq!(tokens, [(true, Some(2_000_000), Some(0)), (false, Some(40_000), None)]);
    assert!(only(&observation, Family::Requests).upstream);
    assert_eq!((observation.retry_after(), observation.date()), (Some(33 * SECOND), None));
    let both = [
        ("llm_provider-retry-after", "33"),
        ("llm_provider-x-should-retry", "false"),
        ("retry-after", "5"),
        ("x-should-retry", "TRUE"),
    ];
    let own = read(429, &both);
    assert_eq!((own.retry_after(), own.should_retry()), (Some(5 * SECOND), Some(true)));
}

#[test]
fn the_wait_is_taken_from_the_most_exact_field_and_only_on_a_refusal() {
    let date = ("date", "Tue, 10 Jun 2025 08:00:00 GMT");
    let wait = |status, head: &[(&str, &str)]| read(status, head).retry_after().map(|wait| wait.as_millis());
    assert_eq!(wait(429, &[("retry-after", "3"), ("retry-after-ms", "2750.5")]), Some(2_750));
    assert_eq!(wait(529, &[("Retry-After", "1.25")]), Some(1_250));
    assert_eq!(wait(503, &[("retry-after", "Tue, 10 Jun 2025 08:01:30 GMT"), date]), Some(90_000));
    assert_eq!(wait(503, &[("retry-after", "Tue, 10 Jun 2025 08:01:30 GMT")]), None);
    assert_eq!(wait(503, &[("retry-after", "Tue, 10 Jun 2025 07:59:00 GMT"), date]), None);
    assert_eq!(wait(429, &[("retry-after", "2"), ("retry-after-ms", "-5")]), Some(2_000));
    assert_eq!(wait(429, &[("retry-after", "2"), ("retry-after-ms", "0")]), Some(2_000));
    for nothing in ["", "0", "-3", "soon", "99999999999", "1e3", "NaN"] {
        assert_eq!(wait(429, &[("retry-after", nothing)]), None, "{nothing}");
    }
    assert_eq!(wait(200, &[("retry-after", "59"), ("retry-after-ms", "59000")]), None);
}

#[test]
fn of_too_many_budgets_the_first_are_read() {
    let names: Vec<String> = (1..60).map(|at| format!("x-ratelimit-limit-tokens-{at}-minute")).collect();
    let head: Vec<_> = names.iter().map(|name| (name.as_str(), "5")).collect();
    let observation = read(200, &head);
    assert_eq!(observation.readings().len(), 16);
    assert_eq!(observation.readings()[15].window, Some(16 * MINUTE));
}

#[test]
fn no_headers_are_no_information() {
    assert_eq!(read(429, &[]), Observation::EMPTY);
}

fn name() -> impl Strategy<Value = String> {
    let budget = "(llm_provider-)?(x-ratelimit|anthropic-ratelimit|x-rate-limit|ratelimit|X-RateLimit)-\
        (limit|remaining|reset|renewalperiod)(-(requests|tokens|input-tokens|req-10-second|tokens-day|req-[0-9]{1,5}-month))?";
    prop_oneof![
        budget.prop_map(|name| name),
        "anthropic-ratelimit-(requests|tokens|unified|unified-5h)-(limit|remaining|reset|status)",
        "(ratelimit|ratelimit-policy|retry-after|retry-after-ms|date|openai-processing-ms)",
        "\\PC{0,12}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|number| number.to_string()),
        (0_u64..200_000).prop_map(|number| number.to_string()),
        "-?[0-9]{0,20}(\\.[0-9]{0,12})?",
        "([0-9]{0,6}(\\.[0-9]{1,9})?(ms|s|m|h|d)){1,4}",
        "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,9})?Z",
        "(Mon|Tue), [0-3][0-9] (Jan|Feb) 20[0-9]{2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9] GMT",
        "\"[a-c]\";[qr]=-?[0-9]{1,16};[wt]=[0-9]{1,16}(, \"[a-c]\";r=[0-9]{1,3})?",
        "[0-9]{1,4}, [0-9]{1,4};w=[0-9]{1,6}",
        "(true|false|rejected|UserByDay)",
        "\\PC{0,30}",
    ]
}

proptest! {
    #[test]
    fn whatever_the_fields_say_no_reading_is_absurd(
        status in 100_u16..600,
        head in prop::collection::vec((name(), value()), 0..40),
        now in prop::option::of(0_u64..5_000_000_000),
    ) {
        let now = now.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let observation = Observation::read(status, &head, now);
        prop_assert!(observation.readings().len() <= 16);
        let year = 366 * DAY;
        for reading in observation.readings() {
            prop_assert!(reading.limit.is_none_or(|limit| (1..=1 << 53).contains(&limit)));
            prop_assert!(reading.remaining.is_none_or(|remaining| remaining <= 1 << 53));
            prop_assert!(reading.reset.is_none_or(|reset| reset <= year));
            prop_assert!(reading.window.is_none_or(|window| !window.is_zero() && window <= year));
            prop_assert!(!reading.window_inferred || reading.window.is_some());
        }
        for wait in [observation.retry_after(), observation.wait(None)].into_iter().flatten() {
            prop_assert!(status >= 400 && !wait.is_zero() && wait <= year);
        }
        prop_assert!(observation.processing_time().is_none_or(|time| time <= year));
    }
}
