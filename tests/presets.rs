//! What providers publish, compiled in: the numbers, the names, and what a limiter makes of them.

use std::collections::BTreeSet;
use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tollgate::presets::{Certainty, Dialect, Preset};
use tollgate::{
    Acquire, AcquireError, BuildError, Builder, Charge, Cost, Group, Limiter, Limits, Quota, Unit,
    UnknownPreset, Window, presets,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn preset(name: &str) -> &'static Preset {
    Preset::named(name).unwrap()
}

fn limits(preset: &str, model: &str) -> Limits {
    Limits::preset(preset, model).unwrap_or_else(|error| panic!("{error}"))
}

fn says(preset: &str, model: &str) -> String {
    limits(preset, model).to_string()
}

fn built(preset: &str) -> Limiter {
    Limiter::builder().preset(preset).build().unwrap_or_else(|error| panic!("{preset}: {error}"))
}

fn prompt(tokens: u64) -> Cost {
    Cost::input(tokens)
}

fn poll(acquire: &mut Acquire) -> Poll<Result<tollgate::Permit, AcquireError>> {
    std::pin::Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop()))
}

// The tables.

#[test]
fn every_preset_builds_and_serves_each_of_its_models() {
    for preset in presets() {
        let limiter = built(preset.name());
        for row in preset.rows() {
            for name in row.names() {
                let model = name.replace('*', "x");
                let found =
                    limiter.model(&model).unwrap_or_else(|error| panic!("{}: {error}", preset.name()));
                assert!(!row.limits().quotas().is_empty(), "{}: {row}", preset.name());
                assert!(!found.name().is_empty());
                assert!(Limits::preset(preset.name(), &model).is_ok());
            }
        }
    }
}

#[test]
fn every_row_says_where_it_stands_and_when_it_was_seen() {
    for preset in presets() {
        assert!(!preset.about().is_empty(), "{}", preset.name());
        for row in preset.rows() {
            let place = format!("{}: {row}", preset.name());
            assert!(row.source().len() > 8, "{place}: {}", row.source());
            let mut date = row.seen().split('-').map(|part| part.parse::<u32>().unwrap());
            assert!((2024..=2026).contains(&date.next().unwrap()), "{place}: {}", row.seen());
            assert!(date.next().is_none_or(|month| (1..=12).contains(&month)), "{place}");
            assert!(date.next().is_none_or(|day| (1..=31).contains(&day)), "{place}");
        }
    }
}

#[test]
fn presets_are_named_provider_and_tier_and_each_once() {
    let names: Vec<&str> = presets().map(Preset::name).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for preset in presets() {
        assert_eq!(preset.name(), format!("{}/{}", preset.provider(), preset.tier()));
    }
    println!("{} presets, {} rows", names.len(), presets().map(|preset| preset.rows().len()).sum::<usize>());
}

#[test]
fn a_row_that_is_shared_is_no_part_of_an_account() {
    // The models of an account are one group already.
    for preset in presets().filter(|preset| preset.account().is_some()) {
        assert!(preset.rows().iter().all(|row| !row.is_shared()), "{}", preset.name());
    }
}

// The numbers.

#[test]
fn the_standard_account_is_as_it_is_often_stated_and_marked_as_contradicted() {
    let stated = Limits::new().rpm(60).tpm(200_000).tpd(2_000_000).concurrency(10);
    assert_eq!(limits("openai/standard", "gpt-4o-mini"), stated);
    let row = preset("openai/standard").rows()[0];
    assert_eq!((row.certainty(), row.dialect()), (Certainty::Contradicted, Dialect::OpenAi));
    assert!(row.note().contains("days refill"));
}

#[test]
fn openai_by_usage_tier() {
    assert_eq!(says("openai/free", "gpt-4o-mini"), "RPM 3, RPD 200, TPM 40000");
    assert_eq!(says("openai/tier1", "gpt-4o-mini"), "RPM 500, RPD 10000, TPM 200000");
    assert_eq!(says("openai/tier1", "gpt-4o"), "RPM 500, TPM 30000");
    assert_eq!(says("openai/tier2", "gpt-4o-mini"), "RPM 5000, TPM 2000000");
    assert_eq!(says("openai/tier3", "gpt-4o-mini"), "RPM 5000, TPM 4000000");
    assert_eq!(says("openai/tier4", "gpt-4o-mini"), "RPM 10000, TPM 10000000");
    assert_eq!(says("openai/tier5", "gpt-4o-mini"), "RPM 30000, TPM 150000000");
    assert_eq!(says("openai/tier5", "text-embedding-3-small"), "RPM 10000, TPM 10000000");
    assert_eq!(limits("openai/tier1", "gpt-4o-mini").charge_rule(), Charge::Usage);
}

#[test]
fn openai_and_groq_refill_their_days() {
    for (preset, model) in [("openai/tier1", "gpt-4o-mini"), ("groq/free", "openai/gpt-oss-20b")] {
        let limits = limits(preset, model);
        let day = limits.quotas().iter().find(|quota| quota.window().period() == Some(DAY)).unwrap();
        assert!(matches!(day.window(), Window::Refill { .. }), "{preset}");
    }
}

#[test]
fn azure_judges_a_sixth_of_a_minute_in_any_ten_seconds() {
    let limits = limits("azure/initial", "my-deployment");
    assert_eq!(
        limits.quotas(),
        [
            Quota::sliding(Unit::Requests, 180, MINUTE),
            Quota::sliding(Unit::Requests, 30, 10 * SECOND),
            Quota::sliding(Unit::Tokens, 30_000, MINUTE),
        ]
    );
    assert_eq!(says("azure/tier1", "gpt-4o-mini"), "RPM 20000, 3333 requests per 10s, TPM 2000000");
    assert_eq!(says("azure/initial", "o3-mini"), "RPM 3, 1 requests per 10s, TPM 30000");
}

#[test]
fn relays_and_gateways() {
    assert_eq!(says("laozhang/default", "gpt-4o-mini"), "TPM 500000, TPD 10000000, concurrency 50");
    assert_eq!(
        says("bedrock/default", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        "TPM 1000000, TPD 1440000000"
    );
    assert_eq!(says("openrouter/free", "deepseek/deepseek-r1:free"), "RPM 20, RPD 50");
    assert_eq!(says("openrouter/free-credited", "deepseek/deepseek-r1:free"), "RPM 20, RPD 1000");
    assert_eq!(
        says("github-models/free-low", "openai/gpt-4o-mini"),
        "RPM 15, RPD 150, concurrency 5, prompt 8000"
    );
}

#[test]
fn an_output_token_of_claude_on_bedrock_counts_as_often_as_amazon_says() {
    let sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    assert_eq!(limits("bedrock/default", sonnet).weight_of_output(), 5);
    let older = "anthropic.claude-3-5-sonnet-20240620-v1:0";
    assert_eq!(limits("bedrock/default", older).weight_of_output(), 1);
    // Nobody else was seen to.
    for preset in presets().filter(|preset| preset.provider() != "bedrock") {
        let rows = preset.rows().iter().chain(preset.account());
        assert!(
            rows.map(|row| row.limits().weight_of_output()).all(|weight| weight == 1),
            "{}",
            preset.name()
        );
    }
}

#[test]
fn input_from_the_cache_is_free_where_the_provider_does_not_count_it() {
    for preset in presets() {
        let frees = matches!(preset.provider(), "anthropic" | "bedrock" | "groq" | "mistral");
        for row in preset.rows().iter().chain(preset.account()) {
            let free = frees && !row.models().contains("haiku-3-5");
            assert_eq!(row.limits().is_cached_input_free(), free, "{}: {row}", preset.name());
        }
    }
}

#[test]
fn chatanywhere_has_requests_per_day_for_each_model_and_for_all() {
    assert_eq!(says("chatanywhere/free", "gpt-4o"), "RPD 5, prompt 4096");
    assert_eq!(says("chatanywhere/free", "deepseek-r1"), "RPD 30, prompt 4096");
    assert_eq!(says("chatanywhere/free", "gpt-4o-mini"), "RPD 200, prompt 4096");
    assert_eq!(limits("chatanywhere/free", "gpt-4o").prompt_bound(), Some(4_096));
    let limits = limits("chatanywhere/free", "gpt-4o");
    assert_eq!(limits.quotas()[0], Quota::sliding(Unit::Requests, 5, DAY), "whichever midnight counts");
}

#[test]
fn the_others() {
    assert_eq!(says("anthropic/start", "claude-opus-4-1-20250805"), "RPM 1000, ITPM 2000000, OTPM 400000");
    assert_eq!(says("anthropic/build", "claude-sonnet-5"), "RPM 5000, ITPM 5000000, OTPM 1000000");
    assert_eq!(says("anthropic/scale", "claude-3-5-haiku-20241022"), "RPM 4000, ITPM 400000, OTPM 80000");
    assert_eq!(says("gemini/free", "gemini-2.5-flash"), "RPM 5, RPD 20, ITPM 250000");
    assert_eq!(says("gemini/tier2", "gemini-2.5-pro"), "RPM 1000, RPD 50000, ITPM 5000000");
    assert_eq!(says("groq/free", "llama-3.3-70b-versatile"), "RPM 30, RPD 1000, TPM 12000, TPD 100000");
    assert_eq!(says("groq/developer", "qwen/qwen3-32b"), "RPM 1000, RPD 500000, TPM 300000");
    assert_eq!(says("mistral/measured", "mistral-large-latest"), "RPM 4, TPM 250000");
    assert_eq!(says("deepseek/default", "deepseek-v4-pro"), "concurrency 500");
    assert_eq!(says("xai/tier0", "grok-4.6"), "150 requests per 1s, TPM 50000000");
    assert_eq!(says("xai/tier4", "grok-4.20-multi-agent-beta"), "56 requests per 1s, TPM 21000000");
    assert_eq!(says("cohere/production", "command-r-plus"), "RPM 500");
    assert_eq!(says("cerebras/free", "llama3.1-8b"), "RPM 5, 150 requests per 1h, RPD 2400, TPM 30000");
    let minute = limits("mistral/measured", "mistral-large-latest").quotas()[0];
    assert_eq!(minute, Quota::fixed(Unit::Requests, 4, MINUTE), "by the clock");
    let month = limits("mistral/free", "any").quotas()[2];
    assert_eq!(month, Quota::sliding(Unit::Tokens, 1_000_000_000, 31 * DAY), "no month is longer");
    let day = limits("gemini/free", "gemini-2.5-flash").quotas()[1];
    let any_midnight = Quota::sliding(Unit::Requests, 20, DAY).guard(60 * MINUTE);
    assert_eq!(day, any_midnight, "within the day of any midnight, and the one that lasts 25 hours");
}

// Names.

#[test]
fn a_dated_snapshot_has_the_limits_of_its_model() {
    assert_eq!(limits("openai/tier1", "gpt-4o-mini-2024-07-18"), limits("openai/tier1", "gpt-4o-mini"));
    assert!(Limits::preset("openai/tier1", "gpt-4o-mini-audio-preview").is_err());
}

#[test]
fn a_preset_that_is_not_there_is_told_with_those_that_are() {
    let error = Limits::preset("openai/teir1", "gpt-4o-mini").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("openai/teir1: no such preset; there are anthropic/start, "), "{text}");
    assert!(text.contains(", openai/tier1, "), "{text}");
    let UnknownPreset::Name { near, known, .. } = error else { panic!("{error}") };
    assert_eq!((near[0], known.len()), ("openai/tier1", presets().count()));
    let near = |name| match Preset::named(name) {
        Err(UnknownPreset::Name { near, .. }) => near,
        other => panic!("{other:?}"),
    };
    assert!(near("openai").iter().all(|near| near.starts_with("openai/")) && near("openai").len() == 5);
    assert_eq!(near("grok/free")[0], "groq/free");
    assert_eq!(near("something else"), [""; 0]);
}

#[test]
fn a_model_that_a_preset_does_not_know_is_told_with_those_it_does() {
    let error = Limits::preset("chatanywhere/free", "o3-pro").unwrap_err().to_string();
    assert!(
        error.starts_with("o3-pro: the preset chatanywhere/free allows only gpt-5, gpt-5.*, gpt-4o, "),
        "{error}"
    );
    let error = Limits::preset("deepseek/default", "deepseek-chat").unwrap_err().to_string();
    let models = "deepseek-v4-flash, deepseek-flash, deepseek-v4-pro";
    assert_eq!(error, format!("deepseek-chat: the preset deepseek/default knows only {models}"));
}

// A limiter.

#[tokio::test(start_paused = true)]
async fn a_call_to_a_model_outside_an_allow_list_fails_before_it_is_sent() {
    let limiter = built("chatanywhere/free");
    let error = limiter.acquire("o3-pro", prompt(10)).await.unwrap_err();
    let AcquireError::UnknownModel(unknown) = error else { panic!("{error}") };
    for allowed in ["gpt-4o", "gpt-4o-mini", "gpt-5.*", "deepseek-*", "text-embedding-*"] {
        assert!(unknown.known.iter().any(|known| known == allowed), "{unknown}");
    }
    let sent = std::cell::Cell::new(false);
    let request = ("o3-pro", prompt(10));
    let called = limiter.call(&request, |_| async {
        sent.set(true);
        Ok::<_, std::io::Error>(tollgate::Usage::new(1, 1))
    });
    assert!(called.await.is_err() && !sent.get());
}

#[test]
fn a_fallback_does_not_open_an_allow_list() {
    let past = Limiter::builder().preset("chatanywhere/free").fallback("gpt-4o").build();
    let error = past.unwrap_err();
    assert_eq!(error, BuildError::FallbackPastAllowList { preset: "chatanywhere/free" });
    // Where others are only not known, it is the user's to say so.
    let limiter = Limiter::builder().preset("openai/tier1").fallback("gpt-4o").build().unwrap();
    assert!(limiter.try_acquire("o9", prompt(10)).is_ok());
}

#[test]
fn the_chats_of_an_account_share_its_day_and_embeddings_are_apart() {
    let limiter = built("chatanywhere/free");
    for _ in 0..150 {
        drop(limiter.try_acquire("gpt-4o-mini", prompt(10)).unwrap());
    }
    for _ in 0..50 {
        drop(limiter.try_acquire("gpt-4.1-nano", prompt(10)).unwrap());
    }
    assert!(matches!(limiter.try_acquire("deepseek-v3", prompt(10)), Err(AcquireError::NotYet(_))));
    assert!(limiter.try_acquire("text-embedding-3-small", prompt(10)).is_ok());
    let limiter = built("chatanywhere/free");
    for _ in 0..5 {
        drop(limiter.try_acquire("gpt-4o", prompt(10)).unwrap());
    }
    assert!(limiter.try_acquire("gpt-4o", prompt(10)).is_err(), "five a day");
    assert!(limiter.try_acquire("gpt-4.1", prompt(10)).is_ok(), "each has its own");
}

#[test]
fn one_line_of_versions_shares_a_pool_and_its_neighbours_have_their_own() {
    let limiter = built("anthropic/start");
    drop(limiter.try_acquire("claude-opus-4-1-20250805", Cost::input(1_900_000)).unwrap());
    let blocked = limiter.try_acquire("claude-4-opus-20250514", Cost::input(200_000));
    assert!(matches!(blocked, Err(AcquireError::NotYet(_))), "{blocked:?}");
    assert!(limiter.try_acquire("claude-sonnet-4-5", Cost::input(1_900_000)).is_ok());
    assert!(limiter.try_acquire("claude-opus-5", Cost::input(1_900_000)).is_ok());
}

#[test]
fn all_free_models_of_openrouter_share_one_bucket() {
    let limiter = built("openrouter/free");
    for n in 0..20 {
        drop(limiter.try_acquire(&format!("some/model-{n}:free"), prompt(10)).unwrap());
    }
    assert!(limiter.try_acquire("another/model:free", prompt(10)).is_err());
}

#[test]
fn models_with_the_same_limits_have_budgets_of_their_own() {
    let limiter = built("openai/tier1");
    drop(limiter.try_acquire("gpt-4o", Cost::input(29_000)).unwrap());
    assert!(limiter.try_acquire("gpt-4o", Cost::input(29_000)).is_err());
    assert!(limiter.try_acquire("gpt-4.1", Cost::input(29_000)).is_ok());
}

#[test]
fn what_is_given_by_hand_takes_the_place_of_the_same_name() {
    let by_hand = Limits::new().rpm(1);
    let builders = [
        Limiter::builder().model("gpt-4o", by_hand.clone()).preset("openai/tier1"),
        Limiter::builder().preset("openai/tier1").model("gpt-4o", by_hand.clone()),
        Limiter::builder().preset("openai/tier1").group("mine", Group::new(by_hand.clone()).member("gpt-4o")),
    ];
    for builder in builders {
        let limiter = builder.build().unwrap();
        drop(limiter.try_acquire("gpt-4o", prompt(1)).unwrap());
        assert!(limiter.try_acquire("gpt-4o", prompt(1)).is_err());
        assert!(limiter.try_acquire("gpt-4.1", prompt(1)).is_ok());
    }
    let limiter = Limiter::builder().preset("openai/tier1").alias("fast", "gpt-4o-mini").build().unwrap();
    assert_eq!(limiter.model("fast").unwrap().name(), "gpt-4o-mini");
}

#[test]
fn presets_of_several_providers_stand_side_by_side_and_of_one_do_not() {
    let both = Limiter::builder().preset("openai/tier1").preset("anthropic/build").build().unwrap();
    assert!(both.model("gpt-4o").is_ok() && both.model("claude-opus-5").is_ok());
    let error = Limiter::builder().preset("openai/tier1").preset("openai/tier2").build().unwrap_err();
    let BuildError::Ambiguous { first, second, .. } = error else { panic!("{error}") };
    assert_eq!((first.as_str(), second.as_str()), ("openai/tier1", "openai/tier2"));
    let error = Limiter::builder().preset("openai/tier9").build().unwrap_err().to_string();
    assert!(error.starts_with("preset: openai/tier9: no such preset; there are "), "{error}");
}

#[test]
fn a_file_names_its_presets() {
    let text = "preset = 'openai/tier1'\n[models.gpt-4o]\nrpm = 7";
    let builder: Builder = toml::from_str(text).unwrap();
    assert_eq!(builder, Limiter::builder().preset("openai/tier1").model("gpt-4o", Limits::new().rpm(7)));
    let written = toml::to_string(&builder).unwrap();
    assert_eq!(toml::from_str::<Builder>(&written).unwrap(), builder);
    assert_eq!(serde_json::from_str::<Builder>(&serde_json::to_string(&builder).unwrap()).unwrap(), builder);

    let two: Builder = serde_json::from_str(r#"{"preset": ["openai/tier1", "anthropic/start"]}"#).unwrap();
    assert_eq!(two, Limiter::builder().preset("openai/tier1").preset("anthropic/start"));
    let error = toml::from_str::<Builder>("preset = 5").unwrap_err().to_string();
    assert!(error.contains("preset: invalid type: integer `5`, expected the name of a preset"), "{error}");
    let none = serde_json::to_string(&Limiter::builder()).unwrap();
    assert!(!none.contains("preset"), "{none}");
}

// The longest prompt.

fn bounded(longest: u64) -> Limiter {
    Limiter::builder().model("m", Limits::new().rpd(10).longest_prompt(longest)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_fails_at_once_and_takes_nothing() {
    let limiter = bounded(4_096);
    let text = "m: the prompt holds 4097 tokens; 4096 is the most for one call";
    for error in [
        limiter.try_acquire("m", prompt(4_097)).unwrap_err(),
        limiter.acquire("m", prompt(4_097)).await.unwrap_err(),
        limiter.acquire("m", prompt(4_097)).within(SECOND).await.unwrap_err(),
        limiter.model("m").unwrap().try_acquire(prompt(4_097)).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), text);
        let AcquireError::PromptTooLong(why) = error else { panic!("{error}") };
        assert_eq!((why.model.as_str(), why.tokens, why.longest), ("m", 4_097, 4_096));
    }
    assert_eq!(limiter.snapshot().scopes()[0].budgets[0].remaining, 10);
    // The answer is no part of the prompt.
    assert!(limiter.try_acquire("m", prompt(4_096).max_output(50_000)).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_does_not_wait_behind_others() {
    let limits = Limits::new().concurrency(1).longest_prompt(100);
    let limiter = Limiter::builder().model("m", limits).build().unwrap();
    let out = limiter.try_acquire("m", prompt(1)).unwrap();
    let mut waiting = limiter.acquire("m", prompt(1));
    assert!(poll(&mut waiting).is_pending());
    let mut long = limiter.acquire("m", prompt(101));
    assert!(matches!(poll(&mut long), Poll::Ready(Err(AcquireError::PromptTooLong(_)))));
    assert!(matches!(limiter.try_acquire("m", prompt(101)), Err(AcquireError::PromptTooLong(_))));
    drop(out);
}

#[tokio::test(start_paused = true)]
async fn a_long_prompt_goes_to_a_model_that_takes_it() {
    let limiter = Limiter::builder()
        .model("short", Limits::new().rpm(10).longest_prompt(100))
        .model("long", Limits::new().rpm(10))
        .build()
        .unwrap();
    let (model, permit) = limiter.acquire_any(["short", "long"], prompt(101)).await.unwrap();
    assert_eq!(model, "long");
    drop(permit);
    let error = limiter.acquire_any(["short"], prompt(101)).await.unwrap_err();
    assert!(matches!(error, AcquireError::PromptTooLong(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_least_bound_of_group_model_and_tenant_holds() {
    let group = Group::new(Limits::new().longest_prompt(300))
        .member("plain")
        .model("short", Limits::new().longest_prompt(200))
        .model("vast", Limits::new().longest_prompt(900))
        .tenant("small", Limits::new().longest_prompt(100));
    let limiter = Limiter::builder().group("g", group).build().unwrap();
    for (model, longest) in [("plain", 300), ("short", 200), ("vast", 300)] {
        assert!(limiter.try_acquire(model, prompt(longest)).is_ok(), "{model}");
        assert!(limiter.try_acquire(model, prompt(longest + 1)).is_err(), "{model}");
        assert!(limiter.acquire(model, prompt(100)).tenant("small").await.is_ok());
        assert!(limiter.acquire(model, prompt(101)).tenant("small").await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_bound_that_is_set_later_holds_for_calls_that_wait() {
    let limiter = Limiter::builder().model("m", Limits::new().concurrency(1)).build().unwrap();
    let out = limiter.try_acquire("m", prompt(500)).unwrap();
    let mut waiting = limiter.acquire("m", prompt(500));
    assert!(poll(&mut waiting).is_pending());
    limiter.set_limits("m", &Limits::new().concurrency(1).longest_prompt(100)).unwrap();
    assert!(matches!(poll(&mut waiting), Poll::Ready(Err(AcquireError::PromptTooLong(_)))));
    limiter.set_limits("m", &Limits::new().concurrency(2)).unwrap();
    assert!(limiter.try_acquire("m", prompt(500)).is_ok(), "it is lifted again");
    drop(out);
}

#[test]
fn a_bound_of_nothing_admits_only_empty_prompts_and_oversize_does_not_lift_it() {
    let limits = Limits::new().longest_prompt(0).oversize(tollgate::Oversize::DrainAndGo);
    let limiter = Limiter::builder().model("m", limits).build().unwrap();
    assert!(limiter.try_acquire("m", prompt(0)).is_ok());
    assert!(limiter.try_acquire("m", prompt(1)).is_err());
}

#[test]
fn the_longest_prompt_reads_and_writes() {
    let limits = Limits::new().rpd(200).longest_prompt(4_096);
    assert_eq!(toml::from_str::<Limits>("rpd = 200\nlongest_prompt = 4_096"), Ok(limits.clone()));
    assert_eq!(toml::from_str::<Limits>(&toml::to_string(&limits).unwrap()), Ok(limits.clone()));
    let json = serde_json::to_string(&limits).unwrap();
    assert_eq!(serde_json::from_str::<Limits>(&json).unwrap(), limits);
    assert!(!serde_json::to_string(&Limits::new()).unwrap().contains("longest_prompt"));
    for (text, says) in
        [("longest_prompt = -1", "longest_prompt: "), ("longest_prompt = 'x'", "longest_prompt: ")]
    {
        let error = toml::from_str::<Limits>(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pacific_day_of_25_hours_is_not_passed_either() {
    let limiter = built("gemini/free");
    for _ in 0..20 {
        limiter
            .acquire("gemini-2.5-flash", prompt(10))
            .await
            .unwrap()
            .release(tollgate::Usage::new(10, 1))
            .await;
    }
    // The 21st waits for the first, of some minutes ago, to be 25 hours old.
    let wait = limiter.eta("gemini-2.5-flash", prompt(10)).unwrap().latest.unwrap();
    assert!((24 * 60 * MINUTE + 50 * MINUTE..25 * 60 * MINUTE).contains(&wait), "{wait:?}");
}
