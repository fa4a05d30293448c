use std::fmt::{Formatter, Result, Write as _};

use super::acts;

/// A line break would begin a property of its own, so there is none, not even an escaped one.
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    text.chars().try_for_each(|char| match char {
        '\\' | ';' | ',' => write!(f, "\\{char}"),
        char if acts(char) => f.write_char(' '),
        char => f.write_char(char),
    })
}
