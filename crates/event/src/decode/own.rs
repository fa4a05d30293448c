//! The short way through a line as the gate writes it: fields in their order, nothing between them, no escapes, no
//! arrays. Most lines that a detector reads are such. Every other is walked ([`walk`](crate::json::walk)); both tell
//! the same.

use std::borrow::Cow;

use memchr::memchr2;

use crate::Field;
use crate::json::Scalar;

/// How such a line begins.
const BEGINNING: &[u8] = b"{\"timestamp\":";

/// Tells `each` every field of the line, in order. `None` if it is not such a line; some may have been told then.
pub(super) fn fields<'a>(line: &'a [u8], mut each: impl FnMut(Field, Scalar<'a>)) -> Option<()> {
    let text = str::from_utf8(line.strip_prefix(BEGINNING)?).ok()?;
    let mut later = Field::ALL.iter().skip(1);
    let (mut field, mut at) = (Field::Timestamp, 0);
    loop {
        let (scalar, after) = value(text, at)?;
        each(field, scalar);
        let rest = text.as_bytes().get(after..)?;
        if matches!(rest, b"}" | b"}\n") {
            return Some(());
        }
        field = *later.find(|field| rest.starts_with(field.key().as_bytes()))?;
        at = after + field.key().len();
    }
}

/// The value that begins at a place of the text, and where it ends.
fn value(text: &str, at: usize) -> Option<(Scalar<'_>, usize)> {
    let rest = text.as_bytes().get(at..)?;
    match rest {
        [b'"', inner @ ..] => {
            let length = memchr2(b'"', b'\\', inner)?;
            let value = text.get(at + 1..at + 1 + length)?;
            (inner.get(length) == Some(&b'"')).then_some((Scalar::Text(Cow::Borrowed(value)), at + length + 2))
        }
        [b'f', b'a', b'l', b's', b'e', ..] => Some((Scalar::Flag(false), at + 5)),
        _ => {
            let end = at + rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            Some((Scalar::Number(text.get(at..end)?.parse().ok()?), end))
        }
    }
}
