//! One file that is being read.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Instant;

use super::checkpoint::{FileId, Position, START, Start};
use super::files::{Input, id};
use super::splitter::{Line, Splitter};

pub(super) struct Source {
    input: Input,
    pub(super) id: FileId,
    pub(super) start: Start,
    /// Bytes read from the file, told or not.
    read: u64,
    /// Bytes told as whole lines.
    pub(super) told: u64,
    splitter: Splitter,
    /// Since when nothing came.
    pub(super) idle: Option<Instant>,
    /// Nothing will be appended any more.
    pub(super) finished: bool,
}

/// What came of reading once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Bytes,
    Nothing,
    /// The file was cut, or is another one now.
    Truncated,
}

// === impl Source ===

impl Source {
    /// Opens a file and goes on from an offset of its content.
    pub(super) fn open(path: &Path, offset: u64, start: Start, max_line: usize) -> io::Result<Source> {
        let mut input = Input::open(path)?;
        let id = match &input {
            Input::Plain(file) => id(&file.metadata()?),
            Input::Gzip(_) => id(&fs::metadata(path)?),
        };
        input.skip(offset)?;
        let finished = matches!(input, Input::Gzip(_));
        let splitter = Splitter::new(max_line);
        Ok(Source { input, id, start, read: offset, told: offset, splitter, idle: None, finished })
    }

    /// Where it was read to.
    pub(super) fn position(&self) -> Position {
        Position { id: self.id, start: self.start, offset: self.told }
    }

    /// Reads once, and makes sure that it was still the same file.
    pub(super) fn fill(&mut self) -> io::Result<Came> {
        let came = self.splitter.fill(&mut self.input)?;
        let Input::Plain(file) = &self.input else {
            return Ok(if came == 0 { Came::Nothing } else { Came::Bytes });
        };
        let start = first(file)?;
        if file.metadata()?.len() < self.read || !self.start.fits(&start) {
            self.splitter.unread(came);
            return Ok(Came::Truncated);
        }
        self.read += came as u64;
        // Only what was read belongs to what is known of the file.
        let known = start.len().min(usize::try_from(self.read).unwrap_or(START));
        if known > usize::from(self.start.length) {
            self.start = Start::of(start.get(..known).unwrap_or_default());
        }
        Ok(if came == 0 { Came::Nothing } else { Came::Bytes })
    }

    /// The next line that was read.
    pub(super) fn line(&mut self) -> Option<Line<'_>> {
        let line = self.splitter.line()?;
        self.told += line.bytes;
        Some(line)
    }

    /// The last line, where it lacks its line feed and nothing will follow.
    pub(super) fn rest(&mut self) -> Option<Line<'_>> {
        let line = self.splitter.rest()?;
        self.told += line.bytes;
        Some(line)
    }

    /// Reads the file from its start again: it was truncated.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.splitter.clear();
        self.input.skip(0)?;
        self.start = Start::of(b"");
        self.read = 0;
        self.told = 0;
        Ok(())
    }
}

/// The first bytes of a file, without moving where it is read.
#[cfg(unix)]
fn first(file: &File) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut start = vec![0; START];
    let mut read = 0;
    while let Some(rest) = start.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    start.truncate(read);
    Ok(start)
}

#[cfg(not(unix))]
fn first(mut file: &File) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let at = file.stream_position()?;
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::with_capacity(START);
    file.take(START as u64).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(start)
}
