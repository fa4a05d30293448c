use std::fmt::{Formatter, Result, Write as _};

use super::acts;

/// RFC 8259, and `<`, `>`, `&` escaped, so that no `</script>` ends the script it stands in.
pub(super) fn write(text: &str, f: &mut Formatter<'_>) -> Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' | '\\' => write!(f, "\\{char}")?,
            '<' | '>' | '&' | '\'' => write!(f, "\\u{:04x}", u32::from(char))?,
            char if acts(char) => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    write!(f, "\\u{unit:04x}")?;
                }
            }
            char => f.write_char(char)?,
        }
    }
    f.write_char('"')
}
