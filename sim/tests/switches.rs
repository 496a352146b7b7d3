//! What changes while a provider runs, and what it says to clients in the same process.

use std::time::Duration;
use tokio::time::sleep;
use tollgate_sim::{
    Budget, ChargeRule, Config, Denied, ErrorAnswer, HeaderFamily, LawKind, Outcome, Request, SharedProvider,
    Slot, Trouble,
};

const MODEL: &str = "gpt-4o";

fn provider(config: Config) -> SharedProvider {
    SharedProvider::starting_at(Config { charge: ChargeRule::InputOnly, ..config }, 0)
}

fn request(input_tokens: u64) -> Request {
    Request { id: 7, input_tokens, max_output_tokens: Some(10), output_tokens: Some(5) }
}

fn admit(provider: &SharedProvider, tokens: u64) -> Result<Slot, ErrorAnswer> {
    let request = request(tokens);
    provider.admit(&request).map_err(|denied| provider.refusal(MODEL, &request, &denied))
}

fn field<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_refilled_bucket_with_a_new_limit_keeps_what_it_holds_and_fills_at_the_new_rate() {
    let provider = provider(Config { tpm: Some(600), ..Config::default() });
    admit(&provider, 500).unwrap();
    provider.set_limit(Budget::Tpm, 60);
    assert_eq!(provider.levels().tpm.unwrap().remaining(), 60, "100 were left, and 60 is all it holds now");
    admit(&provider, 60).unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(provider.levels().tpm.unwrap().remaining(), 10);
    provider.set_limit(Budget::Tpm, 6_000);
    assert_eq!(provider.levels().tpm.unwrap().remaining(), 10, "a larger bucket is not fuller");
    sleep(Duration::from_secs(1)).await;
    let slot = admit(&provider, 110).unwrap();
    assert_eq!(field(&slot.head(MODEL), "x-ratelimit-limit-tokens"), Some("6000"));
}

#[tokio::test(start_paused = true)]
async fn windows_with_a_new_limit_keep_what_they_have_used() {
    for law in [LawKind::Fixed, LawKind::Sliding] {
        let provider = provider(Config { tpm: Some(100), law, ..Config::default() });
        admit(&provider, 80).unwrap();
        provider.set_limit(Budget::Tpm, 50);
        assert!(admit(&provider, 1).unwrap_err().body.contains("Limit 50, Used 80, Requested 1"), "{law:?}");
        provider.set_limit(Budget::Tpm, 200);
        admit(&provider, 120).unwrap();
        assert_eq!(admit(&provider, 1).unwrap_err().status, 429, "{law:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_of_requests_and_of_calls_in_flight_change_too() {
    let provider = provider(Config { rpm: Some(1), concurrency: Some(1), ..Config::default() });
    provider.set_limit(Budget::Rpm, 3);
    provider.set_limit(Budget::Concurrency, 2);
    sleep(Duration::from_secs(60)).await;
    let _first = admit(&provider, 1).unwrap();
    let _second = admit(&provider, 1).unwrap();
    assert!(admit(&provider, 1).unwrap_err().body.contains("concurrent requests: Limit 2, Used 2"));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "tpd: no such budget is kept")]
async fn a_budget_that_is_not_kept_gets_no_limit() {
    provider(Config { tpm: Some(1), ..Config::default() }).set_limit(Budget::Tpd, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_turns_every_call_away_until_it_is_over_and_charges_nothing() {
    let provider = provider(Config { rpm: Some(2), ..Config::default() });
    let before = admit(&provider, 1).unwrap();
    provider.trouble(Trouble::Outage, Duration::from_secs(30));
    for _ in 0..10 {
        let answer = admit(&provider, 1).unwrap_err();
        assert_eq!((answer.status, field(&answer.headers, "retry-after")), (503, None));
    }
    assert_eq!(before.finish(), 5, "calls in flight are not touched");
    sleep(Duration::from_millis(29_999)).await;
    assert_eq!(admit(&provider, 1).unwrap_err().status, 503);
    sleep(Duration::from_millis(1)).await;
    admit(&provider, 1).unwrap();
    let summary = provider.summary();
    assert_eq!((summary.ok, summary.turned_away, summary.rejections()), (2, 11, 0));
    assert_eq!(summary.requests, 13);
}

#[tokio::test(start_paused = true)]
async fn a_storm_refuses_every_call_and_tells_the_same_wait_each_time() {
    let provider = provider(Config::default());
    let retry_after = Duration::from_secs(60);
    provider.trouble(Trouble::Storm { retry_after }, Duration::from_secs(60));
    for _ in 0..2 {
        let answer = admit(&provider, 1).unwrap_err();
        assert_eq!((answer.status, field(&answer.headers, "retry-after")), (429, Some("60")));
        assert!(answer.body.contains("Please try again in 1m0s."), "{}", answer.body);
        sleep(Duration::from_secs(30)).await;
    }
    admit(&provider, 1).unwrap();
    let storms = |outcome| outcome == Outcome::TurnedAway(Trouble::Storm { retry_after });
    assert_eq!(provider.log().iter().filter(|entry| storms(entry.outcome)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_account_stays_stopped_until_it_is_opened_again() {
    let provider = provider(Config::default());
    provider.trouble(Trouble::AccountStop, Duration::MAX);
    sleep(Duration::from_secs(86_400)).await;
    let answer = admit(&provider, 1).unwrap_err();
    assert_eq!((answer.status, field(&answer.headers, "retry-after")), (429, None));
    assert!(answer.body.contains(r#""code":"insufficient_quota""#), "{}", answer.body);
    provider.trouble(Trouble::AccountStop, Duration::ZERO);
    admit(&provider, 1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_family_says_in_its_own_words_that_it_is_in_trouble() {
    let wait = Duration::from_secs(20);
    for (headers, statuses, hint) in [
        (HeaderFamily::OpenAi, [503, 429, 429], true),
        (HeaderFamily::Azure, [503, 429, 429], true),
        (HeaderFamily::Groq, [503, 429, 429], true),
        (HeaderFamily::Mistral, [503, 429, 429], false),
        (HeaderFamily::Anthropic, [529, 429, 400], true),
        (HeaderFamily::None, [503, 429, 429], false),
    ] {
        let provider = provider(Config { headers, ..Config::default() });
        let troubles = [Trouble::Outage, Trouble::Storm { retry_after: wait }, Trouble::AccountStop];
        for (trouble, status) in troubles.into_iter().zip(statuses) {
            provider.trouble(trouble, Duration::MAX);
            let denied = provider.admit(&request(1)).unwrap_err();
            assert_eq!(denied, Denied::TurnedAway(trouble));
            let answer = provider.refusal(MODEL, &request(1), &denied);
            assert_eq!(answer.status, status, "{headers:?} {trouble:?}");
            let told = field(&answer.headers, "retry-after");
            let stormy = matches!(trouble, Trouble::Storm { .. });
            assert_eq!(told, (stormy && hint).then_some("20"), "{headers:?} {trouble:?}");
        }
        let told = statuses.iter().filter(|&&status| status == 429).count() as u64;
        assert_eq!(provider.summary().status_429, told, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_of_an_answer_tells_the_budgets_as_they_were_right_after_the_charge() {
    let config = Config { rpm: Some(60), tpm: Some(6_000), ..Config::default() };
    let provider = provider(config.clone());
    let slot = admit(&provider, 600).unwrap();
    sleep(Duration::from_millis(1_500)).await;
    let head = slot.head(MODEL);
    assert_eq!(field(&head, "x-ratelimit-remaining-requests"), Some("59"));
    assert_eq!(field(&head, "x-ratelimit-remaining-tokens"), Some("5400"));
    assert_eq!(field(&head, "x-ratelimit-reset-tokens"), Some("6s"));
    assert_eq!(field(&head, "openai-processing-ms"), Some("1500"));
    assert_eq!(field(&head, "date"), Some("Thu, 01 Jan 1970 00:00:01 GMT"));
    let silent = SharedProvider::starting_at(Config { headers: HeaderFamily::None, ..config.clone() }, 0);
    let head = admit(&silent, 600).unwrap().head(MODEL);
    assert!(!head.iter().any(|(name, _)| name.contains("ratelimit")), "{head:?}");
    let mistral = SharedProvider::starting_at(Config { headers: HeaderFamily::Mistral, ..config }, 0);
    let head = admit(&mistral, 600).unwrap().head(MODEL);
    assert_eq!(field(&head, "x-ratelimit-tokens-query-cost"), Some("605"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_as_data_reads_like_a_real_one() {
    let provider = provider(Config { tpm: Some(6_000), ..Config::default() });
    admit(&provider, 6_000).unwrap();
    let answer = admit(&provider, 150).unwrap_err();
    assert_eq!(answer.status, 429);
    assert_eq!(field(&answer.headers, "retry-after-ms"), Some("1500"));
    assert_eq!(field(&answer.headers, "x-ratelimit-remaining-tokens"), Some("0"));
    let numbers = "Limit 6000, Used 6000, Requested 150. Please try again in 1.5s.";
    assert!(answer.body.contains(numbers), "{}", answer.body);
    assert!(admit(&provider, 6_001).unwrap_err().body.contains("Request too large"));
    assert_eq!(provider.summary().status_429, 2);
    let groq =
        SharedProvider::starting_at(Config { headers: HeaderFamily::Groq, ..provider.config().clone() }, 0);
    assert_eq!(admit(&groq, 6_001).unwrap_err().status, 413);
    assert_eq!(groq.summary().status_429, 0);
}
