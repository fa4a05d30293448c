//! Values that break out of a SQL literal.
//!
//! A statement alone is no attack: people post code. What is looked for is the seam: a value that ends the literal it is
//! put into (by a quote, or by being a number) and goes on as SQL. Each of three readings (as it is, and after its first
//! single or double quote) is cut into tokens once.

mod lex;
mod words;

use palisade_event::Signal;

use crate::signals::normal::Normal;
use lex::{Token, Word, next};

const BIT: u8 = Signal::SqlInjection.bit();
/// The most tokens of one reading.
const MAX_TOKENS: usize = 192;

/// Where a reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// At the start of the value.
    Bare,
    /// After a quote.
    Quoted,
}

struct Tokens {
    list: [Token; MAX_TOKENS],
    len: usize,
}

pub(super) fn look(normal: &Normal<'_>) -> u8 {
    let low = normal.low();
    let quoted = |quote: u8| {
        let at = first_quote(low, quote)?;
        let rest = low.get(at + 1..)?;
        Some(Tokens::of(rest, true).attacks(Reading::Quoted))
    };
    let found = quoted(b'\'') == Some(true)
        || quoted(b'"') == Some(true)
        || quoted(b'`') == Some(true)
        || Tokens::of(low, false).attacks(Reading::Bare);
    if found { BIT } else { 0 }
}

/// The quote that would close a literal: not doubled, not escaped.
fn first_quote(text: &[u8], quote: u8) -> Option<usize> {
    let mut from = 0;
    for _ in 0..64 {
        let at = from + memchr::memchr(quote, text.get(from..)?)?;
        if at > 0 && text.get(at - 1) == Some(&b'\\') {
            // An escape in one dialect closes the literal in another: `\' or 1=1--`.
            return Some(at);
        }
        if text.get(at + 1) != Some(&quote) {
            return Some(at);
        }
        // At the start a doubled quote is an empty literal that is compared: `'' or ''=''`.
        if at == 0 {
            return None;
        }
        from = at + 2;
    }
    None
}

// === impl Tokens ===

impl Tokens {
    /// Cuts a text into tokens. `glued`: a word right at the start follows a quote without a blank, and is only looked
    /// at if it is one of SQL's.
    fn of(text: &[u8], glued: bool) -> Tokens {
        let mut tokens = Tokens { list: [Token::End; MAX_TOKENS], len: 0 };
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            if tokens.len + 1 >= MAX_TOKENS {
                break;
            }
            if byte.is_ascii_whitespace() || byte == 0x0b {
                rest = after;
                continue;
            }
            let first = tokens.len == 0 && rest.len() == text.len();
            let (token, used) = next(rest, byte, after);
            if let Token::Word(Word::Name(_)) = token
                && first
                && glued
            {
                // `O'Neal`: the quote belongs to the word.
                return tokens;
            }
            tokens.push(token);
            rest = rest.get(used.max(1)..).unwrap_or_default();
        }
        tokens
    }

    fn push(&mut self, token: Token) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = token;
            self.len += 1;
        }
    }

    fn at(&self, at: usize) -> Token {
        self.list.get(at).copied().unwrap_or_default()
    }

    /// The next token that is no comment, and where it stands.
    fn solid(&self, mut at: usize) -> usize {
        while matches!(self.at(at), Token::Comment(_)) {
            at += 1;
        }
        at
    }

    fn attacks(&self, reading: Reading) -> bool {
        if self.len == 0 {
            return false;
        }
        let statement = matches!(
            self.at(0),
            Token::Word(Word::Select | Word::Statement | Word::Declare | Word::Exec | Word::Where | Word::Set)
        );
        if reading == Reading::Bare && statement {
            // A statement that somebody shows, or one sent whole to a place that runs it: only the worst is told.
            return self.commands();
        }
        self.seam(reading)
            || self.delays()
            || (reading == Reading::Quoted && self.commands())
            || self.unions(reading)
            || self.nested(reading)
    }

    /// The value ends here and SQL goes on.
    fn seam(&self, reading: Reading) -> bool {
        let mut at = 0;
        let mut numeric = reading == Reading::Quoted;
        if reading == Reading::Bare {
            match self.at(0) {
                Token::Number | Token::Text | Token::Word(Word::Constant) | Token::Variable => {
                    numeric = true;
                    at = 1;
                }
                Token::Arithmetic | Token::Dot if self.at(1) == Token::Number => {
                    numeric = true;
                    at = 2;
                }
                Token::Word(Word::Name(_)) => at = 1,
                Token::RParen | Token::Comment(_) | Token::Semicolon | Token::Logic => numeric = true,
                Token::Word(Word::Logic | Word::Union | Word::Having | Word::Order) => numeric = true,
                _ => return false,
            }
        }
        while matches!(self.at(at), Token::RParen) {
            numeric |= reading == Reading::Bare && at > 0 && self.at(0) != Token::RParen && numeric;
            at += 1;
        }
        let closed = at > 0 && self.at(at - 1) == Token::RParen;
        if let Token::Comment(light) = self.at(at) {
            let ends = self.at(at + 1) == Token::End;
            if ends && light && (reading == Reading::Quoted || (closed && numeric)) {
                return true;
            }
            at = self.solid(at);
        }
        while matches!(self.at(at), Token::RParen) {
            at += 1;
        }
        self.operator(at, reading, numeric)
    }

    /// What follows the seam.
    fn operator(&self, at: usize, reading: Reading, numeric: bool) -> bool {
        let next = self.solid(at + 1);
        match self.at(at) {
            Token::Logic | Token::Word(Word::Logic) => self.condition(next, reading, numeric, 0),
            Token::Word(Word::Union) => self.union_select(at),
            Token::Word(Word::Order) => {
                let ordered = self.at(next) == Token::Word(Word::By);
                let column = self.solid(next + 1);
                let ends = matches!(self.at(self.solid(column + 1)), Token::End | Token::Comma | Token::Semicolon);
                ordered && numeric && (self.at(column) == Token::Number && ends || self.at(column) == Token::LParen)
            }
            Token::Word(Word::Having | Word::Where) => numeric && self.condition(next, reading, numeric, 0),
            Token::Word(Word::Limit) => {
                let ends = self.at(next) == Token::Number && self.at(next + 1) != Token::End;
                numeric && ends && !matches!(self.at(next + 1), Token::Word(Word::Name(_)) | Token::Other)
            }
            Token::Word(Word::Procedure) => self.at(next) == Token::Word(Word::Analyse),
            Token::Word(Word::Into) => self.at(next) == Token::Word(Word::Outfile),
            Token::Semicolon => self.command(next),
            Token::Word(Word::Waitfor) => self.at(next) == Token::Word(Word::Delay),
            Token::Arithmetic | Token::Comma if numeric => self.computed(next),
            Token::Word(Word::Like) if numeric && self.at(next) == Token::LParen => self.computed(next),
            Token::Word(Word::In) if numeric => self.at(next) == Token::LParen && self.select_probe(next + 1),
            Token::Word(Word::Like | Word::Is | Word::Between) | Token::Compare if reading == Reading::Quoted => {
                let value = self.solid(if self.at(next) == Token::Word(Word::Not) { next + 1 } else { next });
                let rest = self.at(self.solid(value + 1));
                let short = matches!(self.at(value), Token::Open(0..=2) | Token::Text | Token::Number);
                let constant = self.at(value) == Token::Word(Word::Constant);
                let goes_on = matches!(rest, Token::End | Token::Logic | Token::Word(Word::Logic));
                let commented = matches!(self.at(value + 1), Token::Comment(_));
                (short || constant) && (goes_on || commented)
            }
            _ => false,
        }
    }

    /// Something that is true or false: `1=1`, `'a'='a`, `exists(..)`, `sleep(5)`.
    fn condition(&self, from: usize, reading: Reading, numeric: bool, depth: usize) -> bool {
        let mut at = self.solid(from);
        let mut steps = 0;
        while matches!(self.at(at), Token::LParen | Token::Word(Word::Not) | Token::Arithmetic) && steps < 16 {
            at = self.solid(at + 1);
            steps += 1;
        }
        let opened = at > from && self.at(at.saturating_sub(1)) == Token::LParen;
        let next = self.solid(at + 1);
        let quoted = reading == Reading::Quoted;
        let ends = |at: usize| {
            matches!(self.at(at), Token::End | Token::RParen | Token::Semicolon | Token::Comment(_) | Token::Logic)
        };
        match self.at(at) {
            Token::Word(Word::Select) => opened && self.select_probe(at + 1),
            Token::Word(Word::Function) => matches!(self.at(next), Token::LParen | Token::Dot),
            Token::Word(Word::Case) => quoted || numeric,
            Token::Number | Token::Text | Token::Variable | Token::Word(Word::Constant) => {
                let constant = !matches!(self.at(at), Token::Number) && quoted;
                let bare = self.at(at) == Token::Word(Word::Constant) && numeric;
                let commented = matches!(self.at(at + 1), Token::Comment(true)) && numeric;
                let operated = self.at(next) == Token::Arithmetic && depth == 0 && numeric;
                if operated && self.condition(next + 1, reading, numeric, depth + 1) {
                    return true;
                }
                self.compared(next, quoted || numeric, true)
                    || commented
                    || ((quoted || constant || bare) && ends(at + 1))
            }
            Token::Open(_) => quoted,
            Token::Word(Word::Name(name)) => {
                let called = self.at(next) == Token::LParen;
                if called || self.at(next) == Token::Dot {
                    let after = if called { self.after_group(next) } else { next + 2 };
                    return (quoted || numeric) && self.compared(after, true, false);
                }
                let same = self.at(self.solid(next + 1)) == Token::Word(Word::Name(name));
                (self.at(next) == Token::Compare && same && (quoted || numeric || from <= 2))
                    || ((quoted || numeric) && self.compared(next, true, false))
            }
            _ => false,
        }
    }

    /// A comparison from its operator on. `literal`: its left side is a value, so that any comparison is odd.
    fn compared(&self, at: usize, sure: bool, literal: bool) -> bool {
        let mut at = at;
        if self.at(at) == Token::Word(Word::Not) {
            at = self.solid(at + 1);
        }
        let right = self.solid(at + 1);
        let value = matches!(
            self.at(right),
            Token::Number
                | Token::Text
                | Token::Open(_)
                | Token::Word(Word::Constant | Word::Function)
                | Token::Variable
        );
        match self.at(at) {
            Token::Compare => {
                value
                    || (sure && matches!(self.at(right), Token::LParen | Token::Word(Word::Select)))
                    || (sure && literal && !matches!(self.at(right), Token::End | Token::Other))
            }
            Token::Word(Word::Like) => value || (sure && literal),
            Token::Word(Word::Is) => {
                let not = self.at(right) == Token::Word(Word::Not);
                let right = if not { self.solid(right + 1) } else { right };
                sure && self.at(right) == Token::Word(Word::Constant)
            }
            Token::Word(Word::Between) => sure && value,
            Token::Word(Word::In) => sure && self.at(right) == Token::LParen,
            _ => false,
        }
    }

    /// `union all select 1,2`, `union select password from users`.
    fn union_select(&self, at: usize) -> bool {
        let mut at = self.solid(at + 1);
        while matches!(self.at(at), Token::Word(Word::All) | Token::LParen) {
            at = self.solid(at + 1);
        }
        self.at(at) == Token::Word(Word::Select) && self.select_probe(at + 1)
    }

    /// Whether what follows `select` are columns rather than a sentence.
    fn select_probe(&self, at: usize) -> bool {
        let at = self.solid(at);
        let next = self.at(self.solid(at + 1));
        match self.at(at) {
            Token::Number | Token::Text | Token::Open(_) | Token::Arithmetic | Token::Variable | Token::LParen => true,
            Token::Word(Word::Constant | Word::Function | Word::Case | Word::Select | Word::All) => true,
            Token::Word(Word::Name(_)) => {
                matches!(next, Token::Comma | Token::LParen | Token::Dot | Token::Word(Word::From) | Token::Logic)
            }
            _ => false,
        }
    }

    /// A union after something that may end a literal, wherever it stands.
    fn unions(&self, reading: Reading) -> bool {
        (1..self.len).any(|at| {
            let before = matches!(
                self.at(at - 1),
                Token::Number | Token::Text | Token::RParen | Token::Comment(_) | Token::Word(Word::Constant)
            );
            self.at(at) == Token::Word(Word::Union) && (before || reading == Reading::Quoted) && self.union_select(at)
        })
    }

    /// `(select ...` and functions that wait, within an expression.
    fn nested(&self, reading: Reading) -> bool {
        let odd = |at: usize| {
            reading == Reading::Quoted
                || matches!(self.at(0), Token::Number | Token::LParen | Token::RParen | Token::Arithmetic)
                || (self.at(0) == Token::Word(Word::Function) && at < 8)
        };
        (0..self.len).any(|at| {
            let opens = self.at(at) == Token::LParen && self.at(self.solid(at + 1)) == Token::Word(Word::Select);
            let before = at.checked_sub(1).map(|before| self.at(before));
            let operand = matches!(
                before,
                None | Some(
                    Token::Arithmetic
                        | Token::Logic
                        | Token::Compare
                        | Token::LParen
                        | Token::Comma
                        | Token::Word(Word::Logic | Word::Function | Word::In | Word::By)
                        | Token::Comment(_)
                )
            );
            let select = self.solid(at + 1) + 1;
            let from = || (select..(select + 24).min(self.len)).any(|at| self.at(at) == Token::Word(Word::From));
            let probes = |at: usize| {
                matches!(self.at(at), Token::Number | Token::Word(Word::Function | Word::Constant)) || from()
            };
            opens
                && operand
                && odd(at)
                && self.select_probe(select)
                && (self.at(0) != Token::LParen || probes(self.solid(select)))
        })
    }

    /// `if(1=1,sleep(5),0)`
    fn delays(&self) -> bool {
        let compares = || (2..self.len.min(12)).any(|at| self.at(at) == Token::Compare);
        let calls = |at: usize| {
            self.at(at) == Token::Word(Word::Function)
                && self.at(at + 1) == Token::LParen
                && self.at(at - 1) == Token::Comma
        };
        self.at(0) == Token::Word(Word::If) && self.at(1) == Token::LParen && compares() && (3..self.len).any(calls)
    }

    /// A statement after a semicolon.
    fn commands(&self) -> bool {
        (0..self.len).any(|at| self.at(at) == Token::Semicolon && self.command(self.solid(at + 1)) && at < 12)
            || (self.at(0) == Token::Word(Word::Exec) && self.at(1) == Token::Word(Word::Function))
    }

    fn command(&self, at: usize) -> bool {
        let next = self.at(self.solid(at + 1));
        match self.at(at) {
            Token::Word(Word::Select) => self.select_probe(at + 1),
            Token::Word(Word::Statement) => {
                matches!(next, Token::Word(Word::Object | Word::Into | Word::From | Word::If))
            }
            Token::Word(Word::Set) => matches!(next, Token::Variable),
            Token::Word(Word::Exec) => {
                matches!(
                    next,
                    Token::Word(Word::Function | Word::Name(_)) | Token::LParen | Token::Text | Token::Variable
                )
            }
            Token::Word(Word::Declare) => next == Token::Variable,
            Token::Word(Word::Waitfor) => next == Token::Word(Word::Delay),
            Token::Word(Word::Function) => next == Token::LParen,
            Token::Word(Word::Shutdown) => matches!(self.at(at + 1), Token::End | Token::Comment(_)),
            _ => false,
        }
    }

    /// The right side of an operator: `-sleep(5)`, `||(select ..)`, `+benchmark(..)`.
    fn computed(&self, at: usize) -> bool {
        let mut at = at;
        let mut steps = 0;
        let start = at;
        while matches!(self.at(at), Token::Arithmetic | Token::LParen) && steps < 8 {
            at = self.solid(at + 1);
            steps += 1;
        }
        let next = self.at(self.solid(at + 1));
        match self.at(at) {
            Token::Word(Word::Function) => matches!(next, Token::LParen | Token::Dot),
            Token::Word(Word::Select) => at > start && self.select_probe(at + 1),
            Token::Word(Word::Case) => true,
            _ => false,
        }
    }

    /// Behind the group that opens at `at`.
    fn after_group(&self, at: usize) -> usize {
        let mut depth = 0_usize;
        for at in at..self.len {
            match self.at(at) {
                Token::LParen => depth += 1,
                Token::RParen if depth <= 1 => return self.solid(at + 1),
                Token::RParen => depth -= 1,
                _ => {}
            }
        }
        self.len
    }
}
