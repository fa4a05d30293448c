//! YAML as a tree with places, read under limits.
//!
//! Anchors and aliases are refused: a few lines of them describe gigabytes, and rules have no need of them.

use palisade_diag::{Diagnostic, Diagnostics, FileId, Span};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Range};

/// The largest text, in bytes.
const TEXT_CAP: usize = 1 << 20;

/// The deepest nesting. The parser of what is read here calls itself for each level.
const DEPTH_CAP: usize = 32;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A text; whether it stood without quotes, so that it may mean a number, a flag or nothing.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, its place, and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) node: Node,
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Whether it says that there is nothing.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// A number that stood without quotes.
    pub(crate) fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Scalar { text, plain: true } => text.parse().ok().filter(|number: &f64| number.is_finite()),
            _ => None,
        }
    }

    /// What kind of value it is, for people.
    pub(crate) fn described(&self) -> &'static str {
        match &self.value {
            _ if self.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// Reads every document of a text. After a problem of YAML itself nothing more of the text is read.
pub(crate) fn documents(file: FileId, text: &str, found: &mut Diagnostics) -> Vec<Node> {
    let places = Places::new(file, text);
    if text.len() > TEXT_CAP {
        let fix = "split the file";
        found.push(
            Diagnostic::error("rules-too-large", "a rule file has at most 1 MiB").at(places.start(), "").fix(fix),
        );
        return Vec::new();
    }
    let mut reader = Reader { parser: Parser::new_from_str(text), places };
    let mut documents = Vec::new();
    loop {
        match reader.document() {
            Ok(Some(node)) => documents.push(node),
            Ok(None) => return documents,
            Err(problem) => {
                found.push(problem);
                return documents;
            }
        }
    }
}

struct Reader<'a, I: saphyr_parser::Input> {
    parser: Parser<'a, I>,
    places: Places,
}

impl<'a, I: saphyr_parser::Input> Reader<'a, I> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Diagnostic> {
        match self.parser.next_event() {
            Some(Ok((event, range))) => Ok((event, self.places.of(range))),
            Some(Err(error)) => Err(self.malformed(&error)),
            None => Ok((Event::StreamEnd, self.places.start())),
        }
    }

    fn malformed(&self, error: &ScanError) -> Diagnostic {
        let at = self.places.of(Range::empty(*error.marker()));
        Diagnostic::error("yaml-malformed", format!("this is no YAML: {}", error.info()))
            .at(at, "")
            .fix("check the indentation and the quotes here")
    }

    /// The next document that says anything.
    fn document(&mut self) -> Result<Option<Node>, Diagnostic> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(None),
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => {
                    let node = self.node(event, span, 0)?;
                    if !node.is_null() {
                        return Ok(Some(node));
                    }
                }
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Diagnostic> {
        if depth > DEPTH_CAP {
            return Err(Diagnostic::error("yaml-too-deep", "nested deeper than 32 levels")
                .at(span, "")
                .fix("flatten it"));
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                refuse_anchor(anchor, span)?;
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                Ok(Node { span, value })
            }
            Event::SequenceStart(anchor, _) => {
                refuse_anchor(anchor, span)?;
                self.list(span, depth)
            }
            Event::MappingStart(anchor, _) => {
                refuse_anchor(anchor, span)?;
                self.map(span, depth)
            }
            _ => Err(refused_alias(span)),
        }
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::StreamEnd) {
                return Ok(Node { span: to(start, span), value: Value::List(items) });
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Diagnostic> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(Node { span: to(start, span), value: Value::Map(entries) });
            }
            let key = self.node(event, span, depth + 1)?;
            let Some(key) = key.text().map(str::to_owned) else {
                return Err(Diagnostic::error("yaml-key", "a key must be a text").at(key.span, "").fix("name the key"));
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let message = format!("`{key}` stands here twice");
                return Err(Diagnostic::error("key-twice", message)
                    .at(span, "again")
                    .at(first.span, "first")
                    .fix("keep one, or make the values a list"));
            }
            let (event, at) = self.next()?;
            let node = self.node(event, at, depth + 1)?;
            entries.push(Entry { key, span, node });
        }
    }
}

fn refuse_anchor(anchor: usize, span: Span) -> Result<(), Diagnostic> {
    if anchor == 0 { Ok(()) } else { Err(refused_alias(span)) }
}

fn refused_alias(span: Span) -> Diagnostic {
    Diagnostic::error("yaml-alias", "anchors and aliases are not read").at(span, "").fix("write the value out")
}

/// From the start of one place to the end of another.
fn to(start: Span, end: Span) -> Span {
    Span { end: end.end.max(start.end), ..start }
}

/// Where each character stands in bytes: the parser counts characters, diagnostics count bytes.
struct Places {
    file: FileId,
    /// Empty for a text of ASCII.
    bytes: Vec<u32>,
    len: u32,
}

impl Places {
    fn new(file: FileId, text: &str) -> Places {
        let byte = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let bytes = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| byte(at)).collect() };
        Places { file, bytes, len: byte(text.len()) }
    }

    fn start(&self) -> Span {
        Span { file: self.file, start: 0, end: 0 }
    }

    fn of(&self, range: Range) -> Span {
        let (start, end) = (self.byte(range.start.index()), self.byte(range.end.index()));
        Span { file: self.file, start, end: end.max(start) }
    }

    fn byte(&self, character: usize) -> u32 {
        if self.bytes.is_empty() {
            return u32::try_from(character).unwrap_or(u32::MAX).min(self.len);
        }
        self.bytes.get(character).copied().unwrap_or(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Node>, Diagnostics) {
        let mut found = Diagnostics::new();
        let nodes = documents(FileId(0), text, &mut found);
        (nodes, found)
    }

    #[test]
    fn documents_keep_places_and_quotes() {
        let text = "é: [1, '1', ~]\n---\nb: {c: d}\n";
        let (nodes, found) = read(text);
        assert!(found.is_empty(), "{found}");
        let Value::Map(entries) = &nodes[0].value else { panic!("{:?}", nodes[0]) };
        let Value::List(items) = &entries[0].node.value else { panic!("{entries:?}") };
        assert_eq!(items.iter().map(Node::number).collect::<Vec<_>>(), [Some(1.0), None, None]);
        assert_eq!(items.iter().map(Node::is_null).collect::<Vec<_>>(), [false, false, true]);
        let at = items[1].span;
        assert_eq!(text.get(at.start as usize..at.end as usize), Some("'1'"));
        assert_eq!(nodes.len(), 2);
    }

    #[test]
    fn what_could_blow_up_or_hide_is_refused() {
        for (text, code) in [
            ("a: &x [1]\nb: *x\n", "yaml-alias"),
            ("a: 1\na: 2\n", "key-twice"),
            ("a: [1\nb: 2\n", "yaml-malformed"),
            ("? [a]\n: 1\n", "yaml-key"),
            ("a: \"\\q\"\n", "yaml-malformed"),
        ] {
            assert_eq!(read(text).1.iter().next().map(|problem| problem.code), Some(code), "{text}");
        }
        let deep = "[".repeat(200);
        assert!(read(&deep).1.has_errors());
        assert!(read(&"#".repeat(TEXT_CAP + 1)).1.has_errors());
    }
}
