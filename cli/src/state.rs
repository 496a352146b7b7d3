//! The limiter's state beside the output, so that a second run knows what the first has spent.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tollgate::{Limiter, Snapshot};

use crate::progress::Console;

/// Where the state of one output is kept.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    console: Console,
    /// Said once: the run goes on without.
    failed: bool,
}

/// `results.jsonl.tollgate-state.json` for `results.jsonl`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

impl StateFile {
    pub(crate) fn of(output: &Path, console: Console) -> Self {
        StateFile { path: beside(output, ".tollgate-state.json"), console, failed: false }
    }

    /// Gives `limiter` what an earlier run spent. A state that cannot be used is set aside and said so: a run
    /// without it is at the provider's mercy for the rest of the day, and no worse.
    pub(crate) fn restore(&self, limiter: &Limiter) {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.set_aside(&error.to_string()),
        };
        let snapshot: Snapshot = match serde_json::from_slice(&text) {
            Ok(snapshot) => snapshot,
            Err(error) => return self.set_aside(&error.to_string()),
        };
        match limiter.restore(&snapshot) {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => {
                let without = missing.join(", ");
                self.console.say(&format!("{}: no limits now for {without}", self.path.display()));
            }
            Err(error) => self.set_aside(&error.to_string()),
        }
    }

    fn set_aside(&self, why: &str) {
        let aside = beside(&self.path, ".corrupt");
        let path = self.path.display();
        let what = match fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is now {}", aside.display()),
            Err(error) => format!("it cannot be renamed: {error}"),
        };
        self.console.warn(&format!("{path} cannot be used ({why}); {what}, and every budget starts full"));
    }

    /// Writes what `limiter` has spent; a reader finds the old state or the new, nothing between.
    pub(crate) fn save(&mut self, limiter: &Limiter) {
        if let Err(error) = self.try_save(limiter)
            && !std::mem::replace(&mut self.failed, true)
        {
            self.console.warn(&format!("{} cannot be written: {error}", self.path.display()));
        }
    }

    fn try_save(&self, limiter: &Limiter) -> io::Result<()> {
        let next = beside(&self.path, ".tmp");
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec(&limiter.snapshot())?)?;
        file.sync_all()?;
        fs::rename(&next, &self.path)
    }
}
