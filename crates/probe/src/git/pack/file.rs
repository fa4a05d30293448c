//! A pack's bytes, read where they are needed and never all at once.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use flate2::{Decompress, FlushDecompress, Status};

use super::super::Kind;
use super::super::index::offset;

/// Bytes that are read at once.
const WINDOW: usize = 256 << 10;

/// How an object lies in its pack.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry {
    /// As it is.
    Whole(Kind),
    /// As a change to what lies so many bytes before it.
    ByOffset(u64),
    /// As a change to another object of the pack.
    ById([u8; 20]),
}

pub(super) struct PackFile {
    file: File,
    window: Vec<u8>,
    start: u64,
    inflater: Decompress,
}

impl PackFile {
    pub(super) fn new(file: File) -> PackFile {
        PackFile { file, window: Vec::new(), start: 0, inflater: Decompress::new(true) }
    }

    /// What lies at an offset, its size, and where its bytes begin.
    pub(super) fn entry(&mut self, at: u64) -> Option<(Entry, u64, u64)> {
        let bytes = self.bytes(at, 64)?;
        let mut used = 1;
        let mut byte = *bytes.first()?;
        let kind = (byte >> 4) & 7;
        let mut size = u64::from(byte & 15);
        let mut shift = 4;
        while byte & 0x80 != 0 {
            byte = *bytes.get(used)?;
            size |= u64::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 57)?;
            shift += 7;
            used += 1;
        }
        let entry = match kind {
            1 => Entry::Whole(Kind::Commit),
            2 => Entry::Whole(Kind::Tree),
            3 => Entry::Whole(Kind::Blob),
            4 => Entry::Whole(Kind::Tag),
            6 => {
                let (back, after) = offset(bytes, used)?;
                used = after;
                Entry::ByOffset(back as u64)
            }
            7 => {
                let id = bytes.get(used..used + 20)?.try_into().ok()?;
                used += 20;
                Entry::ById(id)
            }
            _ => return None,
        };
        Some((entry, size, at + used as u64))
    }

    /// Inflates exactly `size` bytes.
    pub(super) fn inflate(&mut self, start: u64, size: u64) -> Option<Vec<u8>> {
        let size = usize::try_from(size).ok()?;
        let mut data = Vec::with_capacity(size + 1);
        let mut inflater = std::mem::replace(&mut self.inflater, Decompress::new(true));
        inflater.reset(true);
        let mut at = start;
        let whole = loop {
            let Some(bytes) = self.bytes(at, 1) else { break false };
            let before = (inflater.total_in(), inflater.total_out());
            let Ok(status) = inflater.decompress_vec(bytes, &mut data, FlushDecompress::None) else { break false };
            at += inflater.total_in() - before.0;
            let moved = (inflater.total_in(), inflater.total_out()) != before;
            match status {
                Status::StreamEnd => break data.len() == size,
                _ if data.len() > size || !moved => break false,
                _ => {}
            }
        };
        self.inflater = inflater;
        whole.then_some(data)
    }

    /// The bytes from an offset on: at least `least` of them, but at the file's end.
    fn bytes(&mut self, at: u64, least: usize) -> Option<&[u8]> {
        let inside = at.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        let from = match inside.filter(|from| self.window.len() >= from.saturating_add(least)) {
            Some(from) => from,
            None => {
                self.file.seek(SeekFrom::Start(at)).ok()?;
                self.window.clear();
                self.start = at;
                (&self.file).take(WINDOW as u64).read_to_end(&mut self.window).ok()?;
                0
            }
        };
        self.window.get(from..).filter(|bytes| !bytes.is_empty())
    }
}
