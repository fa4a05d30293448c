//! Which protections a route gets, stage by stage, and why. It reads the same policy through the same matcher as the
//! gate, so it cannot promise what the gate does not do.

mod guess;
mod matrix;
mod setting;
#[cfg(test)]
mod tests;

use std::fmt;

use palisade_event::{Kind, ORDER, Stage};
use serde_json::{Value, json};

pub use guess::{Guess, guess};
pub use matrix::{Guide, GuideLimit, GuideRow, KindRow, guide_matrix, matrix, matrix_json};

use crate::model::{Method, Methods, Mode, Origin, Route};
use crate::policy::{Found, Policy};

/// What happens to a request, and what protects its route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The route's template, or the path where no route names it.
    pub route: String,
    /// The method, in capitals.
    pub method: String,
    /// The kind the route has, or would have.
    pub kind: Kind,
    /// What happens.
    pub outcome: Outcome,
    /// The same as a sentence, and what to do about it.
    pub note: String,
    /// What protects it, in the order the gate goes through; empty where the gate refuses at once.
    pub protections: Vec<Protection>,
    /// What is left out on purpose, and why.
    pub without: Vec<Protection>,
    /// Why this kind, where no route says it.
    pub guess: Option<Guess>,
    /// The entry for the policy file, where there is none.
    pub proposal: Option<String>,
}

/// What happens to a request of that method and path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passes the stages of a declared or preset route.
    Declared,
    /// It passes the stages that hold for undeclared paths.
    Undeclared,
    /// 405: the path is known, the method is not; these are.
    Method(Methods),
    /// 400: the path spells a declared one in another way.
    Misspelled,
    /// 404: no route names the path.
    Refused,
    /// The gate itself answers: a CSRF token, or OPTIONS.
    Gate,
    /// There is no policy; this is what the defaults would do.
    NoPolicy,
}

/// What a stage does for a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// The stage.
    pub stage: Stage,
    /// What it does, readable: `5/min per client, burst 5, then one every 12 s`.
    pub setting: String,
    /// Why, with the source.
    pub because: String,
}

// === impl Policy ===

impl Policy {
    /// What happens to a request of that method and path, and what protects the route. A query is ignored; a template
    /// (`/api/users/{id}`) is taken as a path.
    #[must_use]
    pub fn advise(&self, method: &str, path: &str) -> Advice {
        let (method, path) = normalized(method, path);
        if let Some(note) = self.own_answer(&method, &path) {
            return Advice::bare(&path, &method, Kind::PublicRead, Outcome::Gate, note);
        }
        let guessed = guess(&method, &path);
        let refused = |outcome, note| Advice::bare(&path, &method, guessed.kind, outcome, note);
        let mut advice = match self.find(&method, &path) {
            Found::Route(id, route) if id == self.undeclared_route() => {
                let kind = route.kind;
                let note =
                    format!("no route names this path, so it is treated as `{kind}`; declare it to choose its kind");
                let advice = Advice::of(Some(self), route, &method, Outcome::Undeclared, note);
                Advice { route: path.clone(), ..advice }
            }
            Found::Route(_, route) => {
                let observed = if route.mode == Mode::Observe { ", observed only: nothing is refused" } else { "" };
                let note = format!("a route of kind `{}`{observed}", route.kind);
                return Advice::of(Some(self), route, &method, Outcome::Declared, note);
            }
            Found::Misspelled => {
                let note =
                    "400 path-malformed: a declared path in another spelling (case, `;parameters`, a trailing slash)";
                return refused(Outcome::Misspelled, note.to_owned());
            }
            Found::Method(methods) => {
                let other = match Method::from_id(&method) {
                    Some(_) => format!("declare {method} as a route of its own"),
                    None => format!("{method} cannot be declared"),
                };
                let note = format!("405 method-not-allowed: the path answers {methods}; {other}");
                refused(Outcome::Method(methods), note)
            }
            Found::Undeclared => {
                let note = "404 route-undeclared: no route names this path, and [undeclared] denies the others";
                refused(Outcome::Refused, note.to_owned())
            }
        };
        advice.propose(&method, &path, guessed);
        advice
    }

    /// What the gate answers by itself, if it does.
    fn own_answer(&self, method: &str, path: &str) -> Option<String> {
        match method {
            "GET" | "HEAD" if path == self.csrf.path => {
                Some("the gate itself answers: a fresh CSRF token, 60/min per client".to_owned())
            }
            "OPTIONS" => {
                let allowed = self.allowed(path);
                Some(format!("the gate itself answers: preflights by [cors], else 204 with Allow: {allowed}"))
            }
            _ => None,
        }
    }
}

// === impl Advice ===

impl Advice {
    /// Advice where there is no policy: the kind is guessed from the words of the path, the rest are its defaults.
    #[must_use]
    pub fn without_policy(method: &str, path: &str) -> Advice {
        let (method, path) = normalized(method, path);
        let guessed = guess(&method, &path);
        let mut route = Route::new(&path, guessed.kind);
        route.methods = route.methods.union(Method::from_id(&method).into_iter().collect());
        let note = format!("there is no policy file; `{}` is a guess, {}", guessed.kind, guessed.because);
        let mut advice = Advice::of(None, &route, &method, Outcome::NoPolicy, note);
        advice.propose(&method, &path, guessed);
        advice
    }

    /// The stages of a route, for one method.
    fn of(policy: Option<&Policy>, route: &Route, method: &str, outcome: Outcome, note: String) -> Advice {
        let mut advice = Advice::bare(&route.path, method, route.kind, outcome, note);
        let asked = setting::Asked { policy, route, changes: Method::from_id(method).is_none_or(|it| !it.is_safe()) };
        for stage in ORDER {
            match setting::of(&asked, stage) {
                setting::Ruling::Does(setting, because) => {
                    advice.protections.push(Protection { stage, setting, because });
                }
                setting::Ruling::Skips(setting, because) => {
                    advice.without.push(Protection { stage, setting, because });
                }
                setting::Ruling::Silent => {}
            }
        }
        advice
    }

    fn bare(route: &str, method: &str, kind: Kind, outcome: Outcome, note: String) -> Advice {
        Advice {
            route: route.to_owned(),
            method: method.to_owned(),
            kind,
            outcome,
            note,
            protections: Vec::new(),
            without: Vec::new(),
            guess: None,
            proposal: None,
        }
    }

    fn propose(&mut self, method: &str, path: &str, guessed: Guess) {
        self.proposal = guess::entry(method, path, guessed.kind);
        self.guess = Some(guessed);
    }

    /// The shape of `advise --format json`: `{route, method, kind, protections: [{stage, setting, because}]}`, with
    /// `note`, `without`, `guess` and `proposal` beside it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "route": self.route,
            "method": self.method,
            "kind": self.kind.id(),
            "protections": self.protections.iter().map(Protection::json).collect::<Vec<_>>(),
            "without": self.without.iter().map(Protection::json).collect::<Vec<_>>(),
            "note": self.note,
            "guess": self.guess.as_ref().map(|guess| json!({ "kind": guess.kind.id(), "because": guess.because })),
            "proposal": self.proposal,
        })
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}  ({})", self.method, self.route, self.kind)?;
        writeln!(f, "{}", self.note)?;
        for protection in &self.protections {
            writeln!(
                f,
                "\n  {:<11} {}\n              because {}",
                protection.stage.id(),
                protection.setting,
                protection.because
            )?;
        }
        for protection in &self.without {
            writeln!(
                f,
                "\n  {:<11} not: {}\n              because {}",
                protection.stage.id(),
                protection.setting,
                protection.because
            )?;
        }
        if let Some(proposal) = &self.proposal {
            writeln!(f, "\nFor the policy file:\n\n{proposal}")?;
        }
        Ok(())
    }
}

// === impl Protection ===

impl Protection {
    fn json(&self) -> Value {
        json!({ "stage": self.stage.id(), "setting": self.setting, "because": self.because })
    }
}

/// The method in capitals; the path without query, from its first `/`, also where a whole URL was pasted.
fn normalized(method: &str, path: &str) -> (String, String) {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = match path.split_once("://") {
        Some((scheme, rest)) if Origin::parse(&format!("{scheme}://h")).is_some() => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => path,
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (method.to_ascii_uppercase(), path)
}
