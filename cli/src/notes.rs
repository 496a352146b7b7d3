//! What the limiter tells of by itself, as lines for a person: not more than one a second.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tollgate::{Event, Limiter, Quota, Unit};

use crate::limits::EVERY_MODEL;
use crate::progress::Console;

/// The shortest time between two lines.
const PACE: Duration = Duration::from_secs(1);
/// Lines about one thing; what goes on and off all day would hide everything else.
const LINES: u32 = 50;

/// Says what happens until it is finished.
#[derive(Debug)]
pub(crate) struct Notes {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Notes {
    pub(crate) fn start(limiter: &Limiter, console: Console) -> Self {
        let mut events = limiter.events();
        let (end, mut ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut notes = Held::default();
            loop {
                let due = notes.due();
                let pause = async {
                    match due {
                        Some(due) => sleep_until(due).await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    _ = &mut ended => break,
                    event = events.next() => match event {
                        Some(event) => notes.hear(event),
                        None => break,
                    },
                    () = pause => {}
                }
                let now = Instant::now();
                while let Some(line) = notes.next(now) {
                    console.say(&line);
                }
            }
            while let Some(event) = events.try_next() {
                notes.hear(event);
            }
            notes.rest().iter().for_each(|line| console.say(line));
        });
        Notes { end, task }
    }

    /// Says what is left to say.
    pub(crate) async fn finish(self) {
        // Where the task is gone, there is nothing left.
        let _ = self.end.send(());
        let _ = self.task.await;
    }
}

/// What an event is about. A later one about the same takes the place of one that is not said yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Use(Budget),
    Limit(Budget),
    Window(Budget),
    Door(Budget),
    Charge(String),
    Account,
    /// What this program does not know of yet, by its words.
    Other(String),
}

/// A budget, whatever its limit and window are now.
type Budget = (String, Unit, Option<Duration>);

#[derive(Debug, Default)]
struct Held {
    waiting: VecDeque<(Subject, Event)>,
    /// What was last said of each subject, and how often something was.
    said: HashMap<Subject, (Event, u32)>,
    /// When the last line was said.
    last: Option<Instant>,
}

impl Held {
    fn hear(&mut self, event: Event) {
        let subject = subject(&event);
        let found = self.waiting.iter().position(|(held, _)| *held == subject);
        let event = match found.and_then(|place| self.waiting.remove(place)) {
            Some((_, before)) => joined(before, event),
            None => event,
        };
        if self.is_news(&subject, &event) {
            self.waiting.push_back((subject, event));
        }
    }

    /// Whether it differs from what was last said.
    fn is_news(&self, subject: &Subject, event: &Event) -> bool {
        let said = self.said.get(subject);
        match event {
            Event::LimitChanged { from, to, .. } | Event::WindowChanged { from, to, .. } if from == to => {
                false
            }
            Event::ChargeChanged { from, to, .. } if from == to => false,
            // Each call that was out tells of it.
            Event::Stopped { .. } => said.is_none(),
            // Nobody was told that it was closed.
            Event::Reopened { .. } => matches!(said, Some((Event::Closed { .. }, _))),
            _ => true,
        }
    }

    /// When the next line may be said, if there is one.
    fn due(&self) -> Option<Instant> {
        let (subject, _) = self.waiting.front()?;
        let at_once = Instant::now();
        Some(self.last.filter(|_| *subject != Subject::Account).map_or(at_once, |last| last + PACE))
    }

    /// The next line, if it may be said now.
    fn next(&mut self, now: Instant) -> Option<String> {
        // What ends the run waits for nothing.
        if let Some(place) = self.waiting.iter().position(|(subject, _)| *subject == Subject::Account)
            && let Some(first) = self.waiting.remove(place)
        {
            self.waiting.push_front(first);
        } else if self.last.is_some_and(|last| now < last + PACE) {
            return None;
        }
        let (subject, event) = self.waiting.pop_front()?;
        let line = self.say(subject, event);
        if line.is_some() {
            self.last = Some(now);
            return line;
        }
        self.next(now)
    }

    /// Everything that is left.
    fn rest(&mut self) -> Vec<String> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter_map(|(subject, event)| self.say(subject, event)).collect()
    }

    fn say(&mut self, subject: Subject, event: Event) -> Option<String> {
        let lines = self.said.get(&subject).map_or(0, |(_, lines)| *lines);
        let line = match lines {
            0..LINES => Some(format!("note: {}", line(&event))),
            LINES => Some(format!("note: {} (there is more of this; it is not said any more)", line(&event))),
            _ => None,
        };
        self.said.insert(subject, (event, lines.saturating_add(1)));
        line
    }
}

fn subject(event: &Event) -> Subject {
    let budget = |scope: &String, quota: &Quota| (scope.clone(), quota.unit(), quota.window().period());
    match event {
        Event::Used { scope, quota, .. } => Subject::Use(budget(scope, quota)),
        Event::LimitChanged { scope, to: quota, .. } | Event::LimitLearned { scope, quota } => {
            Subject::Limit(budget(scope, quota))
        }
        Event::WindowChanged { scope, to, .. } => Subject::Window(budget(scope, to)),
        Event::Closed { scope, quota, .. } | Event::Reopened { scope, quota } => {
            Subject::Door(budget(scope, quota))
        }
        Event::ChargeChanged { model, .. } => Subject::Charge(model.clone()),
        Event::Stopped { .. } => Subject::Account,
        other => Subject::Other(other.to_string()),
    }
}

/// Two events about the same as one.
fn joined(before: Event, after: Event) -> Event {
    match (before, after) {
        (Event::LimitChanged { from, .. }, Event::LimitChanged { scope, to, .. }) => {
            Event::LimitChanged { scope, from, to }
        }
        (Event::WindowChanged { from, .. }, Event::WindowChanged { scope, to, .. }) => {
            Event::WindowChanged { scope, from, to }
        }
        (Event::ChargeChanged { from, .. }, Event::ChargeChanged { model, to, .. }) => {
            Event::ChargeChanged { model, from, to }
        }
        (before @ Event::Stopped { .. }, Event::Stopped { .. }) => before,
        (_, after) => after,
    }
}

fn line(event: &Event) -> String {
    let text = match event {
        Event::Closed { scope, quota, wait } => {
            // Nobody reads nanoseconds; rounded up.
            let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            let wait = humantime::format_duration(Duration::from_millis(millis));
            format!("{scope}: {quota} is closed for {wait}: the provider refused a call")
        }
        event => event.to_string(),
    };
    // The name of what the flags limit is no model of anybody's.
    let text = text.strip_prefix("model ").filter(|rest| rest.starts_with(EVERY_MODEL)).unwrap_or(&text);
    text.strip_prefix(EVERY_MODEL).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate::AccountProblem;

    fn quota() -> Quota {
        Quota::refill(Unit::Requests, 20, Duration::from_secs(60))
    }

    fn scope() -> String {
        format!("model {EVERY_MODEL}")
    }

    fn closed() -> Event {
        Event::Closed { scope: scope(), quota: quota(), wait: Duration::from_nanos(2_999_999_999) }
    }

    fn reopened() -> Event {
        Event::Reopened { scope: scope(), quota: quota() }
    }

    #[test]
    fn what_goes_on_and_off_is_told_once_a_second_as_it_is_then() {
        let (mut notes, start) = (Held::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        notes.hear(closed());
        let first = notes.next(start).unwrap();
        assert_eq!(first, "note: RPM 20 is closed for 3s: the provider refused a call");
        for _ in 0..10 {
            notes.hear(reopened());
            notes.hear(closed());
        }
        notes.hear(reopened());
        assert_eq!(notes.next(after(999)), None);
        assert_eq!(notes.next(after(1_000)).unwrap(), "note: RPM 20 is open again");
        assert_eq!(notes.next(after(9_000)), None);
        // Never told of as closed.
        notes.hear(closed());
        notes.hear(reopened());
        assert_eq!(notes.rest(), Vec::<String>::new());
    }

    #[test]
    fn a_limit_that_changed_back_before_it_was_told_of_did_not_change() {
        let (mut notes, now) = (Held::default(), Instant::now());
        notes.hear(closed());
        assert!(notes.next(now).is_some());
        let other = Quota::refill(Unit::Requests, 500, Duration::from_secs(60));
        let changed = |from, to| Event::LimitChanged { scope: scope(), from, to };
        notes.hear(changed(other, quota()));
        notes.hear(changed(quota(), other));
        notes.hear(changed(other, quota()));
        assert_eq!(notes.rest(), ["note: the provider's answers say RPM 20 instead of RPM 500"]);
        notes.hear(changed(other, quota()));
        notes.hear(changed(quota(), other));
        assert_eq!(notes.rest(), Vec::<String>::new());
    }

    #[test]
    fn a_stopped_account_is_told_at_once_and_once() {
        let (mut notes, now) = (Held::default(), Instant::now());
        notes.hear(closed());
        assert!(notes.next(now).is_some());
        let stopped =
            || Event::Stopped { model: EVERY_MODEL.to_owned(), problem: AccountProblem::Credit, until: None };
        notes.hear(reopened());
        notes.hear(stopped());
        notes.hear(stopped());
        assert_eq!(notes.next(now).unwrap(), "note: the account is stopped: its credit is used up");
        notes.hear(stopped());
        assert_eq!(notes.rest(), ["note: RPM 20 is open again"]);
    }

    #[test]
    fn what_never_ends_is_not_told_for_ever() {
        let (mut notes, start) = (Held::default(), Instant::now());
        let lines = (0..500_u32).filter_map(|second| {
            notes.hear(if second % 2 == 0 { closed() } else { reopened() });
            notes.next(start + PACE * second)
        });
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.len(), LINES as usize + 1);
        assert!(lines.last().unwrap().contains("there is more of this"));
    }
}
