use std::fmt::Write;

use ariadne::{CharSet, Color, Config, IndexType, Label, LabelAttach, Report, ReportKind};

use crate::diagnostic::{Diagnostic, Diagnostics, FileId, Severity};
use crate::sources::{Sources, visible};

/// Whether to colour what people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Colour {
    /// For terminals.
    On,
    /// For pipes, files and `NO_COLOR`.
    Off,
}

/// The problems for people: each with its line underlined, its code and its fix.
///
/// Control characters and marks that reorder text are shown, never obeyed; what a label calls a secret is masked in
/// every excerpt. A problem outside any text is one line with its fix.
#[must_use]
pub fn human(found: &Diagnostics, sources: &Sources, colour: Colour) -> String {
    let mut files: Vec<(FileId, String)> = Vec::new();
    for file in found.iter().flat_map(|item| &item.labels).map(|label| label.span.file) {
        let known = files.iter().any(|(id, _)| *id == file);
        if let (false, Some(shown)) = (known, sources.shown(file, found)) {
            files.push((file, shown));
        }
    }
    let mut out = String::new();
    for item in found.iter() {
        header(item, colour, &mut out);
        match excerpt(item, sources, &files, colour) {
            Some(text) => out.push_str(&text),
            None => help(item, &mut out),
        }
    }
    out
}

/// `error[code]: message`. Ours, as ariadne colours its header even when told not to.
fn header(item: &Diagnostic, colour: Colour, out: &mut String) {
    let (start, end) = match (colour, item.severity) {
        (Colour::Off, _) => ("", ""),
        (Colour::On, Severity::Error) => ("\u{1b}[31m", "\u{1b}[0m"),
        (Colour::On, Severity::Warning) => ("\u{1b}[33m", "\u{1b}[0m"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{start}{}[{}]{end}: {}", item.severity, item.code, line(&item.message));
}

/// The fix of a problem that has no place.
fn help(item: &Diagnostic, out: &mut String) {
    if let Some(fix) = &item.fix {
        let _ = writeln!(out, "  Help: {}", line(fix));
    }
}

/// The lines of the problem's places, underlined, and its fix. `None` without a place.
fn excerpt(item: &Diagnostic, sources: &Sources, files: &[(FileId, String)], colour: Colour) -> Option<String> {
    let paint = if item.severity == Severity::Error { Color::Red } else { Color::Yellow };
    let mut places: Vec<_> = item
        .labels
        .iter()
        .enumerate()
        .filter_map(|(index, label)| {
            let name = line(sources.name(label.span.file)?);
            let colour = if index == 0 { paint } else { Color::Blue };
            Some((name, sources.characters(label.span)?, line(&label.text), colour))
        })
        .collect();
    let (name, range, ..) = places.first().cloned()?;
    // Places of one file in the order of their lines share one excerpt.
    places.sort_by_key(|(other, range, ..)| (*other != name, range.start));
    let mut report = Report::build(ReportKind::Advice, (name, range)).with_config(config(colour)).with_labels(
        places.into_iter().enumerate().map(|(order, (name, range, text, colour))| {
            let text = if text.is_empty() { "here" } else { &text };
            let order = i32::try_from(order).unwrap_or(i32::MAX);
            Label::new((name, range)).with_color(colour).with_message(text).with_order(order)
        }),
    );
    if let Some(fix) = &item.fix {
        report = report.with_help(line(fix));
    }
    let texts: Vec<_> =
        files.iter().filter_map(|(id, shown)| Some((line(sources.name(*id)?), shown.as_str()))).collect();
    let mut out = Vec::new();
    report.finish().write(ariadne::sources(texts), &mut out).ok()?;
    let out = String::from_utf8_lossy(&out);
    let (_, body) = out.split_once('\n')?;
    Some(body.lines().map(|line| format!("{}\n", line.trim_end())).collect())
}

const fn config(colour: Colour) -> Config {
    Config::new()
        .with_color(matches!(colour, Colour::On))
        .with_index_type(IndexType::Char)
        .with_label_attach(LabelAttach::Start)
        .with_char_set(CharSet::Unicode)
}

/// A text as one line that a terminal shows and does not obey.
fn line(text: &str) -> String {
    text.chars().map(visible).map(|c| if c == '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Span;

    const FILE: FileId = FileId(0);

    fn span(start: usize, end: usize) -> Span {
        Span { file: FILE, start: u32::try_from(start).unwrap(), end: u32::try_from(end).unwrap() }
    }

    #[test]
    fn people_see_the_line_the_code_and_the_fix() {
        let text = "[[route]]\npath = \"/api/contact\"\nkind = \"public-from\"\nlimit = \"0/min\"\n";
        let sources = Sources::new().with(FILE, "palisade.toml", text);
        let at = |part: &str| text.find(part).map(|start| span(start, start + part.len())).unwrap();
        let mut found = Diagnostics::new();
        found.push(
            Diagnostic::error("kind-unknown", "there is no kind `public-from`")
                .at(at("\"public-from\""), "not a kind")
                .at(at("[[route]]"), "of this route")
                .fix("did you mean `public-form`?"),
        );
        found.push(Diagnostic::warning("x", "something else").at(at("\"0/min\""), ""));
        found.push(Diagnostic::error("variable-missing", "CSRF_SECRET is not set").fix("run `palisade secrets new`"));
        insta::assert_snapshot!(human(&found, &sources, Colour::Off));
        assert!(human(&found, &sources, Colour::On).contains("\u{1b}["));
    }

    #[test]
    fn control_characters_and_secrets_of_a_source_are_not_shown() {
        let text = "x = \"\u{1b}[2J\u{7}\u{202e}\" # \u{9b}31m\nredis = \"hunter2\"\n";
        let sources = Sources::new().with(FILE, "evil\u{1b}.toml", text);
        let at = text.find("hunter2").unwrap();
        let mut found = Diagnostics::from(Diagnostic::error("a", "message \u{1b}[31m").at(span(0, 9), "label\n\u{7}"));
        found.push(Diagnostic::error("secret-in-file", "secret").at_secret(span(at, at + 7), "").fix("fix\u{1b}"));
        found.push(Diagnostic::error("b", "same line").at(span(at - 9, at - 4), ""));
        let shown = human(&found, &sources, Colour::Off);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
        assert!(!shown.contains('\u{202e}'));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("*******"), "{shown}");
    }

    #[test]
    fn an_unknown_file_is_no_reason_to_be_silent() {
        let found = Diagnostics::from(Diagnostic::error("a", "message").at(span(0, 1), "").fix("mend it"));
        assert_eq!(human(&found, &Sources::new(), Colour::Off), "error[a]: message\n  Help: mend it\n");
    }

    proptest! {
        #[test]
        fn rendering_never_panics(text in "\\PC*|[\\x00-\\x20a\u{2028}é]*", start in 0usize..60, len in 0usize..60, more in 0usize..60) {
            let sources = Sources::new().with(FILE, "f", text);
            let found = Diagnostics::from(
                Diagnostic::error("a", "b").at(span(start, start + len), "x").at_secret(span(more, more + len), ""),
            );
            let shown = human(&found, &sources, Colour::Off);
            prop_assert!(shown.contains("error[a]: b"));
            let json = crate::json(&found, &sources);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        }
    }
}
