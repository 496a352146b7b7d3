//! The plots.

use std::fmt::{self, Write as _};

use crate::figures::{Figures, Waits};
use crate::page::seconds;
use crate::rounds::Round;
use crate::scenarios::Counted;
use crate::svg::{GRID, INK, PALE, legend, sheet, text};

const WIDTH: f64 = 960.0;
const TOP: f64 = 78.0;
const COLOURS: [&str; 6] = ["#2b6cb0", "#c05621", "#805ad5", "#2f855a", "#b7791f", "#d53f8c"];

/// Goodput against 429s: a dot for each contender and each trace that tokens bind.
pub(crate) fn goodput(rounds: &[Round]) -> String {
    dots(rounds).expect("strings take everything")
}

/// From the median wait to the 99th percentile, two bars for each contender.
pub(crate) fn waits(round: &Round) -> String {
    bars(round).expect("strings take everything")
}

mod field {
    pub(super) const LEFT: f64 = 60.0;
    pub(super) const RIGHT: f64 = 930.0;
    pub(super) const BOTTOM: f64 = 520.0;
    /// The least goodput that is drawn.
    pub(super) const LEAST: f64 = 0.4;
    pub(super) const MOST: f64 = 1.2;
    /// Where those without a 429 stand, and where the logarithmic axis begins.
    pub(super) const NONE: f64 = 120.0;
    pub(super) const FIRST: f64 = 200.0;
}

fn dots(rounds: &[Round]) -> Result<String, fmt::Error> {
    let mut svg = sheet(WIDTH, field::BOTTOM + 56.0, "Goodput against the share of 429s, by contender")?;
    let title = "Goodput in parts of the oracle's, against 429s in parts of what was sent: a dot for each trace that tokens bind";
    text(&mut svg, (16.0, 24.0), "start", INK, title)?;
    for step in 0..=4 {
        let share = field::LEAST + f64::from(step) * 0.2;
        let y = height(share);
        writeln!(svg, r#"<path d="M{} {y:.1}H{}" stroke="{GRID}"/>"#, field::LEFT, field::RIGHT)?;
        text(&mut svg, (field::LEFT - 8.0, y + 4.0), "end", PALE, &format!("{:.0} %", 100.0 * share))?;
    }
    let ticks =
        [(0.0, "none"), (0.0001, "0.01 %"), (0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (1.0, "100 %")];
    for (share, name) in ticks {
        let x = along(share);
        writeln!(svg, r#"<path d="M{x:.1} {TOP}V{}" stroke="{GRID}"/>"#, field::BOTTOM)?;
        text(&mut svg, (x, field::BOTTOM + 16.0), "middle", PALE, name)?;
    }
    let middle = (field::LEFT + field::RIGHT) / 2.0;
    text(
        &mut svg,
        (middle, field::BOTTOM + 40.0),
        "middle",
        PALE,
        "429s in parts of what was sent, logarithmic",
    )?;

    let contenders = rounds[0].figures.len();
    // The last are drawn over the first.
    for index in (0..contenders).rev() {
        let (name, colour) = (rounds[0].figures[index].0, COLOURS[index]);
        legend(&mut svg, (16.0 + 120.0 * index as f64, 36.0), colour, name)?;
        let tokens = rounds.iter().filter(|round| round.scenario.counted == Counted::Tokens);
        for (place, round) in tokens.enumerate() {
            let of = &round.figures[index].1;
            let y = height(of.share_of(&round.oracle).clamp(field::LEAST, field::MOST));
            // Side by side where they have the same share.
            let spread =
                if of.refusals == 0 { index as f64 * 9.0 - 27.0 + (place % 3) as f64 * 3.0 } else { 0.0 };
            let x = along(of.refused) + spread;
            writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}" fill-opacity="0.7"/>"#)?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn height(share: f64) -> f64 {
    field::BOTTOM - (share - field::LEAST) / (field::MOST - field::LEAST) * (field::BOTTOM - TOP)
}

/// From a hundredth of a percent to all.
fn along(refused: f64) -> f64 {
    if refused == 0.0 {
        return field::NONE;
    }
    let decades = 4.0 + refused.max(0.0001).log10();
    field::FIRST + decades / 4.0 * (field::RIGHT - field::FIRST)
}

mod row {
    /// Where bars begin and end.
    pub(super) const LEFT: f64 = 150.0;
    pub(super) const RIGHT: f64 = 860.0;
    pub(super) const HEIGHT: f64 = 46.0;
    pub(super) const BAR: f64 = 12.0;
    /// The axis, in powers of ten of a second.
    pub(super) const FIRST: i32 = -1;
    pub(super) const LAST: i32 = 3;
    pub(super) const SMALL: &str = "#2b6cb0";
    pub(super) const LARGE: &str = "#c05621";
}

fn bars(round: &Round) -> Result<String, fmt::Error> {
    let oracle = [("oracle", &round.oracle)];
    let all: Vec<(&str, &Figures)> =
        oracle.into_iter().chain(round.figures.iter().map(|(name, of)| (*name, of))).collect();
    let bottom = TOP + row::HEIGHT * all.len() as f64;
    let mut svg = sheet(WIDTH, bottom + 46.0, "Waits of small and large calls, by contender")?;
    let title = format!("Waits of the calls that were let in, from p50 to p99: {}", round.scenario.label());
    text(&mut svg, (16.0, 24.0), "start", INK, &title)?;
    legend(&mut svg, (16.0, 36.0), row::SMALL, "small calls (fewer than 500 tokens)")?;
    legend(&mut svg, (266.0, 36.0), row::LARGE, "large calls (2,000 tokens and more)")?;
    text(&mut svg, (WIDTH - 16.0, TOP - 8.0), "end", PALE, "let in")?;
    for decade in row::FIRST..=row::LAST {
        let at = 10_f64.powi(decade);
        let x = position(at);
        writeln!(svg, r#"<path d="M{x:.1} {TOP}V{bottom}" stroke="{GRID}"/>"#)?;
        text(&mut svg, (x, bottom + 16.0), "middle", PALE, &at.to_string())?;
    }
    let middle = (row::LEFT + row::RIGHT) / 2.0;
    text(&mut svg, (middle, bottom + 36.0), "middle", PALE, "wait in seconds, logarithmic")?;
    for (index, (name, of)) in all.into_iter().enumerate() {
        let y = TOP + row::HEIGHT * index as f64;
        text(&mut svg, (row::LEFT - 12.0, y + 27.0), "end", INK, name)?;
        bar(&mut svg, y + 9.0, row::SMALL, &of.small)?;
        bar(&mut svg, y + 25.0, row::LARGE, &of.large)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn bar(svg: &mut String, y: f64, colour: &str, waits: &Waits) -> fmt::Result {
    text(svg, (WIDTH - 16.0, y + 10.0), "end", colour, &waits.served().to_string())?;
    let (Some(p50), Some(p99)) = (waits.percentile(50), waits.percentile(99)) else {
        return text(svg, (row::LEFT + 6.0, y + 10.0), "start", colour, "none let in");
    };
    let (from, to) = (position(p50), position(p99));
    // A bar is never too narrow to be seen.
    let width = (to - from).max(2.0);
    writeln!(
        svg,
        r#"<rect x="{from:.1}" y="{y}" width="{width:.1}" height="{}" rx="2" fill="{colour}"/>"#,
        row::BAR
    )?;
    text(
        svg,
        (from + width + 5.0, y + 10.0),
        "start",
        colour,
        &format!("{} – {}", seconds(Some(p50)), seconds(Some(p99))),
    )
}

/// Where a wait is on the axis; what is shorter than its beginning is there.
fn position(seconds: f64) -> f64 {
    let (first, last) = (f64::from(row::FIRST), f64::from(row::LAST));
    let decades = seconds.log10().max(first) - first;
    row::LEFT + decades / (last - first) * (row::RIGHT - row::LEFT)
}
