//! What in a request looks like an attack: a hint for the detector, and on routes that say so a reason to refuse.
//!
//! Our own and bounded: at most [`MAX_VALUES`] values of at most [`MAX_VALUE`] bytes, each decoded at most twice and
//! read a fixed number of times from left to right; a clean value costs one look at each byte. Not a verdict: what is
//! text for one application runs in another. The real defence is a schema that takes no more than a route needs.

mod exploit;
mod normal;
mod sql;
mod traversal;
mod xss;

use palisade_event::Signal;

use crate::input::{self, Content};
use crate::signals::normal::Normal;
use crate::view::View;

/// The most bytes of one value that are looked at.
pub const MAX_VALUE: usize = 4096;
/// The most values of one request that are looked at.
pub const MAX_VALUES: usize = 512;

/// A path that people's browsers ask for is shorter.
const LONG_PATH: usize = 1024;
/// A query that people's browsers send is shorter.
const LONG_QUERY: usize = 4096;
/// A value of a body that people write or paste is shorter.
const LONG_TEXT: usize = 64 << 10;

/// The signals of a request's head, as bits of [`Signal`].
pub(crate) fn of_head(view: &View<'_>, exploit_header: bool) -> u8 {
    let mut bits = signals_of_path(view.uri.path());
    if let Some(query) = view.uri.query() {
        bits |= signals_of_query(query);
    }
    if exploit_header {
        bits |= Signal::KnownExploit.bit();
    }
    bits
}

/// The signals of a body that was read.
pub(crate) fn of_content(content: &Content<'_>) -> u8 {
    let mut bits = 0;
    input::texts(content, MAX_VALUES, &mut |text| bits |= signals_of_text(text));
    bits
}

/// The signals of a request's path, as sent: bits of [`Signal`].
#[must_use]
pub fn signals_of_path(path: &str) -> u8 {
    let bytes = path.as_bytes();
    let mut bits = if bytes.len() > LONG_PATH { Signal::ExcessiveLength.bit() } else { 0 };
    let (mut odd, mut known) = (false, false);
    for (at, byte) in bytes.iter().enumerate() {
        let rest = || bytes.get(at + 1..).unwrap_or_default();
        match byte {
            b'/' => known |= exploit::segment(rest()),
            b'.' => odd |= rest().first() == Some(&b'.'),
            byte => odd |= is(&IN_PATHS, *byte),
        }
    }
    if known {
        bits |= Signal::KnownExploit.bit();
    }
    if odd {
        bits |= Normal::with(bytes, false, |normal| {
            traversal::path(normal) | xss::look(normal) | sql::look(normal) | exploit::text(normal)
        });
    }
    bits
}

/// The signals of a query, as sent: bits of [`Signal`].
#[must_use]
pub fn signals_of_query(query: &str) -> u8 {
    let bytes = query.as_bytes();
    let mut bits = if bytes.len() > LONG_QUERY { Signal::ExcessiveLength.bit() } else { 0 };
    // What most queries are made of needs no second look.
    let (mut odd, mut last) = (false, 0);
    for byte in bytes.iter().copied() {
        odd |= is(&IN_QUERIES, byte) || (byte == last && (byte == b'.' || byte == b'-'));
        last = byte;
    }
    if !odd {
        return bits;
    }
    for pair in bytes.split(|byte| *byte == b'&').take(MAX_VALUES) {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = at.map_or((pair, None), |at| (pair.get(..at).unwrap_or_default(), pair.get(at + 1..)));
        bits |= of_value(name, true) | value.map_or(0, |value| of_value(value, true));
    }
    bits
}

/// The signals of a decoded value, of a JSON body or a form: bits of [`Signal`].
#[must_use]
pub fn signals_of_text(text: &str) -> u8 {
    let long = if text.len() > LONG_TEXT { Signal::ExcessiveLength.bit() } else { 0 };
    long | of_value(text.as_bytes(), false)
}

fn of_value(value: &[u8], plus: bool) -> u8 {
    let leads = value.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.'));
    let number = leads && value.iter().any(|byte| matches!(byte, b' ' | b'+' | b'\t' | b'\n'));
    if !number && !value.iter().any(|byte| is(&IN_VALUES, *byte)) {
        return 0;
    }
    Normal::with(value, plus, |normal| {
        xss::look(normal) | sql::look(normal) | traversal::text(normal) | exploit::text(normal)
    })
}

/// Bytes without one of which a value is none of what is looked for.
const IN_VALUES: [bool; 256] = table(b"<>'\"`();%=#*|&\\{$,:/\0", b"", true);
/// The same of a path, which has slashes and commas.
const IN_PATHS: [bool; 256] = table(b"<>'\"(;%=|\\{$\0", b"", false);
/// Bytes that a query of plain names and values does not have.
const IN_QUERIES: [bool; 256] =
    table(b"", b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&=_.~-", true);

/// A table of the bytes in `odd`; where that is empty, of all that are not in `plain`.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, and a byte is below 256")]
const fn table(odd: &[u8], plain: &[u8], beyond_ascii: bool) -> [bool; 256] {
    let mut table = [odd.is_empty(); 256];
    let mut rest = odd;
    while let [byte, after @ ..] = rest {
        table[*byte as usize] = true;
        rest = after;
    }
    let mut rest = plain;
    while let [byte, after @ ..] = rest {
        table[*byte as usize] = false;
        rest = after;
    }
    let mut byte = 0x80;
    while byte < 256 {
        table[byte] = beyond_ascii;
        byte += 1;
    }
    table
}

fn is(table: &[bool; 256], byte: u8) -> bool {
    table.get(usize::from(byte)).copied().unwrap_or(true)
}
