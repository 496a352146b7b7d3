//! Estimates as people and programs read them.

use std::fmt::Write;

use indicatif::HumanCount;
use serde_json::{Value, json};
use tollgate::estimate::{Accuracy, DEFAULT_MAX_OUTPUT, Parts};

use super::input::Request;
use super::totals::{Sum, Totals};
use crate::plan::Plan;

/// The text without what a terminal would obey.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// `7 order-7 gpt-4o-mini 37 input (text 26, overhead 11) + 500 output`.
pub(super) fn request_line(place: &str, request: &Request) -> String {
    let Request { custom_id, estimate } = request;
    let (cost, parts) = (estimate.cost(), named(estimate.parts()));
    let parts = parts.into_iter().filter(|(_, tokens)| *tokens > 0);
    let parts: Vec<String> = parts.map(|(name, tokens)| format!("{name} {}", HumanCount(tokens))).collect();
    let mut notes = String::new();
    if estimate.accuracy() != Accuracy::Exact {
        let _ = write!(notes, ", {}", estimate.accuracy());
    }
    if estimate.is_partial() {
        notes.push_str(", partial");
    }
    let cap = if estimate.assumes_output() { "assumed" } else { "at most" };
    format!(
        "{place:>7}  {:<20} {:<20} {:>9} input ({}) + {} output {cap}{notes}",
        printable(custom_id.as_deref().unwrap_or("-")),
        printable(estimate.model()),
        HumanCount(cost.input_tokens()).to_string(),
        parts.join(", "),
        HumanCount(cost.max_output_tokens()),
    )
}

pub(super) fn request_json(file: &str, line: u64, request: &Request) -> Value {
    let Request { custom_id, estimate } = request;
    json!({
        "file": file,
        "line": line,
        "custom_id": custom_id,
        "model": estimate.model(),
        "input_tokens": estimate.cost().input_tokens(),
        "parts": estimate.parts(),
        "max_output_tokens": estimate.cost().max_output_tokens(),
        "tokens": estimate.cost().tokens(),
        "accuracy": estimate.accuracy(),
        "partial": estimate.is_partial(),
        "assumes_output": estimate.assumes_output(),
    })
}

pub(super) fn totals_json(files: &[&str], bad: u64, totals: &Totals, plan: Option<&Plan>) -> String {
    let sum = |sum: &Sum| {
        json!({
            "requests": sum.requests,
            "input_tokens": sum.input,
            "parts": sum.parts,
            "max_output_tokens": sum.max_output,
            "tokens": sum.tokens,
            "sizes": sum.sizes(),
            "not_exact": sum.inexact.iter().map(|(how, count)| (how.to_string(), *count)).collect::<std::collections::BTreeMap<_, _>>(),
            "partial": sum.partial,
            "assume_output": sum.assume_output,
        })
    };
    let models: serde_json::Map<String, Value> =
        totals.models().map(|(name, of_model)| (name.to_owned(), sum(of_model))).collect();
    let mut object = json!({ "files": files, "bad_lines": bad, "models": models, "all": sum(totals.all()) });
    if let Some(plan) = plan {
        object["plan"] = json!(plan);
    }
    format!("{object:#}\n")
}

pub(super) fn plan_json_line(plan: &Plan) -> String {
    format!("{}\n", json!({ "plan": plan }))
}

fn named(parts: Parts) -> [(&'static str, u64); 5] {
    [
        ("text", parts.text),
        ("tools", parts.tools),
        ("images", parts.images),
        ("files", parts.files),
        ("overhead", parts.overhead),
    ]
}

/// A column of the table; one that is 0 throughout may be left out.
struct Column {
    heading: &'static str,
    optional: bool,
    of: fn(&Sum) -> u64,
}

const fn column(heading: &'static str, optional: bool, of: fn(&Sum) -> u64) -> Column {
    Column { heading, optional, of }
}

const COLUMNS: &[Column] = &[
    column("requests", false, |sum| sum.requests),
    column("input", false, |sum| sum.input),
    column("text", false, |sum| sum.parts.text),
    column("tools", true, |sum| sum.parts.tools),
    column("images", true, |sum| sum.parts.images),
    column("files", true, |sum| sum.parts.files),
    column("overhead", false, |sum| sum.parts.overhead),
    column("max output", false, |sum| sum.max_output),
    column("total", false, |sum| sum.tokens),
    column("smallest", false, |sum| sum.sizes().map_or(0, |sizes| sizes.smallest)),
    column("median", false, |sum| sum.sizes().map_or(0, |sizes| sizes.median)),
    column("largest", false, |sum| sum.sizes().map_or(0, |sizes| sizes.largest)),
];

/// A table, and what is to be known about it.
pub(super) fn totals(bad: u64, totals: &Totals) -> String {
    let all = totals.all();
    let mut rows: Vec<(String, &Sum)> = totals.models().map(|(name, sum)| (printable(name), sum)).collect();
    if rows.len() != 1 {
        rows.push(("all".to_owned(), all));
    }
    let wide = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max("tokens".len());
    let columns = COLUMNS.iter().filter(|column| !column.optional || (column.of)(all) > 0);
    let columns: Vec<Vec<String>> = columns
        .map(|column| {
            let cells = rows.iter().map(|(_, sum)| HumanCount((column.of)(sum)).to_string());
            std::iter::once(column.heading.to_owned()).chain(cells).collect()
        })
        .collect();
    let mut text = String::new();
    let names = std::iter::once("tokens").chain(rows.iter().map(|(name, _)| name.as_str()));
    for (row, name) in names.enumerate() {
        let _ = write!(text, "{name:<wide$}");
        for cells in &columns {
            let width = cells.iter().map(String::len).max().unwrap_or(0);
            let _ = write!(text, "  {:>width$}", cells[row]);
        }
        text.push('\n');
    }
    for note in notes(bad, all) {
        let _ = writeln!(text, "{note}");
    }
    text
}

fn notes(bad: u64, all: &Sum) -> Vec<String> {
    let mut notes = Vec::new();
    let inexact = |(how, count): (&Accuracy, &u64)| {
        let how_so = match how {
            Accuracy::Assumed => "by GPT-4o's vocabulary, since the model's own is not public",
            Accuracy::Sampled => "by windows of texts that are very long",
            _ => "by the kinds of characters",
        };
        format!("{} not exact: counted {how_so}", HumanCount(*count))
    };
    notes.extend(all.inexact.iter().map(inexact));
    if all.partial > 0 {
        notes.push(format!(
            "{} partial: the provider holds more of the prompt than the request does",
            HumanCount(all.partial)
        ));
    }
    if all.assume_output > 0 {
        notes.push(format!(
            "{} without max_tokens: taken to answer with {DEFAULT_MAX_OUTPUT} tokens at most",
            HumanCount(all.assume_output)
        ));
    }
    if bad > 0 {
        let lines = if bad == 1 { "line" } else { "lines" };
        notes.push(format!("{} bad {lines}, not counted", HumanCount(bad)));
    }
    notes
}
