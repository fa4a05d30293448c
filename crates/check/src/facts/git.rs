//! What git tracks, ignores and remembers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::facts::Fact;

/// The repository around the project. Paths go from the project's root.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Git {
    /// Env files in the index that may hold secrets; `.env.example` and its like are none.
    pub tracked_env_files: Vec<String>,
    /// Whether git would ignore each env file that is there, and `.env.local` in any case.
    pub ignored: BTreeMap<String, bool>,
    /// Env files that lie in some commit, wherever in the repository.
    pub committed_env_files: Fact<Vec<Remembered>>,
    /// Lock files in the index.
    pub tracked_lock_files: Vec<String>,
}

/// A file that history remembers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remembered {
    /// Its name, without the folders.
    pub name: String,
    /// The object that holds its content.
    pub object: String,
}
