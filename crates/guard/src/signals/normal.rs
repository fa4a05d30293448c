//! A value in the one form the detectors read: decoded, in lower case, on the stack.

use crate::signals::MAX_VALUE;

/// Decoded bytes, twice: as they are, and in lower case.
pub(super) struct Normal {
    raw: [u8; MAX_VALUE],
    low: [u8; MAX_VALUE],
    len: usize,
    /// A dot was escaped, which no client does.
    pub(super) hidden_dot: bool,
    /// A separator was escaped twice.
    pub(super) hidden_slash: bool,
    /// There was a NUL; it is dropped.
    pub(super) nul: bool,
}

impl Normal {
    /// Decodes the first [`MAX_VALUE`] bytes of a value: escapes twice, `%uXXXX`, overlong UTF-8, full-width forms.
    pub(super) fn of(value: &[u8], plus: bool) -> Normal {
        let mut normal = Normal {
            raw: [0; MAX_VALUE],
            low: [0; MAX_VALUE],
            len: 0,
            hidden_dot: false,
            hidden_slash: false,
            nul: false,
        };
        let value = value.get(..value.len().min(MAX_VALUE)).unwrap_or_default();
        let mut once = [0; MAX_VALUE];
        let mut len = 0;
        let mut put = |byte: u8, escaped: bool, normal: &mut Normal| {
            normal.hidden_dot |= escaped && byte == b'.';
            if let Some(place) = once.get_mut(len) {
                *place = if byte == b'+' && plus && !escaped { b' ' } else { byte };
                len += 1;
            }
        };
        unescape(value, |byte, escaped| put(byte, escaped, &mut normal));
        let once = once;
        let mut again = [0; MAX_VALUE];
        let mut again_len = 0;
        unescape(once.get(..len).unwrap_or_default(), |byte, escaped| {
            normal.hidden_dot |= escaped && byte == b'.';
            normal.hidden_slash |= escaped && matches!(byte, b'/' | b'\\');
            if let Some(place) = again.get_mut(again_len) {
                *place = byte;
                again_len += 1;
            }
        });
        normal.fold(again.get(..again_len).unwrap_or_default());
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

    /// Overlong and full-width spellings of ASCII become ASCII.
    fn fold(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some((&first, after)) = rest.split_first() {
            let second = after.first().copied().unwrap_or(0);
            let third = after.get(1).copied().unwrap_or(0);
            let tail = |byte: u8| (0x80..0xc0).contains(&byte);
            let (byte, used) = match first {
                0 => {
                    self.nul = true;
                    rest = after;
                    continue;
                }
                0xc0 | 0xc1 if tail(second) => (first << 6 | (second & 0x3f), 1),
                0xe0 if tail(third) && (0x80..0x82).contains(&second) => (second << 6 | (third & 0x3f), 2),
                0xef if second == 0xbc && (0x81..=0xbf).contains(&third) => (third - 0x60, 2),
                0xef if second == 0xbd && (0x80..=0x9e).contains(&third) => (third - 0x20, 2),
                0xc2 if second == 0xa0 => (b' ', 1),
                other => (other, 0),
            };
            let odd = used > 0 && first != 0xef && first != 0xc2;
            self.hidden_dot |= odd && byte == b'.';
            self.hidden_slash |= odd && matches!(byte, b'/' | b'\\');
            self.push(byte);
            rest = after.get(used..).unwrap_or_default();
        }
    }

    fn push(&mut self, byte: u8) {
        if let (Some(raw), Some(low)) = (self.raw.get_mut(self.len), self.low.get_mut(self.len)) {
            *raw = byte;
            *low = byte.to_ascii_lowercase();
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
