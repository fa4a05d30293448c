//! The start tags of a page: enough of HTML to find scripts and meta elements.

/// One start tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name in lower case.
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    /// An attribute's value, decoded; the first of two counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Every start tag of a text, in order. Comments are skipped, and what stands inside `script`, `style`, `title` and
/// `textarea` is text. It does not build a tree, and knows the entities that attributes carry in practice only.
#[must_use]
pub fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
            continue;
        }
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let (tag, after) = tag(rest);
        rest = after;
        if matches!(tag.name.as_str(), "script" | "style" | "title" | "textarea") {
            rest = after_close(rest, &tag.name);
        }
        found.push(tag);
    }
    found
}

/// A tag from its name on, and what comes behind it.
fn tag(text: &str) -> (Tag, &str) {
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/').unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        if let Some(after) = rest.strip_prefix('>') {
            rest = after;
            break;
        }
        let (attribute, after) = attribute(rest);
        attributes.push(attribute);
        rest = after;
    }
    (Tag { name: name.to_ascii_lowercase(), attributes }, rest)
}

fn attribute(text: &str) -> ((String, String), &str) {
    // A name has at least one character, be it `=`.
    let first = text.chars().next().map_or(0, char::len_utf8);
    let end = text
        .char_indices()
        .find(|(at, c)| *at >= first && (c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/')))
        .map_or(text.len(), |(at, _)| at);
    let (name, rest) = text.split_at(end);
    let name = name.to_ascii_lowercase();
    let Some(value) = rest.trim_start().strip_prefix('=') else { return ((name, String::new()), rest) };
    let value = value.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (value, rest) = match quote {
        Some(quote) => {
            let value = value.get(1..).unwrap_or_default();
            value.split_once(quote).unwrap_or((value, ""))
        }
        None => value.split_at(value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len())),
    };
    ((name, decoded(value)), rest)
}

/// What comes behind the end tag of an element that holds text.
fn after_close<'a>(text: &'a str, name: &str) -> &'a str {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("</")).map(|at| at + from) {
        let after = text.get(at + 2..).unwrap_or_default();
        if after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return after;
        }
        from = at + 2;
    }
    ""
}

fn decoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match after.split_once(';').and_then(|(name, tail)| Some((entity(name)?, tail))) {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(html: &str) -> Vec<String> {
        tags(html).into_iter().map(|tag| tag.name).collect()
    }

    #[test]
    fn attributes_are_found_in_every_spelling() {
        let html = "<SCRIPT a=1 SRC = '/x?a&amp;b' defer b=\"&#39;\" c=d/e integrity></script><p/>";
        let [script, p] = tags(html).try_into().expect("two tags");
        assert_eq!(p.name, "p");
        let expected = [("a", "1"), ("src", "/x?a&b"), ("defer", ""), ("b", "'"), ("c", "d/e"), ("integrity", "")];
        for (name, value) in expected {
            assert_eq!(script.get(name), Some(value), "{name}");
        }
        assert_eq!(script.get("d"), None);
    }

    #[test]
    fn text_that_looks_like_tags_is_text() {
        assert_eq!(names("<!-- <script> --><script>'<meta>'</scr'</script ><b>"), ["script", "b"]);
        assert_eq!(names("1 < 2 <3 </p> <title><script></title>"), ["title"]);
        assert_eq!(names("<script src=x"), ["script"]);
    }

    #[test]
    fn broken_pages_end() {
        for html in ["<", "<a", "<a b", "<a b=", "<a b='", "<!--", "<a =>", "<a ü=ü>", "<script></", "&#x110000;"] {
            let _ = tags(html);
        }
    }
}
