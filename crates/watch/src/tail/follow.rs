use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palisade_event::BadLine;

use super::checkpoint::{Checkpoint, Position, Start};
use super::files::{Beside, beside, id, start_of};
use super::source::{Came, Source};

/// How long a renamed file is still read after its last line: a server writes to it until it is told to open anew.
const DRAIN: Duration = Duration::from_secs(30);
/// Files that are read at once: the log and what it was before.
const MAX_SOURCES: usize = 32;
/// Bytes after which [`Tail::poll`] gives a chance to commit.
const BUDGET: u64 = 4 << 20;

/// Follows one log.
pub struct Tail {
    path: PathBuf,
    max_line: usize,
    /// The oldest first; the last one is the log, if it exists.
    sources: Vec<Source>,
    /// Whether the last source has the log's name.
    current: bool,
    /// When the log was last written to, as of the last poll.
    since: SystemTime,
    /// What was read to its end lately, so that it is not taken for a file that nobody saw.
    done: VecDeque<Position>,
    losses: Losses,
}

/// Where a log begins that was never read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With its first line.
    Start,
    /// With what is appended from now on.
    End,
}

/// What could not be found again. Each is worth a word to the operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Losses {
    /// Files of the checkpoint that are gone.
    pub files: u64,
    /// Truncations of which no copy holds what had not been read.
    pub truncations: u64,
}

// === impl Tail ===

impl Tail {
    /// Goes on where a checkpoint says; without one, from `from` on. The log need not exist yet.
    ///
    /// What was rotated since the checkpoint is read first, oldest first.
    ///
    /// # Errors
    ///
    /// If a file or the folder cannot be read.
    pub fn open(path: &Path, from: Begin, max_line: usize, checkpoint: Option<&Checkpoint>) -> io::Result<Tail> {
        let path = path.to_owned();
        let mut tail = Tail {
            path,
            max_line,
            sources: Vec::new(),
            current: false,
            since: SystemTime::now(),
            done: VecDeque::new(),
            losses: Losses::default(),
        };
        match checkpoint.filter(|checkpoint| !checkpoint.files.is_empty()) {
            Some(checkpoint) => tail.resume(checkpoint)?,
            None => tail.begin(from)?,
        }
        tail.since = tail.modified().unwrap_or(tail.since);
        Ok(tail)
    }

    /// Tells the lines that are there, up to some megabytes; whether there may be more at once.
    ///
    /// # Errors
    ///
    /// If a file cannot be read. What was told stays told; calling again goes on behind it.
    pub fn poll(&mut self, mut each: impl FnMut(Result<&[u8], BadLine>)) -> io::Result<bool> {
        let mut budget = BUDGET;
        let mut at = 0;
        while at < self.sources.len() {
            let truncated = self.read(at, &mut budget, &mut each)?;
            if truncated {
                // Its copy stands before it now, or it is read again.
                self.recover(at)?;
                continue;
            }
            if budget == 0 {
                return Ok(true);
            }
            at += 1;
        }
        self.retire(&mut each);
        let more = self.look()?;
        self.since = self.modified().unwrap_or(self.since);
        Ok(more)
    }

    /// Up to where lines were told.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let since = self.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_micros = u64::try_from(since.as_micros()).unwrap_or_default();
        Checkpoint { since_micros, files: self.sources.iter().map(Source::position).collect() }
    }

    fn modified(&self) -> Option<SystemTime> {
        fs::metadata(&self.path).and_then(|metadata| metadata.modified()).ok()
    }

    /// What could not be found again so far.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Reads one source to its end or the budget's; whether it was truncated.
    fn read(&mut self, at: usize, budget: &mut u64, each: &mut impl FnMut(Result<&[u8], BadLine>)) -> io::Result<bool> {
        let Some(source) = self.sources.get_mut(at) else { return Ok(false) };
        loop {
            match source.fill() {
                Ok(Came::Bytes) => source.idle = None,
                Ok(Came::Nothing) => {
                    source.idle.get_or_insert_with(Instant::now);
                    return Ok(false);
                }
                Ok(Came::Truncated) => return Ok(true),
                // A compressed file that is damaged or still being written ends here, and nothing comes after it.
                Err(_) if source.finished => {
                    self.losses.files += 1;
                    source.idle.get_or_insert_with(Instant::now);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
            while let Some(line) = source.line() {
                *budget = budget.saturating_sub(line.bytes);
                each(line.text);
            }
            if *budget == 0 {
                return Ok(false);
            }
        }
    }

    /// A truncated file begins anew. What it held and was not told is looked for in a copy, which is read before it.
    fn recover(&mut self, at: usize) -> io::Result<()> {
        let Some(source) = self.sources.get_mut(at) else { return Ok(()) };
        let position = source.position();
        source.restart()?;
        if position.start.length == 0 {
            return Ok(());
        }
        let own = position.id;
        let copy = find(&self.path, |file| file.id != own && begins(&file.path, position.start))?;
        let Some(copy) = copy else {
            self.losses.truncations += 1;
            return Ok(());
        };
        let mut source = Source::open(&copy.path, position.offset, position.start, self.max_line)?;
        source.finished = true;
        self.sources.insert(at, source);
        // It may have been truncated more than once.
        self.insert_between(self.since)
    }

    /// Lets go of files that are finished, with their last line.
    fn retire(&mut self, each: &mut impl FnMut(Result<&[u8], BadLine>)) {
        let last = if self.current { self.sources.len().saturating_sub(1) } else { self.sources.len() };
        let mut at = 0;
        let crowded = self.sources.len() > MAX_SOURCES;
        let done = &mut self.done;
        self.sources.retain_mut(|source| {
            let old = at < last;
            at += 1;
            let Some(idle) = source.idle.filter(|_| old) else { return true };
            if !(source.finished || crowded || idle.elapsed() >= DRAIN) {
                return true;
            }
            if let Some(line) = source.rest() {
                each(line.text);
            }
            done.push_back(source.position());
            false
        });
        while self.done.len() > MAX_SOURCES {
            self.done.pop_front();
        }
    }

    /// Whether the log's name belongs to another file now, which is then read too.
    fn look(&mut self) -> io::Result<bool> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.current = false;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if self.current && self.sources.last().is_some_and(|source| source.id == id(&metadata)) {
            return Ok(false);
        }
        // The name may have come back to a file that is still being read.
        if let Some(at) = self.sources.iter().position(|source| source.id == id(&metadata) && !source.finished) {
            let source = self.sources.remove(at);
            self.sources.push(source);
            self.current = true;
            return Ok(false);
        }
        let came = self.push(0, Start::of(b""))?;
        // It may have been rotated more than once.
        self.insert_between(self.since)?;
        Ok(came)
    }

    /// Reads the file that has the log's name from an offset on.
    fn push(&mut self, offset: u64, start: Start) -> io::Result<bool> {
        match Source::open(&self.path, offset, start, self.max_line) {
            Ok(source) => {
                self.sources.push(source);
                self.current = true;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn begin(&mut self, from: Begin) -> io::Result<()> {
        let length = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if from == Begin::Start || length == 0 {
            return self.push(0, Start::of(b"")).map(drop);
        }
        // The end is the one after the last whole line.
        let (mut lines, mut last) = (0, 0);
        super::files::each_line(super::files::open(&self.path)?, self.max_line, |_| lines += 1)?;
        self.push(0, Start::of(b""))?;
        while let Some(source) = self.sources.last_mut().filter(|_| last < lines) {
            if source.fill()? != Came::Bytes {
                break;
            }
            while source.line().is_some() {
                last += 1;
            }
        }
        Ok(())
    }

    /// Finds the files of a checkpoint again, and those that came between them and the log.
    fn resume(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        for position in &checkpoint.files {
            if self.resume_current(position)? {
                continue;
            }
            let same = find(&self.path, |file| file.id == position.id && begins(&file.path, position.start))?;
            let found = match same {
                Some(file) => Some(file),
                None if position.start.length == 0 => None,
                None => find(&self.path, |file| begins(&file.path, position.start))?,
            };
            let Some(file) = found else {
                self.losses.files += u64::from(position.offset > 0);
                continue;
            };
            let mut source = Source::open(&file.path, position.offset, position.start, self.max_line)?;
            source.finished |= source.id != position.id;
            let before_log = self.sources.len() - usize::from(self.current);
            self.sources.insert(before_log, source);
        }
        if self.current {
            // Nothing was rotated since.
            return Ok(());
        }
        self.push(0, Start::of(b""))?;
        self.insert_between(UNIX_EPOCH + Duration::from_micros(checkpoint.since_micros))
    }

    /// Whether the position is one of the file that has the log's name.
    fn resume_current(&mut self, position: &Position) -> io::Result<bool> {
        let Ok(metadata) = fs::metadata(&self.path) else { return Ok(false) };
        let same = id(&metadata) == position.id && metadata.len() >= position.offset;
        if self.current || !same || !begins(&self.path, position.start) {
            return Ok(false);
        }
        self.push(position.offset, position.start)
    }

    /// Reads the rotated files that were written to since the checkpoint and are not in it: they were never seen.
    fn insert_between(&mut self, since: SystemTime) -> io::Result<()> {
        let known: Vec<_> = self.sources.iter().map(Source::position).collect();
        let before_log = self.sources.len() - usize::from(self.current);
        let mut found = Vec::new();
        for file in beside(&self.path)?.into_iter().filter(|file| file.named_alike && file.modified >= since) {
            let Ok(start) = start_of(&file.path) else { continue };
            let is_known = |position: &Position| {
                position.id == file.id || (position.start.length > 0 && position.start.fits(&start))
            };
            let is_done = |position: &Position| position.id == file.id && position.start.fits(&start);
            if start.is_empty() || known.iter().any(is_known) || self.done.iter().any(is_done) {
                continue;
            }
            let mut source = Source::open(&file.path, 0, Start::of(b""), self.max_line)?;
            source.finished = true;
            found.push(source);
        }
        self.sources.splice(before_log..before_log, found);
        Ok(())
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").field("path", &self.path).field("at", &self.checkpoint()).finish_non_exhaustive()
    }
}

/// The newest file beside the log that is wanted, plain before compressed: while a file is compressed both are there.
fn find(log: &Path, wanted: impl Fn(&Beside) -> bool) -> io::Result<Option<Beside>> {
    let mut files = beside(log)?;
    files.sort_by_key(|file| !is_gzip(&file.path));
    Ok(files.into_iter().rev().find(wanted))
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

fn begins(path: &Path, start: Start) -> bool {
    start_of(path).is_ok_and(|bytes| start.fits(&bytes))
}
