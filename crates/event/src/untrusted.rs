mod csv;
mod html;
mod ics;
mod json;
mod markdown;
mod slack;
mod terminal;
mod xml;

use std::fmt;

/// Text that a stranger wrote, on its way to somebody who will read it.
///
/// It has no `Display`: whoever writes it out says where to, and gets the encoding of that place. No encoding lets a
/// control character, a line break or a change of the reading direction through; none is reversible for certain, and
/// none makes a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Untrusted<'a>(&'a str);

/// The text in the encoding of one place.
struct Encoded<'a> {
    text: &'a str,
    write: fn(&str, &mut fmt::Formatter<'_>) -> fmt::Result,
}

// === impl Untrusted ===

impl<'a> Untrusted<'a> {
    /// Marks a text as a stranger's.
    #[must_use]
    pub const fn new(text: &'a str) -> Untrusted<'a> {
        Untrusted(text)
    }

    /// At most `chars` characters of it, from the start.
    #[must_use]
    pub fn cut(self, chars: usize) -> Untrusted<'a> {
        let end = self.0.char_indices().nth(chars).map_or(self.0.len(), |(at, _)| at);
        Untrusted(self.0.get(..end).unwrap_or_default())
    }

    /// The text as it is, for a comparison or a store that does not show it.
    #[must_use]
    pub const fn as_written(self) -> &'a str {
        self.0
    }

    /// For a terminal, a log line or the header of a mail: printable ASCII, the rest as `\u{1b}`.
    #[must_use]
    pub fn terminal(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: terminal::write }
    }

    /// For the text of an HTML element or a quoted attribute; not for a URL, a script or a style.
    #[must_use]
    pub fn html(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: html::write }
    }

    /// A JSON string, with its quotes; may stand inside `<script>` and in a server-sent event.
    #[must_use]
    pub fn json(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: json::write }
    }

    /// A field of a CSV file, with its quotes; no spreadsheet takes it for a formula.
    #[must_use]
    pub fn csv(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: csv::write }
    }

    /// For Slack's mrkdwn: a code span, in which nothing is a link, a mention or an emphasis.
    #[must_use]
    pub fn slack(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: slack::write }
    }

    /// For Markdown, tables too: a code span, in which nothing is a link, an image or HTML.
    #[must_use]
    pub fn markdown(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: markdown::write }
    }

    /// For the text of an XML element or a quoted attribute.
    #[must_use]
    pub fn xml(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: xml::write }
    }

    /// For a TEXT value of iCalendar (RFC 5545 section 3.3.11). Folding long lines is the writer's.
    #[must_use]
    pub fn ics(self) -> impl fmt::Display + 'a {
        Encoded { text: self.0, write: ics::write }
    }
}

impl fmt::Debug for Untrusted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Untrusted({})", self.json())
    }
}

// === impl Encoded ===

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.write)(self.text, f)
    }
}

/// Characters that act instead of being seen: controls, line and paragraph separators, changes of the reading direction,
/// and what has no width.
const fn acts(char: char) -> bool {
    matches!(char,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests;
