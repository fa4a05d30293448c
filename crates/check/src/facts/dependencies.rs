//! Lock files, advisories, versions.

use serde::{Deserialize, Serialize};

use crate::facts::Fact;

/// What is known of the packages that the app is made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dependencies {
    /// Lock files in the project's root.
    pub locks: Vec<Lock>,
    /// The framework, where one is known.
    pub framework: Option<Framework>,
    /// Advisories about packages of production.
    pub advisories: Fact<Vec<Advisory>>,
    /// Direct dependencies that are behind.
    pub outdated: Fact<Vec<Outdated>>,
}

/// A lock file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// `npm`, `pnpm`, `yarn`, `bun`, `cargo`.
    pub manager: String,
    /// The path from the project's root.
    pub file: String,
    /// How many packages it pins.
    pub packages: Fact<u32>,
    /// Direct dependencies of the manifest that it does not pin.
    #[serde(default)]
    pub unpinned: Vec<String>,
}

/// The framework's version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// `next`.
    pub name: String,
    /// The version that the lock file pins.
    pub version: Fact<String>,
    /// The newest stable version that the registry has.
    pub latest: Fact<String>,
}

/// A known weakness of a package that production uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// The package.
    pub package: String,
    /// `info`, `low`, `moderate`, `high`, `critical`; `unrated` where nobody has said.
    pub severity: String,
    /// What it is, in the source's words, shortened.
    pub title: String,
    /// Its address or id.
    pub reference: String,
    /// Whether a version without it exists.
    pub fixable: bool,
    /// Whose package it is: `cargo`, or else npm's.
    #[serde(default)]
    pub manager: String,
}

/// A direct dependency that is behind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outdated {
    /// The package.
    pub package: String,
    /// What is locked.
    pub current: String,
    /// The newest that the manifest allows.
    pub wanted: String,
    /// The newest there is.
    pub latest: String,
}
