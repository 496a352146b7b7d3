//! The result file: what an earlier run left in it, and what this one adds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs4::FileExt;

use crate::batch::{Earlier, ResultLine};
use crate::found::{Found, Whole, is_final, survey};
use crate::state::beside;

/// The result file, held by this run alone.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    file: File,
    _lock: Lock,
}

impl Output {
    /// Opens or makes the file, finds what is in it, and puts it in order for more.
    ///
    /// # Errors
    ///
    /// If it cannot be written, another run has it, or it holds anything but results.
    pub(crate) fn open(path: &Path) -> Result<(Output, Found)> {
        // Before the lock, so that the error names the file that was asked for.
        drop(open(path)?);
        let name = path.display();
        // It may be a link: what is renamed and locked is what it leads to.
        let path = &path.canonicalize().with_context(|| format!("cannot write {name}"))?;
        let lock = Lock::take(path)?;
        let file = open(path)?;
        let (found, whole) = survey(BufReader::with_capacity(1 << 16, &file), &name)?;
        let mut output = Output { path: path.to_owned(), file, _lock: lock };
        output.mend(whole).with_context(|| format!("cannot mend {name}"))?;
        if found.again > 0 {
            output.take_out().with_context(|| format!("cannot rewrite {name}"))?;
        }
        Ok((output, found))
    }

    /// Adds one result. It is with the system when this returns.
    pub(crate) fn write(&mut self, line: &ResultLine<'_>) -> Result<()> {
        let name = self.path.display();
        let bytes = line.to_bytes().with_context(|| format!("cannot write {name}"))?;
        self.file.write_all(&bytes).with_context(|| format!("cannot write {name}"))
    }

    /// Cuts a torn line off, or ends a whole one that lacks its line feed.
    fn mend(&mut self, whole: Whole) -> io::Result<()> {
        match whole {
            Whole::Yes => {}
            Whole::ButTheLineFeed => {
                self.file.seek(SeekFrom::End(0))?;
                self.file.write_all(b"\n")?;
            }
            Whole::UpTo(end) => self.file.set_len(end)?,
        }
        self.file.seek(SeekFrom::End(0))?;
        Ok(())
    }

    /// Takes out what will be tried again, so that no custom_id is there twice.
    fn take_out(&mut self) -> io::Result<()> {
        let next = beside(&self.path, ".tollgate-tmp");
        let mut kept = BufWriter::new(File::create(&next)?);
        self.file.seek(SeekFrom::Start(0))?;
        let mut lines = BufReader::new(&self.file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if Earlier::read(&line).is_none_or(|earlier| is_final(&earlier)) {
                kept.write_all(&line)?;
            }
            line.clear();
        }
        let kept = kept.into_inner().map_err(io::IntoInnerError::into_error)?;
        kept.set_permissions(self.file.metadata()?.permissions())?;
        kept.sync_all()?;
        fs::rename(&next, &self.path)?;
        // Its position is at its end.
        self.file = kept;
        Ok(())
    }
}

/// Not `append`, which some systems do not let truncate.
fn open(path: &Path) -> Result<File> {
    let name = path.display();
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.with_context(|| format!("cannot write {name}"))?;
    if !file.metadata().with_context(|| format!("cannot write {name}"))?.is_file() {
        bail!("cannot write {name}: it is not a regular file");
    }
    Ok(file)
}

/// Keeps two runs from one output. The system lets go of it when the program ends, however it ends.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn take(output: &Path) -> Result<Lock> {
        let path = beside(output, ".tollgate-lock");
        loop {
            let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            let file = opened.with_context(|| format!("cannot write {}", path.display()))?;
            match FileExt::try_lock(&file) {
                Ok(()) => {}
                Err(fs4::TryLockError::WouldBlock) => bail!("another run writes to {} now", output.display()),
                // A file system without locks: better to run than to refuse.
                Err(fs4::TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
                Err(fs4::TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
            // The run that had it may have removed it between our opening and our locking; then this is the
            // lock of a file that nobody else will find.
            let same = file
                .try_clone()
                .and_then(same_file::Handle::from_file)
                .and_then(|held| Ok(held == same_file::Handle::from_path(&path)?));
            match same {
                Ok(true) => return Ok(Lock { path, _file: file }),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is held, so that whoever opens it from now on finds a new file. One that stays is harmless.
        let _ = fs::remove_file(&self.path);
    }
}
