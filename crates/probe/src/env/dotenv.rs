//! Env files as dotenv 16 reads them, the parser inside `@next/env`: `export`, quotes of three kinds over several lines,
//! comments. A line that is none of this is skipped, as dotenv does.
//!
//! Source: dotenv's `lib/main.js` (`LINE`), whose regular expression this follows by hand.

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// Its value, unquoted and not expanded.
    pub value: String,
    /// The line its name stands in, from 1.
    pub line: u32,
}

/// Reads every assignment, in the file's order; of several of one name the last holds. Never fails: any text is some file.
/// Takes time in proportion to the text, but for quotes that never close, where it is quadratic in their number.
#[must_use]
pub fn assignments(text: &str) -> Vec<Assignment> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut found = Vec::new();
    let mut rest = text.as_str();
    let mut line = 1;
    while !rest.is_empty() {
        let used = match assignment(rest, line) {
            Some((assignment, used)) => {
                found.push(assignment);
                used
            }
            None => 0,
        };
        // What follows an assignment on its last line is a comment, or nothing that dotenv takes up.
        let (_, tail) = rest.split_at(used);
        let end = used + tail.find('\n').map_or(tail.len(), |at| at + 1);
        let (taken, after) = rest.split_at(end);
        line += u32::try_from(taken.matches('\n').count()).unwrap_or_default();
        rest = after;
    }
    found
}

/// The assignment at the start of a line, and how many bytes it takes.
fn assignment(rest: &str, line: u32) -> Option<(Assignment, usize)> {
    let at = skip_blanks(rest, 0);
    let word = rest.get(at..)?.strip_prefix("export").filter(|after| after.starts_with([' ', '\t']));
    let at = if word.is_some() { skip_blanks(rest, at + "export".len()) } else { at };
    let name: &str = rest.get(at..)?;
    let length = name.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c))).unwrap_or(name.len());
    let name = name.get(..length).filter(|name| !name.is_empty())?;
    let after = skip_blanks(rest, at + length);
    let value_at = match rest.get(after..)?.chars().next() {
        Some('=') => after + 1,
        // `NAME: value`; the colon follows the name at once, and a blank follows it.
        Some(':') if after == at + length && rest.get(after + 1..)?.starts_with([' ', '\t']) => after + 1,
        _ => return None,
    };
    let (value, end) = value(rest, value_at);
    Some((Assignment { name: name.to_owned(), value, line }, end))
}

fn value(rest: &str, at: usize) -> (String, usize) {
    let start = skip_blanks(rest, at);
    let tail = rest.get(start..).unwrap_or_default();
    let quote = tail.chars().next().filter(|c| "'\"`".contains(*c));
    if let Some((inner, end)) = quote.and_then(|quote| quoted(tail, quote)) {
        let inner = match quote {
            Some('"') => inner.replace("\\n", "\n").replace("\\r", "\r"),
            _ => inner.to_owned(),
        };
        return (inner, start + end);
    }
    let end = tail.find(['#', '\n']).unwrap_or(tail.len());
    let bare = tail.get(..end).unwrap_or_default().trim();
    // Quotes around all of it go, even where others stand between them.
    let stripped = quote.and_then(|quote| bare.strip_prefix(quote)?.strip_suffix(quote));
    (stripped.unwrap_or(bare).to_owned(), start + end)
}

/// What stands between quotes, over several lines if need be; the closing one is not preceded by a backslash, and only a
/// comment may follow it on its line.
fn quoted(tail: &str, quote: char) -> Option<(&str, usize)> {
    let bytes = tail.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        at += tail.get(at..)?.find(quote)?;
        if bytes.get(at.checked_sub(1)?) != Some(&b'\\') {
            let after = tail.get(at + 1..)?;
            let rest = after.trim_start_matches([' ', '\t']);
            return (rest.is_empty() || rest.starts_with(['\n', '#']))
                .then(|| (tail.get(1..at).unwrap_or_default(), at + 1));
        }
        at += 1;
    }
    None
}

fn skip_blanks(text: &str, at: usize) -> usize {
    let tail = text.get(at..).unwrap_or_default();
    at + tail.len() - tail.trim_start_matches([' ', '\t']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each expected value was printed by `dotenv.parse` of `@next/env` 16.4.5 for the same text.
    #[test]
    fn values_are_those_of_dotenv() {
        for (text, expect) in [
            ("A=1", vec![("A", "1")]),
            ("  export  A = two words  # c", vec![("A", "two words")]),
            ("A=a#b", vec![("A", "a")]),
            ("A='a#b' # c", vec![("A", "a#b")]),
            ("A=\"x\\ny\"", vec![("A", "x\ny")]),
            ("A='x\\ny'", vec![("A", "x\\ny")]),
            ("A=`it's \"so\"`", vec![("A", "it's \"so\"")]),
            ("KEY=\"-----BEGIN\nabc\n-----END\"\nB=2", vec![("KEY", "-----BEGIN\nabc\n-----END"), ("B", "2")]),
            ("A=\nB=2", vec![("A", ""), ("B", "2")]),
            ("# c\n\nnot a line\nA=1\r\nB=2\r\n", vec![("A", "1"), ("B", "2")]),
            ("A: yaml", vec![("A", "yaml")]),
            ("A.b-c=1", vec![("A.b-c", "1")]),
            ("A=\"open", vec![("A", "\"open")]),
            ("A=\"\"", vec![("A", "")]),
            ("A=it's", vec![("A", "it's")]),
            ("A='a'b'", vec![("A", "a'b")]),
            ("A=\"x\" trailing\nB=2", vec![("A", "\"x\" trailing"), ("B", "2")]),
            ("A='multi\nline' x\nB=1", vec![("A", "'multi"), ("B", "1")]),
            ("A=1 B=2", vec![("A", "1 B=2")]),
            ("exportA=1", vec![("exportA", "1")]),
            ("  =x", vec![]),
            ("A :x", vec![]),
        ] {
            let pairs: Vec<_> = assignments(text).into_iter().map(|it| (it.name, it.value)).collect();
            let expect: Vec<_> = expect.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(pairs, expect, "{text:?}");
        }
    }

    #[test]
    fn a_name_has_its_line() {
        let lines: Vec<_> = assignments("A=1\n\nB='x\ny'\nC=3").into_iter().map(|it| (it.name, it.line)).collect();
        assert_eq!(lines, [("A".to_owned(), 1), ("B".to_owned(), 3), ("C".to_owned(), 5)]);
    }
}
