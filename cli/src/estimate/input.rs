//! Files of requests, read and counted line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tollgate::estimate::{Estimate, Estimator};

use super::command::Failure;
use crate::batch::{BadLine, Line};
use crate::feed;
use crate::ids::Ids;
use crate::lines::Lines;

/// One file, or stdin.
pub(super) struct Input {
    name: String,
    lines: Lines<Box<dyn BufRead>>,
    /// custom_ids are unique within a file.
    seen: Ids,
    estimator: Estimator,
    /// The file's bytes, where they are known, and those that are read.
    size: Option<u64>,
    read: Arc<AtomicU64>,
}

/// A line that is not blank.
pub(super) struct Counted {
    pub(super) line: u64,
    pub(super) read: Result<Request, Failure>,
}

/// A request and what it costs.
pub(super) struct Request {
    /// A bare body has none.
    pub(super) custom_id: Option<String>,
    pub(super) estimate: Estimate,
}

impl Input {
    pub(super) fn open(path: &Path, estimator: Estimator) -> Result<Input> {
        let read = Arc::new(AtomicU64::new(0));
        let (name, size, reader): (_, _, Box<dyn Read>) = if path == Path::new("-") {
            ("stdin".to_owned(), None, Box::new(io::stdin()))
        } else {
            let file: File = feed::open(path)?.into_inner();
            let size = file.metadata().ok().filter(|found| found.is_file()).map(|found| found.len());
            (path.display().to_string(), size, Box::new(file))
        };
        let counting = Counting { inner: reader, read: read.clone() };
        let lines = Lines::new(Box::new(BufReader::with_capacity(1 << 16, counting)) as Box<dyn BufRead>);
        Ok(Input { name, lines, seen: Ids::default(), estimator, size, read })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How much of it is read: `, 34 %`; nothing where that is not known.
    pub(super) fn share(&self) -> String {
        let share = |size: u64| format!(", {} %", self.read.load(Relaxed) * 100 / size.max(1));
        self.size.map_or_else(String::new, share)
    }

    pub(super) fn next(&mut self) -> Result<Option<Counted>> {
        let next = self.lines.next().with_context(|| format!("cannot read {}", self.name))?;
        let Some((line, text)) = next else { return Ok(None) };
        let read = text.and_then(read).and_then(|(custom_id, body)| match custom_id {
            Some(id) if !self.seen.insert(&id) => Err(feed::repeated(&id)),
            custom_id => Ok((custom_id, body)),
        });
        let counted = read.map_err(|bad| bad.why).and_then(|(custom_id, body)| {
            // The tokenizer is other people's code on other people's text: its fall must not be the program's.
            let counting = AssertUnwindSafe(|| self.estimator.request_blocking(&body));
            match panic::catch_unwind(counting) {
                Ok(Ok(estimate)) => Ok(Request { custom_id, estimate }),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("its tokens cannot be counted".to_owned()),
            }
        });
        Ok(Some(Counted { line, read: counted.map_err(Failure::Bad) }))
    }
}

/// A line of a batch, or a body by itself.
fn read(text: &[u8]) -> Result<(Option<String>, Value), BadLine> {
    match Line::read(text) {
        Ok(line) => Ok((Some(line.custom_id.clone()), line.body()?)),
        Err(bad) => match serde_json::from_slice(text) {
            Ok(body) if is_bare(text) => Ok((None, body)),
            _ => Err(bad),
        },
    }
}

/// Whether it has a model, as bodies do, and nothing of what is around a body in a batch.
fn is_bare(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Fields {
        model: Option<IgnoredAny>,
        custom_id: Option<IgnoredAny>,
        method: Option<IgnoredAny>,
        url: Option<IgnoredAny>,
        body: Option<IgnoredAny>,
    }
    let is_bare = |fields: Fields| {
        let around = [fields.custom_id, fields.method, fields.url, fields.body];
        fields.model.is_some() && around.iter().all(Option::is_none)
    };
    // An array would do for the fields, too, in their order.
    text.starts_with(b"{") && serde_json::from_slice(text).is_ok_and(is_bare)
}

/// Counts what is read through it.
struct Counting {
    inner: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}
