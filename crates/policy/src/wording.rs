//! Texts of strangers inside our own sentences.

use crate::secret;

/// The most characters of a stranger's text that a message repeats.
const MAX_SHOWN: usize = 60;

/// A text as a message may repeat it: short, without control characters, and never a secret.
pub(crate) fn shortened(text: &str) -> String {
    if !secret::find(text).is_empty() {
        return "...".to_owned();
    }
    let mut short = String::new();
    for c in text.chars().take(MAX_SHOWN) {
        if c.is_control() { short.extend(c.escape_default()) } else { short.push(c) }
    }
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_visible_and_never_secret() {
        let secret = ["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"].concat();
        for (text, shown) in [
            ("'unsafe-inline'", "'unsafe-inline'".to_owned()),
            ("a\u{1b}[2J\nb", "a\\u{1b}[2J\\nb".to_owned()),
            (&"x".repeat(100), format!("{}...", "x".repeat(60))),
            (&format!("token {secret}"), "...".to_owned()),
        ] {
            assert_eq!(shortened(text), shown);
        }
    }
}
