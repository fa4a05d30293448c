//! Which bytes may stand where, as bits of one table.

/// RFC 9110 section 5.6.2: what methods and names of fields are made of.
pub(super) const TOKEN: u8 = 1;
/// RFC 9110 section 5.5: visible, SP, HTAB, and bytes from 0x80 on.
pub(super) const VALUE: u8 = 2;
/// What stands in the path of a target: what RFC 3986 allows, and what browsers do not escape. The guard is stricter.
pub(super) const PATH: u8 = 4;
/// What stands in its query: of the visible bytes all but `"`, `#`, `<`, `>`.
pub(super) const QUERY: u8 = 8;
/// What the names in a Host are made of, and addresses but those of IPv6.
pub(super) const HOST: u8 = 16;
/// What stands in a chunk's extension; quoted strings have spaces, and nobody needs one.
pub(super) const EXTENSION: u8 = 32;

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "an index below 256 is a byte")]
const TABLE: [u8; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = classes(index as u8);
        index += 1;
    }
    table
};

#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
pub(super) const fn is(byte: u8, class: u8) -> bool {
    TABLE[byte as usize] & class != 0
}

/// Whether all bytes are of that class.
pub(super) fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|byte| is(*byte, class))
}

/// Whether all bytes may stand in a field's value. Values are most of a head: by comparisons and without an early end,
/// this is compiled to instructions that take sixteen bytes at a time, which a table is not. The last sixteen are taken
/// as such, though some of them were looked at before: one at a time they would cost more than all the others.
pub(super) fn all_value(bytes: &[u8]) -> bool {
    let (chunks, _) = bytes.as_chunks::<16>();
    let found = chunks.iter().fold(0, |found, chunk| found | bad(chunk));
    let last = match (bytes.last_chunk::<16>(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(last), ..) => bad(last),
        (None, Some(first), Some(last)) => bad(first) | bad(last),
        _ => bad(bytes),
    };
    found | last == 0
}

/// Not zero, if one of them may not.
#[inline]
fn bad(bytes: &[u8]) -> u8 {
    let bad = |byte: u8| u8::from(byte < b' ') & u8::from(byte != b'\t') | u8::from(byte == 0x7f);
    bytes.iter().fold(0, |found, byte| found | bad(*byte))
}

const fn classes(byte: u8) -> u8 {
    let mut classes = 0;
    let name = byte.is_ascii_alphanumeric();
    let visible = byte > 0x20 && byte < 0x7f;
    if name || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~') {
        classes |= TOKEN;
    }
    if visible || byte == b' ' || byte == b'\t' || byte >= 0x80 {
        classes |= VALUE;
    }
    if visible && !matches!(byte, b'"' | b'#' | b'<' | b'>') {
        classes |= QUERY;
        if !matches!(byte, b'?' | b'`' | b'{' | b'}') {
            classes |= PATH;
        }
    }
    if name || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        classes |= HOST;
    }
    if name || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'=' | b';' | b'"' | b'+' | b'/') {
        classes |= EXTENSION;
    }
    classes
}
