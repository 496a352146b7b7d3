//! The provider: all of its budgets, and the decision about one call.

use crate::books::{Books, Price};
use crate::budget::{Budget, Levels};
use crate::config::{ChargeRule, Config};
use crate::draw::Draw;
use crate::log::{Entry, Outcome, Summary};
use crate::trouble::Trouble;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;

/// A provider that enforces its limits. No clock, no IO: every verb is told the time.
///
/// Times are nanoseconds since the Unix epoch (UTC). One that lies before an earlier one counts as that earlier one.
///
/// ```
/// use tollgate_sim::{Config, Decision, Provider, Request};
///
/// let mut provider = Provider::new(Config { rpm: Some(1), ..Config::default() });
/// let request = Request { id: 1, input_tokens: 10, max_output_tokens: None, output_tokens: None };
/// let Decision::Admitted(first) = provider.decide(0, &request) else { panic!("there was room") };
/// let Decision::Refused(second) = provider.decide(0, &request) else { panic!("there was no room") };
/// assert_eq!(second.retry_after.map(|wait| wait.as_secs()), Some(60));
/// provider.finish(1_000_000_000, first.ticket);
/// ```
#[derive(Debug)]
pub struct Provider {
    config: Config,
    books: Books,
    latest: u64,
    /// How often each id was let in: a repeated call draws anew.
    admissions: HashMap<u64, u64>,
    log: Vec<Entry>,
}

/// A call as the provider sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Names the call: latency, length of the answer and faults are drawn from it.
    pub id: u64,
    /// Tokens of the input.
    pub input_tokens: u64,
    /// The most tokens the answer may have; zero for calls that have no output.
    pub max_output_tokens: Option<u64>,
    /// The tokens the answer will have. `None` draws it.
    pub output_tokens: Option<u64>,
}

/// What the provider says to a call.
#[derive(Debug)]
#[must_use = "an admitted call holds a slot until its ticket is given to finish"]
pub enum Decision {
    /// Let in.
    Admitted(Admission),
    /// Not yet.
    Refused(Refusal),
    /// Never.
    TooLarge(TooLarge),
}

/// A call that was let in and charged.
#[derive(Debug)]
pub struct Admission {
    /// To be given to [`Provider::finish`] when the call is over.
    pub ticket: Ticket,
    /// When it was let in and charged, in nanoseconds since the Unix epoch.
    pub at: u64,
    /// How long the call takes.
    pub latency: Duration,
    /// Tokens of the answer; zero if it fails.
    pub output_tokens: u64,
    /// Tokens charged so far.
    pub charged: u64,
    /// How it fails, if it does.
    pub fault: Option<Fault>,
    /// Where its answer goes wrong, if it does and is streamed.
    pub breaks: Option<Break>,
    /// The budgets after the charge.
    pub levels: Levels,
}

/// A call that was not let in now. Nothing was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The budget that has to be waited for longest.
    pub budget: Budget,
    /// Its limit.
    pub limit: u64,
    /// What counts against it, rounded up.
    pub used: u64,
    /// What the call would have added.
    pub requested: u64,
    /// How long until exactly this call would be let in if nothing else is charged.
    /// `None` if calls in flight are what is in the way: nobody knows when they end.
    pub retry_after: Option<Duration>,
    /// The budgets, unchanged.
    pub levels: Levels,
}

/// A call that can never be let in. Nothing was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// The budget it does not fit into.
    pub budget: Budget,
    /// Its limit.
    pub limit: u64,
    /// What the call would have added.
    pub requested: u64,
    /// The budgets, unchanged.
    pub levels: Levels,
}

/// When a call could be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earliest {
    /// At this instant, in nanoseconds since the Unix epoch, if nothing else happens until then.
    At(u64),
    /// Not before a call in flight is over.
    AfterAFinish,
    /// Never: it is larger than a limit.
    Never,
}

/// How an admitted call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// With status 500.
    ServerError,
    /// With a closed connection in place of an answer.
    DroppedConnection,
}

/// How a streamed answer goes wrong after it began well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamFault {
    /// The connection is closed.
    Cut,
    /// An event tells an error, and is the last one.
    Error,
}

/// Where a streamed answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break {
    /// How.
    pub fault: StreamFault,
    /// Tokens of the answer that are sent before.
    pub after: u64,
}

/// The slot of an admitted call. It is held until this is given to [`Provider::finish`].
#[derive(Debug)]
#[must_use = "the slot is held until the ticket is given to finish"]
pub struct Ticket {
    id: u64,
    output_tokens: u64,
}

impl Ticket {
    /// The id of the call.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Provider {
    /// A provider that has seen nothing yet.
    ///
    /// # Panics
    /// If the minute or the day of `config` has no length.
    pub fn new(config: Config) -> Self {
        let books = Books::new(&config);
        Self { config, books, latest: 0, admissions: HashMap::new(), log: Vec::new() }
    }

    /// What it was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Decides about a call that arrives at `now`: all of its budgets are charged, or none.
    pub fn decide(&mut self, now: u64, request: &Request) -> Decision {
        let now = self.advance(now);
        let price = self.price(request);
        if let Some((budget, limit)) = self.books.never_fits(price) {
            self.record(now, request.id, Outcome::TooLarge, Some(budget), 0);
            let levels = self.books.levels(now);
            return Decision::TooLarge(TooLarge { budget, limit, requested: price.of(budget), levels });
        }
        if let Some(block) = self.books.blocking(now, price) {
            self.record(now, request.id, Outcome::Refused, Some(block.budget), 0);
            return Decision::Refused(Refusal {
                budget: block.budget,
                limit: block.limit,
                used: block.used,
                requested: price.of(block.budget),
                retry_after: block.until.map(|instant| Duration::from_nanos(instant - now)),
                levels: self.books.levels(now),
            });
        }
        self.books.charge(now, price);
        Decision::Admitted(self.admit(now, request, price))
    }

    /// Frees the slot of a call that ended at `now` as it was meant to, and charges its output where that is the rule.
    pub fn finish(&mut self, now: u64, ticket: Ticket) {
        let output_tokens = ticket.output_tokens;
        self.end(now, ticket, output_tokens, Outcome::Finished);
    }

    /// As [`finish`](Self::finish), for a call whose client left at `now`, after `output_tokens` of the answer.
    pub fn abandon(&mut self, now: u64, ticket: Ticket, output_tokens: u64) {
        self.end(now, ticket, output_tokens, Outcome::Abandoned);
    }

    /// As [`finish`](Self::finish), for a streamed answer that went wrong at `now`, after `output_tokens` of it.
    pub fn break_off(&mut self, now: u64, ticket: Ticket, output_tokens: u64, fault: StreamFault) {
        self.end(now, ticket, output_tokens, Outcome::Broken(fault));
    }

    pub(crate) fn end(&mut self, now: u64, ticket: Ticket, output_tokens: u64, outcome: Outcome) {
        let now = self.advance(now);
        let charged = match self.config.charge {
            ChargeRule::InputOnly | ChargeRule::InputPlusMaxOutput => 0,
            ChargeRule::RealUsage => output_tokens.min(ticket.output_tokens),
        };
        self.books.finish(now, charged);
        self.record(now, ticket.id, outcome, None, charged);
    }

    /// When `request` would be let in, not before `now`.
    pub fn earliest(&mut self, now: u64, request: &Request) -> Earliest {
        let now = self.advance(now);
        let price = self.price(request);
        if self.books.never_fits(price).is_some() {
            return Earliest::Never;
        }
        match self.books.blocking(now, price) {
            None => Earliest::At(now),
            Some(block) => block.until.map_or(Earliest::AfterAFinish, Earliest::At),
        }
    }

    /// Changes the limit of a budget that is kept, from `now` on. What was charged stays charged: windows keep what they have
    /// used, and a refilled bucket what it holds, as far as it holds that much now.
    ///
    /// # Panics
    /// If the budget is not kept.
    pub fn set_limit(&mut self, now: u64, budget: Budget, limit: u64) {
        let now = self.advance(now);
        self.books.set_limit(now, budget, limit);
    }

    /// Writes down that a call was turned away at `now` before any budget was asked.
    pub(crate) fn turn_away(&mut self, now: u64, request: &Request, trouble: Trouble) {
        let now = self.advance(now);
        self.record(now, request.id, Outcome::TurnedAway(trouble), None, 0);
    }

    /// How the budgets stand at `now`.
    pub fn levels(&mut self, now: u64) -> Levels {
        let now = self.advance(now);
        self.books.levels(now)
    }

    /// Every decision and every end of a call so far, in order.
    pub fn log(&self) -> &[Entry] {
        &self.log
    }

    /// What the log adds up to, in windows of this provider's minute.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.log, self.books.minute(), self.config.headers)
    }

    fn advance(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn price(&self, request: &Request) -> Price {
        let output = request.max_output_tokens.unwrap_or(self.config.default_max_output);
        let tokens = match self.config.charge {
            ChargeRule::InputOnly | ChargeRule::RealUsage => request.input_tokens,
            ChargeRule::InputPlusMaxOutput => request.input_tokens.saturating_add(output),
        };
        Price { tokens }
    }

    fn admit(&mut self, now: u64, request: &Request, price: Price) -> Admission {
        let admissions = self.admissions.entry(request.id).or_default();
        let longest = request.max_output_tokens.unwrap_or(self.config.longest_answer);
        let draw = Draw::new(&self.config, request.id, *admissions, longest);
        *admissions += 1;
        let output_tokens = match draw.fault {
            None => request.output_tokens.unwrap_or(draw.output_tokens),
            Some(_) => 0,
        };
        let outcome = draw.fault.map_or(Outcome::Admitted, Outcome::Failed);
        self.record(now, request.id, outcome, None, price.tokens);
        Admission {
            ticket: Ticket { id: request.id, output_tokens },
            at: now,
            latency: draw.latency,
            output_tokens,
            charged: price.tokens,
            fault: draw.fault,
            breaks: draw.breaks(output_tokens).filter(|_| draw.fault.is_none()),
            levels: self.books.levels(now),
        }
    }

    fn record(&mut self, at: u64, id: u64, outcome: Outcome, budget: Option<Budget>, charged: u64) {
        self.log.push(Entry { at, id, outcome, budget, charged });
    }
}
