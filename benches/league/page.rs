//! The tables, as the page and a spreadsheet want them.

use std::fmt::Write as _;

use crate::contenders::ALL;
use crate::figures::{Figures, Waits};
use crate::goals::{KNOWN, REAL, missed};
use crate::rounds::Round;
use crate::scenarios::Counted;

/// Where calls wait because more is asked for than the limits allow, and who waits shows.
const WAITS: [&str; 4] = [
    "arrivals at 150 %, refilled, input + cap",
    "arrivals at 100 %, sliding, input + cap",
    "interactive and batch, refilled, input + cap",
    "long contexts, refilled, input + cap",
];

/// The worst that each contender did, over all traces that tokens bind.
pub(crate) fn headline(rounds: &[Round]) -> String {
    let mut table = String::from(
        "| | price known at admission: goodput, worst | mean | 429s, worst | real use charged: goodput, worst | \
         mean | 429s, worst | fairness, worst |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for entry in &ALL {
        let mut cells = vec![entry.name.to_owned()];
        let ours = |known: Option<bool>| {
            let of = move |round: &&Round| {
                let is_known = round.scenario.is_known();
                round.scenario.counted == Counted::Tokens && known.is_none_or(|known| known == is_known)
            };
            rounds.iter().filter(of).map(|round| (round.figures_of(entry.name), &round.oracle))
        };
        for known in [true, false] {
            let shares = || ours(Some(known)).map(|(figures, oracle)| figures.share_of(oracle));
            let refused = ours(Some(known)).map(|(figures, _)| figures.refused);
            cells.push(percent(shares().fold(f64::INFINITY, f64::min)));
            cells.push(percent(shares().sum::<f64>() / shares().count() as f64));
            cells.push(share(refused.fold(0.0, f64::max)));
        }
        let fairness = ours(None).map(|(figures, _)| figures.fairness).fold(1.0, f64::min);
        cells.push(format!("{fairness:.2}"));
        line(&mut table, &cells);
    }
    table
}

/// Goodput and 429s of all on each trace.
pub(crate) fn results(rounds: &[Round]) -> String {
    let mut table = String::from("| trace | law | charged | oracle |");
    let names = || rounds[0].figures.iter().map(|(name, _)| name);
    names().for_each(|name| write!(table, " {name} |").expect("strings take everything"));
    table.push_str("\n|---|---|---|--:|");
    table.push_str(&"--:|".repeat(names().count()));
    table.push('\n');
    for Round { scenario, oracle, figures } in rounds {
        let goodput = match scenario.counted {
            Counted::Tokens => format!("{:.2} M", oracle.goodput as f64 / 1e6),
            Counted::Calls => format!("{} calls", oracle.goodput),
        };
        let mut cells: Vec<String> =
            [scenario.name, scenario.law(), scenario.charge()].map(String::from).into();
        cells.push(goodput);
        let cell =
            |(_, of): &(&str, Figures)| format!("{:.1} / {}", 100.0 * of.share_of(oracle), refusals(of));
        cells.extend(figures.iter().map(cell));
        line(&mut table, &cells);
    }
    table
}

/// Waits by size, and who was served, on the traces where that differs.
pub(crate) fn waits(rounds: &[Round]) -> String {
    let mut table = String::from(
        "| | answered | small calls: wait p50 | p99 | large calls: wait p50 | p99 | interactive: wait p50 | p99 | \
         fairness |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for round in rounds.iter().filter(|round| WAITS.contains(&round.scenario.label().as_str())) {
        let blank = vec![String::new(); 8];
        line(&mut table, &[vec![format!("**{}**", round.scenario.label())], blank].concat());
        let oracle = round.scenario.is_open().then_some(("oracle", &round.oracle));
        let all = oracle.into_iter().chain(round.figures.iter().map(|(name, of)| (*name, of)));
        for (name, of) in all {
            let mut cells = vec![name.to_owned(), of.answered.to_string()];
            for waits in [&of.small, &of.large, &of.interactive] {
                cells.extend([50, 99].map(|percent| seconds(waits.percentile(percent))));
            }
            cells.push(format!("{:.2}", of.fairness));
            line(&mut table, &cells);
        }
    }
    table
}

/// What tollgate is held to, and what of it was missed.
pub(crate) fn goals(rounds: &[Round]) -> String {
    let bound: Vec<_> = rounds.iter().filter(|round| round.scenario.counted == Counted::Tokens).collect();
    let met = bound.iter().filter(|round| missed(round).is_empty()).count();
    let mut list = format!(
        "Held to at least {:.0} % of the oracle's goodput with under {} 429s where prices are known, {:.0} % with under {} \
         where real use is charged, and to be behind no peer on both: met on {met} of {} traces that tokens bind.\n\n",
        100.0 * KNOWN.goodput,
        share(KNOWN.refused),
        100.0 * REAL.goodput,
        share(REAL.refused),
        bound.len(),
    );
    for miss in rounds.iter().flat_map(missed) {
        writeln!(list, "- Missed: {}.", miss).expect("strings take everything");
    }
    list
}

/// What CPU each contender took, measured here.
pub(crate) fn cpu(rows: &[(&str, f64)]) -> String {
    let mut table = String::from("| | CPU per answered call |\n|---|--:|\n");
    for (name, micros) in rows {
        line(&mut table, &[(*name).to_owned(), format!("{micros:.0} µs")]);
    }
    table
}

/// Everything.
pub(crate) fn csv(rounds: &[Round]) -> String {
    let mut csv = String::from(
        "trace,law,charged,contender,answered,goodput,counted,of_oracle,sent_429,share_429,small_p50,small_p99,large_p50,\
         large_p99,interactive_p50,interactive_p99,fairness\n",
    );
    for Round { scenario, oracle, figures } in rounds {
        for (name, of) in [("oracle", oracle)].into_iter().chain(figures.iter().map(|(name, of)| (*name, of)))
        {
            let counted = match scenario.counted {
                Counted::Tokens => "tokens",
                Counted::Calls => "calls",
            };
            let waits = [&of.small, &of.large, &of.interactive].map(percentiles).join(",");
            writeln!(
                csv,
                "\"{}\",{},{},{name},{},{},{counted},{:.5},{},{:.5},{waits},{:.4}",
                scenario.name,
                scenario.law(),
                scenario.charge(),
                of.answered,
                of.goodput,
                of.share_of(oracle),
                of.refusals,
                of.refused,
                of.fairness,
            )
            .expect("strings take everything");
        }
    }
    csv
}

fn line(table: &mut String, cells: &[String]) {
    writeln!(table, "| {} |", cells.join(" | ")).expect("strings take everything");
}

/// Empty where no call was served.
fn percentiles(waits: &Waits) -> String {
    let cell = |percent| waits.percentile(percent).map_or(String::new(), |seconds| format!("{seconds:.3}"));
    [50, 99].map(cell).join(",")
}

pub(crate) fn seconds(wait: Option<f64>) -> String {
    wait.map_or("–".to_owned(), |seconds| format!("{seconds:.1} s"))
}

fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

fn share(part: f64) -> String {
    if part == 0.0 { "none".to_owned() } else { format!("{} %", digits(100.0 * part)) }
}

fn refusals(of: &Figures) -> String {
    if of.refusals == 0 { "0".to_owned() } else { digits(100.0 * of.refused) }
}

/// Few digits, but never none of a share that is more than nothing.
fn digits(percent: f64) -> String {
    match percent {
        small if small < 0.1 => format!("{small:.2}"),
        some if some < 10.0 => format!("{some:.1}"),
        much => format!("{much:.0}"),
    }
}
