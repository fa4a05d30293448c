use std::fmt::{Formatter, Result, Write as _};

use super::acts;

/// RFC 4180, always quoted. What a spreadsheet would calculate gets an apostrophe before it (OWASP, CSV injection).
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    f.write_char('"')?;
    // Spreadsheets look past blanks, and full-width signs count in some.
    let first = text.trim_start_matches(|char: char| char.is_whitespace() || acts(char)).chars().next();
    if matches!(first, Some('=' | '+' | '-' | '@' | '|' | '%' | '＝' | '＋' | '－' | '＠')) {
        f.write_char('\'')?;
    }
    for char in text.chars() {
        match char {
            '"' => f.write_str("\"\"")?,
            char if acts(char) => f.write_char(' ')?,
            char => f.write_char(char)?,
        }
    }
    f.write_char('"')
}
