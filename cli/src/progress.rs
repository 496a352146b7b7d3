//! What the person at the terminal sees: warnings, and how far the run is.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tollgate::{BudgetSnapshot, Limiter, Snapshot};

use crate::tally::Tally;

/// How often the bar is drawn anew.
const FRAME: Duration = Duration::from_millis(200);
/// How often a line is written where there is no terminal to draw on.
const LINE: Duration = Duration::from_secs(5);
/// Warnings that are shown; ten thousand would hide everything else.
const WARNINGS: u64 = 20;
/// Budgets that fit on a line.
const LEVELS: usize = 7;

/// Writes to stderr without tearing the bar. Clones write to the same.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    bar: ProgressBar,
    quiet: bool,
    warnings: Arc<AtomicU64>,
}

impl Console {
    pub(crate) fn new(quiet: bool) -> Self {
        let draws = !quiet && std::io::stderr().is_terminal();
        let target = if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        Console { bar, quiet, warnings: Arc::default() }
    }

    /// Something to know; left out when quiet.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Something that is wrong.
    pub(crate) fn warn(&self, text: &str) {
        match self.warnings.fetch_add(1, Relaxed) {
            0..WARNINGS => self.line(&format!("warning: {text}")),
            WARNINGS => self.line("warning: there is more of this; the results tell each"),
            _ => {}
        }
    }

    /// What ended the run.
    pub(crate) fn error(&self, text: &str) {
        self.line(&format!("error: {text}"));
    }

    /// For work that goes on for long.
    pub(crate) fn status(&self) -> Status {
        self.set_style("{spinner} {wide_msg}");
        let every = if self.bar.is_hidden() { LINE } else { FRAME };
        Status { console: self.clone(), every, last: Instant::now() }
    }

    /// Takes the progress away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn set_style(&self, style: &str) {
        // The templates of this file are good; another would show indicatif's own.
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style);
    }

    fn line(&self, text: &str) {
        // Nobody may be there to read it, which is no reason to stop.
        self.bar.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    }
}

/// Says now and then how far a work is that has no [`Progress`], until it is dropped.
#[derive(Debug)]
pub(crate) struct Status {
    console: Console,
    every: Duration,
    last: Instant,
}

impl Status {
    /// Shows it if it is time to.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        if self.console.quiet || self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        if self.console.bar.is_hidden() {
            self.console.line(&text());
        } else {
            self.draw(text());
        }
    }

    /// Shows it where it can be taken away again: for the beginning of what may take long.
    pub(crate) fn announce(&self, text: &str) {
        if !self.console.bar.is_hidden() {
            self.draw(text.to_owned());
        }
    }

    fn draw(&self, text: String) {
        self.console.bar.set_message(text);
        self.console.bar.tick();
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.console.clear();
    }
}

/// Shows how far the run is until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    task: Option<JoinHandle<()>>,
}

impl Progress {
    pub(crate) fn start(console: &Console, tally: Arc<Tally>, limiter: Limiter) -> Self {
        let bar = console.bar.clone();
        if console.quiet {
            return Progress { bar, task: None };
        }
        let view = View { tally, limiter, started: Instant::now() };
        let total = view.tally.total.load(Relaxed);
        if bar.is_hidden() {
            let console = console.clone();
            let task = tokio::spawn(async move {
                loop {
                    sleep(LINE).await;
                    console.line(&view.line());
                }
            });
            return Progress { bar, task: Some(task) };
        }
        let style = if total > 0 { "{bar:12} {wide_msg}" } else { "{spinner} {wide_msg}" };
        console.set_style(style);
        if total > 0 {
            bar.set_length(total);
        }
        let drawn = bar.clone();
        let task = tokio::spawn(async move {
            loop {
                drawn.set_position(view.position());
                drawn.set_message(view.line());
                drawn.tick();
                sleep(FRAME).await;
            }
        });
        Progress { bar, task: Some(task) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.bar.finish_and_clear();
    }
}

struct View {
    tally: Arc<Tally>,
    limiter: Limiter,
    started: Instant,
}

impl View {
    fn position(&self) -> u64 {
        [&self.tally.skipped, &self.tally.done, &self.tally.bad].map(|count| count.load(Relaxed)).iter().sum()
    }

    fn line(&self) -> String {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let (position, total) = (self.position(), read(&self.tally.total));
        let mut parts = Vec::new();
        match total {
            0 => parts.push(format!("{} requests", HumanCount(position))),
            _ => parts.push(format!("{}/{} requests", HumanCount(position), HumanCount(total))),
        }
        if let Some(left) = self.time_left(total.saturating_sub(position)) {
            parts.push(format!("{} left", HumanDuration(left)));
        }
        for (counter, name) in [
            (&self.tally.in_flight, "in flight"),
            (&self.tally.failed, "failed"),
            (&self.tally.retries, "tried again"),
        ] {
            if read(counter) > 0 {
                parts.push(format!("{} {name}", HumanCount(read(counter))));
            }
        }
        let tokens = read(&self.tally.input_tokens) + read(&self.tally.output_tokens);
        parts.push(format!("{} tokens", HumanCount(tokens)));
        parts.extend(levels(&self.limiter.snapshot()));
        parts.join(" · ")
    }

    /// As if the rest went as fast as what is done.
    fn time_left(&self, requests: u64) -> Option<Duration> {
        let done = self.tally.done.load(Relaxed);
        if requests == 0 || done == 0 {
            return None;
        }
        Duration::try_from_secs_f64(self.started.elapsed().as_secs_f64() / done as f64 * requests as f64).ok()
    }
}

/// What is left of each budget; with several models, of the scarcest of each.
fn levels(snapshot: &Snapshot) -> Vec<String> {
    let scopes = snapshot.scopes();
    if let [scope] = scopes {
        return scope.budgets.iter().take(LEVELS).map(level).collect();
    }
    let share = |budget: &&BudgetSnapshot| budget.remaining as f64 / budget.quota.limit().max(1) as f64;
    let scarcest = scopes.iter().filter_map(|scope| {
        let budget = scope.budgets.iter().min_by(|one, other| share(one).total_cmp(&share(other)))?;
        Some((share(&budget), format!("{} {}", scope.name, level(budget))))
    });
    let mut scarcest: Vec<_> = scarcest.collect();
    scarcest.sort_by(|one, other| one.0.total_cmp(&other.0));
    scarcest.into_iter().take(LEVELS / 2).map(|(_, level)| level).collect()
}

/// `TPM 1,200/200,000`: so much is left of so much.
fn level(budget: &BudgetSnapshot) -> String {
    let quota = &budget.quota;
    let left = if budget.remaining < 0 { "-" } else { "" };
    let left = format!("{left}{}/{}", HumanCount(budget.remaining.unsigned_abs()), HumanCount(quota.limit()));
    match (quota.abbreviation(), quota.window().period()) {
        (Some(name), _) => format!("{name} {left}"),
        (None, Some(period)) => format!("{}/{} {left}", quota.unit(), humantime::format_duration(period)),
        (None, None) => format!("{} {left}", quota.unit()),
    }
}
