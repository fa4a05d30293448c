//! Path templates, and the folding that finds two spellings of one path.

use std::borrow::Cow;

/// The most bytes a template may have; a request path is bounded by the gate's header limit.
const MAX_TEMPLATE: usize = 1024;

/// The most parameters of a template.
const MAX_PARAMETERS: usize = 16;

/// Says what is wrong with a path template, if anything: `(what, fix)`.
pub(crate) fn problem(path: &str) -> Option<(String, &'static str)> {
    if !path.starts_with('/') {
        return Some((
            "a path starts with `/`".to_owned(),
            "write the path as a browser requests it, from the first `/`",
        ));
    }
    if path.len() > MAX_TEMPLATE {
        return Some((
            format!("the path is longer than {MAX_TEMPLATE} bytes"),
            "name a shorter path with a `{*rest}` at its end",
        ));
    }
    if path == "/" {
        return None;
    }
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let mut names: Vec<&str> = Vec::new();
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none() && !path.ends_with('/');
        if let Some(found) = segment_problem(segment, last, &mut names) {
            return Some(found);
        }
    }
    (names.len() > MAX_PARAMETERS)
        .then(|| (format!("the path has more than {MAX_PARAMETERS} parameters"), "end the path with `{*rest}`"))
}

/// What is wrong with one segment; its parameter is added to `names`.
fn segment_problem<'a>(segment: &'a str, last: bool, names: &mut Vec<&'a str>) -> Option<(String, &'static str)> {
    match segment {
        "" => return Some(("the path has an empty segment (`//`)".to_owned(), "remove the doubled `/`")),
        "." | ".." => return Some(("the path has a dot segment".to_owned(), "write the path that results")),
        _ => {}
    }
    if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return parameter_problem(name, last, names);
    }
    let odd = segment.chars().find(|c| !is_literal(*c))?;
    Some(match odd {
        '{' | '}' => (
            "a parameter fills a whole segment".to_owned(),
            "write `/{name}/`, and let the app split what the parameter holds",
        ),
        '%' => ("the path has an encoded character".to_owned(), "use a parameter for a segment that needs encoding"),
        ';' => ("the path has `;parameters`".to_owned(), "remove them: the gate refuses requests that carry them"),
        '?' | '#' => {
            ("the path has a query or a fragment".to_owned(), "name the path alone; a query never changes a route")
        }
        _ => (
            format!("the path has a character that no path carries unencoded: {}", odd.escape_default()),
            "use a parameter for a segment that needs encoding",
        ),
    })
}

/// What is wrong with a parameter, written without its braces.
fn parameter_problem<'a>(name: &'a str, last: bool, names: &mut Vec<&'a str>) -> Option<(String, &'static str)> {
    let bare = name.strip_prefix('*').unwrap_or(name);
    if bare.len() < name.len() && !last {
        return Some(("`{*...}` stands at the end of a path only".to_owned(), "use `{name}` for one segment"));
    }
    let fits = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if !fits {
        return Some((
            "a parameter has a name of letters, digits, `_` and `-`".to_owned(),
            "write `{id}`, or `{*rest}` for all that follows",
        ));
    }
    if names.contains(&bare) {
        return Some((format!("two parameters are named `{bare}`"), "give each parameter its own name"));
    }
    names.push(bare);
    None
}

/// What a literal segment may hold: RFC 3986 pchar without percent-encodings and without `;`.
fn is_literal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@".contains(c)
}

/// The names of a template's parameters, in order.
pub(crate) fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Some(name.strip_prefix('*').unwrap_or(name))
    })
}

/// Whether folding changes the path: it has upper case, `;`, an escape, or a trailing slash.
pub(crate) fn has_other_spelling(path: &str) -> bool {
    path.bytes().any(|b| b.is_ascii_uppercase() || b == b';' || b == b'%') || (path.len() > 1 && path.ends_with('/'))
}

/// Whether a template is not its own folded spelling, so that a plain path may misspell it. Names of parameters may
/// be in any case.
pub(crate) fn has_odd_literals(template: &str) -> bool {
    let literal = |segment: &&str| !segment.starts_with('{');
    template.split('/').filter(literal).any(has_other_spelling) || (template.len() > 1 && template.ends_with('/'))
}

/// The one spelling of a path: ASCII escapes read (`%3A` is `:` to every router that decodes), then lower case,
/// `;parameters` dropped from each segment, no trailing slash.
/// Works for templates too, as no template has a `;`.
pub(crate) fn fold(path: &str) -> Cow<'_, str> {
    if !has_other_spelling(path) {
        return Cow::Borrowed(path);
    }
    let mut folded = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        folded.push('/');
        let segment = unescape(segment);
        let bare = segment.split_once(';').map_or(&*segment, |(bare, _)| bare);
        folded.extend(bare.chars().map(|c| c.to_ascii_lowercase()));
    }
    while folded.len() > 1 && folded.ends_with('/') {
        folded.pop();
    }
    Cow::Owned(folded)
}

/// Reads the escapes of visible ASCII; what else is escaped stays so.
fn unescape(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut parts = segment.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let escaped = part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped.filter(|byte| byte.is_ascii_graphic() && *byte != b'/') {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(part.get(2..).unwrap_or_default());
            }
            None => {
                text.push('%');
                text.push_str(part);
            }
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_gives_one_spelling() {
        for (path, folded) in [
            ("/", "/"),
            ("/api/contact", "/api/contact"),
            ("/API/contact", "/api/contact"),
            ("/api/contact/", "/api/contact"),
            ("/api;v=1/contact;x=y", "/api/contact"),
            ("/api/contact/;x", "/api/contact"),
            ("/;x", "/"),
            ("/api/Contact//", "/api/contact"),
            ("/%C3%9C", "/%c3%9c"),
            ("/a%3Ab%2b/%40Me", "/a:b+/@me"),
            ("/a%3bx=1/b", "/a/b"),
            ("/100%25", "/100%"),
            ("/a%2fb/%", "/a%2fb/%"),
        ] {
            assert_eq!(fold(path), folded, "{path}");
        }
    }

    #[test]
    fn templates_that_no_canonical_path_can_match_are_named() {
        for good in ["/", "/a", "/a/", "/a/{id}", "/a/{id}/b/{*rest}", "/{*rest}", "/.well-known/x", "/@me", "/a.b~c"] {
            assert_eq!(problem(good), None, "{good}");
        }
        for (bad, part) in [
            ("", "starts with"),
            ("api", "starts with"),
            ("https://shop.example/api", "starts with"),
            ("//a", "empty segment"),
            ("/a//b", "empty segment"),
            ("/a//", "empty segment"),
            ("/a/./b", "dot segment"),
            ("/a/..", "dot segment"),
            ("/a%20b", "encoded"),
            ("/%63ontact", "encoded"),
            ("/a;b", ";parameters"),
            ("/a?b=c", "query"),
            ("/a#b", "query or a fragment"),
            ("/a b", "unencoded"),
            ("/ü", "unencoded"),
            ("/a\u{1b}", "unencoded"),
            ("/x-{id}", "whole segment"),
            ("/{id}.json", "whole segment"),
            ("/{a}{b}", "letters, digits"),
            ("/{}", "letters, digits"),
            ("/{*}", "letters, digits"),
            ("/{*rest}/x", "at the end"),
            ("/{*rest}/", "at the end"),
            ("/{id}/{id}", "two parameters"),
        ] {
            let found = problem(bad).unwrap_or_else(|| panic!("{bad} was accepted"));
            assert!(found.0.contains(part), "{bad}: {}", found.0);
        }
        assert!(problem(&format!("/{}", "a".repeat(1024))).is_some());
        assert!(problem(&"/{a1}/{a2}/{a3}/{a4}/{a5}/{a6}/{a7}/{a8}/{a9}".repeat(2).replace("}/{a", "x}/{a")).is_some());
    }

    #[test]
    fn names_of_parameters_are_no_spelling() {
        for (template, odd) in [
            ("/", false),
            ("/a", false),
            ("/a/{userId}", false),
            ("/{*Rest}", false),
            ("/A", true),
            ("/a/", true),
            ("/{x}/", true),
        ] {
            assert_eq!(has_odd_literals(template), odd, "{template}");
        }
    }

    #[test]
    fn parameters_are_read_from_a_template() {
        let names: Vec<&str> = parameters("/users/{user}/posts/{id}/{*rest}").collect();
        assert_eq!(names, ["user", "id", "rest"]);
    }
}
