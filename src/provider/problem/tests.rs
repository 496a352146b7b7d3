use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::provider::verdict::Retry;
use crate::quota::Unit;

const NONE: [(&str, &str); 0] = [];

fn of(status: u16, headers: &[(&str, &str)], body: &Value) -> Verdict {
    let body = serde_json::to_vec(body).unwrap();
    Verdict::of_answer(status, headers, Some(&body)).expect("a refusal")
}

fn openai(message: &str, kind: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": null, "code": "rate_limit_exceeded"}})
}

fn google(message: &str, violations: &[(&str, Option<&str>)], delay: Option<&str>) -> Value {
    let violation = |(id, value): &(&str, Option<&str>)| match value {
        Some(value) => {
            json!({"quotaMetric": "m.googleapis.com/requests", "quotaId": id, "quotaValue": value})
        }
        None => json!({"quotaMetric": "m.googleapis.com/requests", "quotaId": id}),
    };
    let mut details = vec![json!({"@type": "type.googleapis.com/google.rpc.Help", "links": []})];
    if !violations.is_empty() {
        let violations: Vec<_> = violations.iter().map(violation).collect();
        details
            .push(json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}));
    }
    if let Some(delay) = delay {
        details.push(json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}));
    }
    json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}})
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn hit(unit: Unit, period: u64, numbers: [Option<u64>; 3]) -> Hit {
    let [limit, used, requested] = numbers;
    Hit { unit: Some(unit), period: Some(secs(period)), limit, used, requested }
}

fn limited(hit: Hit, wait: Option<Duration>) -> Verdict {
    Verdict::RateLimited { hit, retry_after: wait, futile: false }
}

#[test]
fn a_limit_tells_its_budget_its_numbers_and_its_wait() {
    use Unit::*;
    let ms = |millis| Some(Duration::from_millis(millis));
    for (message, kind, expected, wait) in [
        (
            "Rate limit reached for gpt-5-mini in organization org-A on tokens per min (TPM): Limit 200000, \
             Used 198500, Requested 4100. Please try again in 780ms. Visit https://example.com/limits to learn more.",
            "tokens",
            hit(Tokens, 60, [Some(200_000), Some(198_500), Some(4_100)]),
            ms(780),
        ),
        (
            "Rate limit reached for model `m` in organization `o` service tier `on_demand` on requests per minute \
             (RPM): Limit 30, Used 30, Requested 1. Please try again in 2s. Need more tokens? Upgrade",
            "requests",
            hit(Requests, 60, [Some(30), Some(30), Some(1)]),
            ms(2_000),
        ),
        (
            "Rate limit reached for model `m` on tokens per day (TPD): Limit 500,000, Used 499,987, Requested 2,163. \
             Please try again in 6m 11.52s. Need more tokens?",
            "tokens",
            hit(Tokens, 86_400, [Some(500_000), Some(499_987), Some(2_163)]),
            ms(371_520),
        ),
        (
            "Rate limit reached for 10KTPM-200RPM in organization org-A on tokens per min. Limit: 10000 / min. \
             Current: 10020 / min. Contact us through our help center",
            "tokens",
            hit(Tokens, 60, [Some(10_000), Some(10_020), None]),
            None,
        ),
        (
            "Rate limit reached for gpt-4 in organization org-A on tokens_usage_based per min: Limit 10000, Used 9116, \
             Requested 1239. Please try again in 2.130000001s.",
            "tokens_usage_based",
            hit(Tokens, 60, [Some(10_000), Some(9_116), Some(1_239)]),
            Some(Duration::from_nanos(2_130_000_001)),
        ),
        (
            "Rate limit reached for m on requests per day (RPD): Limit 14400/day, Used 14400, Requested 1. \
             Please try again in 1h2m6s.",
            "requests",
            hit(Requests, 86_400, [Some(14_400), Some(14_400), Some(1)]),
            ms(3_726_000),
        ),
    ] {
        assert_eq!(of(429, &NONE, &openai(message, kind)), limited(expected, wait), "{message}");
    }
    let image = "Rate limit reached for dall-e-3 in organization org-A on images per minute: Limit 5, Used 5, Requested 1.";
    let Verdict::RateLimited { hit, .. } = of(429, &NONE, &openai(image, "requests")) else { panic!() };
    assert_eq!((hit.unit, hit.limit), (None, Some(5)), "no budget here counts images");
}

#[test]
fn every_provider_names_its_budget_in_its_own_way() {
    use Unit::*;
    let anthropic =
        |message| json!({"type": "error", "error": {"type": "rate_limit_error", "message": message}});
    let flat = |message| json!({"message": message});
    let azure = |message| json!({"error": {"code": "429", "message": message}});
    let xai = |message| json!({"code": "resource-exhausted", "error": message});
    let only = |unit, period| hit(unit, period, [None; 3]);
    let of_limit = |unit, period, limit| hit(unit, period, [Some(limit), None, None]);
    let in_flight = Hit { unit: Some(InFlight), ..Hit::default() };
    for (body, expected) in [
        (
            anthropic(
                "This request would exceed your organization's rate limit of 8,000 output tokens per minute.",
            ),
            of_limit(OutputTokens, 60, 8_000),
        ),
        (
            anthropic(
                "This request would exceed the rate limit for your organization (O) of 50 requests per minute.",
            ),
            of_limit(Requests, 60, 50),
        ),
        (
            anthropic("Number of request tokens has exceeded your per-minute rate limit (https://x)"),
            only(Tokens, 60),
        ),
        (anthropic("Number of concurrent connections has exceeded your rate limit."), in_flight),
        (
            azure(
                "Requests to the Embeddings_Create Operation have exceeded call rate limit of your current OpenAI S0 \
                pricing tier.",
            ),
            only(Requests, 60),
        ),
        (flat("Too many requests, please wait before trying again."), only(Requests, 60)),
        (
            flat("You are past the per minute request limit; limited to 40 API calls / minute"),
            of_limit(Requests, 60, 40),
        ),
        (
            xai(
                "Too many requests for team T. Your team's rate limit is - Tokens per Minute (actual/limit): 15000/10000.",
            ),
            hit(Tokens, 60, [Some(10_000), Some(15_000), None]),
        ),
        (
            xai("Requests per Second (actual/limit): 1/8, Requests per Minute (actual/limit): 480/480"),
            hit(Requests, 60, [Some(480), Some(480), None]),
        ),
        (
            json!({"message": "Tokens per minute limit exceeded - too many tokens processed.",
                   "type": "too_many_requests_error", "param": "quota", "code": "token_quota_exceeded"}),
            only(Tokens, 60),
        ),
        (
            json!({"error": {"code": "RateLimitReached", "message": "Rate limit of 15 per 60s exceeded for UserByMinute."}}),
            of_limit(Requests, 60, 15),
        ),
        (
            json!({"error": {"code": "RateLimitReached", "message": "Rate limit of 2 per 0s exceeded for \
                   UserConcurrentRequests. Please wait 0 seconds before retrying."}}),
            Hit { limit: Some(2), ..in_flight },
        ),
        (json!({"error": {"code": "1302", "message": "High usage of this API"}}), in_flight),
        (json!({"error": {"code": 1302, "message": ""}}), in_flight),
        (
            json!({"error": {"type": "dynamic_token_limited", "message": "slower"}}),
            Hit { unit: Some(Tokens), ..Hit::default() },
        ),
        (
            google(
                "Quota",
                &[("GenerateContentInputTokensPerModelPerMinute-FreeTier", Some("250000"))],
                None,
            ),
            of_limit(InputTokens, 60, 250_000),
        ),
        (json!({"status": 429, "title": "Too Many Requests"}), Hit::default()),
        (
            json!({"object": "error", "message": "Requests rate limit exceeded", "type": "rate_limited", "code": "1300"}),
            Hit { unit: Some(Requests), ..Hit::default() },
        ),
    ] {
        assert_eq!(of(429, &NONE, &body), limited(expected, None), "{body}");
    }
}

#[test]
fn the_wait_is_taken_from_the_most_exact_place() {
    let body = openai("Rate limit reached on tokens per min. Please try again in 7.5s.", "tokens");
    let wait = |headers: &[(&str, &str)], body: &Value| match of(429, headers, body) {
        Verdict::RateLimited { retry_after, .. } => retry_after.map(|wait| wait.as_millis()),
        other => panic!("{other}"),
    };
    let date = ("date", "Tue, 03 Mar 2026 10:00:00 GMT");
    let later = ("retry-after", "Tue, 03 Mar 2026 10:00:45 GMT");
    assert_eq!(wait(&[("retry-after-ms", "1250.5"), ("retry-after", "9")], &body), Some(1_250));
    assert_eq!(wait(&[("retry-after", "9.25")], &body), Some(9_250));
    assert_eq!(wait(&[date, later], &body), Some(45_000));
    assert_eq!(wait(&[later], &body), Some(7_500), "a date needs the provider's own clock");
    assert_eq!(wait(&[("date", later.1), ("retry-after", date.1)], &body), Some(7_500), "it is past");
    for absurd in ["0", "-1", "NaN", "1e9", "soon", "99999999999999999999999", "999999999"] {
        assert_eq!(wait(&[("retry-after", absurd)], &body), Some(7_500), "{absurd}");
    }
    for (text, millis) in [
        ("Please retry after 22 seconds.", 22_000),
        ("Rate limit is exceeded. Try again in 1 second.", 1_000),
        ("Please wait 5631 seconds before retrying.", 5_631_000),
        ("Please try again in 1 hour and 20 minutes.", 4_800_000),
        ("Try again later. Please try again in 90ms.", 90),
        ("Please retry in 10h17m5.5s.", 37_025_500),
        ("Your rate limit resets in ~30s.", 30_000),
        ("Expected available in 2 seconds.", 2_000),
        ("Quota will be replenished in 01:02:03.", 3_723_000),
    ] {
        assert_eq!(wait(&NONE, &json!({"error": {"message": text}})), Some(millis), "{text}");
    }
    for text in ["Please try again in a while", "try again in 5 apples", "retry after", "please wait 3x"] {
        assert_eq!(wait(&NONE, &json!({"error": {"message": text}})), None, "{text}");
    }
    assert_eq!(wait(&NONE, &json!({"detail": "slower", "retry_after": 12})), Some(12_000));
    // Of two waits in one body the longer one is the one that was not rounded down.
    assert_eq!(wait(&NONE, &google("Please retry in 20.2239s.", &[], Some("20s"))), Some(20_223));
    assert_eq!(wait(&NONE, &google("Please retry in 20.2239s.", &[], Some("21s"))), Some(21_000));
    assert_eq!(wait(&NONE, &json!({"error": {"message": "", "retry_after": "1.5"}})), Some(1_500));
    let reset = json!({"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min.",
        "metadata": {"headers": {"X-RateLimit-Reset": "1772532030000"}, "provider_name": null}}});
    assert_eq!(wait(&[date], &reset), Some(30_000));
    assert_eq!(wait(&NONE, &reset), None);
}

#[test]
fn what_a_calendar_gives_back_is_not_waited_for() {
    let no = |verdict: Verdict| {
        assert!(matches!(verdict, Verdict::RateLimited { .. }), "{verdict}");
        assert_eq!(verdict.retry(), Retry::No, "{verdict}");
    };
    let day = "GenerateRequestsPerDayPerProjectPerModel-FreeTier";
    let minute = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
    no(of(429, &NONE, &google("Please retry in 26.1s.", &[(day, Some("250"))], Some("26s"))));
    no(of(429, &NONE, &google("", &[(minute, Some("10")), (day, Some("250"))], Some("26s"))));
    no(of(429, &[("retry-after", "26")], &google("", &[(day, Some("250"))], None)));
    no(of(429, &NONE, &json!([google("", &[(day, Some("250"))], Some("26s"))])));
    no(of(429, &NONE, &json!({"message": "Too many tokens per day, please wait before trying again."})));
    let free = json!({"error": {"message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 \
        free model requests per day", "code": 429, "metadata": {"headers": {"X-RateLimit-Reset": "1772582400000"}}}});
    no(of(429, &[("date", "Tue, 03 Mar 2026 10:00:00 GMT")], &free));
    no(of(
        429,
        &NONE,
        &json!({"message": "You are using a Trial key, which is limited to 1000 API calls / month."}),
    ));
    no(of(
        429,
        &NONE,
        &json!({"message": "Monthly token limit exceeded", "type": "rate_limited", "code": "1300"}),
    ));
    no(of(
        429,
        &[("retry-after", "86400")],
        &json!({"error": {"code": "429", "message": "Please retry after 86400 \
        seconds."}}),
    ));
    no(of(429, &[("x-should-retry", "false")], &openai("Rate limit reached", "tokens")));

    let spent = "Rate limit reached on requests per day (RPD): Limit 50, Used 50, Requested 1.";
    no(of(429, &NONE, &openai(spent, "requests")));
    let told = format!("{spent} Please try again in 28m48s.");
    assert_eq!(of(429, &NONE, &openai(&told, "requests")).retry(), Retry::After(secs(1_728)));
    let github = json!({"error": {"code": "RateLimitReached",
        "message": "Rate limit of 8 per 86400s exceeded for UserByModelByDay. Please wait 71000 seconds before retrying."}});
    assert_eq!(of(429, &NONE, &github).retry(), Retry::After(secs(71_000)));
    let minute = google("* limit: 4", &[(minute, Some("10"))], Some("33.5s"));
    assert_eq!(of(429, &NONE, &json!([minute])).retry(), Retry::After(Duration::from_millis(33_500)));
}

#[test]
fn a_call_that_never_fits_is_told_apart_from_one_that_must_wait() {
    let sizes = |status, body: Value| match of(status, &[("retry-after", "5")], &body) {
        verdict @ Verdict::TooLarge { hit } => {
            assert_eq!(verdict.retry(), Retry::No);
            (hit.limit, hit.requested)
        }
        other => panic!("{other}: {body}"),
    };
    let large = "Request too large for gpt-4.1 in organization org-A on tokens per min (TPM): Limit 10,000, Requested \
        12,345. The input or output tokens must be reduced in order to run successfully.";
    assert_eq!(sizes(429, openai(large, "tokens")), (Some(10_000), Some(12_345)));
    let reworded = "Limit 10000, Used 0, Requested 10001.";
    assert_eq!(sizes(429, openai(reworded, "tokens")), (Some(10_000), Some(10_001)));
    assert_eq!(sizes(413, openai(large, "tokens")), (Some(10_000), Some(12_345)));
    assert_eq!(sizes(413, json!("<html>")), (None, None));
    for (message, limit, requested) in [
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            Some(8_192),
            Some(9_001),
        ),
        (
            "This model's maximum context length is 4097 tokens. However, you requested 4162 tokens (3906 in the \
             messages, 256 in the completion).",
            Some(4_097),
            Some(4_162),
        ),
        (
            "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens",
            Some(131_072),
            Some(140_000),
        ),
        ("prompt is too long: 210000 tokens > 200000 maximum", Some(200_000), Some(210_000)),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            Some(1_048_576),
            Some(1_200_000),
        ),
        (
            "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
            Some(32_768),
            Some(40_000),
        ),
        (
            "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
            Some(131_072),
            Some(140_000),
        ),
        (
            "input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000, decrease",
            Some(200_000),
            None,
        ),
        ("Input is too long for requested model.", None, None),
    ] {
        let body = json!({"error": {"message": message, "type": "invalid_request_error", "code": 400}});
        assert_eq!(sizes(400, body), (limit, requested), "{message}");
    }
    let named = json!({"error": {"message": "?", "code": "context_length_exceeded"}});
    assert_eq!(sizes(400, named), (None, None));
    let waits = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "Number of request tokens has \
        exceeded your daily rate limit. Please reduce the prompt length or the maximum tokens requested, or try again later."}});
    assert!(matches!(of(429, &NONE, &waits), Verdict::RateLimited { .. }));
}

#[test]
fn an_account_that_is_shut_says_why_and_until_when() {
    use AccountProblem::*;
    let openai =
        |kind: &str, code: &str| json!({"error": {"message": "", "type": kind, "param": null, "code": code}});
    let error = |message: &str| json!({"error": {"message": message, "code": 0}});
    for (status, body, expected) in [
        (429, openai("insufficient_quota", "insufficient_quota"), Quota),
        (429, openai("insufficient_quota", "project_spend_limit_exceeded"), Spending),
        (429, openai("insufficient_quota", "a_code_of_next_year"), Quota),
        (429, openai("requests", "billing_not_active"), Billing),
        (400, openai("invalid_request_error", "billing_hard_limit_reached"), Spending),
        (401, openai("invalid_request_error", "invalid_api_key"), Key),
        (401, json!({}), Key),
        (402, json!({"error": {"message": "More credits, please", "code": 402}}), Credit),
        (429, error("You exceeded your current quota, please check your plan and billing details."), Quota),
        (400, error("Your credit balance is too low to access the Anthropic API."), Credit),
        (
            429,
            error("Your team has either used all available credits or reached its monthly spending limit."),
            Credit,
        ),
        (429, json!({"error": {"code": "1113", "message": "Your account is in arrears"}}), Credit),
        (
            403,
            json!({"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 08:13:22."}),
            Quota,
        ),
        (403, error("Key limit exceeded (monthly limit)."), Spending),
    ] {
        let verdict = of(status, &NONE, &body);
        assert_eq!(verdict, Verdict::Account { problem: expected, until: None }, "{body}");
        assert_eq!(verdict.retry(), Retry::No);
    }
    let capped = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "You will regain access on \
        2026-12-01 at 00:00 UTC.", "details": {"error_code": "enforced_spend_limit_reached"}}});
    let until = of(429, &NONE, &capped).to_string();
    assert_eq!(
        until,
        "nothing passes from this account: its spending limit is reached, until 2026-12-01T00:00:00Z"
    );
}

#[test]
fn a_model_that_is_shut_says_why() {
    use ModelProblem::*;
    let error = |message: &str, code: &str| json!({"error": {"message": message, "code": code}});
    let anthropic =
        json!({"type": "error", "error": {"type": "not_found_error", "message": "model: claude-nothing"}});
    let xai = json!({"code": "resource-exhausted", "error": "Requests per Minute (actual/limit): 0/0."});
    let gone = "The model `gpt-nothing` does not exist or you do not have access to it.";
    let region = "User location is not supported for the API use.";
    for (status, body, expected) in [
        (404, error(gone, "model_not_found"), Unknown),
        (404, error(gone, ""), Unknown),
        (404, anthropic, Unknown),
        (404, error("The API deployment for this resource does not exist.", "DeploymentNotFound"), Unknown),
        (400, error("The model `m` has been decommissioned", "model_decommissioned"), Unknown),
        (
            403,
            error("Country, region, or territory not supported", "unsupported_country_region_territory"),
            Region,
        ),
        (400, json!([{"error": {"code": 400, "message": region, "status": "FAILED_PRECONDITION"}}]), Region),
        (
            403,
            json!({"message": "You don't have access to the model with the specified model ID."}),
            Forbidden,
        ),
        (403, json!({"type": "error", "error": {"type": "permission_error", "message": "?"}}), Forbidden),
        (429, xai, NoQuota),
        (429, google("limit: 0, model: gemini-pro", &[("RequestsPerDay", None)], Some("9s")), NoQuota),
        (429, google("", &[("RequestsPerDay", Some("0"))], Some("9s")), NoQuota),
    ] {
        let verdict = of(status, &NONE, &body);
        assert_eq!(verdict, Verdict::Model { problem: expected }, "{body}");
        assert_eq!(verdict.retry(), Retry::No);
    }
    assert_eq!(of(404, &NONE, &json!({"error": {"message": "Invalid URL (POST /v2)"}})), Verdict::Rejected);
    let flagged = json!({"error": {"code": 403, "message": "Your chosen model requires moderation and your input was \
        flagged"}});
    assert_eq!(of(403, &NONE, &flagged), Verdict::Rejected);
}

#[test]
fn a_provider_that_is_full_does_not_touch_the_budgets() {
    use Overload::*;
    let error = |message: &str| json!({"error": {"message": message}});
    let upstream = json!({"error": {"code": 502, "message": "Provider returned error", "metadata": {"provider_name": "P"}}});
    let cerebras = json!({"message": "High traffic", "type": "too_many_requests_error", "param": "queue",
        "code": "queue_exceeded"});
    let mistral = json!({"object": "error", "message": "Service tier capacity exceeded for this model.",
        "type": "service_tier_capacity_exceeded", "param": null, "code": "3505"});
    let problem =
        |name: &str| json!({"type": format!("https://iana.org/assignments/http-problem-types#{name}")});
    let pool = google("Resource exhausted. Please try again later.", &[], None);
    for (status, body, expected) in [
        (
            529,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            Capacity,
        ),
        (503, json!(null), Capacity),
        (498, error("Flex tier capacity exceeded"), Capacity),
        (429, error("System is experiencing high demand and cannot process your request."), Capacity),
        (429, mistral, Capacity),
        (429, cerebras, Capacity),
        (429, pool, Capacity),
        (
            503,
            json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
            Capacity,
        ),
        (503, problem("temporary-reduced-capacity"), Capacity),
        (429, problem("abnormal-usage-detected"), SlowDown),
        (429, json!({"error": "slow down"}), SlowDown),
        (
            429,
            error(
                "This request would exceed your organization's maximum usage increase rate for input tokens per minute.",
            ),
            SlowDown,
        ),
        (
            429,
            error(
                "Experiencing high demand. Your request exceeds the maximum usage size allowed during peak load.",
            ),
            Capacity,
        ),
        (503, error("Slow Down"), SlowDown),
        (502, upstream, Upstream),
    ] {
        let verdict = of(status, &[("x-should-retry", "false")], &body);
        assert_eq!(verdict, Verdict::Overloaded { cause: expected, retry_after: None }, "{status} {body}");
        assert_eq!(verdict.retry(), Retry::BackOff);
    }
    assert_eq!(of(503, &[("retry-after", "3")], &json!({})).retry(), Retry::After(secs(3)));
    assert!(matches!(of(429, &NONE, &problem("quota-exceeded")), Verdict::RateLimited { .. }));
}

#[test]
fn a_header_alone_tells_what_it_can() {
    let bedrock = [("x-amzn-errortype", "ThrottlingException:http://internal.example/coral/")];
    assert_eq!(Verdict::of_answer(400_u16, &bedrock, None), Some(Verdict::rate_limited(None)));
    let azure = [("policy-id", "DeploymentRatelimit-Token")];
    let tokens = hit(Unit::Tokens, 60, [None; 3]);
    assert_eq!(Verdict::of_answer(429_u16, &azure, None), Some(limited(tokens, None)));
    let github = [("x-ratelimit-type", "UserByModelByDay"), ("retry-after", "60")];
    let verdict = Verdict::of_answer(429_u16, &github, None);
    assert_eq!(verdict, Some(limited(hit(Unit::Requests, 86_400, [None; 3]), Some(secs(60)))));
    assert_eq!(Verdict::of_answer(409_u16, &[("x-should-retry", "true")], None), Some(Verdict::Failed));
    assert_eq!(Verdict::of_answer(200_u16, &[("retry-after", "59")], None), None);
}

#[test]
fn an_error_inside_a_success_is_an_error() {
    let upstream = json!({"error": {"code": 429, "message": "Provider returned error", "metadata":
        {"provider_name": "P", "raw": "m is temporarily rate-limited upstream"}}});
    assert!(matches!(of(200, &NONE, &upstream), Verdict::Overloaded { cause: Overload::Upstream, .. }));
    let failed = json!({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message":
        "Limit 30, Used 30, Requested 1 on requests per min. Please try again in 2s."}}});
    assert_eq!(of(200, &NONE, &failed).retry(), Retry::After(secs(2)));
    let date = "Tue, 03 Mar 2026 10:00:00 GMT";
    let reset = json!({"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min.",
        "metadata": {"headers": {"X-RateLimit-Reset": "1772532030000"}}}});
    assert_eq!(of(200, &[("date", date), ("retry-after", "59")], &reset).retry(), Retry::After(secs(30)));
    let event = |event: Value| Verdict::of_event(event.to_string().as_bytes());
    let error = |kind| json!({"type": "error", "error": {"type": kind, "message": "?"}});
    assert_eq!(event(error("api_error")), Some(Verdict::Failed));
    assert_eq!(event(error("invalid_request_error")), Some(Verdict::Rejected));
    assert_eq!(event(error("authentication_error")), Verdict::from_status(401));
    assert_eq!(event(error("overloaded_error")), Some(Verdict::overloaded(None)));
    assert_eq!(event(error("something_new")), Some(Verdict::Failed));
    let throttled =
        json!({"throttlingException": {"message": "Too many tokens, please wait before trying again."}});
    assert!(matches!(event(throttled), Some(Verdict::RateLimited { .. })));
    for success in [
        json!({"error": null, "usage": {}}),
        json!({"choices": [{"message": {"content": "{\"error\": 1}"}}]}),
        json!({"error": {}}),
        json!([]),
        json!([1, {"error": {"code": 429}}]),
        json!({"response": {"error": null}, "text": "\"error\""}),
    ] {
        assert_eq!(event(success.clone()), None, "{success}");
    }
}

#[test]
fn bodies_that_are_no_json_leave_it_to_the_status() {
    let of = |status: u16, body: &[u8]| Verdict::of_answer(status, &NONE, Some(body)).unwrap();
    for body in [
        &b""[..],
        b"<html>insufficient_quota</html>",
        b"{\"error\": {\"code\": \"insufficient_quota\"",
        b"\xff\xfe",
    ] {
        assert_eq!(of(429, body), Verdict::rate_limited(None));
        assert_eq!(of(502, body), Verdict::Failed);
        assert_eq!(of(404, body), Verdict::Rejected);
    }
    let long =
        format!("{{\"error\": {{\"code\": \"insufficient_quota\", \"pad\": \"{}\"}}}}", "x".repeat(70_000));
    assert_eq!(of(429, long.as_bytes()), Verdict::rate_limited(None));
    assert_eq!(
        of(429, b"Rate limit is exceeded. Try again in 50 seconds."),
        Verdict::rate_limited(Some(secs(50)))
    );
}

#[test]
fn verdicts_say_why_in_plain_words() {
    let tokens = hit(Unit::Tokens, 60, [Some(10_000), Some(8_554), Some(3_082)]);
    for (verdict, words) in [
        (
            limited(tokens, Some(Duration::from_millis(9_816))),
            "over the limit of 10000 tokens per minute, 8554 used, 3082 requested; try again in 9s 816ms",
        ),
        (Verdict::rate_limited(None), "over a limit"),
        (
            Verdict::RateLimited {
                hit: hit(Unit::Requests, 86_400, [None; 3]),
                retry_after: None,
                futile: true,
            },
            "over the limit of requests per day; waiting is not worth it",
        ),
        (Verdict::too_large(), "too large for the limit of one call"),
        (
            Verdict::TooLarge { hit: Hit { limit: Some(4_096), requested: Some(5_000), ..Hit::default() } },
            "too large for the limit of 4096 tokens in one call, 5000 requested",
        ),
        (
            Verdict::overloaded(Some(secs(3))),
            "the provider is full; no limit of this account was exceeded; try again in 3s",
        ),
        (
            Verdict::Model { problem: ModelProblem::NoQuota },
            "nothing passes to this model: the account's limit for it is zero",
        ),
    ] {
        assert_eq!(verdict.to_string(), words);
        let json = serde_json::to_string(&verdict).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    }
}

/// Words and numbers out of which errors are made, so that random texts come near real ones.
fn text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "\\PC{0,6}",
        "[0-9]{1,22}",
        "[0-9]{1,3}(,[0-9]{3}){0,3}",
        "[0-9]{1,20}\\.?[0-9]{0,12}(ms|s|m|h|d)?",
        prop::sample::select(vec![
            "limit",
            "used",
            "requested",
            "per",
            "/",
            "minute",
            "TPM",
            "tokens",
            "input",
            "try again in",
            "please wait",
            "resets in",
            "(actual/limit):",
            "Too many",
            "wait before trying again",
            "access on",
            "2026-09-01 at 00:00",
            "maximum",
            "request too large",
            "concurrent",
            "spend limit",
            "daily",
            "upstream",
            "限制",
            "~",
            ":",
            ",",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let key = prop_oneof![
        "[a-z_]{0,8}",
        prop::sample::select(vec![
            "error",
            "message",
            "code",
            "type",
            "status",
            "details",
            "@type",
            "violations",
            "quotaId",
            "quotaValue",
            "retryDelay",
            "metadata",
            "headers",
            "X-RateLimit-Reset",
            "raw",
            "retry_after",
            "response",
            "choices",
            "throttlingException",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_back_is_read_or_left(status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..400)) {
        let verdict = Verdict::of_answer(status, &NONE, Some(&body));
        prop_assert_eq!(verdict.is_some(), (400..600).contains(&status));
        let _ = Verdict::of_event(&body);
    }

    #[test]
    fn any_text_and_any_header_give_a_verdict_that_can_be_told(text in text(), header in text(), status in 400_u16..600) {
        let headers = ["retry-after", "retry-after-ms", "date", "policy-id", "x-ratelimit-type", "x-amzn-errortype"];
        let headers = headers.map(|name| (name, header.as_str()));
        let body = json!({"error": {"message": text, "code": header}}).to_string();
        let verdict = Verdict::of_answer(status, &headers, Some(body.as_bytes())).unwrap();
        prop_assert!(!verdict.to_string().is_empty());
        if let Retry::After(wait) = verdict.retry() {
            prop_assert!(!wait.is_zero() && wait < DAY);
        }
    }

    #[test]
    fn any_json_gives_a_verdict_that_can_be_told(body in any_json(), status in 200_u16..600) {
        if let Some(verdict) = Verdict::of_json(status, &body) {
            prop_assert!(!verdict.to_string().is_empty());
        }
    }
}
