//! What an earlier run left in its result file.

use std::fmt::Display;
use std::io::BufRead;

use anyhow::{Context, Result, bail};

use crate::batch::Earlier;
use crate::ids::Ids;
use crate::retry::Meaning;

/// What an earlier run left.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What is answered for good.
    pub(crate) done: Ids,
    /// How many those are.
    pub(crate) answered: u64,
    /// Those of them whose status is not 2xx.
    pub(crate) refused: u64,
    /// Results that another try may improve; they are taken out.
    pub(crate) again: u64,
    /// Bytes of a last line that was cut off.
    pub(crate) torn: u64,
}

/// How the file ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whole {
    Yes,
    ButTheLineFeed,
    UpTo(u64),
}

/// Reads a result file once through; `name` is what errors call it.
///
/// # Errors
///
/// If it cannot be read, or holds anything but results.
pub(crate) fn survey(mut lines: impl BufRead, name: impl Display) -> Result<(Found, Whole)> {
    let mut found = Found::default();
    let (mut line, mut number, mut whole) = (Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).with_context(|| format!("cannot read {name}"))? as u64;
        if read == 0 {
            return Ok((found, Whole::Yes));
        }
        number += 1;
        let ended = line.ends_with(b"\n");
        match Earlier::read(&line) {
            Some(earlier) => found.add(&earlier),
            None if !ended => {
                found.torn = read;
                return Ok((found, Whole::UpTo(whole)));
            }
            None if line.trim_ascii().is_empty() => {}
            None => bail!("{name} holds something else than results (line {number}); choose another --out"),
        }
        if !ended {
            return Ok((found, Whole::ButTheLineFeed));
        }
        whole += read;
    }
}

impl Found {
    fn add(&mut self, earlier: &Earlier<'_>) {
        if !is_final(earlier) {
            self.again += 1;
        } else if self.done.insert(&earlier.custom_id) {
            self.answered += 1;
            self.refused += u64::from(earlier.status.is_none_or(|status| !(200..300).contains(&status)));
        }
    }
}

/// Whether no further try can change it. What was never sent is tried again, too: the limits or the line may
/// be others by now, and it costs nothing.
pub(crate) fn is_final(earlier: &Earlier<'_>) -> bool {
    earlier.status.is_some_and(|status| Meaning::of_status(status) == Meaning::Final)
}
