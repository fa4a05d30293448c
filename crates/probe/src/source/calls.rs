//! Calls: `receiver.name(arguments)`.

use super::lexer::Lexed;

/// A call.
pub(super) struct Call<'a> {
    /// Where its name begins.
    pub(super) at: usize,
    /// What stands before the last dot; may be empty, or end with `)`.
    pub(super) receiver: &'a str,
    /// The last name before the parenthesis.
    pub(super) name: &'a str,
    /// Between the parentheses, strings left out.
    pub(super) arguments: &'a str,
}

/// Longer arguments are cut.
const MAX_ARGUMENTS: usize = 8 << 10;

/// The names that are looked for: everything else is not worth the search for its end.
const NAMES: [&str; 15] = [
    "log",
    "info",
    "warn",
    "error",
    "debug",
    "trace",
    "fatal",
    "verbose",
    "captureMessage",
    "dir",
    "logSecurityEvent",
    "json",
    "send",
    "Response",
    "NextResponse",
];

/// Every call of one of those names.
pub(super) fn calls<'a>(lexed: &'a Lexed<'_>) -> impl Iterator<Item = Call<'a>> {
    let code = lexed.code.as_str();
    code.match_indices('(').filter_map(move |(open, _)| {
        let before = code.get(..open)?;
        let before = before.trim_end();
        let start = before.rfind(|c: char| !is_word(c)).map_or(0, |at| at + before.get(at..).map_or(1, first));
        let name = before.get(start..).filter(|name| NAMES.contains(name))?;
        let receiver = receiver(before.get(..start)?);
        Some(Call { at: start, receiver, name, arguments: arguments(code.get(open + 1..)?) })
    })
}

fn first(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

/// The chain of names before a dot; of a call, its closing parenthesis stands for it.
fn receiver(before: &str) -> &str {
    let Some(chain) = before.trim_end().strip_suffix('.').map(|chain| chain.trim_end().trim_end_matches('?')) else {
        return "";
    };
    if chain.ends_with(')') {
        return chain.get(chain.len() - 1..).unwrap_or_default();
    }
    let start = chain
        .rfind(|c: char| !(is_word(c) || c == '.' || c == '?'))
        .map_or(0, |at| at + chain.get(at..).map_or(1, first));
    chain.get(start..).unwrap_or_default()
}

/// Up to the parenthesis that closes the call.
fn arguments(rest: &str) -> &str {
    let mut open = 1_u32;
    for (at, byte) in rest.bytes().enumerate().take(MAX_ARGUMENTS) {
        match byte {
            b'(' => open += 1,
            b')' if open == 1 => return rest.get(..at).unwrap_or_default(),
            b')' => open -= 1,
            _ => {}
        }
    }
    let end = (0..=MAX_ARGUMENTS.min(rest.len())).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or_default();
    rest.get(..end).unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}
