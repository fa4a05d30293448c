//! What a running site answered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::headers::Site;
use crate::tls::Handshakes;

/// Everything that was asked of a running site on one run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Live {
    /// The origin that was asked: `https://shop.example`.
    pub target: String,
    /// What the headers are judged from.
    pub site: Fact<Site>,
    /// What the server agreed to in handshakes; unknown over plain http.
    pub tls: Fact<Handshakes>,
    /// The experiments that were run.
    pub trials: Vec<Trial>,
}

/// One experiment on one route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The experiment's name.
    pub experiment: String,
    /// What it was aimed at.
    pub aim: Aim,
    /// What was sent, and what came of it, in order.
    pub exchanges: Vec<Exchanged>,
    /// Why it ended early: no time, no requests left.
    pub stopped: Option<String>,
}

/// What an experiment is aimed at, and what it may use. Nothing in here is read from the site.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aim {
    /// The origin: scheme, host, port.
    pub origin: String,
    /// The method; empty for one that the experiment chooses.
    pub method: String,
    /// The path, with a query where one is wanted.
    pub path: String,
    /// A body that the route accepts, as text.
    pub body: Option<String>,
    /// Its type.
    pub media_type: String,
    /// Fields for every request: `Cookie`, for one.
    pub headers: Vec<(String, String)>,
    /// Where a CSRF token is fetched.
    pub csrf_path: String,
    /// The field that carries it.
    pub csrf_header: String,
    /// A session token of a person, sent as a bearer token.
    pub token: Option<String>,
    /// A session token of somebody else, or of somebody with less.
    pub other_token: Option<String>,
    /// Whether whoever is signed in may come in: somebody else's token then proves nothing.
    pub everyone: bool,
    /// The signature scheme of a webhook, by the policy file's name.
    pub scheme: Option<String>,
    /// Its secret.
    pub secret: Option<String>,
    /// How many requests the search for a limit may take.
    pub requests: usize,
    /// The time of the run, in seconds since 1970: what signatures are dated by.
    pub now: i64,
    /// Something that no answer contains by chance.
    pub marker: String,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sent {
    /// Which question of the experiment it is.
    pub step: String,
    /// Its method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Its fields beside those that every request has.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// Time to wait before it is sent.
    pub after: Duration,
}

/// A request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchanged {
    /// The request.
    pub sent: Sent,
    /// The answer, or why there is none.
    pub answer: Result<Received, String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Received {
    /// The status.
    pub status: u16,
    /// The fields in their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it was read, as text.
    pub body: String,
}

// === impl Received ===

impl Received {
    /// The first value of a field; its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether it was done: 2xx, or a redirect that is none to a sign-in.
    #[must_use]
    pub fn accepted(&self) -> bool {
        let elsewhere = self.header("location").unwrap_or_default().to_ascii_lowercase();
        let sign_in = ["sign-in", "signin", "login", "log-in", "auth"].iter().any(|word| elsewhere.contains(word));
        matches!(self.status, 200..=299) || matches!(self.status, 300..=399) && !sign_in
    }

    /// Seconds of `Retry-After`, where it names seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.header("retry-after")?.trim().parse().ok()
    }
}
