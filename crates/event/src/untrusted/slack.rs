use std::fmt::{Formatter, Result, Write as _};

use super::acts;

/// Slack's three entities stop `<!channel>` and `<url|text>`; the code span stops the links that Slack finds by itself.
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    f.write_char('`')?;
    for char in text.chars() {
        match char {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '`' => f.write_char('\'')?,
            char if acts(char) => f.write_char(' ')?,
            char => f.write_char(char)?,
        }
    }
    // An empty span would be two plain backticks.
    f.write_str(if text.is_empty() { " `" } else { "`" })
}
