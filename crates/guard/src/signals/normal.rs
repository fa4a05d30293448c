//! A value in the one form the detectors read: decoded, in lower case, on the stack.

use crate::signals::MAX_VALUE;

/// Decoded bytes, twice: as they are, and in lower case.
pub(super) struct Normal<'a> {
    raw: &'a mut [u8],
    low: &'a mut [u8],
    len: usize,
    /// A dot was escaped, which no client does.
    pub(super) hidden_dot: bool,
    /// A separator was escaped twice.
    pub(super) hidden_slash: bool,
    /// There was a NUL; it is dropped.
    pub(super) nul: bool,
}

/// Nearly all values are no longer than this, and need no large buffers made ready.
const SHORT: usize = 128;

impl Normal<'_> {
    /// Looks at the first [`MAX_VALUE`] bytes of a value, decoded: escapes twice, `%uXXXX`, overlong UTF-8, full-width forms.
    pub(super) fn with<T>(value: &[u8], plus: bool, look: impl FnOnce(&Normal<'_>) -> T) -> T {
        let value = value.get(..value.len().min(MAX_VALUE)).unwrap_or_default();
        // Nothing gets longer by being decoded.
        if value.len() <= SHORT {
            look(&Normal::of(value, plus, &mut [0; SHORT], &mut [0; SHORT]))
        } else {
            look(&Normal::of(value, plus, &mut [0; MAX_VALUE], &mut [0; MAX_VALUE]))
        }
    }

    fn of<'a>(value: &[u8], plus: bool, raw: &'a mut [u8], low: &'a mut [u8]) -> Normal<'a> {
        let mut normal = Normal { raw, low, len: 0, hidden_dot: false, hidden_slash: false, nul: false };
        let mut hidden = false;
        let mut once = Filling { place: &mut *normal.low, len: 0 };
        unescape(value, |byte, escaped| {
            hidden |= escaped && byte == b'.';
            once.push(if byte == b'+' && plus && !escaped { b' ' } else { byte });
        });
        let once = once.len;
        let mut slash = false;
        let mut twice = Filling { place: &mut *normal.raw, len: 0 };
        unescape(normal.low.get(..once).unwrap_or_default(), |byte, escaped| {
            hidden |= escaped && byte == b'.';
            slash |= escaped && matches!(byte, b'/' | b'\\');
            twice.push(byte);
        });
        let twice = twice.len;
        (normal.hidden_dot, normal.hidden_slash) = (hidden, slash);
        normal.fold(twice);
        normal
    }

    /// As decoded.
    pub(super) fn raw(&self) -> &[u8] {
        self.raw.get(..self.len).unwrap_or_default()
    }

    /// In lower case, the same bytes in the same places.
    pub(super) fn low(&self) -> &[u8] {
        self.low.get(..self.len).unwrap_or_default()
    }

    /// Overlong and full-width spellings of ASCII become ASCII. In place: nothing gets longer.
    fn fold(&mut self, len: usize) {
        let mut from = 0;
        while from < len {
            let byte = |ahead: usize| self.raw.get(from + ahead).copied().filter(|_| from + ahead < len).unwrap_or(0);
            let (first, second, third) = (byte(0), byte(1), byte(2));
            let tail = |byte: u8| (0x80..0xc0).contains(&byte);
            let (byte, used) = match first {
                0xc0 | 0xc1 if tail(second) => (first << 6 | (second & 0x3f), 2),
                0xe0 if tail(third) && (0x80..0x82).contains(&second) => (second << 6 | (third & 0x3f), 3),
                0xef if second == 0xbc && (0x81..=0xbf).contains(&third) => (third - 0x60, 3),
                0xef if second == 0xbd && (0x80..=0x9e).contains(&third) => (third - 0x20, 3),
                0xc2 if second == 0xa0 => (b' ', 2),
                other => (other, 1),
            };
            from += used;
            if byte == 0 {
                self.nul = true;
                continue;
            }
            let overlong = used > 1 && matches!(first, 0xc0 | 0xc1 | 0xe0);
            self.hidden_dot |= overlong && byte == b'.';
            self.hidden_slash |= overlong && matches!(byte, b'/' | b'\\');
            if let (Some(raw), Some(low)) = (self.raw.get_mut(self.len), self.low.get_mut(self.len)) {
                *raw = byte;
                *low = byte.to_ascii_lowercase();
                self.len += 1;
            }
        }
    }
}

/// A buffer that takes what fits.
struct Filling<'a> {
    place: &'a mut [u8],
    len: usize,
}

impl Filling<'_> {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.place.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }
}

/// Decodes `%41` and `%u0041` once.
fn unescape(text: &[u8], mut put: impl FnMut(u8, bool)) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte == b'%' {
            if let Some(code) = hex(after.get(..2)).and_then(|code| u8::try_from(code).ok()) {
                put(code, true);
                rest = after.get(2..).unwrap_or_default();
                continue;
            }
            let wide = after.strip_prefix(b"u").or_else(|| after.strip_prefix(b"U"));
            if let Some(code) = wide.and_then(|digits| hex(digits.get(..4))) {
                let mut buffer = [0; 4];
                let char = char::from_u32(code).unwrap_or('\u{fffd}');
                char.encode_utf8(&mut buffer).bytes().for_each(|byte| put(byte, true));
                rest = after.get(5..).unwrap_or_default();
                continue;
            }
        }
        put(byte, false);
        rest = after;
    }
}

pub(super) fn hex(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |sum, digit| Some(sum << 4 | char::from(*digit).to_digit(16)?))
}

/// Whether `needle` stands anywhere.
pub(super) fn has(text: &[u8], needle: &str) -> bool {
    memchr::memmem::find(text, needle.as_bytes()).is_some()
}
