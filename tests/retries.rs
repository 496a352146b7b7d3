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
        let (_, sent) = answered(&limiter, Duration::ZERO, |_| Ok(said(500, ""))).await;
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

/// The back-off and the time for which the model is closed run side by side.
#[tokio::test(start_paused = true)]
async fn a_single_call_to_a_full_provider_waits_while_the_model_is_closed_and_no_longer() {
    let policy = free().most_attempts(9).most_back_off(secs(20));
    for _ in 0..100 {
        let limiter = wide().with_retries(policy);
        let (came_to, sent) = answered(&limiter, secs(1), |_| Ok(said(503, ""))).await;
        for (n, pair) in sent.windows(2).enumerate() {
            let waited = pair[1] - pair[0] - secs(1);
            let closed = (500 * MS * (1 << n)).min(secs(30));
            assert!((closed..=closed + 3 * MS).contains(&waited), "wait {n}: {waited:?}");
        }
        let refused = refused(came_to);
        let asleep: Duration = refused.story.attempts.iter().map(|attempt| attempt.slept).sum();
        let in_line: Duration = refused.story.attempts.iter().map(|attempt| attempt.waited).sum();
        assert!(asleep >= secs(91) && in_line <= 30 * MS, "{asleep:?} {in_line:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_told_wait_is_waited_once_by_those_who_were_refused_and_by_those_who_were_not_sent() {
    let limiter = wide();
    let begin = Instant::now();
    let refused = AtomicUsize::new(0);
    let last = AtomicU64::new(0);
    let one = |n: u32| {
        let (limiter, refused, last) = (&limiter, &refused, &last);
        async move {
            sleep(50 * MS * n).await;
            let send = |_| async {
                let early = begin.elapsed() < secs(20);
                sleep(secs(1)).await;
                if early {
                    refused.fetch_add(1, Relaxed);
                }
                Ok::<_, io::Error>(if early { told(429, secs(21) - begin.elapsed()) } else { said(200, "") })
            };
            assert!(limiter.call(&CALL, send).await.is_ok());
            last.fetch_max(begin.elapsed().as_millis() as u64, Relaxed);
        }
    };
    futures::future::join_all((0..200).map(one)).await;
    let (refused, last) = (refused.into_inner(), last.into_inner());
    println!(
        "200 calls over 10 s, told to come back at 21 s: {refused} refused, the last served at {last} ms"
    );
    // Those of the first second, before anybody knew; nobody twice.
    assert!((20..=21).contains(&refused), "{refused}");
    // 21 s, the call that tries, a tenth on top of the wait, the answer.
    assert!(last <= 25_100, "{last}");
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
    let begin = Instant::now();
    let (came_to, sent) = answered(&wide(), Duration::ZERO, |_| Ok(told(429, secs(250)))).await;
    let refused_late = refused(came_to);
    assert_eq!(sent.len(), 3);
    assert!((secs(500)..=secs(550) + 6 * MS).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let slept: Duration = refused_late.story.attempts.iter().map(|attempt| attempt.slept).sum();
    let left = secs(600) - slept;
    assert_eq!(refused_late.story.gave_up, GaveUp::TooLong { wait: secs(250), left });
    let text = refused_late.to_string();
    assert!(text.contains("; would have to wait 4m 10s, ") && text.ends_with(" is left"), "{text}");

    let begin = Instant::now();
    let (came_to, sent) = answered(&wide(), Duration::ZERO, |_| Ok(told(429, secs(601)))).await;
    let why = refused(came_to).story.gave_up;
    assert_eq!((sent.len(), why), (1, GaveUp::TooLong { wait: secs(601), left: secs(600) }));
    assert!(begin.elapsed() <= 2 * MS);

    // Also where it is the model that is closed, and the own waits are short.
    for policy in [free(), free().most_back_off(10 * MS)] {
        let limiter = wide().with_retries(policy.most_attempts(1_000));
        let begin = Instant::now();
        let (came_to, _) = answered(&limiter, Duration::ZERO, |_| Ok(said(503, ""))).await;
        assert!(matches!(refused(came_to).story.gave_up, GaveUp::TooLong { .. }));
        assert!(begin.elapsed() <= secs(601), "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_budget_is_closed_for_longer_than_it_may_wait_ends_at_once_and_says_so() {
    let limiter = wide();
    let other = limiter.try_acquire(M, COST).unwrap();
    let answer = async |answer: Said| {
        let latency = secs(2);
        answered(&limiter, latency, |_| Ok(answer.clone())).await
    };
    // Both are out when a third is told to come back in an hour.
    let close = async {
        sleep(secs(1)).await;
        other.refused(Verdict::rate_limited(Some(secs(3_600)))).await;
    };
    let begin = Instant::now();
    let ((one, _), (two, _), ()) = futures::join!(answer(told(429, secs(5))), answer(said(500, "")), close);
    assert!(begin.elapsed() <= secs(2) + 3 * MS, "{:?}", begin.elapsed());
    for came_to in [one, two] {
        let refused = refused(came_to);
        let GaveUp::TooLong { wait, left } = refused.story.gave_up else { panic!("{refused}") };
        assert_eq!(left, secs(600));
        assert!(wait.abs_diff(secs(3_599)) <= 5 * MS, "{wait:?}");
    }

    // One that was never sent has nothing to end with: it waits in line, as long as it takes.
    let begin = Instant::now();
    let (came_to, sent) = answered(&limiter, MS, |_| Ok(said(200, ""))).await;
    assert!(came_to.is_ok() && sent.len() == 1);
    assert!(begin.elapsed().abs_diff(secs(3_599)) <= 10 * MS, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waiting_for_leave_does_not_count_as_waiting_for_a_retry() {
    let limits = Limits::new().with(Quota::refill(Unit::Requests, 1, secs(60)).guard(Duration::ZERO));
    let limiter = Limiter::builder().model(M, limits).build().unwrap();
    let limiter = limiter.with_retries(free().most_wait(secs(5)).most_back_off(secs(1)));
    let (came_to, sent) = answered(&limiter, MS, |_| Ok(said(500, ""))).await;
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
    out_of_attempts: AtomicUsize,
    /// Attempts while it was down, in each second.
    down: Mutex<Vec<usize>>,
    /// Milliseconds from the end of the outage to the last answer.
    last_after: AtomicU64,
}

impl Outage {
    fn while_down(&self) -> usize {
        self.down.lock().unwrap().iter().sum()
    }
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
                if down {
                    let second = (begin.elapsed() - from).as_secs() as usize;
                    let mut log = seen.down.lock().unwrap();
                    let seconds = log.len().max(second + 1);
                    log.resize(seconds, 0);
                    log[second] += 1;
                }
                sleep(200 * MS).await;
                Ok::<_, io::Error>(if down { said(503, "") } else { said(200, "") })
            };
            match limiter.call(&CALL, send).await {
                Ok(_) => {
                    let after = begin.elapsed().saturating_sub(until).as_millis() as u64;
                    seen.last_after.fetch_max(after, Relaxed);
                    seen.served.fetch_add(1, Relaxed)
                }
                Err(error) => {
                    match error.story().unwrap().gave_up {
                        GaveUp::Budget => seen.out_of_budget.fetch_add(1, Relaxed),
                        GaveUp::Attempts => seen.out_of_attempts.fetch_add(1, Relaxed),
                        _ => 0,
                    };
                    seen.failed.fetch_add(1, Relaxed)
                }
            }
        }
    };
    futures::future::join_all((0..calls).map(one)).await;
    seen
}

fn print(what: &str, seen: &Outage) {
    let Outage { sent, served, failed, out_of_budget, out_of_attempts, last_after, .. } = seen;
    let first = seen.down.lock().unwrap().first().copied();
    println!(
        "{what}: {sent:?} sent, {} of them while it was down ({} in its first second); {served:?} served, the last \
         {last_after:?} ms after it; {failed:?} failed ({out_of_budget:?} for want of budget, {out_of_attempts:?} of attempts)",
        seen.while_down(),
        first.unwrap_or(0),
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_does_not_become_a_storm_and_afterwards_all_is_as_before() {
    // All at once.
    let unbounded = wide().with_retries(free());
    let seen = outage(&unbounded, 1_000, Duration::ZERO, Duration::ZERO, secs(30)).await;
    print("1,000 calls at once into an outage of 30 s, without a budget", &seen);
    // Those that were out already, one in a while to try, and all of them once more.
    assert_eq!((seen.while_down(), seen.served.into_inner()), (1_005, 1_000));
    assert_eq!(seen.sent.into_inner(), 2_005);
    assert!(seen.last_after.into_inner() <= 3_200);

    let limiter = wide();
    let seen = outage(&limiter, 1_000, Duration::ZERO, Duration::ZERO, secs(30)).await;
    print("the same with the default budget", &seen);
    let sent = seen.sent.load(Relaxed);
    // A tenth of 1,000 and the reserve of 10, and not much less.
    assert!((1_100..=1_110).contains(&sent), "{sent}");
    assert!(seen.while_down() <= 1_010);
    assert!(seen.out_of_budget.into_inner() >= 890);
    assert!(seen.served.into_inner() >= 100 && seen.last_after.into_inner() <= 3_200);

    // Spread over the outage and beyond.
    let limiter = wide();
    let seen = outage(&limiter, 1_000, 60 * MS, secs(15), secs(45)).await;
    print("1,000 calls over 60 s, an outage from 15 s to 45 s", &seen);
    // The others wait for it to end.
    assert!(seen.while_down() <= 12);
    assert_eq!((seen.served.into_inner(), seen.failed.into_inner()), (1_000, 0));

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
    assert!(seen.while_down() <= 20);
    assert_eq!(seen.served.into_inner(), 1_000);

    // All at once they are out before anybody knows.
    outage(&limiter, 20_000, MS, secs(1_000), secs(1_000)).await;
    let seen = outage(&limiter, 1_000, Duration::ZERO, Duration::ZERO, secs(30)).await;
    print("1,000 calls at once into it, after 20,000 good ones", &seen);
    let sent = seen.sent.into_inner();
    // What 1,000 good ones earned is the most that is saved, beside the reserve.
    assert!((1_100..=1_110).contains(&sent), "{sent}");
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
    // A failure closes nothing: the slot can be had at once.
    let limiter = Limiter::builder().model(M, Limits::new().concurrency(1)).build().unwrap();
    let long = secs(1_000);
    let limiter = limiter.with_retries(free().most_wait(long).first_back_off(long).most_back_off(long));
    let failed = answered(&limiter, secs(1), |n| Ok(said(if n == 1 { 500 } else { 200 }, "")));
    let other = async {
        sleep(secs(1) + 2 * MS).await;
        assert_eq!(remaining(&limiter), [1]);
        let begin = Instant::now();
        let (came_to, _) = answered(&limiter, secs(1), |_| Ok(said(200, ""))).await;
        assert!(came_to.is_ok());
        begin.elapsed()
    };
    let both = timeout(secs(10_000), futures::future::join(failed, other)).await;
    let ((came_to, _), took) = both.expect("the slot is free in between");
    assert!(came_to.is_ok());
    assert!(took <= secs(1) + 2 * MS, "{took:?}");

    // A refusal closes the model: the slot is free, and whoever comes first when it opens has it.
    let limiter = Limiter::builder().model(M, Limits::new().concurrency(1)).build().unwrap();
    let refused =
        answered(&limiter, secs(1), |n| Ok(if n == 1 { told(429, secs(60)) } else { said(200, "") }));
    let other = async {
        sleep(secs(2)).await;
        assert_eq!(remaining(&limiter), [1]);
        let (came_to, sent) = answered(&limiter, secs(1), |_| Ok(said(200, ""))).await;
        assert!(came_to.is_ok());
        secs(2) + sent[0]
    };
    let begin = Instant::now();
    let both = timeout(secs(1_000), futures::future::join(refused, other)).await;
    let ((came_to, _), at) = both.expect("the slot is free in between");
    assert!(came_to.is_ok());
    assert!((secs(61)..=secs(61) + 5 * MS).contains(&at), "{at:?}");
    assert!(begin.elapsed() <= secs(68), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_is_the_first_to_try_again_leaves_that_to_the_next() {
    let limiter = wide();
    let (came_to, _) =
        answered(&limiter.with_retries(Retries::none()), MS, |_| Ok(told(429, secs(20)))).await;
    assert!(came_to.is_err());
    let dropped = timeout(secs(21), answered(&limiter, secs(1_000), |_| Ok(said(200, ""))));
    let next = async {
        sleep(secs(1)).await;
        let (came_to, _) = answered(&limiter, secs(1), |_| Ok(said(200, ""))).await;
        assert!(came_to.is_ok());
    };
    let begin = Instant::now();
    let both = timeout(secs(1_000), futures::future::join(dropped, next)).await;
    assert!(both.expect("somebody goes").0.is_err());
    assert!(begin.elapsed().abs_diff(secs(22)) <= 5 * MS, "{:?}", begin.elapsed());
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
