use std::fmt::Write;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::sources::Sources;

/// The problems as a JSON array of `{file, line, column, code, severity, message, fix, notes}`.
///
/// `file`, `line` and `column` are null for problems outside any text, `fix` where there is none. `notes` holds what
/// further places say, as `{file, line, column, text}`. No source text is quoted, so nothing secret can be.
#[must_use]
pub fn json(found: &Diagnostics, sources: &Sources) -> String {
    let mut out = String::from("[");
    for (index, item) in found.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        encode(item, sources, &mut out);
    }
    out.push(']');
    out
}

fn encode(item: &Diagnostic, sources: &Sources, out: &mut String) {
    out.push('{');
    place(item.labels.first().map(|label| label.span), sources, out);
    for (key, value) in [("code", item.code), ("severity", severity(item)), ("message", &item.message)] {
        out.push(',');
        string(key, out);
        out.push(':');
        string(value, out);
    }
    out.push_str(",\"fix\":");
    match &item.fix {
        Some(fix) => string(fix, out),
        None => out.push_str("null"),
    }
    out.push_str(",\"notes\":[");
    for (index, label) in item.labels.iter().skip(1).enumerate() {
        out.push_str(if index > 0 { ",{" } else { "{" });
        place(Some(label.span), sources, out);
        out.push_str(",\"text\":");
        string(&label.text, out);
        out.push('}');
    }
    out.push_str("]}");
}

const fn severity(item: &Diagnostic) -> &'static str {
    match item.severity {
        crate::Severity::Warning => "warning",
        crate::Severity::Error => "error",
    }
}

/// `"file":..,"line":..,"column":..`.
fn place(span: Option<crate::Span>, sources: &Sources, out: &mut String) {
    let name = span.and_then(|span| sources.name(span.file));
    let position = span.and_then(|span| sources.position(span));
    out.push_str("\"file\":");
    match name {
        Some(name) => string(name, out),
        None => out.push_str("null"),
    }
    // Writing to a String cannot fail.
    let _ = match position {
        Some(at) => write!(out, ",\"line\":{},\"column\":{}", at.line, at.column),
        None => write!(out, ",\"line\":null,\"column\":null"),
    };
}

/// A JSON string. Control characters, and everything beyond ASCII that a terminal could obey, are escaped.
fn string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() || crate::sources::visible(c) != c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileId, Span};

    #[test]
    fn problems_are_a_json_array_with_places() {
        let file = FileId(0);
        let sources = Sources::new().with(file, "palisade.toml", "a\nlimit = 0\n");
        let mut found = Diagnostics::new();
        let label = |start, end| Span { file, start, end };
        found.push(
            Diagnostic::error("limit-zero", "zero \"here\"\u{1b}")
                .at(label(10, 11), "")
                .at(label(0, 1), "see")
                .fix("write 1"),
        );
        found.push(Diagnostic::warning("missing", "no place"));
        let text = json(&found, &sources);
        let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(value[0]["line"], 2);
        assert_eq!(value[0]["column"], 9);
        assert_eq!(value[0]["file"], "palisade.toml");
        assert_eq!(value[0]["message"], "zero \"here\"\u{1b}");
        assert_eq!(value[0]["notes"][0]["line"], 1);
        assert_eq!(value[1]["line"], serde_json::Value::Null);
        assert_eq!(value[1]["severity"], "warning");
        assert!(text.contains("\\u001b"));
    }

    #[test]
    fn what_a_terminal_could_obey_is_escaped() {
        let found = Diagnostics::from(Diagnostic::error("x", "\u{202e}\u{9b}\u{e0041}\r\t"));
        let text = json(&found, &Sources::new());
        assert!(text.is_ascii(), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
        assert_eq!(value[0]["message"], "\u{202e}\u{9b}\u{e0041}\r\t");
    }
}
