//! What a refusal means for everybody else: who is held, until when, who goes first, and what is told of it.
//!
//! Time is paused, so instants are exact but for tokio's timers, which round up to the next
//! millisecond.
#![allow(clippy::disallowed_methods, reason = "tests read the paused clock")]

use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tollgate::{
    AccountProblem, AcquireError, Charge, Cost, Event, Group, Hit, Limiter, Limits, NotYet, Permit, Quota,
    Settled, Unit, Usage, Verdict,
};

const M: &str = "gpt-4o-mini";
const OTHER: &str = "gpt-4o";
const COST: Cost = Cost::input(100).max_output(300);
const USED: Usage = Usage::new(100, 50);
const MS: Duration = Duration::from_millis(1);
const NO_HEADERS: [(&str, &str); 0] = [];

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Lets through what comes.
fn wide() -> Limits {
    Limits::new().rpm(6_000_000).tpm(6_000_000_000)
}

fn limiter(limits: Limits) -> Limiter {
    Limiter::builder().model(M, limits).build().unwrap()
}

fn told(wait: u64) -> Verdict {
    Verdict::rate_limited(Some(secs(wait)))
}

/// Over a limit of this unit.
fn over(unit: Unit, wait: u64) -> Verdict {
    let hit = Hit { unit: Some(unit), ..Hit::default() };
    Verdict::RateLimited { hit, retry_after: Some(secs(wait)), futile: false }
}

/// One call that the provider refuses.
async fn refuse(limiter: &Limiter, verdict: Verdict) {
    limiter.acquire(M, COST).await.unwrap().refused(verdict).await;
}

/// Calls in line, and those of them that may go.
struct Line {
    begin: Instant,
    went: UnboundedReceiver<(Duration, Result<Permit, AcquireError>)>,
}

impl Line {
    fn of(limiter: &Limiter, model: &'static str, calls: usize) -> Line {
        let (sender, went) = unbounded_channel();
        let begin = Instant::now();
        for _ in 0..calls {
            let (limiter, sender) = (limiter.clone(), sender.clone());
            tokio::spawn(async move {
                let permit = limiter.acquire(model, COST).await;
                let _ = sender.send((begin.elapsed(), permit));
            });
        }
        Line { begin, went }
    }

    /// The next that may go, and when.
    async fn next(&mut self) -> (Duration, Permit) {
        let went = timeout(secs(1_000_000), self.went.recv()).await;
        let (at, permit) = went.expect("somebody goes").unwrap();
        (at, permit.unwrap())
    }

    /// Those that went until so long after the beginning.
    async fn until(&mut self, after: Duration) -> Vec<Permit> {
        sleep_until(self.begin + after).await;
        self.so_far().await.into_iter().map(Result::unwrap).collect()
    }

    async fn so_far(&mut self) -> Vec<Result<Permit, AcquireError>> {
        sleep(2 * MS).await;
        std::iter::from_fn(|| self.went.try_recv().ok()).map(|(_, permit)| permit).collect()
    }
}

/// Lets go of a future without awaiting it.
fn settled(_: Settled) {}

fn about(at: Duration, due: Duration) {
    assert!((due..=due + 3 * MS).contains(&at), "{at:?}, due at {due:?}");
}

fn not_yet(decided: Result<Permit, AcquireError>) -> NotYet {
    match decided {
        Err(AcquireError::NotYet(why)) => *why,
        other => panic!("{other:?}"),
    }
}

fn remaining(limiter: &Limiter) -> Vec<i64> {
    limiter.snapshot().scopes()[0].budgets.iter().map(|budget| budget.remaining).collect()
}

#[tokio::test(start_paused = true)]
async fn a_told_wait_holds_everybody_for_exactly_that_long_then_one_goes_then_all() {
    for opens_with_the_head in [false, true] {
        let limiter = limiter(wide());
        refuse(&limiter, told(20)).await;
        let mut line = Line::of(&limiter, M, 10);
        let (at, probe) = line.next().await;
        about(at, secs(20));
        assert!(line.until(secs(22) - 5 * MS).await.is_empty(), "one goes until it is answered");
        assert_eq!(limiter.waiting(), 9);
        if opens_with_the_head {
            probe.observe(200_u16, &NO_HEADERS);
        } else {
            probe.release(USED).await;
        }
        assert_eq!(line.so_far().await.len(), 9);
        assert!(limiter.try_acquire(M, COST).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_tries_and_is_long_in_answering_does_not_hold_the_others_for_so_long() {
    let limiter = limiter(wide());
    refuse(&limiter, told(20)).await;
    let mut line = Line::of(&limiter, M, 10);
    let (_, first) = line.next().await;
    let mut still_out = Vec::new();
    for another in [22, 24, 26] {
        let (at, probe) = line.next().await;
        about(at, secs(another));
        still_out.push(probe);
    }
    first.release(USED).await;
    assert_eq!(line.so_far().await.len(), 6, "the answer to any of them opens");
}

#[tokio::test(start_paused = true)]
async fn where_no_wait_is_told_it_doubles_from_half_a_second_to_thirty_with_each_refusal_in_a_row() {
    for verdict in [Verdict::rate_limited(None), Verdict::overloaded(None), told(0)] {
        let limiter = limiter(wide());
        refuse(&limiter, verdict).await;
        let mut line = Line::of(&limiter, M, 20);
        let mut last = Duration::ZERO;
        for wait in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let (at, probe) = line.next().await;
            about(at - last, wait * MS);
            // Its answer takes a while.
            sleep(100 * MS).await;
            probe.refused(verdict).await;
            last = line.begin.elapsed();
        }
        let (at, probe) = line.next().await;
        about(at - last, secs(30));
        // What is told counts, and not what is doubled.
        probe.refused(told(7)).await;
        let (again, probe) = line.next().await;
        about(again - at, secs(7));
        probe.release(USED).await;
        assert_eq!(line.so_far().await.len(), 10);

        // After an answer it begins anew.
        refuse(&limiter, verdict).await;
        let mut line = Line::of(&limiter, M, 1);
        about(line.next().await.0, 500 * MS);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_to_try_and_does_not_leaves_it_to_the_next() {
    let ends: [fn(Permit); 3] = [
        |probe| settled(probe.cancel()),
        |probe| drop(probe),
        |probe| settled(probe.refused(Verdict::Failed)),
    ];
    for end in ends {
        let limiter = limiter(wide());
        refuse(&limiter, told(20)).await;
        let mut line = Line::of(&limiter, M, 5);
        let (_, probe) = line.next().await;
        sleep(secs(1)).await;
        end(probe);
        let (at, next) = line.next().await;
        about(at, secs(21));
        assert!(line.so_far().await.is_empty(), "one only");
        next.release(USED).await;
        assert_eq!(line.so_far().await.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_try_and_is_given_up_or_never_polled_leaves_it_to_the_next() {
    for dropped in [false, true] {
        let limiter = limiter(wide());
        refuse(&limiter, told(20)).await;
        let mut first = Box::pin(limiter.acquire(M, COST));
        assert!(futures::poll!(&mut first).is_pending());
        let mut line = Line::of(&limiter, M, 2);
        sleep(secs(20) + 2 * MS).await;
        let kept = if dropped {
            drop(first);
            None
        } else {
            Some(first)
        };
        let (at, _probe) = line.next().await;
        about(at, secs(20) + if dropped { 2 * MS } else { 250 * MS });
        drop(kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_to_try_and_is_refused_for_something_else_leaves_it_to_the_next() {
    let limits = Limits::new().rpm(6_000_000).tpm(6_000_000_000).concurrency(100);
    let others = [over(Unit::Requests, 5), Verdict::overloaded(Some(secs(5))), Verdict::overloaded(None)];
    for other in others {
        let limiter = limiter(limits.clone());
        refuse(&limiter, over(Unit::Tokens, 20)).await;
        let mut line = Line::of(&limiter, M, 5);
        line.next().await.1.refused(other).await;
        let (at, probe) = line.next().await;
        about(at, if other == Verdict::overloaded(None) { secs(20) + 500 * MS } else { secs(25) });
        probe.release(USED).await;
        assert_eq!(line.so_far().await.len(), 3);
    }

    let limiter = limiter(limits);
    refuse(&limiter, told(20)).await;
    let probe = limiter.acquire(M, COST).await.unwrap();
    probe.refused(Verdict::Account { problem: AccountProblem::Key, until: None }).await;
    limiter.resume(M).unwrap();
    assert!(limiter.try_acquire(M, COST).is_ok(), "it tries in its place");
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_out_neither_open_it_nor_shut_it_for_longer() {
    let limiter = limiter(wide());
    let mut out: Vec<Permit> = (0..5).map(|_| limiter.try_acquire(M, COST).unwrap()).collect();
    sleep(secs(1)).await;
    out.pop().unwrap().refused(told(20)).await;
    let mut line = Line::of(&limiter, M, 5);
    out.pop().unwrap().release(USED).await;
    out.pop().unwrap().refused(told(18)).await;
    assert!(line.until(secs(19) + 900 * MS).await.is_empty());
    out.pop().unwrap().refused(Verdict::rate_limited(None)).await;
    let (at, probe) = line.next().await;
    about(at, secs(20));
    out.pop().unwrap().release(USED).await;
    assert!(line.so_far().await.is_empty());
    probe.release(USED).await;
    assert_eq!(line.so_far().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_that_nobody_foresaw_a_part_stays_unused_and_less_of_it_with_each_period() {
    let quota = Quota::sliding(Unit::Tokens, 6_400, secs(60)).guard(Duration::ZERO);
    let limiter = limiter(Limits::new().with(quota).charge(Charge::InputOnly));
    let answered = |tokens| {
        let permit = limiter.try_acquire(M, Cost::input(tokens)).unwrap();
        permit.observe(200_u16, &NO_HEADERS);
        permit.release(Usage::new(tokens, 0));
    };
    limiter.try_acquire(M, Cost::input(100)).unwrap().refused(told(1)).await;
    sleep(secs(1)).await;
    answered(100);
    assert!(limiter.try_acquire(M, Cost::input(6_300)).is_err());
    limiter.try_acquire(M, Cost::input(6_190)).unwrap().cancel().await;
    for _ in 0..60 {
        sleep(secs(61)).await;
        answered(100);
    }
    limiter.try_acquire(M, Cost::input(6_300)).unwrap().cancel().await;
}

#[tokio::test(start_paused = true)]
async fn a_later_time_that_the_provider_tells_a_call_that_was_out_counts() {
    let limiter = limiter(wide());
    let out = limiter.try_acquire(M, COST).unwrap();
    sleep(secs(1)).await;
    refuse(&limiter, told(20)).await;
    let mut line = Line::of(&limiter, M, 1);
    sleep(secs(10)).await;
    out.refused(told(20)).await;
    about(line.next().await.0, secs(30));
}

/// The quota that a refusal closes.
async fn closes(limits: Limits, verdict: Verdict) -> Quota {
    let limiter = limiter(limits);
    let mut events = limiter.events();
    refuse(&limiter, verdict).await;
    match events.try_next() {
        Some(Event::Closed { scope, quota, .. }) if scope == format!("model {M}") => quota,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_closes_the_budget_that_it_names_and_else_the_one_that_has_least_left() {
    let requests = |limit| Quota::sliding(Unit::Requests, limit, secs(60));
    let tokens = |limit| Quota::sliding(Unit::Tokens, limit, secs(60));
    let limits = |rpm, tpm| Limits::new().with(requests(rpm)).with(tokens(tpm)).concurrency(1);
    assert_eq!(closes(limits(1_000, 800), told(20)).await, tokens(800));
    assert_eq!(closes(limits(2, 80_000), told(20)).await, requests(2));
    // Named, it is that one however much is left.
    assert_eq!(closes(limits(1_000, 800), over(Unit::Requests, 20)).await, requests(1_000));
    assert_eq!(closes(limits(2, 80_000), over(Unit::Tokens, 20)).await, tokens(80_000));
}

#[tokio::test(start_paused = true)]
async fn a_full_provider_closes_the_model_and_leaves_its_budgets_as_they_were() {
    let day = secs(86_000);
    let limits = Limits::new().with(Quota::sliding(Unit::Requests, 1_000, day)).with(Quota::sliding(
        Unit::Tokens,
        400_000,
        day,
    ));
    let limiter = limiter(limits);
    refuse(&limiter, Verdict::overloaded(Some(secs(20)))).await;
    assert_eq!(remaining(&limiter), [999, 400_000]);
    assert!(limiter.try_acquire(M, COST).is_err());
    let probe = limiter.acquire(M, COST).await.unwrap();
    probe.observe(200_u16, &NO_HEADERS);
    // To the last one.
    let all: Vec<Permit> = std::iter::from_fn(|| limiter.try_acquire(M, COST).ok()).collect();
    assert_eq!((all.len(), remaining(&limiter)), (998, vec![0, 400]));
}

#[tokio::test(start_paused = true)]
async fn other_models_are_not_held_and_those_that_share_the_closed_budget_are() {
    let limiter = Limiter::builder().model(M, wide()).model(OTHER, wide()).build().unwrap();
    for verdict in [told(20), Verdict::overloaded(None)] {
        refuse(&limiter, verdict).await;
        assert!(limiter.try_acquire(M, COST).is_err());
        assert!(limiter.try_acquire(OTHER, COST).is_ok());
        sleep(secs(20)).await;
        limiter.acquire(M, COST).await.unwrap().release(USED).await;
    }

    // In a group: the model's own budget, and the one that both share.
    let group = Group::new(Limits::new().tpm(6_000_000_000))
        .model(M, Limits::new().rpm(6_000_000))
        .model(OTHER, Limits::new().rpm(6_000_000));
    let limiter = Limiter::builder().group("openai", group).build().unwrap();
    refuse(&limiter, over(Unit::Requests, 20)).await;
    let mut line = Line::of(&limiter, M, 3);
    let mut others = Line::of(&limiter, OTHER, 3);
    assert_eq!(others.so_far().await.len(), 3, "they pass those that are held");
    let (at, probe) = line.next().await;
    about(at, secs(20));
    probe.release(USED).await;
    assert_eq!(line.so_far().await.len(), 2);
    refuse(&limiter, over(Unit::Tokens, 20)).await;
    assert!(limiter.try_acquire(OTHER, COST).is_err());
    assert!(limiter.try_acquire(M, COST).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_stopped_fails_waiting_and_new_calls_at_once_until_it_is_resumed() {
    let limits = Limits::new().with(Quota::sliding(Unit::Requests, 3, secs(86_000)));
    let limiter = Limiter::builder().model(M, limits).model(OTHER, wide()).build().unwrap();
    let mut events = limiter.events();
    let out: Vec<Permit> = (0..3).map(|_| limiter.try_acquire(M, COST).unwrap()).collect();
    let mut line = Line::of(&limiter, M, 5);
    assert!(line.so_far().await.is_empty());
    let begin = Instant::now();
    let problem = AccountProblem::Credit;
    for out in out {
        out.refused(Verdict::Account { problem, until: None }).await;
    }
    let failed = line.so_far().await;
    assert_eq!(failed.len(), 5);
    for decided in failed.into_iter().chain([
        limiter.try_acquire(M, COST),
        limiter.acquire(M, COST).await,
        limiter.acquire(M, COST).within(secs(60)).await,
    ]) {
        let Err(AcquireError::Stopped(why)) = decided else { panic!("{decided:?}") };
        assert_eq!((why.model.as_str(), why.problem, why.until), (M, problem, None));
    }
    assert!(begin.elapsed() <= 5 * MS);
    assert_eq!(limiter.waiting(), 0);
    assert!(limiter.try_acquire(OTHER, COST).is_ok(), "nobody said anything of its account");
    assert_eq!(events.try_next(), Some(Event::Stopped { model: M.to_owned(), problem, until: None }));
    assert_eq!(events.try_next(), None, "once for all that were out");

    limiter.set_limits(M, &wide()).unwrap();
    limiter.resume(M).unwrap();
    assert!(limiter.try_acquire(M, COST).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_stopped_until_a_date_takes_calls_from_then_on() {
    let limiter = limiter(wide());
    let until = Some(SystemTime::now() + secs(3_600));
    refuse(&limiter, Verdict::Account { problem: AccountProblem::Spending, until }).await;
    sleep(secs(3_590)).await;
    let decided = limiter.acquire(M, COST).await;
    assert!(matches!(decided, Err(AcquireError::Stopped(why)) if why.until == until));
    sleep(secs(20)).await;
    let all = Line::of(&limiter, M, 10).so_far().await;
    assert_eq!(all.into_iter().filter(Result::is_ok).count(), 10);
}

#[tokio::test(start_paused = true)]
async fn events_tell_when_a_budget_closes_for_how_long_and_when_it_is_open_again() {
    let limiter = limiter(Limits::new().rpm(60_000));
    let mut events = limiter.events();
    let mut next = || events.try_next().map(|event| event.to_string());
    let out = limiter.try_acquire(M, COST).unwrap();
    sleep(MS).await;
    refuse(&limiter, told(20)).await;
    let closed = next().unwrap();
    assert!(closed.starts_with("model gpt-4o-mini: ") && closed.contains(" is closed for 20s"), "{closed}");
    out.refused(Verdict::rate_limited(None)).await;
    assert_eq!(next(), None, "once for all that were out");

    limiter.acquire(M, COST).await.unwrap().refused(Verdict::rate_limited(None)).await;
    assert!(next().unwrap().contains(" is closed for 1s"), "the one that tried was refused");
    let probe = limiter.acquire(M, COST).await.unwrap();
    assert_eq!(next(), None);
    // Nobody else is there to have it told.
    probe.release(USED).await;
    let reopened = next().unwrap();
    assert!(reopened.ends_with(" is open again"), "{reopened}");
    limiter.acquire(M, COST).await.unwrap().release(USED).await;
    assert_eq!(next(), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_will_not_wait_hears_what_is_closed_and_for_how_long() {
    let limiter = limiter(Limits::new().rpm(60_000).tpm(6_000_000));
    refuse(&limiter, over(Unit::Tokens, 3_600)).await;
    sleep(secs(600)).await;
    let begin = Instant::now();
    let at_once = not_yet(limiter.try_acquire(M, COST));
    let soon = not_yet(limiter.acquire(M, COST).within(secs(120)).await);
    assert!(begin.elapsed() <= 2 * MS, "it is known at once");
    println!("{at_once}\n{soon}");
    for why in [&at_once, &soon] {
        let blocking = why.blocking.as_ref().unwrap();
        assert_eq!((blocking.quota.unit(), blocking.closed), (Unit::Tokens, true));
        assert!(blocking.wait.unwrap().abs_diff(secs(3_000)) <= 5 * MS, "{why}");
        let text = why.to_string();
        assert!(text.contains("is closed for ") && text.contains("provider refused a call"), "{text}");
        assert!(!text.contains("left"), "what is left does not matter: {text}");
    }
    assert!(soon.to_string().ends_with("; it was to wait 2m at most"));
    let eta = limiter.eta(M, COST).unwrap();
    assert!(eta.earliest.abs_diff(secs(3_000)) <= 5 * MS, "{eta:?}");
    assert!(eta.latest.unwrap().abs_diff(secs(3_000)) <= 5 * MS, "{eta:?}");

    // A wait that is long enough is no error.
    let probe = limiter.acquire(M, COST).within(secs(3_001)).await.unwrap();
    let why = not_yet(limiter.try_acquire(M, COST));
    println!("{why}");
    let blocking = why.blocking.as_ref().unwrap();
    assert_eq!((blocking.wait, blocking.closed), (Some(secs(2)), true));
    let late = tokio::spawn(limiter.acquire(M, COST).within(secs(1)));
    assert!(not_yet(late.await.unwrap()).blocking.unwrap().closed);
    probe.release(USED).await;
    assert!(limiter.try_acquire(M, COST).is_ok());

    // A budget that is used up is not closed.
    let used = self::limiter(Limits::new().with(Quota::sliding(Unit::Requests, 1, secs(60))));
    let _out = used.try_acquire(M, COST).unwrap();
    let why = not_yet(used.try_acquire(M, COST));
    assert!(!why.blocking.as_ref().unwrap().closed && why.to_string().contains("0 requests left"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn other_limits_neither_open_what_is_closed_nor_lose_the_call_that_tries() {
    let limiter = limiter(Limits::new().rpm(60_000));
    refuse(&limiter, told(20)).await;
    let mut line = Line::of(&limiter, M, 3);
    sleep(secs(5)).await;
    limiter.set_limits(M, &Limits::new().rpm(30_000)).unwrap();
    let (at, probe) = line.next().await;
    about(at, secs(20));
    // Of another law.
    limiter.set_limits(M, &Limits::new().with(Quota::sliding(Unit::Requests, 30_000, secs(60)))).unwrap();
    probe.refused(Verdict::rate_limited(None)).await;
    let (at, probe) = line.next().await;
    assert!(at <= secs(30), "{at:?}");
    probe.release(USED).await;
    assert_eq!(line.so_far().await.len(), 1);
}
