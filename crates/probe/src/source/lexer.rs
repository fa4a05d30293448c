//! A source text with its comments and strings told apart: enough to see names as names.

/// A text in three forms of one length, so that places agree.
pub(super) struct Lexed<'a> {
    /// As it was written.
    raw: &'a str,
    /// Without comments.
    pub(super) text: String,
    /// Without comments, and without what stands in strings; what a template computes stays.
    pub(super) code: String,
    starts: Vec<usize>,
}

/// What the reader is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Code,
    Line,
    Block,
    Quotes(u8),
    Template,
    /// `${ ... }` in a template, and how many braces are open in it.
    Computed(u32),
}

/// Deeper templates within templates than anybody writes.
const MAX_DEPTH: usize = 64;

impl<'a> Lexed<'a> {
    pub(super) fn new(raw: &'a str) -> Lexed<'a> {
        let bytes = raw.as_bytes();
        let (mut text, mut code) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()));
        let mut stack = vec![Inside::Code];
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let next = bytes.get(at + 1).copied();
            let inside = stack.last().copied().unwrap_or(Inside::Code);
            let length = step(inside, byte, next, &mut stack);
            let (comment, string) = match inside {
                Inside::Line | Inside::Block => (byte != b'\n', byte != b'\n'),
                Inside::Quotes(_) | Inside::Template => {
                    let delimiter = stack.last() != Some(&inside);
                    (false, byte != b'\n' && !delimiter)
                }
                Inside::Code | Inside::Computed(_) => {
                    let begins = matches!(stack.last(), Some(Inside::Line | Inside::Block));
                    (begins, begins)
                }
            };
            for byte in bytes.iter().skip(at).take(length) {
                text.push(if comment { b' ' } else { *byte });
                code.push(if string { b' ' } else { *byte });
            }
            at += length;
        }
        let starts = std::iter::once(0).chain(raw.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let whole = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|error| blank(error.as_bytes()));
        Lexed { raw, text: whole(text), code: whole(code), starts }
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
    }

    /// Whether the line, or the one before it, says `palisade-ok(what): reason`.
    pub(super) fn is_allowed(&self, line: u32, what: &str) -> bool {
        let mark = format!("palisade-ok({what}):");
        let line = usize::try_from(line).unwrap_or_default();
        let reason = |line: &str| line.split_once(&mark).is_some_and(|(_, reason)| !reason.trim().is_empty());
        let at = |line: usize| {
            let start = *self.starts.get(line.checked_sub(1)?)?;
            self.raw.get(start..)?.lines().next()
        };
        let before = line.checked_sub(1).and_then(at).filter(|text| text.trim_start().starts_with("//"));
        at(line).is_some_and(reason) || before.is_some_and(reason)
    }

    /// The names by which errors are caught around a place.
    pub(super) fn caught(&self, at: usize) -> Vec<&str> {
        let before = self.code.get(..at).unwrap_or_default();
        let caught = before.match_indices("catch").filter_map(|(start, word)| {
            let rest = before.get(start + word.len()..)?;
            let head = rest.trim_start().strip_prefix('(')?;
            let (name, block) = head.split_once(')')?;
            let name = name.split(':').next()?.trim();
            (is_open(block) && !name.is_empty()).then_some(name)
        });
        caught.collect()
    }
}

/// How many bytes belong together, and what the reader is inside of after them.
fn step(inside: Inside, byte: u8, next: Option<u8>, stack: &mut Vec<Inside>) -> usize {
    match (inside, byte, next) {
        (Inside::Line, b'\n', _) | (Inside::Template, b'`', _) => {
            stack.pop();
        }
        (Inside::Block, b'*', Some(b'/')) => {
            stack.pop();
            return 2;
        }
        (Inside::Quotes(_) | Inside::Template, b'\\', Some(after)) if after.is_ascii() => return 2,
        // A string that is not closed ends with its line.
        (Inside::Quotes(quote), byte, _) if byte == quote || byte == b'\n' => {
            stack.pop();
        }
        (Inside::Template, b'$', Some(b'{')) if stack.len() < MAX_DEPTH => {
            stack.push(Inside::Computed(0));
            return 2;
        }
        (Inside::Code | Inside::Computed(_), b'/', Some(b'/')) => {
            stack.push(Inside::Line);
            return 2;
        }
        (Inside::Code | Inside::Computed(_), b'/', Some(b'*')) => {
            stack.push(Inside::Block);
            return 2;
        }
        (Inside::Code | Inside::Computed(_), b'\'' | b'"', _) => stack.push(Inside::Quotes(byte)),
        (Inside::Code | Inside::Computed(_), b'`', _) => stack.push(Inside::Template),
        (Inside::Computed(open), b'{' | b'}', _) => {
            stack.pop();
            match (byte, open.checked_sub(1)) {
                (b'{', _) => stack.push(Inside::Computed(open + 1)),
                (_, Some(open)) => stack.push(Inside::Computed(open)),
                (_, None) => {}
            }
        }
        _ => {}
    }
    1
}

/// Whether the first block of a text is still open at its end.
fn is_open(text: &str) -> bool {
    let mut open = 0_u32;
    for byte in text.bytes() {
        match byte {
            b'{' => open += 1,
            b'}' if open <= 1 => return false,
            b'}' => open -= 1,
            _ => {}
        }
    }
    open > 0
}

/// Bytes whose characters were cut apart: what is left of them as blanks, at the same places.
fn blank(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { ' ' }).collect()
}
