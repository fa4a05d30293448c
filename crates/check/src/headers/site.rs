//! What a site answered, as its headers are judged from it.

use serde::{Deserialize, Serialize};

/// The answers that the judgement reads: the page over https and http, a preflight, `/robots.txt`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Site {
    /// The host that was asked for, without its port.
    pub host: String,
    /// What came from `https://`, after redirects; `None` where nobody speaks TLS there.
    pub https: Option<Page>,
    /// What came from `http://`, after redirects; `None` where nobody speaks plain http there.
    pub http: Option<Page>,
    /// Every place on the way from `http://`, the first and the last included.
    pub route: Vec<Place>,
    /// The answer to a preflight that came from a foreign origin.
    pub preflight: Option<Preflight>,
    /// `Set-Cookie` of every other answer: on the way, and of `/robots.txt`.
    pub cookies: Vec<String>,
}

/// One answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// Where it came from in the end.
    pub place: Place,
    /// Its status.
    pub status: u16,
    /// Whether the certificate was good; true over plain http.
    pub verified: bool,
    /// Its fields in their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body, as far as it was read.
    pub body: String,
}

/// A scheme and a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Place {
    /// Whether it is https.
    pub https: bool,
    /// The host without its port, in lower case.
    pub host: String,
}

/// A preflight and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preflight {
    /// The origin that it claimed.
    pub origin: String,
    /// The answer's fields; names in lower case.
    pub headers: Vec<(String, String)>,
}

// === impl Site ===

impl Site {
    /// The page that is judged: the one over https where there is one.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        self.https.as_ref().or(self.http.as_ref())
    }

    /// The same site as if it were served over https with HSTS: what a server on this machine cannot show.
    #[must_use]
    pub fn behind_https(&self) -> Site {
        let mut site = self.clone();
        if let (None, Some(page)) = (&site.https, site.http.take()) {
            site.https = Some(Page { place: Place { https: true, ..page.place }, verified: true, ..page });
            site.route = Vec::new();
        }
        site
    }
}

// === impl Page ===

impl Page {
    /// The values of a field, in their order; `name` in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        values(&self.headers, name)
    }

    /// The first value of a field.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is HTML by its type; an answer without a type is read as HTML, as browsers do.
    #[must_use]
    pub fn is_html(&self) -> bool {
        let kind = self.first("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        kind.is_empty() || matches!(kind, "text/html" | "application/xhtml+xml")
    }
}

/// The values of a field among others.
pub(crate) fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
}
