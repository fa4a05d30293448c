//! Files, plain or compressed.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flate2::read::MultiGzDecoder;
use palisade_event::BadLine;

use super::checkpoint::{FileId, START};
use super::splitter::Splitter;

/// Entries of a folder that are looked at for rotated files.
const MAX_ENTRIES: usize = 10_000;

/// Opens a file to read it once, through its compression if it has one (gzip, by its first bytes).
///
/// # Errors
///
/// If it cannot be opened or read.
pub fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    Ok(match Input::open(path)? {
        Input::Plain(file) => Box::new(file),
        Input::Gzip(reader) => reader,
    })
}

/// Tells every line of a reader, the last one even without a line feed. Gives the number of bytes.
///
/// # Errors
///
/// Whatever reading says; of a compressed file also that it is damaged or incomplete.
pub fn each_line(
    mut from: impl Read,
    max_line: usize,
    mut each: impl FnMut(Result<&[u8], BadLine>),
) -> io::Result<u64> {
    let (mut splitter, mut bytes) = (Splitter::new(max_line), 0);
    while splitter.fill(&mut from)? > 0 {
        while let Some(line) = splitter.line() {
            bytes += line.bytes;
            each(line.text);
        }
    }
    if let Some(line) = splitter.rest() {
        bytes += line.bytes;
        each(line.text);
    }
    Ok(bytes)
}

/// A file that is open.
pub(super) enum Input {
    /// Grows, perhaps.
    Plain(File),
    /// Is finished.
    Gzip(Box<dyn Read + Send>),
}

// === impl Input ===

impl Input {
    pub(super) fn open(path: &Path) -> io::Result<Input> {
        let mut file = File::open(path)?;
        let mut magic = [0; 2];
        let read = read_at_start(&mut file, &mut magic)?;
        file.seek(SeekFrom::Start(0))?;
        if read == 2 && magic == [0x1f, 0x8b] {
            return Ok(Input::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 << 10, file)))));
        }
        Ok(Input::Plain(file))
    }

    /// Goes on from an offset of the content.
    pub(super) fn skip(&mut self, offset: u64) -> io::Result<()> {
        match self {
            Input::Plain(file) => file.seek(SeekFrom::Start(offset)).map(drop),
            Input::Gzip(reader) => io::copy(&mut reader.take(offset), &mut io::sink()).map(drop),
        }
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Plain(file) => file.read(into),
            Input::Gzip(reader) => reader.read(into),
        }
    }
}

/// The first bytes of a file's content.
pub(super) fn start_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::with_capacity(START);
    Input::open(path)?.take(START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Device and inode of a file.
#[cfg(unix)]
pub(super) fn id(metadata: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    FileId { device: metadata.dev(), inode: metadata.ino() }
}

/// Elsewhere files are known by how they begin alone.
#[cfg(not(unix))]
pub(super) fn id(_: &fs::Metadata) -> FileId {
    FileId { device: 0, inode: 0 }
}

/// A file beside the log.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    pub(super) path: PathBuf,
    pub(super) id: FileId,
    pub(super) modified: SystemTime,
    /// Its name is the log's with something behind it: `access.log.1`, `access.log-20261122.gz`.
    pub(super) named_alike: bool,
}

/// The regular files in the log's folder, without the one that has its name, the oldest first.
pub(super) fn beside(log: &Path) -> io::Result<Vec<Beside>> {
    let folder = log.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = log.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(MAX_ENTRIES) {
        let entry = entry?;
        // Gone since it was listed.
        let Ok(metadata) = entry.metadata() else { continue };
        let other = entry.file_name().to_string_lossy().into_owned();
        if !metadata.is_file() || other == name {
            continue;
        }
        let named_alike = other.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['.', '-', '_']));
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        found.push(Beside { path: entry.path(), id: id(&metadata), modified, named_alike });
    }
    found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
    Ok(found)
}

fn read_at_start(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}
