//! The league: tollgate and what people use instead, against a provider that enforces its limits.
//!
//! Writes the tables and plots of `docs/league`. Every contender sees a paused clock, so that ten minutes pass in a moment
//! and each run gives the same figures; but for CPU times, which have a file of their own. With `--check` it writes nothing,
//! and fails if tollgate misses what it is held to.

#![forbid(unsafe_code)]

#[path = "league/assemblies.rs"]
mod assemblies;
#[path = "league/contenders.rs"]
mod contenders;
#[path = "league/cookbook.rs"]
mod cookbook;
#[path = "league/cpu.rs"]
mod cpu;
#[path = "league/drive.rs"]
mod drive;
#[path = "league/figures.rs"]
mod figures;
#[path = "league/goals.rs"]
mod goals;
mod governed;
#[path = "league/ours.rs"]
mod ours;
#[path = "league/page.rs"]
mod page;
#[path = "league/plot.rs"]
mod plot;
mod random;
mod readme;
#[path = "league/retry_only.rs"]
mod retry_only;
#[path = "league/rounds.rs"]
mod rounds;
#[path = "league/scenarios.rs"]
mod scenarios;
mod svg;
#[path = "league/throttled.rs"]
mod throttled;
#[path = "league/traces.rs"]
mod traces;

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use contenders::{ALL, FORECASTS, RETRY_ONLY};
use rounds::Round;
use tollgate_sim::Config;

/// On which trace waits are drawn and CPU is measured.
const BUSY: &str = "arrivals at 150 %, refilled, input + cap";

fn main() -> io::Result<ExitCode> {
    let rounds: Vec<Round> =
        scenarios::all().into_iter().map(|scenario| Round::play(scenario, &ALL)).collect();
    println!("{}\n{}\n{}", page::headline(&rounds), page::results(&rounds), page::goals(&rounds));
    if env::args().any(|argument| argument == "--check") {
        let missed = rounds.iter().flat_map(goals::missed).next().is_some();
        return Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    }
    let real = rounds.iter().map(|round| &round.scenario).filter(|scenario| !scenario.is_known());
    let forecasts: Vec<Round> = real.map(|scenario| Round::play(scenario.clone(), &FORECASTS)).collect();
    write(&rounds, &forecasts)?;
    Ok(ExitCode::SUCCESS)
}

fn write(rounds: &[Round], forecasts: &[Round]) -> io::Result<()> {
    let busy = rounds.iter().find(|round| round.scenario.label() == BUSY).expect("it is one of them");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/league");
    fs::write(docs.join("league.csv"), page::csv(rounds))?;
    fs::write(docs.join("goodput.svg"), plot::goodput(rounds))?;
    fs::write(docs.join("waits.svg"), plot::waits(busy))?;
    let tables = [
        ("headline", page::headline(rounds)),
        ("results", page::results(rounds)),
        ("waits", page::waits(rounds)),
        ("goals", page::goals(rounds)),
        ("forecasts", page::results(forecasts)),
    ];
    let readme = docs.join("README.md");
    let mut page = fs::read_to_string(&readme)?;
    for (name, table) in tables {
        page = readme::fill(&page, name, &table)?;
    }
    fs::write(readme, page)?;

    let measured = docs.join("cpu.md");
    let table = page::cpu(&cpu_per_call(busy));
    println!("{table}");
    fs::write(&measured, readme::fill(&fs::read_to_string(&measured)?, "cpu", &table)?)
}

/// Microseconds of this thread for each answered call: the median of five runs. First without any limiter or limit, which
/// is what the simulation takes.
fn cpu_per_call(busy: &Round) -> Vec<(&'static str, f64)> {
    let unlimited = Config { rpm: None, tpm: None, ..busy.scenario.config.clone() };
    let mut calls = busy.scenario.calls.clone();
    calls.truncate(busy.oracle.answered);
    let alone = scenarios::Scenario { config: unlimited, calls, ..busy.scenario.clone() };
    let of = |entry, scenario: &scenarios::Scenario, answered: usize| {
        let mut times: Vec<f64> =
            (0..5).map(|_| drive::drive(entry, scenario).cpu.as_secs_f64() * 1e6).collect();
        times.sort_by(f64::total_cmp);
        times[2] / answered.max(1) as f64
    };
    let first = ("the simulation alone", of(&RETRY_ONLY, &alone, alone.calls.len()));
    let all =
        ALL.iter().map(|entry| (entry.name, of(entry, &busy.scenario, busy.figures_of(entry.name).answered)));
    std::iter::once(first).chain(all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contenders::TOLLGATE;

    /// What `--check` holds on the whole league, here on three minutes of each law and charge rule.
    #[test]
    fn tollgate_meets_its_goals_on_three_minutes_of_each_backlog() {
        let rounds: Vec<Round> =
            scenarios::short().into_iter().map(|scenario| Round::play(scenario, &[TOLLGATE])).collect();
        let missed: Vec<_> = rounds.iter().flat_map(goals::missed).collect();
        assert!(missed.is_empty(), "{missed:?}");
    }

    #[test]
    fn who_sends_until_it_is_refused_misses_the_goals() {
        let scenario = scenarios::short().remove(0);
        let round = Round::play(scenario, &[RETRY_ONLY]);
        let goal = goals::Goal::of(&round.scenario).expect("tokens bind");
        assert!(!goal.is_met(round.figures_of(RETRY_ONLY.name), &round.oracle));
    }
}
