//! The production build, made and started.

use serde::{Deserialize, Serialize};

/// What was run, in its order; what came after a failure was not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Each command.
    pub steps: Vec<Step>,
}

/// A command and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// As it was shown to the user.
    pub command: String,
    /// What was seen: an exit code, an answer.
    pub seen: String,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}
