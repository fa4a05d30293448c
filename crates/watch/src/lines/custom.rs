//! Logs in a format of the operator's own, as nginx's `log_format` describes it.

mod variable;

use std::borrow::Cow;
use std::fmt;

use memchr::memmem::Finder;
use palisade_event::{BadLine, EventTime, Field, Seen, Source};
use palisade_policy::Clients;

use super::clf::Clock;
use super::clients;
use super::text::{address, quoted};
use variable::Variable;

/// A `log_format` of nginx, compiled.
#[derive(Debug, Clone)]
pub struct LogFormat {
    text: String,
    /// What stands before the first variable.
    start: String,
    parts: Vec<Part>,
}

/// Why a `log_format` cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadLogFormat {
    /// Neither a known name nor a `log_format`.
    Unknown,
    /// Two variables follow one another without anything that tells where one ends.
    Adjacent,
    /// No variable says when a request happened.
    NoTime,
    /// No variable says what was asked or how it was answered.
    NothingKnown,
    /// Longer than a format is.
    TooLong,
}

/// A variable and the text behind it.
#[derive(Debug, Clone)]
struct Part {
    variable: Variable,
    after: Vec<u8>,
    finder: Finder<'static>,
}

/// What several variables say of one thing.
#[derive(Default)]
pub(super) struct Said<'a> {
    time: Option<EventTime>,
    peer: Option<&'a str>,
    forwarded: Option<&'a str>,
}

/// The longest format, in bytes.
const MAX_FORMAT: usize = 4096;

// === impl LogFormat ===

impl LogFormat {
    /// Compiles a format: its text alone, or the whole directive `log_format name escape=json '...' '...';`.
    ///
    /// # Errors
    ///
    /// [`BadLogFormat`].
    pub fn parse(text: &str) -> Result<LogFormat, BadLogFormat> {
        if text.len() > MAX_FORMAT {
            return Err(BadLogFormat::TooLong);
        }
        let format = bare(text);
        let mut pieces = format.split('$');
        let start = pieces.next().unwrap_or_default().to_owned();
        let mut parts = Vec::new();
        for piece in pieces {
            let (name, after) = name(piece);
            let after = after.as_bytes().to_vec();
            let finder = Finder::new(&after).into_owned();
            parts.push(Part { variable: Variable::of(name), after, finder });
        }
        let before_last = parts.split_last().map_or(&[][..], |(_, before)| before);
        if before_last.iter().any(|part| part.after.is_empty()) {
            return Err(BadLogFormat::Adjacent);
        }
        let has = |wanted: fn(&Variable) -> bool| parts.iter().any(|part| wanted(&part.variable));
        if !has(Variable::is_time) {
            return Err(BadLogFormat::NoTime);
        }
        if !has(Variable::is_request) {
            return Err(BadLogFormat::NothingKnown);
        }
        Ok(LogFormat { text: text.to_owned(), start, parts })
    }

    /// Whether a variable of the format says what the field holds.
    pub(super) fn carries(&self, field: Field) -> bool {
        self.parts.iter().any(|part| part.variable.carries(field))
    }

    pub(super) fn read<'a>(&self, line: &'a str, known: &Clients, clock: &mut Clock) -> Result<Seen<'a>, BadLine> {
        let mut seen = Seen::at(EventTime::default(), Source::Access);
        let mut said = Said::default();
        let mut rest = line.strip_prefix(self.start.as_str()).ok_or(BadLine::Shape)?;
        for part in &self.parts {
            let (value, after) = part.value(rest).ok_or(BadLine::Shape)?;
            part.variable.set(value, &mut seen, &mut said, clock);
            rest = after;
        }
        seen.time = said.time.ok_or(BadLine::NoTime)?;
        if let Some(peer) = said.peer.and_then(|peer| address(peer.as_bytes())) {
            seen.set_client(clients::client(known, peer, said.forwarded.map(str::as_bytes)));
        }
        Ok(seen)
    }
}

impl PartialEq for LogFormat {
    fn eq(&self, other: &LogFormat) -> bool {
        self.text == other.text
    }
}

// === impl Part ===

impl Part {
    /// The variable's value at the start of `rest`, and what follows the text behind it. Before a quote, an escaped one
    /// belongs to the value. The last variable takes all.
    fn value<'a>(&self, rest: &'a str) -> Option<(&'a str, &'a str)> {
        if self.after.is_empty() {
            return Some((rest, ""));
        }
        let mut from = 0;
        loop {
            let at = from + self.finder.find(rest.get(from..)?.as_bytes())?;
            let value = rest.get(..at)?;
            let escaped = self.after.starts_with(b"\"") && ends_escaped(value);
            if !escaped {
                return Some((value, rest.get(at + self.after.len()..)?));
            }
            from = at + 1;
        }
    }
}

fn ends_escaped(value: &str) -> bool {
    value.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The name of a variable at the start of a piece, with or without braces, and what follows.
fn name(piece: &str) -> (&str, &str) {
    if let Some((name, after)) = piece.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return (name, after);
    }
    let end = piece.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(piece.len());
    piece.split_at(end)
}

/// The format within the directive; a text that is none is the format.
fn bare(text: &str) -> Cow<'_, str> {
    let Some(rest) = text.trim().strip_prefix("log_format") else { return Cow::Borrowed(text) };
    let (mut format, mut rest) = (String::new(), rest);
    while let Some(at) = rest.find(['\'', '"']) {
        let Some((quote, inside)) = rest.get(at..).and_then(|from| from.split_at_checked(1)) else { break };
        // Single quotes hold double ones bare; for double quotes nginx escapes as everybody.
        let end = if quote == "'" {
            inside.find('\'')
        } else {
            quoted(rest.get(at..).unwrap_or_default()).map(|(text, _)| text.len())
        };
        let Some((part, after)) = end.and_then(|end| inside.split_at_checked(end)) else { break };
        format.push_str(part);
        rest = after.get(1..).unwrap_or_default();
    }
    Cow::Owned(format)
}

// === impl BadLogFormat ===

impl fmt::Display for BadLogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadLogFormat::Unknown => {
                "not a log format; use nginx, apache, caddy, traefik, vercel, alb, clerk, palisade, guide, or an nginx log_format with its $variables"
            }
            BadLogFormat::Adjacent => "two variables of the log_format follow one another; put a blank or a quote between them",
            BadLogFormat::NoTime => "the log_format has no time; add $time_iso8601, $time_local or $msec",
            BadLogFormat::NothingKnown => "the log_format says nothing of the request; add \"$request\" and $status",
            BadLogFormat::TooLong => "the log_format is longer than 4096 bytes",
        })
    }
}

impl std::error::Error for BadLogFormat {}
