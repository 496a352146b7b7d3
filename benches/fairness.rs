//! Who waits how long: the same calls through tollgate and through its peers, under virtual time.
//!
//! Writes the tables, the figures and the plot of `docs/fairness`. Nothing here measures speed: every
//! contender sees a paused clock, so that ten minutes pass in a moment and each run gives the same figures.

#![forbid(unsafe_code)]

#[path = "fairness/bucket.rs"]
mod bucket;
#[path = "fairness/contenders.rs"]
mod contenders;
#[path = "fairness/figures.rs"]
mod figures;
mod governed;
#[path = "fairness/page.rs"]
mod page;
#[path = "fairness/play.rs"]
mod play;
#[path = "fairness/plot.rs"]
mod plot;
mod random;
mod readme;
mod svg;
#[path = "fairness/trace.rs"]
mod trace;

use std::path::Path;
use std::{fs, io};

use bucket::{Account, LARGE_ACCOUNT, SMALL_ACCOUNT};
use contenders::{ALL, Entry, ON_LARGE, WITH_TENANTS};
use figures::{Figures, Shares};

fn main() -> io::Result<()> {
    let small = compare_sizes(&ALL, SMALL_ACCOUNT);
    let large = compare_sizes(&ON_LARGE, LARGE_ACCOUNT);
    let tenants = compare_tenants();
    let tables = [
        ("sizes", page::sizes(&small)),
        ("sizes on a large account", page::sizes(&large)),
        ("tenants", page::tenants(&tenants)),
    ];

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/fairness");
    fs::write(docs.join("waits.csv"), page::csv([("small", &small), ("large", &large)]))?;
    fs::write(docs.join("waits.svg"), plot::waits(&small))?;
    let readme = docs.join("README.md");
    let mut page = fs::read_to_string(&readme)?;
    for (name, table) in tables {
        println!("{name}\n\n{table}");
        page = readme::fill(&page, name, &table)?;
    }
    fs::write(readme, page)
}

/// Small and large calls through contenders. The first is the yardstick: first come, first served.
fn compare_sizes(entries: &[Entry], account: Account) -> Vec<(&'static str, Figures)> {
    let calls = trace::sizes(account);
    let outcomes: Vec<_> = entries.iter().map(|entry| play::play(entry, account, &calls)).collect();
    let figures = |outcome| Figures::new(account, &calls, outcome, &outcomes[0]);
    entries.iter().zip(&outcomes).map(|(entry, outcome)| (entry.name, figures(outcome))).collect()
}

/// A busy and a quiet tenant through contenders.
fn compare_tenants() -> Vec<(&'static str, Shares)> {
    let calls = trace::tenants();
    let shares = |entry: &Entry| Shares::new(&calls, &play::play(entry, SMALL_ACCOUNT, &calls));
    WITH_TENANTS.iter().map(|entry| (entry.name, shares(entry))).collect()
}
