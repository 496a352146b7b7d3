//! The tables, as the page and a spreadsheet want them.

use std::fmt::Write as _;

use crate::figures::{Figures, Late, Shares, Waits};

/// The figures of each contender, by its name.
pub(crate) type Named<T> = [(&'static str, T)];

/// Calls of two sizes.
pub(crate) fn sizes(contenders: &Named<Figures>) -> String {
    let mut table = String::from(
        "| | budget used | small calls: served | wait p50 | p99 | large calls: served | wait p50 | max | \
         latest large call against the first row |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (name, of) in contenders {
        let (small, large) = (&of.small, &of.large);
        let [used, late] = [percent(of.utilisation), later(of.late)];
        let [small_p50, small_p99] = [50, 99].map(|p| seconds(small.percentile(p)));
        let [large_p50, large_max] = [50, 100].map(|p| seconds(large.percentile(p)));
        let [small, large] = [small, large].map(|of| format!("{} of {}", of.served(), of.calls));
        line(
            &mut table,
            &[*name, &used, &small, &small_p50, &small_p99, &large, &large_p50, &large_max, &late],
        );
    }
    table
}

/// Calls of two tenants.
pub(crate) fn tenants(contenders: &Named<Shares>) -> String {
    let mut table = String::from(
        "| | quiet tenant: its part of what was asked for | its part of what was admitted while both waited | tokens admitted so |\n\
         |---|--:|--:|--:|\n",
    );
    for (name, of) in contenders {
        line(&mut table, &[*name, &percent(of.asked), &percent(of.quiet), &of.contested.to_string()]);
    }
    table
}

fn line(table: &mut String, cells: &[&str]) {
    writeln!(table, "| {} |", cells.join(" | ")).expect("strings take everything");
}

/// Waits on each account, in seconds.
pub(crate) fn csv(accounts: [(&str, &Named<Figures>); 2]) -> String {
    let mut csv = String::from("account,contender,size,calls,served,p10,p25,p50,p75,p90,p99,max\n");
    for (account, contenders) in accounts {
        for (name, of) in contenders {
            for (size, waits) in [("small", &of.small), ("large", &of.large)] {
                let (calls, served, waits) = (waits.calls, waits.served(), percentiles(waits));
                writeln!(csv, "{account},\"{name}\",{size},{calls},{served},{waits}")
                    .expect("strings take everything");
            }
        }
    }
    csv
}

/// Empty where no call was served.
fn percentiles(waits: &Waits) -> String {
    let cell = |p| waits.percentile(p).map_or(String::new(), |seconds| format!("{seconds:.3}"));
    [10, 25, 50, 75, 90, 99, 100].map(cell).join(",")
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

pub(crate) fn seconds(wait: Option<f64>) -> String {
    wait.map_or("–".to_owned(), |seconds| format!("{seconds:.1} s"))
}

fn later(late: Late) -> String {
    let bound = if late.at_least { "at least " } else { "" };
    format!("{bound}{:+.2} s", late.seconds)
}
