//! A chunked body (RFC 9112 section 7.1), followed byte by byte where it has structure and skipped where it is data.

use super::Flaw;
use super::table::{self, EXTENSION, TOKEN, VALUE};

/// Where in a chunked body the next byte stands.
#[derive(Debug)]
pub(crate) struct Chunks {
    part: Part,
    /// Bytes of extensions in the whole body.
    extensions: usize,
    trailers: u32,
    /// Bytes of trailers.
    trailing: usize,
    /// The name of the trailer that is being read.
    name: [u8; LONGEST],
    named: usize,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data(u64),
    DataCr,
    DataLf,
    /// At the beginning of a trailer, or of the last line's end.
    Line,
    Name,
    Value,
    LineEnd,
    LastLf,
}

/// Digits of a size at most: it fits into 60 bits, and leading zeros do not go on for ever.
const MAX_DIGITS: u8 = 15;
/// Bytes of extensions in a body at most. hyper takes four times as many; nobody is known to need any.
const MAX_EXTENSIONS: usize = 4 << 10;
/// Trailers of a body at most, and their bytes.
const MAX_TRAILERS: u32 = 32;
const MAX_TRAILING: usize = 8 << 10;
/// What frames a message is no trailer's name (RFC 9110 section 6.5.1); others that mean nothing there are dropped later.
const FORBIDDEN: [&[u8]; 2] = [b"content-length", b"transfer-encoding"];
const LONGEST: usize = 18;

impl Default for Chunks {
    fn default() -> Chunks {
        let part = Part::Size { digits: 0, size: 0 };
        Chunks { part, extensions: 0, trailers: 0, trailing: 0, name: [0; LONGEST], named: 0 }
    }
}

impl Chunks {
    /// Follows the body: how many bytes belong to it, and whether it is over; or where it breaks.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(usize, bool), (usize, Flaw)> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let (taken, over) = self.framing(rest).map_err(|(taken, flaw)| (at + taken, flaw))?;
            at += taken + if over { 0 } else { self.data(rest.len() - taken) };
            if over || at == bytes.len() {
                return Ok((at, over));
            }
        }
    }

    /// Follows what is no data, up to where data begins or the body is over: how many bytes that is, and whether it is
    /// over; or where it breaks.
    pub(crate) fn framing(&mut self, bytes: &[u8]) -> Result<(usize, bool), (usize, Flaw)> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if matches!(self.part, Part::Data(_)) {
                break;
            }
            let over = matches!((self.part, byte), (Part::LastLf, b'\n'));
            self.part = self.step(*byte).map_err(|flaw| (at, flaw))?;
            at += 1;
            if over {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// How many of so many bytes, which come next, are data. They count as followed.
    pub(crate) fn data(&mut self, bytes: usize) -> usize {
        let Part::Data(left) = self.part else { return 0 };
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes);
        let left = left - taken as u64;
        self.part = if left == 0 { Part::DataCr } else { Part::Data(left) };
        taken
    }

    fn step(&mut self, byte: u8) -> Result<Part, Flaw> {
        match self.part {
            Part::Size { digits, size } => self.size(byte, digits, size),
            Part::Extension { size } => self.extension(byte, size),
            Part::SizeEnd { size } if byte == b'\n' => Ok(if size == 0 { Part::Line } else { Part::Data(size) }),
            Part::SizeEnd { .. } => Err(Flaw::ChunkSize),
            Part::DataCr if byte == b'\r' => Ok(Part::DataLf),
            Part::DataLf if byte == b'\n' => Ok(Part::Size { digits: 0, size: 0 }),
            Part::Data(_) | Part::DataCr | Part::DataLf => Err(Flaw::ChunkEnd),
            Part::Line | Part::Name | Part::Value | Part::LineEnd | Part::LastLf => self.trailer(byte),
        }
    }

    fn size(&mut self, byte: u8, digits: u8, size: u64) -> Result<Part, Flaw> {
        let digit = char::from(byte).to_digit(16);
        match (digit, byte) {
            (Some(_), _) if digits == MAX_DIGITS => Err(Flaw::ChunkSize),
            (Some(digit), _) => Ok(Part::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }),
            (None, _) if digits == 0 => Err(Flaw::ChunkSize),
            (None, b'\r') => Ok(Part::SizeEnd { size }),
            (None, b';') => Ok(Part::Extension { size }),
            (None, _) => Err(Flaw::ChunkSize),
        }
    }

    fn extension(&mut self, byte: u8, size: u64) -> Result<Part, Flaw> {
        self.extensions += 1;
        match byte {
            b'\r' => Ok(Part::SizeEnd { size }),
            _ if self.extensions > MAX_EXTENSIONS || !table::is(byte, EXTENSION) => Err(Flaw::ChunkExtension),
            _ => Ok(Part::Extension { size }),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<Part, Flaw> {
        self.trailing += 1;
        if self.trailing > MAX_TRAILING {
            return Err(Flaw::Trailer);
        }
        match (self.part, byte) {
            (Part::Line, b'\r') => Ok(Part::LastLf),
            (Part::Line, _) if table::is(byte, TOKEN) && self.trailers < MAX_TRAILERS => {
                self.trailers += 1;
                self.named = 0;
                self.spell(byte);
                Ok(Part::Name)
            }
            (Part::Name, b':') if self.is_forbidden() => Err(Flaw::Trailer),
            (Part::Name, b':') => Ok(Part::Value),
            (Part::Name, _) if table::is(byte, TOKEN) => {
                self.spell(byte);
                Ok(Part::Name)
            }
            (Part::Value, b'\r') => Ok(Part::LineEnd),
            (Part::Value, _) if table::is(byte, VALUE) => Ok(Part::Value),
            (Part::LineEnd, b'\n') => Ok(Part::Line),
            (Part::LastLf, b'\n') => Ok(Part::Size { digits: 0, size: 0 }),
            _ => Err(Flaw::Trailer),
        }
    }

    fn spell(&mut self, byte: u8) {
        if let Some(place) = self.name.get_mut(self.named) {
            *place = byte.to_ascii_lowercase();
        }
        self.named = self.named.saturating_add(1);
    }

    fn is_forbidden(&self) -> bool {
        self.name.get(..self.named).is_some_and(|name| FORBIDDEN.contains(&name))
    }
}
