//! What all drawings have.

use std::fmt::{self, Write as _};

pub(crate) const INK: &str = "#1a202c";
pub(crate) const PALE: &str = "#4a5568";
pub(crate) const GRID: &str = "#e2e8f0";

/// An empty sheet with a title that is not drawn.
pub(crate) fn sheet(width: f64, height: f64, title: &str) -> Result<String, fmt::Error> {
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="sans-serif" font-size="12" role="img">"#
    )?;
    writeln!(svg, "<title>{title}</title>")?;
    writeln!(svg, r##"<rect width="{width}" height="{height}" fill="#ffffff"/>"##)?;
    Ok(svg)
}

/// A square of a colour and what it stands for.
pub(crate) fn legend(svg: &mut String, (x, y): (f64, f64), colour: &str, what: &str) -> fmt::Result {
    writeln!(svg, r#"<rect x="{x}" y="{y}" width="12" height="12" rx="2" fill="{colour}"/>"#)?;
    text(svg, (x + 18.0, y + 10.0), "start", PALE, what)
}

pub(crate) fn text(
    svg: &mut String,
    (x, y): (f64, f64),
    anchor: &str,
    colour: &str,
    what: &str,
) -> fmt::Result {
    writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{colour}">{what}</text>"#)
}
