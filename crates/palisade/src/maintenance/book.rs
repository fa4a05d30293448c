//! The record's file: read whole, added to at its end.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use palisade_check::maintenance::{Day, Done, Record};

/// A record longer than this was not written by us.
const MOST_BYTES: u64 = 4 << 20;

#[derive(Debug)]
pub(super) struct Book {
    path: PathBuf,
    record: Record,
}

// === impl Book ===

impl Book {
    /// Reads a file; one that is not there is empty.
    pub(super) fn read(path: &Path) -> anyhow::Result<Book> {
        // A pipe would wait for its writer.
        if path.metadata().is_ok_and(|about| !about.is_file()) {
            bail!("{} is no regular file", path.display());
        }
        let record = match File::open(path) {
            Ok(mut file) => understood(path, &text(path, &mut file)?)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Record::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Book { path: path.to_owned(), record })
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Writes one entry to the end of the file, and to the disk. Two programs that do so at once take turns.
    pub(super) fn add(&mut self, done: Done, today: Day) -> anyhow::Result<()> {
        let path = &self.path;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        // What another program has written meanwhile is kept, and a file that is not understood is not added to.
        let found = text(path, &mut file)?;
        self.record = understood(path, &found)?;
        let mut added = if found.trim().is_empty() { Record::head(Some(today)) } else { String::new() };
        if !found.is_empty() && !found.ends_with('\n') {
            added.push('\n');
        }
        added.push_str(&done.text());
        file.seek(SeekFrom::End(0))?;
        file.write_all(added.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.record.add(done);
        Ok(())
    }
}

fn text(path: &Path, file: &mut File) -> anyhow::Result<String> {
    let mut text = String::new();
    file.take(MOST_BYTES + 1).read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > MOST_BYTES {
        bail!("{} is longer than 4 MiB: it is no record of maintenance", path.display());
    }
    Ok(text)
}

fn understood(path: &Path, text: &str) -> anyhow::Result<Record> {
    Record::read(text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
        anyhow::anyhow!("{} is not understood, and nothing was written to it:{}", path.display(), lines.concat())
    })
}
