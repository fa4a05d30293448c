use std::io::{self, Read};

use memchr::memchr;
use palisade_event::BadLine;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// Makes lines of bytes. Its memory is bounded by the longest line it takes and one chunk.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    from: usize,
    /// Where the search for its end goes on.
    searched: usize,
    /// Bytes of a line that is too long, which were thrown away.
    dropped: u64,
    max_line: usize,
}

/// A line, and how far it takes the reader.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without the line feed.
    pub text: Result<&'a [u8], BadLine>,
    /// Bytes it took in the file, with the line feed.
    pub bytes: u64,
}

// === impl Splitter ===

impl Splitter {
    /// A splitter that takes lines of up to `max_line` bytes. Longer ones are told as [`BadLine::TooLong`].
    #[must_use]
    pub const fn new(max_line: usize) -> Splitter {
        Splitter { buffer: Vec::new(), from: 0, searched: 0, dropped: 0, max_line }
    }

    /// Reads once; gives how many bytes came, 0 at the end.
    ///
    /// # Errors
    ///
    /// Whatever reading says.
    pub fn fill(&mut self, from: &mut impl Read) -> io::Result<usize> {
        self.compact();
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK, 0);
        let read = loop {
            match from.read(self.buffer.get_mut(length..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        read
    }

    /// Takes back what the last `fill` read.
    pub(super) fn unread(&mut self, bytes: usize) {
        self.buffer.truncate(self.buffer.len().saturating_sub(bytes));
        self.searched = self.searched.min(self.buffer.len());
    }

    /// The next whole line.
    pub fn line(&mut self) -> Option<Line<'_>> {
        let unsearched = self.buffer.get(self.searched..)?;
        let Some(at) = memchr(b'\n', unsearched) else {
            self.searched = self.buffer.len();
            if self.searched - self.from > self.max_line {
                self.dropped += (self.searched - self.from) as u64;
                self.from = self.searched;
            }
            return None;
        };
        let (from, end) = (self.from, self.searched + at);
        self.from = end + 1;
        self.searched = self.from;
        let bytes = std::mem::take(&mut self.dropped) + (end + 1 - from) as u64;
        let fits = bytes <= self.max_line as u64 + 1;
        let text = if fits { self.buffer.get(from..end).ok_or(BadLine::TooLong) } else { Err(BadLine::TooLong) };
        Some(Line { text, bytes })
    }

    /// What stands after the last line feed, where nothing will follow.
    pub fn rest(&mut self) -> Option<Line<'_>> {
        let from = std::mem::replace(&mut self.from, self.buffer.len());
        self.searched = self.from;
        let dropped = std::mem::take(&mut self.dropped);
        let text = self.buffer.get(from..).filter(|text| !text.is_empty() || dropped > 0)?;
        let fits = dropped == 0 && text.len() <= self.max_line;
        let bytes = dropped + text.len() as u64;
        Some(Line { text: if fits { Ok(text) } else { Err(BadLine::TooLong) }, bytes })
    }

    /// Forgets what was read and not told.
    pub(super) fn clear(&mut self) {
        *self = Splitter::new(self.max_line);
    }

    fn compact(&mut self) {
        if self.from > 0 {
            self.buffer.drain(..self.from.min(self.buffer.len()));
            self.searched -= self.from;
            self.from = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives as many bytes at a time as it is told to.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let (now, later) = self.0.split_at(self.1.min(self.0.len()));
            self.0 = later;
            into[..now.len()].copy_from_slice(now);
            Ok(now.len())
        }
    }

    fn lines(text: &[u8], step: usize, max: usize) -> (Vec<Option<Vec<u8>>>, u64) {
        let (mut splitter, mut drip) = (Splitter::new(max), Drip(text, step));
        let (mut lines, mut bytes) = (Vec::new(), 0);
        let mut tell = |line: Line<'_>| {
            lines.push(line.text.ok().map(<[u8]>::to_vec));
            bytes += line.bytes;
        };
        while splitter.fill(&mut drip).expect("read") > 0 {
            while let Some(line) = splitter.line() {
                tell(line);
            }
        }
        if let Some(line) = splitter.rest() {
            tell(line);
        }
        (lines, bytes)
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text_however_it_comes(
            text in prop::collection::vec(prop::sample::select(&b"ab\n"[..]), 0..200), step in 1..40_usize, max in 1..12_usize,
        ) {
            let mut expect: Vec<_> = text.split(|byte| *byte == b'\n').collect();
            if expect.last() == Some(&&[][..]) {
                expect.pop();
            }
            let expect: Vec<_> = expect.into_iter().map(|line| (line.len() <= max).then(|| line.to_vec())).collect();
            prop_assert_eq!(lines(&text, step, max), (expect, text.len() as u64));
        }
    }

    #[test]
    fn a_line_without_end_does_not_grow_the_buffer() {
        let text = vec![b'x'; 8 << 20];
        let (mut splitter, mut rest) = (Splitter::new(64 << 10), &text[..]);
        while splitter.fill(&mut rest).expect("read") > 0 {
            assert_eq!(splitter.line(), None);
            assert!(splitter.buffer.capacity() < 2 << 20);
        }
        assert_eq!(splitter.rest(), Some(Line { text: Err(BadLine::TooLong), bytes: 8 << 20 }));
    }
}
