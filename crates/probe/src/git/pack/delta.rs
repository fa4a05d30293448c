//! A change: pieces of the base, and new bytes.

/// The size of what the change makes.
pub(super) fn size(change: &[u8]) -> Option<usize> {
    let (_, at) = number(change, 0)?;
    Some(number(change, at)?.0)
}

/// What the change makes of its base; `None` where it is not a change to that base.
pub(super) fn apply(base: &[u8], change: &[u8]) -> Option<Vec<u8>> {
    let (from, at) = number(change, 0)?;
    let (size, mut at) = number(change, at)?;
    if from != base.len() {
        return None;
    }
    let mut made = Vec::with_capacity(size.min(1 << 20));
    while let Some(command) = change.get(at).copied() {
        at += 1;
        if command & 0x80 == 0 {
            let length = usize::from(command);
            // Zero is reserved.
            made.extend_from_slice(change.get(at..at + length).filter(|_| length > 0)?);
            at += length;
        } else {
            let mut field = |bits: std::ops::Range<u32>| {
                let mut value = 0_usize;
                for (place, bit) in bits.enumerate() {
                    if command & (1 << bit) != 0 {
                        value |= usize::from(*change.get(at)?) << (8 * place);
                        at += 1;
                    }
                }
                Some(value)
            };
            let start = field(0..4)?;
            let length = match field(4..7)? {
                0 => 0x10000,
                length => length,
            };
            made.extend_from_slice(base.get(start..start.checked_add(length)?)?);
        }
        if made.len() > size {
            return None;
        }
    }
    (made.len() == size).then_some(made)
}

fn number(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let (mut value, mut shift) = (0_usize, 0);
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        value |= usize::from(byte & 0x7f).checked_shl(shift).filter(|_| shift < 57)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some((value, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_new_bytes_make_the_new_text() {
        // Copy 5 from 0, insert "X", copy 3 from 8.
        let change = [11, 9, 0x90, 5, 1, b'X', 0x91, 8, 3];
        assert_eq!(apply(b"hello, worl", &change).as_deref(), Some(b"helloXorl".as_slice()));
        assert_eq!(size(&change), Some(9));
        assert_eq!(apply(b"another base", &change), None);
        assert_eq!(apply(b"hello, worl", &[11, 9, 0x91, 8, 30]), None, "a piece beyond the base");
    }
}
