//! What a text is made of, as SQL reads it: one token at a time.

use super::words::WORDS;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Token {
    /// The end of the value.
    #[default]
    End,
    Number,
    /// A whole quoted text.
    Text,
    /// A quoted text that does not end; how long it is.
    Open(u16),
    Word(Word),
    /// `=`, `<>`, `<=` ...
    Compare,
    /// `+`, `*`, `^` ...
    Arithmetic,
    /// `||`, `&&`
    Logic,
    LParen,
    RParen,
    Comma,
    Semicolon,
    Dot,
    /// `@x`, `@@version`, `:x`
    Variable,
    /// A comment; whether nothing of weight stands in it.
    Comment(bool),
    /// Anything else.
    Other,
}

/// Words that mean something here; a hash tells other words apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Logic,
    Not,
    Like,
    Is,
    In,
    Between,
    Union,
    All,
    Select,
    From,
    Into,
    Statement,
    Object,
    Set,
    By,
    Order,
    Having,
    Limit,
    Procedure,
    Analyse,
    Delay,
    Waitfor,
    Shutdown,
    If,
    Exec,
    Declare,
    Constant,
    Function,
    Outfile,
    Case,
    Where,
    Name(u32),
}

/// The token that a text begins with, and how many bytes it takes.
pub(super) fn next(rest: &[u8], byte: u8, after: &[u8]) -> (Token, usize) {
    match byte {
        b'0'..=b'9' => (Token::Number, number(rest)),
        b'.' if after.first().is_some_and(u8::is_ascii_digit) => (Token::Number, number(rest)),
        b'\'' | b'"' => quoted(after, byte),
        b'`' | b'[' => bracketed(after, byte),
        b'-' if after.starts_with(b"-") => comment(rest, 2),
        b'#' => comment(rest, 1),
        b'/' if after.starts_with(b"*!") => {
            let version = after.get(2..).unwrap_or_default();
            (Token::Comment(true), 3 + version.iter().take_while(|byte| byte.is_ascii_digit()).count())
        }
        b'/' if after.starts_with(b"*") => {
            let end = memchr::memmem::find(after.get(1..).unwrap_or_default(), b"*/");
            (Token::Comment(true), end.map_or(rest.len(), |end| end + 4))
        }
        b'*' if after.starts_with(b"/") => (Token::Comment(true), 2),
        b'=' | b'<' | b'>' | b'!' | b'~' => {
            let len = rest.iter().take_while(|byte| matches!(byte, b'=' | b'<' | b'>' | b'!' | b'~')).count();
            let not = matches!(rest.get(..len), Some(b"!" | b"~"));
            (if not { Token::Arithmetic } else { Token::Compare }, len)
        }
        b'|' if after.starts_with(b"|") => (Token::Logic, 2),
        b'&' if after.starts_with(b"&") => (Token::Logic, 2),
        b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'|' | b'&' => (Token::Arithmetic, 1),
        b'(' => (Token::LParen, 1),
        b')' => (Token::RParen, 1),
        b',' => (Token::Comma, 1),
        b';' => (Token::Semicolon, 1),
        b'.' => (Token::Dot, 1),
        b'@' | b':' | b'$' => {
            let name = after.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"@_.".contains(byte)).count();
            (if name > 0 && byte != b':' { Token::Variable } else { Token::Other }, 1 + name)
        }
        _ if is_name(byte) => {
            let len = rest.iter().take_while(|byte| is_name(**byte) || byte.is_ascii_digit()).count();
            let text = rest.get(..len).unwrap_or_default();
            (Token::Word(word(text)), len)
        }
        _ => (Token::Other, 1),
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn number(text: &[u8]) -> usize {
    if let Some(digits) = text.strip_prefix(b"0x") {
        return 2 + digits.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    }
    let plain = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    // `1e0union`
    let exponent = text.get(plain) == Some(&b'e') && text.get(plain + 1).is_some_and(u8::is_ascii_digit);
    let tail = text.get(plain + 1..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    if exponent { plain + 1 + tail } else { plain }
}

fn quoted(after: &[u8], quote: u8) -> (Token, usize) {
    match memchr::memchr(quote, after) {
        Some(end) => (Token::Text, end + 2),
        None => (Token::Open(u16::try_from(after.len()).unwrap_or(u16::MAX)), after.len() + 1),
    }
}

fn bracketed(after: &[u8], open: u8) -> (Token, usize) {
    let close = if open == b'[' { b']' } else { b'`' };
    match memchr::memchr(close, after) {
        Some(end) => (Token::Word(Word::Name(0)), end + 2),
        None => (Token::Other, 1),
    }
}

/// A comment to the end of its line. Code that goes on in the next line is read on.
fn comment(rest: &[u8], mark: usize) -> (Token, usize) {
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let text = rest.get(mark..end).unwrap_or_default();
    let weight = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    (Token::Comment(weight <= 4), end.max(mark))
}

fn word(text: &[u8]) -> Word {
    let known = WORDS.binary_search_by(|(word, _)| word.as_bytes().cmp(text)).ok();
    known.and_then(|at| WORDS.get(at)).map_or_else(|| Word::Name(hash(text)), |(_, word)| *word)
}

/// FNV-1a: two names are the same or, once in four billion, look so.
fn hash(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)) | 1
}
