//! Reads the input in a thread of its own and hands its requests on, a few at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use tokio::sync::mpsc;

use crate::batch::{BadLine, Line, Request};
use crate::estimate::Estimates;
use crate::ids::Ids;
use crate::lines::Lines;
use crate::progress::Console;
use crate::tally::{Tally, count};

/// Requests that are read before they are asked for.
const AHEAD: usize = 32;

/// What the input holds for the engine.
#[derive(Debug)]
pub(crate) enum Item {
    Request(Request),
    /// A request that cannot be sent, but can be named in the results.
    Unsendable {
        custom_id: String,
        why: String,
    },
    /// The input cannot be read on.
    Failed(io::Error),
}

pub(crate) fn open(path: &Path) -> Result<BufReader<File>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    if file.metadata().with_context(|| format!("cannot read {name}"))?.is_dir() {
        bail!("cannot read {name}: it is a directory");
    }
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Reads the file once through, if it can be read twice: for the total, and for a strict run, which wants no
/// bad line. `None` for a pipe.
pub(crate) fn survey(path: &Path, strict: bool, console: &Console) -> Result<Option<u64>> {
    let input = open(path)?;
    if !input.get_ref().metadata()?.is_file() {
        if strict {
            bail!("--strict reads the file twice, and {} is not a regular file", path.display());
        }
        return Ok(None);
    }
    let mut lines = Lines::new(input);
    let (mut total, mut bad) = (0, 0);
    let mut seen = Ids::default();
    while let Some((number, text)) =
        lines.next().with_context(|| format!("cannot read {}", path.display()))?
    {
        total += 1;
        if strict && let Err(line) = text.and_then(|text| check(text, &mut seen)) {
            console.warn(&format!("line {number}: {}", line.why));
            bad += 1;
        }
    }
    if bad > 0 {
        bail!("{}: {bad} of {total} lines are bad; nothing was sent (--strict)", path.display());
    }
    Ok(Some(total))
}

fn check(text: &[u8], seen: &mut Ids) -> Result<(), BadLine> {
    let line = Line::read(text)?;
    if !seen.insert(&line.custom_id) {
        return Err(repeated(&line.custom_id));
    }
    line.body().map(drop)
}

/// Without a name, so that the first one's result stays the only one.
pub(crate) fn repeated(custom_id: &str) -> BadLine {
    BadLine {
        custom_id: None,
        why: format!("custom_id: {custom_id} was there before; this line is left out"),
    }
}

/// Starts reading `path`; what `done` holds is skipped.
pub(crate) fn start(
    path: &Path,
    done: Ids,
    estimates: Estimates,
    tally: Arc<Tally>,
    console: Console,
) -> Result<mpsc::Receiver<Item>> {
    let lines = Lines::new(open(path)?);
    let (sender, receiver) = mpsc::channel(AHEAD);
    let mut feed = Feed { done, seen: Ids::default(), estimates, tally, console, sender };
    thread::Builder::new()
        .name("input".to_owned())
        .spawn(move || {
            if let Err(error) = feed.run(lines) {
                // Nobody listens any more: the run is over.
                let _ = feed.sender.blocking_send(Item::Failed(error));
            }
        })
        .context("cannot start a thread")?;
    Ok(receiver)
}

struct Feed {
    done: Ids,
    seen: Ids,
    estimates: Estimates,
    tally: Arc<Tally>,
    console: Console,
    sender: mpsc::Sender<Item>,
}

impl Feed {
    /// Until the input is at its end, or nobody listens.
    fn run(&mut self, mut lines: Lines<impl BufRead>) -> io::Result<()> {
        while let Some((number, text)) = lines.next()? {
            let item = match text.and_then(|text| self.item(text)) {
                Ok(None) => continue,
                Ok(Some(item)) => item,
                Err(BadLine { custom_id, why }) => {
                    self.console.warn(&format!("line {number}: {why}"));
                    let Some(custom_id) = custom_id else {
                        count(&self.tally.bad);
                        continue;
                    };
                    Item::Unsendable { custom_id, why }
                }
            };
            if self.sender.blocking_send(item).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// What the line asks for; `None` if that is done.
    fn item(&mut self, text: &[u8]) -> Result<Option<Item>, BadLine> {
        let line = Line::read(text).map_err(|bad| self.named_once(bad))?;
        if !self.seen.insert(&line.custom_id) {
            return Err(repeated(&line.custom_id));
        }
        if self.done.contains(&line.custom_id) {
            count(&self.tally.skipped);
            return Ok(None);
        }
        let body = line.body()?;
        // The tokenizer is other people's code on other people's text: its fall must not be the run's.
        let counting = AssertUnwindSafe(|| self.estimates.request(&body));
        let estimated =
            panic::catch_unwind(counting).unwrap_or_else(|_| Err("its tokens cannot be counted".to_owned()));
        let Line { custom_id, url, body } = line;
        Ok(Some(match estimated {
            Ok(estimate) => Item::Request(Request { custom_id, url, body, estimate }),
            Err(why) => {
                self.console.warn(&format!("{custom_id}: {why}"));
                Item::Unsendable { custom_id, why }
            }
        }))
    }

    /// A bad line may repeat a custom_id, too, and results name each once.
    fn named_once(&mut self, bad: BadLine) -> BadLine {
        let custom_id = bad.custom_id.filter(|id| self.seen.insert(id) && !self.done.contains(id));
        BadLine { custom_id, ..bad }
    }
}
