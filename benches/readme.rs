//! Tables in a page that people write the rest of.

use std::io;

/// Puts `table` between the two comments in `page` that name it.
pub(crate) fn fill(page: &str, name: &str, table: &str) -> io::Result<String> {
    let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {side}: {name} -->"));
    let parts = page.split_once(&begin).and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
    let Some((head, tail)) = parts else {
        return Err(io::Error::other(format!("README.md: no place for the table {name}")));
    };
    Ok(format!("{head}{begin}\n\n{table}\n{end}{tail}"))
}
