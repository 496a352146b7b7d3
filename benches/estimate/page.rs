//! Tables as the page wants them.

use std::fmt::Write as _;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    /// The first column has no name.
    pub(crate) fn new(columns: &[&str]) -> Self {
        Table(format!("| | {} |\n|---|{}\n", columns.join(" | "), "--:|".repeat(columns.len())))
    }

    pub(crate) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        writeln!(self.0, "| {name} | {} |", cells.join(" | ")).expect("strings take everything");
    }
}

impl From<Table> for String {
    fn from(table: Table) -> String {
        table.0
    }
}

pub(crate) fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 10.0 { format!("{micros:.1}") } else { format!("{micros:.0}") }
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

pub(crate) fn times(slow: Duration, fast: Duration) -> String {
    format!("{:.0}", slow.as_secs_f64() / fast.as_secs_f64())
}
