//! The lines of a file of requests.

use std::io::{self, BufRead, Read};

use crate::batch::BadLine;

/// The longest line that is read. Providers refuse bodies far smaller than this.
const LONGEST_LINE: u64 = 64 << 20;

/// The lines of a file, one at a time, with their numbers.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
    line: Vec<u8>,
}

/// A line's number, and its text or what is wrong with it.
type Numbered<'a> = (u64, Result<&'a [u8], BadLine>);

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(input: R) -> Self {
        Lines { input, number: 0, line: Vec::new() }
    }

    /// The next line that is not blank.
    pub(crate) fn next(&mut self) -> io::Result<Option<Numbered<'_>>> {
        loop {
            self.line.clear();
            let read = self.input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LONGEST_LINE && !self.line.ends_with(b"\n") {
                self.skip_line()?;
                let why = format!("longer than {} MiB", LONGEST_LINE >> 20);
                return Ok(Some((self.number, Err(BadLine { custom_id: None, why }))));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let text = self.line.trim_ascii();
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(text);
        Ok(Some((self.number, Ok(text))))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let held = self.input.fill_buf()?;
            let end = held.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(held.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() || used == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfone\r\n\n  \ntwo"[..]);
        let mut next = || lines.next().unwrap().map(|(number, text)| (number, text.unwrap().to_vec()));
        assert_eq!(next(), Some((1, b"one".to_vec())));
        assert_eq!(next(), Some((4, b"two".to_vec())));
        assert_eq!(next(), None);
    }
}
