//! What JavaScript is told: one JSON object, an event line, a body. Written by hand, as the shapes are few and a general
//! writer is larger than all of them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, response};
use palisade_diag::{Diagnostics, Sources, json};
use palisade_guard::shared::Call;
use palisade_guard::{Answer, Env, Record};

use crate::face::Said;
use crate::wire;

/// A JSON object under way.
#[derive(Debug, Default)]
pub(crate) struct Object(String);

/// What is told of a response beside its head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Whether the application's body gives way.
    pub(crate) replaced: bool,
    /// Whether the shared server is to be told something.
    pub(crate) late: bool,
}

// === impl Object ===

impl Object {
    /// A member whose value is JSON already.
    pub(crate) fn raw(mut self, name: &str, json: &str) -> Object {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        quote(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(json);
        self
    }

    pub(crate) fn text(self, name: &str, text: &str) -> Object {
        self.raw(name, &quoted(text))
    }

    pub(crate) fn maybe(self, name: &str, text: Option<&str>) -> Object {
        self.raw(name, &text.map_or_else(|| "null".to_owned(), quoted))
    }

    pub(crate) fn number(self, name: &str, number: u64) -> Object {
        self.raw(name, &number.to_string())
    }

    pub(crate) fn flag(self, name: &str, flag: bool) -> Object {
        self.raw(name, if flag { "true" } else { "false" })
    }

    pub(crate) fn time(self, name: &str, time: Duration) -> Object {
        self.number(name, u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn texts<'t>(self, name: &str, texts: impl Iterator<Item = &'t str>) -> Object {
        self.raw(name, &list(texts.map(quoted)))
    }

    fn end(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "null" } else { "}" });
        self.0
    }
}

/// Tells an object; an empty one is `null`.
pub(crate) fn tell(out: &mut Vec<u8>, said: Said, object: Object) -> Said {
    wire::answer(out, object.end().as_bytes(), &[], &[]);
    said
}

/// Tells what is wrong with policy or environment.
pub(crate) fn problems(out: &mut Vec<u8>, found: &Diagnostics, texts: &Sources) -> Said {
    tell(out, Said::Problems, Object::default().raw("problems", &json(found, texts)))
}

/// Tells an answer of the gate's own; `late` if the shared server is to be told something.
pub(crate) fn written(out: &mut Vec<u8>, answer: Answer, late: bool, env: &Env<'_>) -> Said {
    let (response, record) = answer.into_response(env);
    let (head, body) = response.into_parts();
    respond(out, Said::Answer, &head, Shape { replaced: true, late }, &body, &record)
}

/// Tells a response.
pub(crate) fn respond(
    out: &mut Vec<u8>,
    said: Said,
    head: &response::Parts,
    shape: Shape,
    body: &[u8],
    record: &Record,
) -> Said {
    let headers = head.headers.iter().map(|(name, value)| pair(name, &latin1(value)));
    let text = Object::default()
        .number("status", head.status.as_u16().into())
        .raw("headers", &list(headers))
        .flag("replaced", shape.replaced)
        .flag("late", shape.late)
        .end();
    let mut event = Vec::new();
    // A stranger can cause these faster than they are worth lines.
    if !record.quiet() {
        record.event().encode(&mut event);
    }
    wire::answer(out, text.as_bytes(), &event, body);
    said
}

/// A script with its keys and arguments, as `EVALSHA` takes them, and its text for a server that does not know it yet.
pub(crate) fn asking(call: &Call) -> Object {
    let Call { script, keys, arguments } = call;
    Object::default()
        .text("digest", script.digest())
        .text("text", script.text())
        .texts("keys", keys.iter().map(String::as_str))
        .texts("arguments", arguments.iter().map(String::as_str))
}

/// Which fields the application sees anew, and which no more.
pub(crate) fn difference(before: &HeaderMap, after: &HeaderMap) -> Object {
    let same = |name: &HeaderName| before.get_all(name).iter().eq(after.get_all(name).iter());
    let line = |name: &HeaderName| {
        let values: Vec<Cow<'_, str>> = after.get_all(name).iter().map(latin1).collect();
        pair(name, &values.join(", "))
    };
    let set = list(after.keys().filter(|name| !same(name)).map(line));
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(HeaderName::as_str);
    Object::default().raw("set", &set).texts("remove", gone)
}

fn pair(name: &HeaderName, value: &str) -> String {
    list([name.as_str(), value].into_iter().map(quoted))
}

fn list(items: impl Iterator<Item = String>) -> String {
    let mut all = String::from("[");
    for item in items {
        if all.len() > 1 {
            all.push(',');
        }
        all.push_str(&item);
    }
    all.push(']');
    all
}

/// A field's bytes as JavaScript keeps them: one character a byte.
fn latin1(value: &HeaderValue) -> Cow<'_, str> {
    match value.to_str() {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().copied().map(char::from).collect()),
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}

/// A JSON string (RFC 8259 section 7). What needs no escape is copied in one piece.
fn quote(out: &mut String, text: &str) {
    let plain = |c: char| !matches!(c, '"' | '\\' | '\0'..='\x1f');
    out.push('"');
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| !plain(*c)) {
        out.push_str(rest.get(..at).unwrap_or_default());
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Writing to a string cannot fail.
            _ => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn objects_read_back_as_json() {
        let hostile = "a\"b\\c\n\r\t\0\u{1f}\u{7f}é\u{2028}\u{1f600}";
        let object = Object::default()
            .text("text", hostile)
            .maybe("none", None)
            .number("number", u64::MAX)
            .flag("flag", true)
            .time("time", Duration::from_secs(2))
            .texts("texts", ["x", hostile].into_iter())
            .texts("nothing", [].into_iter());
        let read: Value = serde_json::from_str(&object.end()).expect("JSON");
        let expected = json!({
            "text": hostile, "none": null, "number": u64::MAX, "flag": true, "time": 2000, "texts": ["x", hostile],
            "nothing": [],
        });
        assert_eq!(read, expected);
        assert_eq!(Object::default().end(), "null");
    }

    #[test]
    fn what_changed_is_told_and_nothing_else() {
        let mut before = HeaderMap::new();
        for (name, value) in [("cookie", "a"), ("x-old", "1"), ("accept", "*"), ("cookie", "b")] {
            before.append(name, HeaderValue::from_static(value));
        }
        let mut after = before.clone();
        after.remove("x-old");
        after.insert("cookie", HeaderValue::from_bytes(b"\xff").expect("a value"));
        after.append("x-new", HeaderValue::from_static("1"));
        after.append("x-new", HeaderValue::from_static("2"));
        let read: Value = serde_json::from_str(&difference(&before, &after).end()).expect("JSON");
        assert_eq!(read, json!({ "set": [["cookie", "\u{ff}"], ["x-new", "1, 2"]], "remove": ["x-old"] }));
    }
}
