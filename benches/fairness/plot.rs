//! The plot: from the median wait to the 99th percentile, a bar for each contender and size.

use std::fmt::{self, Write as _};

use crate::figures::{Figures, Waits};
use crate::page::seconds;
use crate::svg::{GRID, INK, PALE, legend, sheet, text};

const WIDTH: f64 = 960.0;
const TOP: f64 = 78.0;
/// Where bars begin and end; names stand before, counts behind.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 800.0;
const ROW: f64 = 46.0;
const BAR: f64 = 12.0;
/// The axis, in powers of ten of a second.
const DECADES: std::ops::RangeInclusive<i32> = 0..=3;

const SMALL: &str = "#2b6cb0";
const LARGE: &str = "#c05621";

/// A drawing of the waits.
pub(crate) fn waits(contenders: &[(&str, Figures)]) -> String {
    draw(contenders).expect("strings take everything")
}

fn draw(contenders: &[(&str, Figures)]) -> Result<String, fmt::Error> {
    let bottom = TOP + ROW * contenders.len() as f64;
    let mut svg = sheet(WIDTH, bottom + 46.0, "Waits of small and large calls, by contender")?;
    frame(&mut svg, bottom)?;
    for (row, (name, of)) in contenders.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        text(&mut svg, (LEFT - 12.0, y + 27.0), "end", INK, name)?;
        bar(&mut svg, y + 9.0, SMALL, &of.small)?;
        bar(&mut svg, y + 25.0, LARGE, &of.large)?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Everything but the bars.
fn frame(svg: &mut String, bottom: f64) -> fmt::Result {
    text(svg, (16.0, 24.0), "start", INK, "Waits of the calls that were served, from p50 to p99")?;
    legend(svg, (16.0, 36.0), SMALL, "small calls (50–300 tokens)")?;
    legend(svg, (216.0, 36.0), LARGE, "large calls (8,000 tokens)")?;
    text(svg, (WIDTH - 16.0, TOP - 8.0), "end", PALE, "served of all")?;
    DECADES
        .flat_map(|decade| [1.0, 3.0].map(|step| step * 10_f64.powi(decade)))
        .try_for_each(|at| tick(svg, at, bottom))?;
    text(svg, ((LEFT + RIGHT) / 2.0, bottom + 36.0), "middle", PALE, "wait in seconds, logarithmic")
}

fn tick(svg: &mut String, at: f64, bottom: f64) -> fmt::Result {
    let x = position(at);
    if x > RIGHT {
        return Ok(());
    }
    writeln!(svg, r#"<path d="M{x:.1} {TOP}V{bottom}" stroke="{GRID}"/>"#)?;
    text(svg, (x, bottom + 16.0), "middle", PALE, &at.to_string())
}

fn bar(svg: &mut String, y: f64, colour: &str, waits: &Waits) -> fmt::Result {
    let counts = format!("{} of {}", waits.served(), waits.calls);
    text(svg, (WIDTH - 16.0, y + 10.0), "end", colour, &counts)?;
    let (Some(p50), Some(p99)) = (waits.percentile(50), waits.percentile(99)) else {
        return text(svg, (LEFT + 6.0, y + 10.0), "start", colour, "none served");
    };
    let (from, to) = (position(p50), position(p99));
    // A bar is never too narrow to be seen.
    let width = (to - from).max(2.0);
    writeln!(
        svg,
        r#"<rect x="{from:.1}" y="{y}" width="{width:.1}" height="{BAR}" rx="2" fill="{colour}"/>"#
    )?;
    text(svg, (from - 5.0, y + 10.0), "end", colour, &seconds(Some(p50)))?;
    text(svg, (from + width + 5.0, y + 10.0), "start", colour, &seconds(Some(p99)))
}

/// Where a wait is on the axis; what is shorter than its beginning is there.
fn position(seconds: f64) -> f64 {
    let (first, last) = (f64::from(*DECADES.start()), f64::from(*DECADES.end()));
    let along = (seconds.log10().max(first) - first) / (last - first);
    LEFT + along * (RIGHT - LEFT)
}
