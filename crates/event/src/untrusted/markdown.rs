use std::fmt::{Formatter, Result, Write as _};

use super::acts;

/// `|` would end a table's cell even in a code span, and `<`, `&` are HTML to renderers that are not careful.
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    f.write_char('`')?;
    for char in text.chars() {
        match char {
            '`' => f.write_char('\'')?,
            '|' | '<' | '>' | '&' => write!(f, "\\u{{{:x}}}", u32::from(char))?,
            char if acts(char) => f.write_char(' ')?,
            char => f.write_char(char)?,
        }
    }
    f.write_str(if text.is_empty() { " `" } else { "`" })
}
