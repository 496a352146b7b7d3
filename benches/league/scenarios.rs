//! The matrix: what the provider enforces, and who asks for how much.

use std::time::Duration;

use tollgate_sim::{ChargeRule, Config, Latency, LawKind};

use crate::traces::{Call, Mix, Source, mean_price};

/// How long a run lasts.
pub(crate) const HORIZON: Duration = Duration::from_secs(600);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// A "day" that a run sees the end of twice.
const DAY: Duration = Duration::from_secs(240);
/// Calls of a backlog that a program has out or in line at once.
pub(crate) const WORKERS: u64 = 64;

pub(crate) const TPM: u64 = 240_000;
const RPM: u64 = 1_200;
/// Where something else shall bind.
const PLENTY: u64 = 6_000_000;

/// When the head of an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// As soon as the call is charged, as with streams.
    AtOnce,
    /// With the whole answer; what it says of the budgets is as old as the call.
    WithTheAnswer,
    /// The same, and it does not say how long the provider worked.
    Untimed,
}

/// What goodput is counted in: what binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    Tokens,
    Calls,
}

/// One provider and one trace.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) config: Config,
    pub(crate) calls: Vec<Call>,
    pub(crate) head: Head,
    pub(crate) counted: Counted,
    pub(crate) horizon: Duration,
}

impl Scenario {
    /// `backlog, refilled, input + cap`: unlike all others.
    pub(crate) fn label(&self) -> String {
        format!("{}, {}, {}", self.name, self.law(), self.charge())
    }

    pub(crate) fn law(&self) -> &'static str {
        match self.config.law {
            LawKind::Refill => "refilled",
            LawKind::Fixed => "aligned",
            LawKind::Sliding => "sliding",
        }
    }

    pub(crate) fn charge(&self) -> &'static str {
        match self.config.charge {
            ChargeRule::InputOnly => "input",
            ChargeRule::InputPlusMaxOutput => "input + cap",
            ChargeRule::RealUsage => "real use",
        }
    }

    /// Whether the price of a call is known before it is sent.
    pub(crate) fn is_known(&self) -> bool {
        self.config.charge != ChargeRule::RealUsage
    }

    /// Calls that arrive by themselves, whoever is out.
    pub(crate) fn is_open(&self) -> bool {
        self.calls.iter().all(|call| call.arrival.is_some())
    }
}

const LAWS: [LawKind; 3] = [LawKind::Refill, LawKind::Fixed, LawKind::Sliding];
const CHARGES: [ChargeRule; 3] =
    [ChargeRule::InputOnly, ChargeRule::InputPlusMaxOutput, ChargeRule::RealUsage];
const KNOWN: ChargeRule = ChargeRule::InputPlusMaxOutput;
const REAL: ChargeRule = ChargeRule::RealUsage;

/// The whole league.
pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for charge in CHARGES {
        all.extend(LAWS.map(|law| backlog("backlog", law, charge, Mix::Chat, HORIZON)));
    }
    let loads = [("arrivals at 80 %", 0.8), ("arrivals at 100 %", 1.0), ("arrivals at 150 %", 1.5)];
    for (charge, loads) in [(KNOWN, &loads[..]), (REAL, &loads[1..])] {
        for &(name, load) in loads {
            all.extend(LAWS.map(|law| arrivals(name, law, charge, load)));
        }
    }
    for (law, charge) in [(LawKind::Refill, KNOWN), (LawKind::Sliding, KNOWN), (LawKind::Refill, REAL)] {
        all.push(mixed(law, charge));
    }
    all.extend(LAWS.map(bursts));
    all.extend(LAWS.map(|law| backlog("long contexts", law, KNOWN, Mix::LongContext, HORIZON)));
    for (name, head) in [("late heads", Head::WithTheAnswer), ("late heads, untimed", Head::Untimed)] {
        all.extend(LAWS.map(|law| Scenario { head, ..backlog(name, law, KNOWN, Mix::Chat, HORIZON) }));
    }
    all.extend([LawKind::Refill, LawKind::Fixed].map(request_bound));
    all.push(concurrency_bound());
    all.extend([KNOWN, REAL].map(day_bound));
    all
}

/// The nine backlogs, for three minutes: what the tests run.
#[cfg(test)]
pub(crate) fn short() -> Vec<Scenario> {
    let of_law = |law| CHARGES.map(|charge| backlog("backlog", law, charge, Mix::Chat, 3 * MINUTE));
    LAWS.into_iter().flat_map(of_law).collect()
}

fn config(law: LawKind, charge: ChargeRule) -> Config {
    let latency = Latency {
        median: Duration::from_secs(2),
        sigma: 0.5,
        min: Duration::from_millis(200),
        max: Duration::from_secs(20),
    };
    Config { rpm: Some(RPM), tpm: Some(TPM), law, charge, latency, day: DAY, seed: 7, ..Config::default() }
}

fn scenario(name: &'static str, config: Config, calls: Source) -> Scenario {
    Scenario {
        name,
        config,
        calls: calls.into_calls(),
        head: Head::AtOnce,
        counted: Counted::Tokens,
        horizon: HORIZON,
    }
}

/// More than can be served, whatever the law lets through at the edges.
fn enough(mix: Mix, config: &Config, horizon: Duration) -> usize {
    let minutes = horizon.as_secs_f64() / MINUTE.as_secs_f64() + 2.0;
    (2.0 * minutes * TPM as f64 / mean_price(mix, config)) as usize
}

fn backlog(name: &'static str, law: LawKind, charge: ChargeRule, mix: Mix, horizon: Duration) -> Scenario {
    let config = config(law, charge);
    let count = enough(mix, &config, horizon);
    Scenario { horizon, ..scenario(name, config, Source::new().backlog(mix, count)) }
}

/// Calls at random times that ask for this share of the token limit.
fn arrivals(name: &'static str, law: LawKind, charge: ChargeRule, load: f64) -> Scenario {
    let config = config(law, charge);
    let rate = load * per_second(TPM) / mean_price(Mix::Chat, &config);
    scenario(name, config, Source::new().poisson(Mix::Chat, rate, HORIZON))
}

/// A backlog, and people who ask for a fifth of the limit in short calls.
fn mixed(law: LawKind, charge: ChargeRule) -> Scenario {
    let config = config(law, charge);
    let count = enough(Mix::Chat, &config, HORIZON);
    let rate = 0.2 * per_second(TPM) / mean_price(Mix::Short, &config);
    let calls = Source::new().backlog(Mix::Chat, count).interactive(rate, HORIZON);
    scenario("interactive and batch", config, calls)
}

/// Each 90 s, calls for 1.2 limits at once: four fifths of what is allowed in all.
fn bursts(law: LawKind) -> Scenario {
    let config = config(law, KNOWN);
    let count = (1.2 * TPM as f64 / mean_price(Mix::Chat, &config)) as usize;
    let every = Duration::from_secs(90);
    scenario("bursts", config, Source::new().bursts(Mix::Chat, count, every, HORIZON))
}

fn request_bound(law: LawKind) -> Scenario {
    let config = Config { rpm: Some(300), tpm: Some(PLENTY), ..config(law, KNOWN) };
    let calls = Source::new().backlog(Mix::Chat, 300 * 16);
    Scenario { counted: Counted::Calls, ..scenario("request-bound", config, calls) }
}

fn concurrency_bound() -> Scenario {
    let config = Config { tpm: Some(PLENTY), concurrency: Some(8), ..config(LawKind::Refill, KNOWN) };
    let calls = Source::new().backlog(Mix::Chat, 4_000);
    Scenario { counted: Counted::Calls, ..scenario("concurrency-bound", config, calls) }
}

/// One and a half minutes' tokens for each four minutes.
fn day_bound(charge: ChargeRule) -> Scenario {
    let config = Config { tpd: Some(TPM * 3 / 2), ..config(LawKind::Refill, charge) };
    let count = enough(Mix::Chat, &config, HORIZON);
    scenario("day-bound", config, Source::new().backlog(Mix::Chat, count))
}

fn per_second(limit: u64) -> f64 {
    limit as f64 / MINUTE.as_secs_f64()
}
