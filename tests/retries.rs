//! What is tried again, after which waits, how often, and what the caller hears in the end.
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::cell::RefCell;
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tollgate::{
    AccountProblem, AcquireError, Answer, CallError, Cost, GaveUp, Limiter, Limits, Outcome, Quota, Retries,
    Unit, Usage, Verdict,
};
use tollgate_sim::{Config, Denied, Latency, LawKind, SharedProvider};

const M: &str = "gpt-4o-mini";
const COST: Cost = Cost::input(100).max_output(300);
const CALL: (&str, Cost) = (M, COST);
const MS: Duration = Duration::from_millis(1);

/// What a provider said. Not `Debug`, as many an answer is not.
#[derive(Clone, Default)]
struct Said {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: &'static str,
}

impl Answer for Said {
    fn status(&self) -> Option<u16> {
        Some(self.status)
    }

    fn each_header<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a str)) {
        self.fields.iter().for_each(|(name, value)| visit(name, value));
    }

    fn usage(&self) -> Option<Usage> {
        (self.status == 200).then(|| Usage::new(100, 50))
    }

    fn verdict(&self) -> Option<Verdict> {
        Verdict::of_answer(self.status, &self.fields, Some(self.body.as_bytes()))
    }
}

type Sent = Result<Said, io::Error>;

fn said(status: u16, body: &'static str) -> Said {
    Said { status, body, ..Said::default() }
}

fn told(status: u16, wait: Duration) -> Said {
    Said { fields: vec![("retry-after-ms", wait.as_millis().to_string())], ..said(status, "") }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was reset")
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Lets through what comes.
fn wide() -> Limiter {
    Limiter::builder().model(M, Limits::new().rpm(6_000_000).concurrency(10_000)).build().unwrap()
}

/// Retries as often as attempts allow.
fn free() -> Retries {
    Retries::new().budget_percent(1_000).budget_reserve(1_000_000)
}

fn remaining(limiter: &Limiter) -> Vec<i64> {
    limiter.snapshot().scopes()[0].budgets.iter().map(|budget| budget.remaining).collect()
}

/// Makes one call whose attempts are answered as `answer` says for each, counted from 1, after `latency`; gives
/// what it came to and when each attempt was sent.
async fn answered(
    limiter: &Limiter,
    latency: Duration,
    answer: impl Fn(usize) -> Sent,
) -> (Result<Said, CallError<Said, io::Error>>, Vec<Duration>) {
    let begin = Instant::now();
    let sent = RefCell::new(Vec::new());
    let send = |_| async {
        sent.borrow_mut().push(begin.elapsed());
        let answer = answer(sent.borrow().len());
        sleep(latency).await;
        answer
    };
    let came_to = limiter.call(&CALL, send).await;
    (came_to, sent.into_inner())
}

/// The refusal that a call came to.
fn refused(came_to: Result<Said, CallError<Said, io::Error>>) -> Box<tollgate::Refused<Said>> {
    match came_to {
        Err(CallError::Refused(refused)) => refused,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was answered"),
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_is_worth_it_is_tried_again() {
    let quota = r#"{"error": {"type": "insufficient_quota", "message": "You exceeded your current quota"}}"#;
    let large = r#"{"error": {"code": "rate_limit_exceeded", "message": "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 31538."}}"#;
    let day = r#"{"error": {"message": "Rate limit exceeded: free-models-per-day", "code": 429}}"#;
    for (answer, attempts) in [
        (said(429, ""), 5),
        (told(429, secs(2)), 5),
        (said(503, ""), 5),
        (said(529, ""), 5),
        (told(503, secs(2)), 5),
        (said(500, ""), 5),
        (said(408, ""), 5),
        (said(400, ""), 1),
        (said(404, ""), 1),
        (said(401, ""), 1),
        (said(402, ""), 1),
        (said(413, ""), 1),
        (told(429, secs(86_400)), 1),
        #[cfg(feature = "json")]
        (Said { body: quota, ..told(429, secs(2)) }, 1),
        #[cfg(feature = "json")]
        (said(429, large), 1),
        #[cfg(feature = "json")]
        (said(429, day), 1),
    ] {
        let limiter = wide().with_retries(free());
        let (came_to, sent) = answered(&limiter, MS, |_| Ok(answer.clone())).await;
        let refused = refused(came_to);
        assert_eq!(sent.len(), attempts, "{} {}: {refused}", answer.status, answer.body);
        assert_eq!(refused.story.attempts.len(), attempts);
        let why = if attempts == 1 { GaveUp::NotWorthIt } else { GaveUp::Attempts };
        assert_eq!(refused.story.gave_up, why);
    }
    let _ = (quota, large, day);
    let (came_to, sent) = answered(&wide(), MS, |_| Ok(said(200, ""))).await;
    assert!(came_to.is_ok_and(|answer| answer.status == 200) && sent.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_problem_ends_the_call_at_once() {
    let begin = Instant::now();
    let (came_to, sent) = answered(&wide(), Duration::ZERO, |_| Ok(told(402, secs(5)))).await;
    let refused = refused(came_to);
    assert_eq!(refused.verdict, Verdict::Account { problem: AccountProblem::Credit, until: None });
    assert_eq!((sent.len(), refused.story.gave_up), (1, GaveUp::NotWorthIt));
    assert!(begin.elapsed() <= 2 * MS, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_a_refusal_is_the_answer() {
    let first = |n| if n < 3 { Ok(said(503, "")) } else { Ok(said(200, "")) };
    let (came_to, sent) = answered(&wide(), MS, first).await;
    assert!(came_to.is_ok_and(|answer| answer.status == 200));
    assert_eq!(sent.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_the_provider_told_is_waited_in_full_from_its_answer_on() {
    let limiter = wide().with_retries(free().most_wait(secs(100_000)));
    for status in [429, 503] {
        let mut on_top = Vec::new();
        for _ in 0..100 {
            let first = |n| Ok(if n < 3 { told(status, secs(20)) } else { said(200, "") });
            let (came_to, sent) = answered(&limiter, secs(3), first).await;
            assert!(came_to.is_ok());
            for pair in sent.windows(2) {
                // Three seconds on the way, and then twenty.
                let waited = pair[1] - pair[0] - secs(3);
                assert!((secs(20)..=secs(22) + 3 * MS).contains(&waited), "{waited:?}");
                on_top.push(waited - secs(20));
            }
        }
        on_top.sort();
        assert!(
            on_top[20] < 500 * MS && on_top[180] > 1_500 * MS,
            "they do not all come at once: {on_top:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_nobody_told_doubles_at_most_and_is_spread() {
    let limiter = wide().with_retries(free().most_attempts(9).most_back_off(secs(20)));
    let mut longest = [Duration::ZERO; 8];
    let mut first = Vec::new();
    for _ in 0..1_000 {
        let (_, sent) = answered(&limiter, Duration::ZERO, |_| Ok(said(503, ""))).await;
        for (n, pair) in sent.windows(2).enumerate() {
            let waited = pair[1] - pair[0];
            let bound = (500 * MS * (1 << n)).min(secs(20));
            // Timers round up, and an instant answer takes one tick.
            assert!(waited <= bound + 3 * MS, "wait {n}: {waited:?}");
            longest[n] = longest[n].max(waited);
        }
        first.push(sent[1] - sent[0]);
    }
    for (n, longest) in longest.iter().enumerate() {
        assert!(*longest >= (500 * MS * (1 << n)).min(secs(20)) * 9 / 10, "wait {n}: {longest:?} at most");
    }
    for tenth in 0..10 {
        let within = 50 * MS * tenth..50 * MS * (tenth + 1);
        let came = first.iter().filter(|wait| within.contains(wait)).count();
        assert!((50..=150).contains(&came), "{came} of 1,000 within {within:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_as_many_as_allowed() {
    for attempts in [1, 2, 7] {
        let limiter = wide().with_retries(free().most_attempts(attempts));
        let (came_to, sent) = answered(&limiter, MS, |_| Ok(said(503, ""))).await;
        assert_eq!((sent.len(), refused(came_to).story.gave_up), (attempts as usize, GaveUp::Attempts));
    }
    let (came_to, sent) = answered(&wide().with_retries(Retries::none()), MS, |_| Ok(said(503, ""))).await;
    assert_eq!((sent.len(), refused(came_to).story.gave_up), (1, GaveUp::Attempts));
}

#[tokio::test(start_paused = true)]
async fn all_waits_together_are_bounded_and_a_longer_one_ends_the_call_at_once() {
    let limiter = wide();
    let begin = Instant::now();
    let (came_to, sent) = answered(&limiter, Duration::ZERO, |_| Ok(told(429, secs(250)))).await;
    let refused_late = refused(came_to);
    assert_eq!(sent.len(), 3);
    assert!((secs(500)..=secs(550) + 6 * MS).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let slept: Duration = refused_late.story.attempts.iter().map(|attempt| attempt.slept).sum();
    let left = secs(600) - slept;
    assert_eq!(refused_late.story.gave_up, GaveUp::TooLong { wait: secs(250), left });
    let text = refused_late.to_string();
    assert!(text.contains("; would have to wait 4m 10s, ") && text.ends_with(" is left"), "{text}");

    let begin = Instant::now();
    let (came_to, sent) = answered(&limiter, Duration::ZERO, |_| Ok(told(429, secs(601)))).await;
    let why = refused(came_to).story.gave_up;
    assert_eq!((sent.len(), why), (1, GaveUp::TooLong { wait: secs(601), left: secs(600) }));
    assert!(begin.elapsed() <= 2 * MS);

    let limiter = limiter.with_retries(free().most_attempts(1_000));
    let begin = Instant::now();
    let (came_to, _) = answered(&limiter, Duration::ZERO, |_| Ok(said(503, ""))).await;
    assert!(matches!(refused(came_to).story.gave_up, GaveUp::TooLong { .. }));
    assert!(begin.elapsed() <= secs(601), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_leave_does_not_count_as_waiting_for_a_retry() {
    let limits = Limits::new().with(Quota::refill(Unit::Requests, 1, secs(60)).guard(Duration::ZERO));
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let limiter = limiter.with_retries(free().most_wait(secs(5)).most_back_off(secs(1)));
    let (came_to, sent) = answered(&limiter, MS, |_| Ok(said(503, ""))).await;
    assert_eq!((sent.len(), refused(came_to).story.gave_up), (5, GaveUp::Attempts));
    assert!(sent[4] >= secs(240), "{sent:?}");
}

/// What came of calls through an outage, as the provider saw it.
#[derive(Default)]
struct Outage {
    sent: AtomicUsize,
    served: AtomicUsize,
    failed: AtomicUsize,
    out_of_budget: AtomicUsize,
}

/// Sends `calls` calls, one each `gap`, to a provider that is down from `from` to `until`.
async fn outage(limiter: &Limiter, calls: u32, gap: Duration, from: Duration, until: Duration) -> Outage {
    let seen = Outage::default();
    let begin = Instant::now();
    let one = |n: u32| {
        let seen = &seen;
        async move {
            sleep(gap * n).await;
            let send = |_| async {
                seen.sent.fetch_add(1, Relaxed);
                let down = (from..until).contains(&begin.elapsed());
                sleep(200 * MS).await;
                Ok::<_, io::Error>(if down { said(503, "") } else { said(200, "") })
            };
            match limiter.call(&CALL, send).await {
                Ok(_) => seen.served.fetch_add(1, Relaxed),
                Err(error) => {
                    if error.story().unwrap().gave_up == GaveUp::Budget {
                        seen.out_of_budget.fetch_add(1, Relaxed);
                    }
                    seen.failed.fetch_add(1, Relaxed)
                }
            }
        }
    };
    futures::future::join_all((0..calls).map(one)).await;
    seen
}

fn print(what: &str, seen: &Outage) {
    let Outage { sent, served, failed, out_of_budget } = seen;
    println!(
        "{what}: {sent:?} sent, {served:?} served, {failed:?} failed ({out_of_budget:?} for want of budget)"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_become_a_storm_and_afterwards_all_is_as_before() {
    // All at once.
    let unbounded = wide().with_retries(free());
    let seen = outage(&unbounded, 1_000, Duration::ZERO, Duration::ZERO, secs(30)).await;
    print("1,000 calls at once into an outage of 30 s, without a budget", &seen);
    assert!(seen.sent.into_inner() > 4_900);

    let limiter = wide();
    let seen = outage(&limiter, 1_000, Duration::ZERO, Duration::ZERO, secs(30)).await;
    print("the same with the default budget", &seen);
    let sent = seen.sent.into_inner();
    // A tenth of 1,000 and the reserve of 10, and not much less.
    assert!((1_100..=1_110).contains(&sent), "{sent}");
    assert!(seen.out_of_budget.into_inner() >= 890);

    // Spread over the outage and beyond.
    let limiter = wide();
    let seen = outage(&limiter, 1_000, 60 * MS, secs(15), secs(45)).await;
    print("1,000 calls over 60 s, an outage from 15 s to 45 s", &seen);
    assert!(seen.sent.into_inner() <= 1_110);
    // Half of the calls never met it.
    assert!(seen.served.into_inner() >= 500);

    // Afterwards: nothing fails, and a short one passes unseen.
    let seen = outage(&limiter, 1_000, 60 * MS, secs(30), secs(30) + 600 * MS).await;
    print("then 1,000 calls over 60 s, an outage of 0.6 s", &seen);
    assert_eq!(seen.served.into_inner(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn after_a_long_good_time_an_outage_is_met_with_few_retries_too() {
    let limiter = wide();
    outage(&limiter, 20_000, MS, secs(1_000), secs(1_000)).await;
    let seen = outage(&limiter, 1_000, 20 * MS, Duration::ZERO, secs(30)).await;
    print("1,000 calls within 20 s of an outage of 30 s, after 20,000 good ones", &seen);
    let sent = seen.sent.into_inner();
    // The earnings of the last 1,000 good ones, the reserve, and a tenth of these.
    assert!((1_200..=1_210).contains(&sent), "{sent}");
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_budget_of_retries_and_another_policy_has_its_own() {
    let limiter = wide().with_retries(Retries::new().budget_percent(0).budget_reserve(3));
    let fails = |limiter: Limiter| async move {
        let (came_to, sent) = answered(&limiter, MS, |_| Ok(said(503, ""))).await;
        (sent.len(), refused(came_to).story.gave_up)
    };
    assert_eq!(fails(limiter.clone()).await, (4, GaveUp::Budget));
    assert_eq!(fails(limiter.clone()).await, (1, GaveUp::Budget));
    #[cfg(feature = "tiktoken")]
    {
        let other = limiter.with_estimator(Default::default());
        assert_eq!(fails(other).await, (1, GaveUp::Budget));
    }
    assert_eq!(fails(limiter.with_retries(Retries::new())).await, (5, GaveUp::Attempts));
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_told_when_to_come_back_do_so_whatever_is_left_of_the_budget() {
    let limiter = wide().with_retries(Retries::new().budget_percent(0).budget_reserve(0));
    let first = |n| Ok(if n < 5 { told(429, secs(1)) } else { said(200, "") });
    assert!(answered(&limiter, MS, first).await.0.is_ok());
    let (came_to, _) = answered(&limiter, MS, |_| Ok(told(503, secs(1)))).await;
    assert_eq!(refused(came_to).story.gave_up, GaveUp::Budget);
}

/// The provider gives a tenth less than the limiter was told.
#[tokio::test(start_paused = true)]
async fn calls_over_a_limit_that_was_set_too_high_get_through() {
    const CALLS: u64 = 1_800;
    let provider = SharedProvider::new(Config {
        rpm: Some(600),
        law: LawKind::Fixed,
        latency: Latency::constant(secs(1)),
        ..Config::default()
    });
    let limits = Limits::new().with(Quota::fixed(Unit::Requests, 660, secs(60)));
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let sent = AtomicU64::new(0);
    let one = |id: u64| {
        let (limiter, provider, sent) = (&limiter, &provider, &sent);
        async move {
            let send = |_| async move {
                sent.fetch_add(1, Relaxed);
                let request = tollgate_sim::Request {
                    id,
                    input_tokens: 100,
                    max_output_tokens: Some(300),
                    output_tokens: None,
                };
                match provider.admit(&request) {
                    Ok(slot) => {
                        slot.answer().await;
                        Ok::<_, io::Error>(said(200, ""))
                    }
                    Err(Denied::Refused(refusal)) => Ok(told(429, refusal.retry_after.unwrap())),
                    Err(denied) => unreachable!("{denied:?}"),
                }
            };
            limiter.call(&CALL, send).await.is_ok()
        }
    };
    let ok = futures::future::join_all((0..CALLS).map(one)).await.into_iter().filter(|ok| *ok).count();
    let sent = sent.into_inner();
    println!(
        "{ok} of {CALLS} calls got through in {sent} attempts, {} refusals",
        provider.summary().rejections()
    );
    assert_eq!(ok as u64, CALLS);
    assert!(sent > CALLS, "some were refused first");
}

#[tokio::test(start_paused = true)]
async fn the_error_tells_the_whole_story() {
    let limits = Limits::new().with(Quota::refill(Unit::Requests, 1, secs(60)).guard(Duration::ZERO));
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let answer = |n| match n {
        1 => Err(broken()),
        2 => Ok(told(429, secs(90))),
        3 => Ok(said(503, "")),
        _ => Ok(said(400, "mend me")),
    };
    let (came_to, sent) = answered(&limiter, secs(2), answer).await;
    let refused = refused(came_to);
    assert_eq!((sent.len(), refused.answer.body, refused.verdict), (4, "mend me", Verdict::Rejected));
    let story = &refused.story;
    assert_eq!(story.gave_up, GaveUp::NotWorthIt);
    let outcomes: Vec<&Outcome> = story.attempts.iter().map(|attempt| &attempt.outcome).collect();
    let over = Verdict::rate_limited(Some(secs(90)));
    assert_eq!(*outcomes[0], Outcome::NoAnswer("the connection was reset".to_owned()));
    assert!(matches!(outcomes[1], Outcome::Refused(verdict) if verdict.retry() == over.retry()));
    assert_eq!(*outcomes[2], Outcome::Refused(Verdict::overloaded(None)));
    assert_eq!(*outcomes[3], Outcome::Refused(Verdict::Rejected));

    let [first, second, third, fourth] = &story.attempts[..] else { panic!("{story:?}") };
    assert_eq!((first.slept, first.waited), (Duration::ZERO, Duration::ZERO));
    for (n, attempt) in [second, third, fourth].into_iter().enumerate() {
        let gap = sent[n + 1] - sent[n];
        let told = secs(2) + attempt.slept + attempt.waited;
        assert!(gap.abs_diff(told) <= 2 * MS, "{gap:?} between attempts, {told:?} in the story");
    }
    // One request a minute: a short back-off is followed by a wait for leave, a long told wait is not.
    assert!(second.slept <= 500 * MS && second.waited >= secs(57));
    assert!(third.slept >= secs(90) && third.waited <= 2 * MS);
    assert!(story.took.abs_diff(sent[3] + secs(2)) <= 2 * MS);

    let text = refused.to_string();
    assert!(text.starts_with("refused after 4 attempts in 3m "), "{text}");
    assert!(text.ends_with(": the request was rejected as it is"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reads_as_one_sentence() {
    let body = r#"{"error": {"code": "rate_limit_exceeded", "message": "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 200000, Used 199000, Requested 2000. Please try again in 20s."}}"#;
    let limiter = wide().with_retries(Retries::new().most_wait(secs(50)));
    let (came_to, _) = answered(&limiter, secs(1), |_| Ok(said(429, body))).await;
    let text = came_to.err().unwrap().to_string();
    println!("{text}");
    #[cfg(feature = "json")]
    assert!(text.contains("attempts in") && text.contains(": over the limit of 200000 tokens per minute, "));
    assert!(!text.contains('\n'));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_came_to_an_answer_says_why_and_what_came_before() {
    let limiter = wide().with_retries(Retries::new().most_attempts(2));
    let answer = |n| if n == 1 { Ok(said(503, "")) } else { Err(broken()) };
    let (came_to, _) = answered(&limiter, secs(3), answer).await;
    let error = came_to.err().unwrap();
    let text = error.to_string();
    let CallError::Send { error, story } = error else { panic!("{text}") };
    assert_eq!((error.kind(), story.attempts.len()), (io::ErrorKind::ConnectionReset, 2));
    assert!(text.starts_with("the call failed after 2 attempts in 6s"), "{text}");
    assert!(text.ends_with(": the connection was reset"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_without_an_answer_stays_charged() {
    let limits = Limits::new().with(Quota::sliding(Unit::Tokens, 2_000, secs(86_000))).concurrency(3);
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let answer = |n| if n < 3 { Err(broken()) } else { Ok(said(200, "")) };
    let (came_to, sent) = answered(&limiter, MS, answer).await;
    assert!(came_to.is_ok() && sent.len() == 3);
    assert_eq!(remaining(&limiter), [2_000 - 2 * 400 - 150, 3]);
}

#[cfg(feature = "json")]
#[tokio::test(start_paused = true)]
async fn an_error_inside_a_success_is_a_refusal() {
    let full = r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#;
    let first = |n| Ok(if n == 1 { said(200, full) } else { said(200, "") });
    let (came_to, sent) = answered(&wide(), MS, first).await;
    assert!(came_to.is_ok_and(|answer| answer.body.is_empty()) && sent.len() == 2);

    let broke = r#"{"error": {"type": "insufficient_quota", "message": "You exceeded your current quota"}}"#;
    let (came_to, sent) = answered(&wide(), MS, |_| Ok(said(200, broke))).await;
    let refused = refused(came_to);
    assert_eq!((sent.len(), refused.answer.status, refused.answer.body), (1, 200, broke));
    assert!(matches!(refused.verdict, Verdict::Account { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_admitted_again_still_tells_what_it_was_told() {
    let limiter = wide();
    let lower = |_| {
        limiter.set_limits(M, &Limits::new().rpm(6_000).tpm(10)).unwrap();
        Ok(said(503, ""))
    };
    let (came_to, sent) = answered(&limiter, MS, lower).await;
    let refused = refused(came_to);
    assert_eq!((sent.len(), refused.answer.status), (1, 503));
    assert!(matches!(refused.story.gave_up, GaveUp::NotAdmitted(AcquireError::ExceedsQuota(_))));
    assert!(refused.to_string().contains("; not admitted again: "), "{refused}");

    let (came_to, sent) = answered(&limiter, MS, |_| Ok(said(200, ""))).await;
    assert!(matches!(came_to, Err(CallError::Acquire(AcquireError::ExceedsQuota(_)))) && sent.is_empty());
}

#[tokio::test(start_paused = true)]
async fn between_two_attempts_no_slot_is_held() {
    let limiter = Limiter::builder().model(M, Limits::new().concurrency(1)).build().unwrap();
    let refused =
        answered(&limiter, secs(1), |n| Ok(if n == 1 { told(429, secs(60)) } else { said(200, "") }));
    let other = async {
        sleep(secs(2)).await;
        let begin = Instant::now();
        let (came_to, _) = answered(&limiter, secs(1), |_| Ok(said(200, ""))).await;
        assert!(came_to.is_ok());
        begin.elapsed()
    };
    let both = timeout(secs(1_000), futures::future::join(refused, other)).await;
    let ((came_to, _), took) = both.expect("the slot is free in between");
    assert!(came_to.is_ok());
    assert!(took <= secs(1) + 2 * MS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_at_any_time_leaks_nothing() {
    let limits = Limits::new().concurrency(2).with(Quota::refill(Unit::Requests, 60, secs(60)).burst(1));
    let policy = Retries::new().budget_percent(0).budget_reserve(1).first_back_off(secs(4));
    let mut attempts = [0; 6];
    for tenths in 0..150 {
        let limiter = Limiter::builder().model(M, limits.clone()).build().unwrap().with_retries(policy);
        let sent = AtomicUsize::new(0);
        let send = |_| async {
            sent.fetch_add(1, Relaxed);
            sleep(secs(1)).await;
            Ok::<_, io::Error>(if sent.load(Relaxed) % 2 == 1 { said(503, "") } else { told(429, secs(2)) })
        };
        let dropped = timeout(100 * MS * tenths, limiter.call(&CALL, send)).await.is_err();
        let sent = sent.into_inner();
        attempts[sent] += 1;
        assert_eq!(limiter.waiting(), 0, "dropped at {tenths}: {dropped}");
        assert_eq!(remaining(&limiter)[0], 2, "slots after it was dropped at {tenths}");
        // The one retry of the budget is used only if it was sent.
        sleep(secs(60)).await;
        let (_, again) = answered(&limiter, MS, |_| Ok(said(503, ""))).await;
        assert_eq!(again.len(), if sent >= 2 { 1 } else { 2 }, "dropped at {tenths} after {sent} attempts");
    }
    println!("calls that were dropped or ended after so many attempts: {attempts:?}");
    assert!(attempts[1..4].iter().all(|calls| *calls > 0));
}

#[test]
fn a_call_that_is_tried_again_may_move_between_threads() {
    fn spawned<T: Future + Send + 'static>(_: T) {}
    let limiter = wide();
    spawned(async move {
        let log = Mutex::new(0);
        let send = |_| async {
            *log.lock().unwrap() += 1;
            Ok::<_, io::Error>(said(200, ""))
        };
        let mut call = pin!(limiter.call(&CALL, send));
        let _ = call.as_mut().await;
    });
}

#[tokio::test(start_paused = true)]
async fn the_error_is_one_for_any_answer_and_any_error_that_can_be_shown() {
    fn is_error<T: Error + Send + Sync + 'static>() {}
    is_error::<CallError<Said, io::Error>>();
    is_error::<CallError<Said, Box<dyn Error + Send + Sync>>>();
    is_error::<CallError<Said, String>>();
    is_error::<tollgate::Refused<Said>>();

    async fn with_question_mark() -> Result<Said, Box<dyn Error + Send + Sync>> {
        let send = |_| async { Err::<Said, String>("no route".to_owned()) };
        Ok(wide().with_retries(Retries::none()).call(&CALL, send).await?)
    }
    let error = with_question_mark().await.err().unwrap();
    assert_eq!(error.to_string(), "the call failed after 1 attempt in 0s: no route");

    let (came_to, _) = answered(&wide(), MS, |_| Ok(said(400, "the secret prompt"))).await;
    let shown = format!("{:?}", came_to.err().unwrap());
    assert!(shown.contains("Rejected") && !shown.contains("secret"), "{shown}");
}
