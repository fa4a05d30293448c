//! The index: which paths git tracks. Versions 2, 3 and 4.
//!
//! Source: git's `Documentation/gitformat-index.txt`.

/// Mode, size, times and ids before the flags, in bytes.
const FIXED: usize = 60;

/// The paths, or nothing where the bytes are no whole index.
pub(super) fn paths(bytes: &[u8]) -> Option<Vec<String>> {
    let header = bytes.get(..12)?;
    let number = |at: usize| Some(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let (version, count) = (number(4)?, number(8)?);
    if !header.starts_with(b"DIRC") || !(2..=4).contains(&version) {
        return None;
    }
    let mut paths = Vec::new();
    let (mut at, mut before) = (12, Vec::new());
    for _ in 0..count {
        let flags = u16::from_be_bytes(bytes.get(at + FIXED..at + FIXED + 2)?.try_into().ok()?);
        let extended = if flags & 0x4000 != 0 && version > 2 { 2 } else { 0 };
        let start = at + FIXED + 2 + extended;
        let (path, end) = if version == 4 {
            let (cut, after) = offset(bytes, start)?;
            let end = zero(bytes, after)?;
            let kept = before.len().checked_sub(cut)?;
            let mut path: Vec<u8> = before.get(..kept)?.to_vec();
            path.extend_from_slice(bytes.get(after..end)?);
            (path, end + 1)
        } else {
            let end = zero(bytes, start)?;
            // Entries are filled up to a multiple of eight with one to eight zeros.
            (bytes.get(start..end)?.to_vec(), at + (end - at + 8) / 8 * 8)
        };
        paths.push(String::from_utf8_lossy(&path).into_owned());
        (at, before) = (end, path);
    }
    Some(paths)
}

fn zero(bytes: &[u8], from: usize) -> Option<usize> {
    Some(from + bytes.get(from..)?.iter().position(|byte| *byte == 0)?)
}

/// The variable-width number of version 4, as in pack deltas by offset.
pub(super) fn offset(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut byte = *bytes.get(at)?;
    let mut value = usize::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        at += 1;
        byte = *bytes.get(at)?;
        value = value.checked_add(1)?.checked_mul(128)?.checked_add(usize::from(byte & 0x7f))?;
    }
    Some((value, at + 1))
}
