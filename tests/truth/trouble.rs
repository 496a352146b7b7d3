//! The provider turns everybody away: for half a minute, for a minute with a wait, for good.

use std::time::Duration;

use tollgate::Charge;
use tollgate_sim::{ChargeRule, LawKind, Outcome, Trouble};

use crate::driver::{Scenario, WORKERS};
use crate::run::Run;
use crate::{MINUTE, limits, truth};

/// When it begins: in the middle of minute 4.
const BEGIN: Duration = Duration::from_secs(4 * 60 + 30);
/// Calls that were on their way when the first answer came, and a probe.
const ON_THE_WAY: usize = 10;

async fn run(name: &str, trouble: Trouble, span: Duration) -> Run {
    let limits = limits(LawKind::Refill, Charge::InputPlusMaxOutput);
    let truth = truth(LawKind::Refill, ChargeRule::InputPlusMaxOutput);
    let scenario = Scenario::new(name, limits, truth);
    scenario.event(BEGIN, move |provider| provider.trouble(trouble, span)).run().await
}

/// When the first call was turned away.
fn first(run: &Run) -> u64 {
    let mut sent = run.sent();
    sent.find(|entry| matches!(entry.outcome, Outcome::TurnedAway(_))).expect("somebody was turned away").at
}

/// How many calls were sent from `from` until before `to`.
fn sent(run: &Run, from: u64, to: u64) -> usize {
    run.sent().filter(|entry| (from..to).contains(&entry.at)).count()
}

/// From the end of the trouble to the first call that is let in.
fn recovered(run: &Run, end: u64) -> Duration {
    let found = run.sent().find(|entry| entry.at >= end && entry.outcome == Outcome::Admitted);
    Duration::from_nanos(found.map_or(u64::MAX, |entry| entry.at - end))
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_hammered_and_soon_over() {
    let span = Duration::from_secs(30);
    let run = run("outage of 30 s", Trouble::Outage, span).await;
    let end = run.at(BEGIN + span);
    let (sent, recovered) = (sent(&run, run.at(BEGIN), end), recovered(&run, end));
    let (share, refused) = (run.share(6..=10), run.refused(5..=10));
    println!(
        "    {sent} calls sent in the outage, recovered {recovered:?} after it, then share {share:.4}, 429s {refused:.5}"
    );
    assert!(sent <= WORKERS, "{sent} calls into an outage");
    assert!(recovered <= Duration::from_secs(10), "{recovered:?} until the first call passed");
    assert!(share >= 0.95 && refused < 0.001, "share {share}, 429s {refused}");
}

#[tokio::test(start_paused = true)]
async fn a_storm_with_a_told_wait_silences_everybody_until_it_is_over() {
    let run = run("storm of 60 s", Trouble::Storm { retry_after: MINUTE }, MINUTE).await;
    let (first, end) = (first(&run), run.at(BEGIN + MINUTE));
    let sent = sent(&run, first, first + MINUTE.as_nanos() as u64);
    let recovered = recovered(&run, end);
    let (share, refused) = (run.share(6..=10), run.refused(5..=10));
    println!(
        "    {sent} calls sent in 60 s from the first 429, recovered {recovered:?} after the storm, then share {share:.4}, 429s {refused:.5}"
    );
    assert!(sent <= ON_THE_WAY, "{sent} calls sent");
    assert!(recovered <= Duration::from_secs(2), "{recovered:?} until the first call passed");
    assert!(share >= 0.95 && refused < 0.001, "share {share}, 429s {refused}");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_account_fails_every_call_at_once_and_says_why() {
    let run = run("account stop", Trouble::AccountStop, Duration::MAX).await;
    let first = first(&run);
    let sent = sent(&run, first, u64::MAX);
    let named = run.errors.iter().filter(|(_, error)| error.to_lowercase().contains("account")).count();
    let soon = run.errors.iter().filter(|(at, _)| *at <= first + 1_000_000_000).count();
    println!(
        "    {sent} calls sent from the first 429 on; {named} of {WORKERS} workers told why, {soon} within 1 s: {:?}",
        run.errors.first()
    );
    assert!(sent <= ON_THE_WAY, "{sent} calls sent to a stopped account");
    assert!(named == run.errors.len() && named > 0, "told why: {named} of {:?}", run.errors);
    // Workers with calls in flight come to ask later; those that wait are told at once.
    assert!(soon >= WORKERS / 2, "{soon} told within a second");
    assert_eq!(named, WORKERS, "everybody is told in the end");
}
