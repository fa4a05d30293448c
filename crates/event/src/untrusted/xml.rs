use std::fmt::{Formatter, Result, Write as _};

use super::acts;

/// XML 1.0; what it forbids even as a reference becomes U+FFFD.
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    text.chars().try_for_each(|char| match char {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&quot;"),
        '\'' => f.write_str("&apos;"),
        '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER),
        char if acts(char) => f.write_char(char::REPLACEMENT_CHARACTER),
        char => f.write_char(char),
    })
}
