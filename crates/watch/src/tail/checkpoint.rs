use std::fmt;

use sha2::{Digest, Sha256};

/// Up to where a log was read: for each file that is not read to its end, the oldest first.
///
/// Commit it in one transaction with what was made of the lines. Its text form is one line of ASCII.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// When the log was last written to, at that time: what was rotated before is older.
    pub(super) since_micros: u64,
    pub(super) files: Vec<Position>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) id: FileId,
    pub(super) start: Start,
    /// Bytes that were read as whole lines; of a compressed file, of what is in it.
    pub(super) offset: u64,
}

/// Device and inode. An inode is used again after its file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// How a file begins: so many bytes with that hash. Of nothing, every file begins like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) length: u16,
    hash: u64,
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCheckpoint;

/// Bytes of a file's start that are compared.
pub(super) const START: usize = 1024;

// === impl Checkpoint ===

impl Checkpoint {
    /// Reads what a checkpoint prints.
    ///
    /// # Errors
    ///
    /// If it was not printed by one.
    pub fn from_text(text: &str) -> Result<Checkpoint, BadCheckpoint> {
        let mut parts = text.split_whitespace();
        let Some(since) = parts.next() else { return Ok(Checkpoint::default()) };
        let since_micros = since.strip_prefix('@').and_then(|micros| micros.parse().ok()).ok_or(BadCheckpoint)?;
        let files = parts.map(|file| Position::from_text(file).ok_or(BadCheckpoint));
        Ok(Checkpoint { since_micros, files: files.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.since_micros)?;
        for Position { id, start, offset } in &self.files {
            write!(f, " {}:{}:{}:{:016x}:{offset}", id.device, id.inode, start.length, start.hash)?;
        }
        Ok(())
    }
}

// === impl Position ===

impl Position {
    fn from_text(text: &str) -> Option<Position> {
        let mut parts = text.split(':');
        let mut number = || parts.next()?.parse::<u64>().ok();
        let id = FileId { device: number()?, inode: number()? };
        let length = u16::try_from(number()?).ok().filter(|length| usize::from(*length) <= START)?;
        let hash = u64::from_str_radix(parts.next()?, 16).ok()?;
        let offset = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Position { id, start: Start { length, hash }, offset })
    }
}

// === impl Start ===

impl Start {
    /// The start of a file of which `bytes` are the first.
    pub(super) fn of(bytes: &[u8]) -> Start {
        let bytes = bytes.get(..bytes.len().min(START)).unwrap_or_default();
        let digest = Sha256::digest(bytes);
        let hash = digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte));
        Start { length: u16::try_from(bytes.len()).unwrap_or(0), hash }
    }

    /// Whether a file whose first bytes these are may be the one.
    pub(super) fn fits(self, bytes: &[u8]) -> bool {
        bytes.get(..usize::from(self.length)).is_some_and(|bytes| Start::of(bytes) == self)
    }
}

impl fmt::Display for BadCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a checkpoint of a log")
    }
}

impl std::error::Error for BadCheckpoint {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        let file = |inode, text: &[u8]| Position { id: FileId { device: 1, inode }, start: Start::of(text), offset: 7 };
        let checkpoint = Checkpoint { since_micros: 5, files: vec![file(2, b""), file(u64::MAX, &[7; 3000])] };
        assert_eq!(Checkpoint::from_text(&checkpoint.to_string()), Ok(checkpoint));
        assert_eq!(Checkpoint::from_text(""), Ok(Checkpoint::default()));
        for bad in [
            "@1 1:2:3",
            "1:2:0:0000000000000000:5",
            "@1 1:2:2000:0000000000000000:5",
            "@x",
            "1:2:3:zz:5",
            "1:2:2000:0000000000000000:5",
            "1:2:3:0000000000000000:5:6",
            "x",
        ] {
            assert_eq!(Checkpoint::from_text(bad), Err(BadCheckpoint), "{bad}");
        }
    }

    #[test]
    fn a_start_fits_what_grew_and_nothing_else() {
        let start = Start::of(b"abc");
        assert!(start.fits(b"abcdef") && !start.fits(b"abX") && !start.fits(b"ab"));
        assert!(Start::of(b"").fits(b"") && Start::of(b"").fits(b"x"));
    }
}
