//! What an experiment has seen so far.

use std::time::Duration;

use crate::check::Ruled;
use crate::facts::Unknown;
use crate::facts::live::{Aim, Exchanged, Received, Sent};
use crate::headers::Cookie;

/// Stands where a fresh CSRF token belongs, until there is one.
pub(super) const WANTED: &str = "\0token";

/// How often a step is tried that was answered with 429.
const TRIES: usize = 3;

/// The aim, and everything that was exchanged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) aim: &'a Aim,
    pub(super) exchanges: &'a [Exchanged],
}

impl<'a> Seen<'a> {
    /// What was sent for a step.
    pub(super) fn of<'s>(&self, step: &'s str) -> impl DoubleEndedIterator<Item = &'a Exchanged> + use<'a, 's> {
        self.exchanges.iter().filter(move |exchange| exchange.sent.step == step)
    }

    /// The answer to a step; 429 is none.
    pub(super) fn answer(&self, step: &str) -> Option<&'a Received> {
        self.of(step).filter_map(|exchange| exchange.answer.as_ref().ok()).find(|answer| answer.status != 429)
    }

    /// The answer to a step.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn told(&self, step: &str) -> Result<&'a Received, Unknown> {
        let last = self.of(step).next_back().map(|exchange| &exchange.answer);
        let why = match last {
            None => format!("`{step}` was not sent"),
            Some(Err(lost)) => format!("no answer to `{step}`: {lost}"),
            Some(Ok(_)) => format!("`{step}` was refused by a rate limit each time"),
        };
        self.answer(step).ok_or_else(|| Unknown::new(why, "ask again with more time and requests (--time, --requests)"))
    }

    /// Answered, lost, or refused often enough.
    pub(super) fn is_done(&self, step: &str) -> bool {
        let lost = self.of(step).any(|exchange| exchange.answer.is_err());
        self.answer(step).is_some() || lost || self.of(step).count() >= TRIES
    }

    /// How long the last answer asks to wait.
    pub(super) fn pause(&self) -> Duration {
        match self.exchanges.last().map(|exchange| &exchange.answer) {
            Some(Ok(answer)) if answer.status == 429 => {
                Duration::from_secs(answer.retry_after().unwrap_or(10).clamp(1, 120))
            }
            _ => Duration::ZERO,
        }
    }

    /// A path, read as a browser's address bar would.
    pub(super) fn read(&self, target: &str) -> Sent {
        let sent = Sent {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: self.aim.headers.clone(),
            ..Sent::default()
        };
        sent.with("accept", "text/html,*/*;q=0.8")
    }

    /// A request to the aim, as a page of its own origin would send it.
    pub(super) fn request(&self) -> Sent {
        let Aim { method, path, body, media_type, headers, .. } = self.aim;
        let sent = Sent { method: method.clone(), target: path.clone(), headers: headers.clone(), ..Sent::default() };
        let sent = sent.with("accept", "application/json, text/html;q=0.9, */*;q=0.5");
        if is_safe(method) {
            return sent;
        }
        let sent = sent.with("origin", &self.aim.origin);
        sent.carrying(media_type, body.as_deref().unwrap_or("{}"))
    }

    /// The same with a session of its own and a fresh token, where the site hands out tokens.
    pub(super) fn honest(&self) -> Sent {
        let sent = self.request().with_session(self);
        if is_safe(&self.aim.method) || !self.hands_out_tokens() {
            return sent;
        }
        let token = self.fresh_token();
        sent.with(&self.aim.csrf_header, token.as_deref().unwrap_or(WANTED))
    }

    /// Fetches a token.
    pub(super) fn token_request(&self) -> Sent {
        let sent = Sent {
            step: "token".to_owned(),
            method: "GET".to_owned(),
            target: self.aim.csrf_path.clone(),
            headers: self.aim.headers.clone(),
            ..Sent::default()
        };
        sent.with("accept", "application/json").with_session(self)
    }

    /// Whether asking for a token has not failed yet.
    pub(super) fn hands_out_tokens(&self) -> bool {
        let refused = |exchange: &Exchanged| {
            exchange.answer.as_ref().map_or(true, |answer| answer.status != 429 && token(answer).is_none())
        };
        !self.aim.csrf_path.is_empty() && !self.of("token").any(refused) && self.of("token").count() < 200
    }

    /// A token that was handed out and not used yet.
    pub(super) fn fresh_token(&self) -> Option<String> {
        let handed = self.exchanges.iter().filter(|exchange| !is_stranger(exchange));
        let mut handed = handed
            .filter_map(|exchange| exchange.answer.as_ref().ok())
            .filter_map(|answer| token(answer).or_else(|| next_token(answer, self.aim)));
        let used = |token: &String| {
            self.exchanges.iter().any(|exchange| {
                exchange.sent.headers.iter().any(|(_, value)| value == token)
                    || exchange.sent.target.contains(token.as_str())
            })
        };
        // A site that hands out one token again and again has no other.
        let last = self.exchanges.last().filter(|exchange| exchange.sent.step == "token");
        let same = last.and_then(|exchange| token(exchange.answer.as_ref().ok()?));
        handed.rfind(|token| !used(token)).or(same)
    }

    /// The cookies that the site set in this session, as a field's value.
    pub(super) fn cookies(&self) -> Option<String> {
        let mut jar = Vec::<(String, String)>::new();
        for exchange in self.exchanges.iter().filter(|exchange| !is_stranger(exchange)) {
            let Ok(answer) = &exchange.answer else { continue };
            for value in answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value) {
                let Some(cookie) = Cookie::parse(value) else { continue };
                let text = value.split(';').next().unwrap_or_default().trim().to_owned();
                jar.retain(|(name, _)| *name != cookie.name);
                jar.push((cookie.name, text));
            }
        }
        let all: Vec<_> = jar.into_iter().map(|(_, text)| text).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

// === impl Sent ===

impl Sent {
    /// Sets a field in place of one of the same name.
    pub(super) fn with(mut self, name: &str, value: &str) -> Sent {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes a field out.
    pub(super) fn without(mut self, name: &str) -> Sent {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sets the body and its type.
    pub(super) fn carrying(self, media_type: &str, body: &str) -> Sent {
        let media_type = if media_type.is_empty() { "application/json" } else { media_type };
        Sent { body: body.to_owned(), ..self.with("content-type", media_type) }
    }

    /// Sends another target.
    pub(super) fn to(self, target: impl Into<String>) -> Sent {
        Sent { target: target.into(), ..self }
    }

    fn with_session(self, seen: &Seen<'_>) -> Sent {
        let Some(mut cookies) = seen.cookies() else { return self };
        if let Some((_, given)) = seen.aim.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
            cookies = format!("{given}; {cookies}");
        }
        self.with("cookie", &cookies)
    }
}

/// Whether it belongs to another session than the experiment's own.
fn is_stranger(exchange: &Exchanged) -> bool {
    matches!(exchange.sent.step.as_str(), "token-other" | "token-again")
}

/// The token in an answer to `/api/csrf`.
pub(super) fn token(answer: &Received) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
    let named = ["csrfToken", "csrf_token", "token", "csrf"].into_iter().find_map(|name| body.get(name)?.as_str());
    named.filter(|token| answer.accepted() && !token.is_empty()).map(str::to_owned)
}

/// The next token, which an accepted request returns.
fn next_token(answer: &Received, aim: &Aim) -> Option<String> {
    let name = aim.csrf_header.to_ascii_lowercase();
    answer.header(&name).filter(|value| answer.accepted() && !value.is_empty()).map(str::to_owned)
}

pub(super) fn is_safe(method: &str) -> bool {
    matches!(method, "" | "GET" | "HEAD" | "OPTIONS")
}

/// A pass or a failure by a condition that must not hold.
pub(super) fn unless(bad: bool, good: impl Into<String>, evidence: impl Into<String>, fix: &str) -> Vec<Ruled> {
    vec![if bad { Ruled::fail(evidence, fix) } else { Ruled::pass(good) }]
}

/// The same, for what works and should be otherwise.
pub(super) fn better_not(bad: bool, good: impl Into<String>, evidence: impl Into<String>, fix: &str) -> Vec<Ruled> {
    vec![if bad { Ruled::warn(evidence, fix) } else { Ruled::pass(good) }]
}

/// A piece of an answer for people: one line, printable, short, without what looks like a secret.
pub(super) fn excerpt(text: &str, around: &str) -> String {
    let at = text.find(around).unwrap_or(0);
    let start = (0..=at.saturating_sub(20)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let piece = text.get(start..).unwrap_or_default().chars().take(100);
    let printable: String = piece.map(|c| if c.is_control() { ' ' } else { c }).collect();
    masked(printable.trim())
}

/// Text with every run of 20 or more characters that look like a token shortened to its first four.
pub(super) fn masked(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "_-+=.".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_token) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_token(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        out.push_str(before);
        let secret = word.len() >= 20 && word.chars().any(|c| c.is_ascii_digit());
        out.push_str(if secret { word.get(..4).unwrap_or_default() } else { word });
        if secret {
            out.push('…');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
