//! What the project says about itself in its manifests.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Names and versions, as the project's own files give them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Project {
    /// Services that its dependencies or variables name: `clerk`, `convex`, `stripe`, `svix`.
    pub services: BTreeSet<String>,
    /// Direct dependencies outside development, and what version of each is wanted.
    pub dependencies: BTreeMap<String, String>,
    /// Scripts that the manifest names, by name; only the names are used.
    pub scripts: BTreeSet<String>,
}
