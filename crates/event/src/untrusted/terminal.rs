use std::fmt::{Formatter, Result, Write as _};

/// A backslash is doubled, so that what was escaped here can be told from what was sent like that.
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    text.chars().try_for_each(|char| match char {
        '\\' => f.write_str("\\\\"),
        ' '..='~' => f.write_char(char),
        _ => write!(f, "\\u{{{:x}}}", u32::from(char)),
    })
}
