//! Limits and builders as people write them in files, and errors that name the key.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::{Builder, Charge, Group, Limiter, Limits, Quota, Unit, Usage};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn json(text: &str) -> Result<Limits, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn toml(text: &str) -> Result<Limits, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn limits_can_be_told_to_be_learned_in_a_file() {
    let limits: Limits = toml::from_str("rpm = 500\nlearned = true").unwrap();
    assert_eq!(limits, Limits::new().rpm(500).learned());
    let text = toml::to_string(&limits).unwrap();
    assert_eq!(toml::from_str::<Limits>(&text).unwrap(), limits);
    assert!(!toml::from_str::<Limits>("rpm = 500").unwrap().are_learned());
}

#[test]
fn the_short_forms_mean_what_the_methods_mean() {
    let text =
        "rpm = 1\nrpd = 2\ntpm = 3\ntpd = 4\nitpm = 5\notpm = 6\nconcurrency = 7\ncharge = 'input_only'";
    let meant = Limits::new().rpm(1).rpd(2).tpm(3).tpd(4).itpm(5).otpm(6).concurrency(7);
    // A TOML reader may hand over the keys in an order of its own.
    let read = toml(text).unwrap();
    assert_eq!((read.quotas().len(), read.charge_rule()), (7, Charge::InputOnly));
    assert!(meant.quotas().iter().all(|quota| read.quotas().contains(quota)), "{read:?}");
    let text = r#"{"rpm":1,"rpd":2,"tpm":3,"tpd":4,"itpm":5,"otpm":6,"concurrency":7,"charge":"usage"}"#;
    assert_eq!(json(text), Ok(meant));
    assert_eq!(json("{}"), Ok(Limits::new()));
    assert_eq!(toml(""), Ok(Limits::new()));
}

#[test]
fn a_file_says_what_output_counts_and_whether_the_cache_is_free() {
    let text = "tpm = 3\noutput_weight = 5\ncached_input_is_free = true";
    let limits = toml(text).unwrap();
    assert_eq!(limits, Limits::new().tpm(3).output_weight(5).cached_input_is_free());
    assert_eq!((limits.weight_of_output(), limits.is_cached_input_free()), (5, true));
    let plain = toml("tpm = 3\noutput_weight = 1\ncached_input_is_free = false").unwrap();
    assert_eq!(plain, Limits::new().tpm(3));
    assert_eq!((plain.weight_of_output(), plain.is_cached_input_free()), (1, false));
    let written = serde_json::to_string(&plain).unwrap();
    assert!(!written.contains("output_weight") && !written.contains("cached"), "{written}");
    let larger = toml("charge = 'larger_of_input_and_max_output'").unwrap();
    assert_eq!(larger.charge_rule(), Charge::LargerOfInputAndMaxOutput);
    for (text, key) in
        [("output_weight = -1", "output_weight: "), ("cached_input_is_free = 1", "cached_input_is_free: ")]
    {
        let error = toml(text).unwrap_err();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn usage_is_written_as_before_where_nothing_came_from_a_cache() {
    let plain = Usage::new(1_200, 212);
    assert_eq!(serde_json::to_string(&plain).unwrap(), r#"{"input":1200,"output":212}"#);
    assert_eq!(serde_json::from_str::<Usage>(r#"{"input":1200,"output":212}"#).unwrap(), plain);
    let cached = plain.cached_input(1_024);
    let text = serde_json::to_string(&cached).unwrap();
    assert_eq!(text, r#"{"input":1200,"output":212,"cached_input":1024}"#);
    assert_eq!(serde_json::from_str::<Usage>(&text).unwrap(), cached);
    let absurd: Usage = serde_json::from_str(r#"{"input":3,"cached_input":9}"#).unwrap();
    assert_eq!((absurd.input_tokens(), absurd.cached_input_tokens()), (3, 3));
}

#[test]
fn a_short_form_takes_every_key_that_it_does_not_imply() {
    let guard = Duration::from_millis(7);
    let cases = [
        ("rpm = { limit = 5 }", Quota::refill(Unit::Requests, 5, MINUTE)),
        (
            "rpm = { limit = 5, burst = 2, guard = '7ms' }",
            Quota::refill(Unit::Requests, 5, MINUTE).burst(2).guard(guard),
        ),
        ("itpm = { limit = 5, window = 'sliding' }", Quota::sliding(Unit::InputTokens, 5, MINUTE)),
        ("otpm = { limit = 5, window = 'fixed' }", Quota::fixed(Unit::OutputTokens, 5, MINUTE)),
        (
            "tpd = { limit = 5, resets_at = '8h' }",
            Quota::fixed(Unit::Tokens, 5, DAY).resets_at(Duration::from_secs(28_800)),
        ),
        (
            "tpm = { limit = 5, resets_at = '9s' }",
            Quota::fixed(Unit::Tokens, 5, MINUTE).resets_at(Duration::from_secs(9)),
        ),
        ("rpd = { limit = 5, window = 'refill' }", Quota::refill(Unit::Requests, 5, DAY)),
        ("tpd = { limit = 5, window = 'refill', burst = 1 }", Quota::refill(Unit::Tokens, 5, DAY).burst(1)),
        ("concurrency = { limit = 5 }", Quota::concurrency(5)),
    ];
    for (text, quota) in cases {
        assert_eq!(toml(text), Ok(Limits::new().with(quota)), "{text}");
    }
}

#[test]
fn the_long_form_takes_every_key() {
    let cases = [
        (
            "unit = 'requests', limit = 5, period = '1s'",
            Quota::refill(Unit::Requests, 5, Duration::from_secs(1)),
        ),
        (
            "unit = 'tokens', limit = 5, period = '1h', window = 'sliding'",
            Quota::sliding(Unit::Tokens, 5, 60 * MINUTE),
        ),
        (
            "unit = 'output_tokens', limit = 5, period = '1day', resets_at = '1h 30m'",
            Quota::fixed(Unit::OutputTokens, 5, DAY).resets_at(90 * MINUTE),
        ),
        (
            "unit = 'input_tokens', limit = 5, period = '60s', burst = 1, guard = '1s'",
            Quota::refill(Unit::InputTokens, 5, MINUTE).burst(1).guard(Duration::from_secs(1)),
        ),
        ("unit = 'in_flight', limit = 5", Quota::concurrency(5)),
    ];
    for (text, quota) in cases {
        assert_eq!(toml(&format!("quotas = [{{ {text} }}]")), Ok(Limits::new().with(quota)), "{text}");
    }
}

#[test]
fn what_is_wrong_in_toml_is_refused_with_its_key() {
    let cases = [
        ("rmp = 5", "rmp: unknown key, expected one of rpm,"),
        ("rpm = -5", "rpm: -5 is negative"),
        ("rpm = 5.0", "rpm: invalid type: floating point `5.0`, expected a whole number"),
        ("rpm = 'fast'", "rpm: invalid type: string \"fast\", expected a whole number"),
        ("rpm = true", "rpm: invalid type: boolean"),
        ("rpm = []", "rpm: invalid type: sequence"),
        ("rpm = {}", "rpm.limit: missing"),
        ("rpm = 1099511627777", "rpm.limit: 1099511627777 is above 1099511627776"),
        ("rpm = { limit = -1 }", "limit"),
        ("rpm = { limit = 'x' }", "rpm: limit: invalid type"),
        ("rpm = { limits = 5 }", "rpm: limits: unknown key, expected one of unit, limit"),
        ("rpm = { limit = 5, burst = 0 }", "rpm.burst: 0 is not between 1"),
        ("rpm = { limit = 5, burst = -1 }", "rpm: burst: "),
        ("rpm = { limit = 5, window = 'fixed', burst = 2 }", "rpm.burst: only a window of kind \"refill\""),
        ("tpd = { limit = 5, burst = 2 }", "tpd.burst: only a window of kind \"refill\""),
        ("rpm = { limit = 5, window = 'refill', resets_at = '1s' }", "rpm.resets_at: only a window of kind"),
        ("rpm = { limit = 5, window = 'sliding', resets_at = '1s' }", "rpm.resets_at: only a window of kind"),
        ("rpm = { limit = 5, resets_at = '60s' }", "rpm.resets_at: 1m is not below the period"),
        (
            "tpd = { limit = 5, resets_at = 8 }",
            "tpd: resets_at: invalid type: integer `8`, expected a duration",
        ),
        (
            "tpd = { limit = 5, resets_at = '25' }",
            "tpd: resets_at: invalid value: string \"25\", expected a duration",
        ),
        ("rpm = { limit = 5, guard = '-1s' }", "rpm: guard: invalid value"),
        ("rpm = { limit = 5, guard = '30s' }", "rpm.guard: 30s is not below half of the period"),
        (
            "rpm = { limit = 5, window = 'leaky' }",
            "rpm: window: unknown variant `leaky`, expected one of `refill`",
        ),
        ("rpm = { limit = 5, period = '1s' }", "rpm: unit and period are given by the key"),
        ("rpm = { limit = 5, unit = 'tokens' }", "rpm: unit and period are given by the key"),
        ("concurrency = { limit = 5, period = '1s' }", "concurrency.period: "),
        ("concurrency = { limit = 5, burst = 1 }", "concurrency.burst: "),
        ("concurrency = { limit = 5, guard = '1s' }", "concurrency.guard: "),
        ("charge = 'all'", "charge: unknown variant `all`, expected one of `usage`"),
        ("charge = 5", "charge: "),
        ("quotas = 5", "quotas: invalid type: integer `5`, expected a"),
        ("quotas = [5]", "quotas: unit: missing"),
        ("quotas = [{ limit = 5, period = '1s' }]", "quotas: unit: missing"),
        ("quotas = [{ unit = 'tokens', limit = 5 }]", "quotas: period: missing"),
        ("quotas = [{ unit = 'tokens', period = '1s' }]", "quotas: limit: missing"),
        ("quotas = [{ unit = 'words', limit = 5, period = '1s' }]", "quotas: unit: unknown variant `words`"),
        ("quotas = [{ unit = 'tokens', limit = 5, period = '0s' }]", "quotas: period: 0s is not between"),
        ("quotas = [{ unit = 'tokens', limit = 5, period = '2years' }]", "quotas: period: "),
        ("quotas = [{ unit = 'in_flight', limit = 5, period = '1s' }]", "quotas: period: "),
        ("rpm = 5\nrpm = 6", "rpm"),
    ];
    let mut odd = Vec::new();
    for (text, says) in cases {
        match toml(text) {
            Err(message) if message.contains(says) => {}
            other => odd.push(format!("{text}\n  wants {says}\n  has {other:?}")),
        }
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

#[test]
fn what_is_wrong_in_json_is_refused_with_its_key() {
    let cases = [
        (r#"{"rmp":5}"#, "rmp: unknown key"),
        (r#"{"rpm":null}"#, "rpm: invalid type: null, expected a whole number"),
        (r#"{"rpm":-1}"#, "rpm: -1 is negative"),
        (r#"{"rpm":1.5}"#, "rpm: invalid type: floating point"),
        (r#"{"rpm":1e3}"#, "rpm: invalid type: floating point"),
        (r#"{"rpm":99999999999999999999}"#, "rpm: invalid type: floating point"),
        (r#"{"rpm":18446744073709551615}"#, "rpm.limit: 18446744073709551615 is above"),
        (r#"{"rpm":"60"}"#, "rpm: invalid type: string"),
        (r#"{"rpm":{"limit":null}}"#, "rpm: limit: invalid type: null"),
        (r#"{"rpm":{"limit":5,"burst":null}}"#, "rpm: burst: invalid type: null"),
        (r#"{"rpm":{"limit":5,"limit":6}}"#, "rpm: limit: given twice"),
        (r#"{"rpm":5,"rpm":6}"#, "rpm: given twice"),
        (r#"{"charge":"usage","charge":"usage"}"#, "charge: given twice"),
        (r#"{"quotas":[],"quotas":[]}"#, "quotas: given twice"),
        (r#"{"charge":null}"#, "charge: "),
        (r#"{"quotas":{}}"#, "quotas: invalid type: map"),
        (r#"{"quotas":[{"unit":"tokens","unit":"tokens"}]}"#, "quotas: unit: given twice"),
        ("5", "expected a table of limits: rpm, rpd"),
        ("[]", "expected a table of limits: rpm, rpd"),
    ];
    for (text, says) in cases {
        let message = json(text).unwrap_err();
        assert!(message.contains(says), "{text}\n  wants {says}\n  has {message}");
    }
}

const FILE: &str = r#"
    fallback = "gpt-4o"

    [models]
    gpt-4o = { rpm = 500, tpm = 30_000 }
    "claude-*".quotas = [{ unit = "requests", limit = 5, period = "1s" }]

    [aliases]
    best = "gpt-4o"

    [groups.embeddings]
    limits = { rpm = 3_000 }
    members = ["text-embedding-3-*"]
    models.ada = { rpm = 10 }
    tenants.nightly = { tpm = 300_000 }
"#;

fn meant() -> Builder {
    let per_second = Quota::refill(Unit::Requests, 5, Duration::from_secs(1));
    Limiter::builder()
        .model("gpt-4o", Limits::new().rpm(500).tpm(30_000))
        .model("claude-*", Limits::new().with(per_second))
        .alias("best", "gpt-4o")
        .group(
            "embeddings",
            Group::new(Limits::new().rpm(3_000))
                .member("text-embedding-3-*")
                .model("ada", Limits::new().rpm(10))
                .tenant("nightly", Limits::new().tpm(300_000)),
        )
        .fallback("gpt-4o")
}

#[test]
fn a_file_makes_the_same_builder_as_the_methods_and_reads_what_it_writes() {
    let builder: Builder = toml::from_str(FILE).unwrap();
    assert_eq!(builder, meant());
    assert!(builder.clone().build().is_ok());
    let through_toml: Builder = toml::from_str(&toml::to_string(&builder).unwrap()).unwrap();
    let through_json: Builder = serde_json::from_str(&serde_json::to_string(&builder).unwrap()).unwrap();
    assert_eq!((&through_toml, &through_json), (&builder, &builder));
    assert_eq!(toml::from_str::<Builder>(""), Ok(Builder::default()));
}

#[test]
fn what_is_wrong_in_a_builders_json_is_refused_with_its_key() {
    let cases = [
        (r#"{"modles":{}}"#, "modles"),
        (r#"{"models":{},"models":{}}"#, "models"),
        (r#"{"models":{"m":{"rpm":-5}}}"#, "rpm: -5 is negative"),
        (r#"{"models":{"m":{"rpm":5},"m":{"rpm":6}}}"#, "m: given twice"),
        (r#"{"models":5}"#, "models"),
        (r#"{"fallback":5}"#, "fallback"),
        (r#"{"aliases":{"a":5}}"#, "aliases"),
        (r#"{"aliases":{"a":"b","a":"c"}}"#, "a: given twice"),
        (r#"{"groups":{"g":{"member":[]}}}"#, "member"),
        (r#"{"groups":{"g":{"members":"a"}}}"#, "members"),
        (r#"{"groups":{"g":{"limits":5}}}"#, "limits"),
        (r#"{"groups":{"g":{"tenants":{"t":{"rpm":"x"}}}}}"#, "rpm: invalid type"),
    ];
    let mut odd = Vec::new();
    for (text, says) in cases {
        match serde_json::from_str::<Builder>(text).map_err(|error| error.to_string()) {
            Err(message) if message.contains(says) => {}
            Err(message) => odd.push(format!("{text}\n  wants {says}\n  has {message}")),
            Ok(_) => odd.push(format!("{text}\n  wants {says}\n  is accepted")),
        }
    }
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

fn quota() -> impl Strategy<Value = Quota> {
    let unit = prop_oneof![
        Just(Unit::Requests),
        Just(Unit::Tokens),
        Just(Unit::InputTokens),
        Just(Unit::OutputTokens),
    ];
    let of_time =
        (unit, 0..=1_u64 << 40, 1_000_000..366 * 86_400_000_000_000_u64, 0..4, any::<u64>(), any::<u64>());
    let of_time = of_time.prop_map(|(unit, limit, period, kind, one, two)| {
        let nanos = Duration::from_nanos;
        let quota = match kind {
            0 => Quota::refill(unit, limit, nanos(period)),
            1 => Quota::refill(unit, limit, nanos(period)).burst(1 + one % (1 << 40)),
            2 => Quota::fixed(unit, limit, nanos(period)).resets_at(nanos(one % period)),
            _ => Quota::sliding(unit, limit, nanos(period)),
        };
        if two % 2 == 0 { quota } else { quota.guard(nanos(two % (period / 2))) }
    });
    prop_oneof![of_time, (0..=1_u64 << 40).prop_map(Quota::concurrency)]
}

fn limits() -> impl Strategy<Value = Limits> {
    let charge = prop_oneof![
        Just(Charge::Usage),
        Just(Charge::InputPlusMaxOutput),
        Just(Charge::LargerOfInputAndMaxOutput),
        Just(Charge::InputOnly),
    ];
    let weight = prop_oneof![Just(1_u16), any::<u16>()];
    (proptest::collection::vec(quota(), 0..6), charge, weight, any::<bool>()).prop_map(
        |(quotas, charge, weight, free)| {
            let limits = Limits::new().charge(charge).output_weight(weight);
            let limits = if free { limits.cached_input_is_free() } else { limits };
            quotas.into_iter().fold(limits, Limits::with)
        },
    )
}

proptest! {
    #[test]
    fn limits_that_are_written_read_the_same(limits in limits()) {
        prop_assert_eq!(limits.validate(), Ok(()));
        prop_assert_eq!(json(&serde_json::to_string(&limits).unwrap()), Ok(limits.clone()));
        prop_assert_eq!(toml(&toml::to_string(&limits).unwrap()), Ok(limits.clone()));
        let value = serde_json::to_value(&limits).unwrap();
        prop_assert_eq!(serde_json::from_value::<Limits>(value).unwrap(), limits);
    }

    #[test]
    fn any_text_is_limits_or_an_error(text in "\\PC{0,60}") {
        let _ = (json(&text), toml(&text));
        let _ = (json(&format!("{{\"rpm\":{{\"limit\":5,\"guard\":{text:?}}}}}")), toml(&format!("rpm = {text}")));
    }
}
