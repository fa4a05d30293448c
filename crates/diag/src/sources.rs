use std::ops::Range;

use crate::diagnostic::{Diagnostics, FileId, Span};

/// The texts that diagnostics point into, under the names people know them by.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<(FileId, String, String)>,
}

/// A place as editors count it. Both numbers start at 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Sources {
    /// No texts: diagnostics are shown without their lines.
    #[must_use]
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Adds a text.
    #[must_use]
    pub fn with(mut self, file: FileId, name: impl Into<String>, text: impl Into<String>) -> Sources {
        self.files.push((file, name.into(), text.into()));
        self
    }

    /// The name of a text.
    #[must_use]
    pub fn name(&self, file: FileId) -> Option<&str> {
        self.entry(file).map(|(_, name, _)| name.as_str())
    }

    /// A text.
    #[must_use]
    pub fn text(&self, file: FileId) -> Option<&str> {
        self.entry(file).map(|(_, _, text)| text.as_str())
    }

    /// Line and column of where a span starts. A place beyond the text is its end. Takes time linear in the text.
    #[must_use]
    pub fn position(&self, span: Span) -> Option<Position> {
        let text = self.text(span.file)?;
        let before = text.get(..floor(text, span.start as usize))?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.get(line_start..)?.chars().count() + 1;
        Some(Position { line, column })
    }

    fn entry(&self, file: FileId) -> Option<&(FileId, String, String)> {
        self.files.iter().find(|(id, _, _)| *id == file)
    }

    /// A text as it may be shown, character by character in its place: control characters become visible ones, and
    /// what a label calls a secret becomes asterisks.
    pub(crate) fn shown(&self, file: FileId, found: &Diagnostics) -> Option<String> {
        let secrets: Vec<_> = found
            .iter()
            .flat_map(|item| &item.labels)
            .filter(|label| label.secret && label.span.file == file)
            .map(|label| label.span.start as usize..label.span.end as usize)
            .collect();
        let text = self.text(file)?;
        let secret = |at| secrets.iter().any(|range| range.contains(&at));
        Some(text.char_indices().map(|(at, c)| if c != '\n' && secret(at) { '*' } else { visible(c) }).collect())
    }

    /// A span as a range of characters, which the shown text shares; at least one wide where the line has one.
    pub(crate) fn characters(&self, span: Span) -> Option<Range<usize>> {
        let text = self.text(span.file)?;
        let start = floor(text, span.start as usize);
        let end = floor(text, span.end as usize).max(start);
        let from = text.get(..start)?.chars().count();
        let inside = text.get(start..end)?.chars().count();
        let next = text.get(start..)?.chars().next().is_some_and(|c| c != '\n');
        Some(from..from + inside.max(usize::from(next)))
    }
}

/// The last character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A character that a terminal shows and does not obey. Line feeds stay; tabs become a space.
pub(crate) fn visible(c: char) -> char {
    match c {
        '\n' => '\n',
        '\t' | '\r' => ' ',
        // The pictures of the C0 controls stand at U+2400 in the same order.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        c if is_deceptive(c) => '\u{fffd}',
        c => c,
    }
}

/// C1 controls, separators that break lines, and marks that reorder or hide text (CVE-2021-42574).
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    const FILE: FileId = FileId(0);

    fn span(start: u32, end: u32) -> Span {
        Span { file: FILE, start, end }
    }

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let sources = Sources::new().with(FILE, "a", "ab\nüx\n");
        for (start, line, column) in
            [(0, 1, 1), (2, 1, 3), (3, 2, 1), (5, 2, 2), (4, 2, 1), (6, 2, 3), (7, 3, 1), (99, 3, 1)]
        {
            assert_eq!(sources.position(span(start, start)), Some(Position { line, column }), "{start}");
        }
        assert_eq!(sources.position(Span { file: FileId(9), start: 0, end: 0 }), None);
    }

    #[test]
    fn shown_text_keeps_places_and_hides_secrets() {
        let text = "é\u{1b}[2Jk = \"hush\"\r\n\u{202e}x";
        let sources = Sources::new().with(FILE, "a", text);
        let at = u32::try_from(text.find("hush").unwrap()).unwrap();
        let found = Diagnostics::from(Diagnostic::error("x", "y").at_secret(span(at, at + 4), ""));
        let shown = sources.shown(FILE, &found).unwrap();
        assert_eq!(shown, "é\u{241b}[2Jk = \"****\" \n\u{fffd}x");
        let part = |range: Range<usize>| shown.chars().skip(range.start).take(range.len()).collect::<String>();
        assert_eq!(part(sources.characters(span(at, at + 4)).unwrap()), "****");
        let last = u32::try_from(text.len() - 1).unwrap();
        assert_eq!(part(sources.characters(span(last, last + 1)).unwrap()), "x");
        assert_eq!(part(sources.characters(span(last, last)).unwrap()), "x");
        assert_eq!(part(sources.characters(span(last + 1, last + 9)).unwrap()), "");
    }
}
