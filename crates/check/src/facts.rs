//! What is known about a project, as plain data that can be saved and judged again.
//!
//! A secret is never in here: its collector leaves type, length, entropy and a keyed hash of it (SECURITY 23).

pub mod attestations;
pub mod build;
pub mod dependencies;
pub mod env;
pub mod git;
pub mod live;
pub mod project;
pub mod routes;
pub mod secrets;
pub mod source;

use serde::{Deserialize, Serialize};

/// Something that was looked at, or could not be. It has no default value to fall back on: a judge says what follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact<T> {
    /// What was found.
    Known(T),
    /// Why nothing is known.
    Unknown(Unknown),
}

/// Why a fact is not known, and what would make it known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// The reason, as a sentence without its full stop.
    pub why: String,
    /// What to do so that it is known next time.
    pub remedy: String,
}

/// A place in the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The path from the project's root, with `/`.
    pub file: String,
    /// The line, from 1; absent where the file as a whole is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// Everything that the checks look at. What a file of facts leaves out is unknown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// What the project says about itself.
    pub project: Fact<project::Project>,
    /// Variables by environment.
    pub env: Fact<env::Env>,
    /// What git tracks, ignores and remembers.
    pub git: Fact<git::Git>,
    /// Lock files, advisories, versions.
    pub dependencies: Fact<dependencies::Dependencies>,
    /// Log statements, answers and card fields in the source.
    pub source: Fact<source::Source>,
    /// The routes that the source defines.
    pub routes: Fact<routes::Routes>,
    /// Secrets in the tree, in the history, in what is shipped to browsers.
    pub secrets: Fact<secrets::Secrets>,
    /// The production build, where it was asked for.
    pub build: Fact<build::Build>,
    /// What the running site answered.
    pub live: Fact<live::Live>,
    /// What people have confirmed.
    pub attestations: Fact<attestations::Attestations>,
}

// === impl Fact ===

impl<T> Fact<T> {
    /// What was found.
    ///
    /// # Errors
    /// The reason why nothing is known.
    pub fn known(&self) -> Result<&T, Unknown> {
        match self {
            Fact::Known(found) => Ok(found),
            Fact::Unknown(unknown) => Err(unknown.clone()),
        }
    }
}

/// Not looked at is not known; this is what a file of facts that leaves something out means.
impl<T> Default for Fact<T> {
    fn default() -> Fact<T> {
        Fact::Unknown(Unknown::new("nobody has looked", "collect it: run `palisade check` in the project"))
    }
}

impl<T> From<Result<T, Unknown>> for Fact<T> {
    fn from(result: Result<T, Unknown>) -> Fact<T> {
        match result {
            Ok(found) => Fact::Known(found),
            Err(unknown) => Fact::Unknown(unknown),
        }
    }
}

// === impl Unknown ===

impl Unknown {
    /// A reason and a remedy.
    #[must_use]
    pub fn new(why: impl Into<String>, remedy: impl Into<String>) -> Unknown {
        Unknown { why: why.into(), remedy: remedy.into() }
    }
}

// === impl Place ===

impl Place {
    /// A line of a file.
    #[must_use]
    pub fn line(file: impl Into<String>, line: u32) -> Place {
        Place { file: file.into(), line: Some(line) }
    }

    /// A file as a whole.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Place {
        Place { file: file.into(), line: None }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}
