use std::fmt::{Formatter, Result, Write as _};

use super::acts;

/// OWASP's five characters, and those that end an attribute without quotes in old browsers.
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    text.chars().try_for_each(|char| match char {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&#39;"),
        '`' => f.write_str("&#96;"),
        '=' => f.write_str("&#61;"),
        char if acts(char) => f.write_char(char::REPLACEMENT_CHARACTER),
        char => f.write_char(char),
    })
}
