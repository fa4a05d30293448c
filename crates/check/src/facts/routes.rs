//! The routes that the source defines.

use serde::{Deserialize, Serialize};

use crate::facts::Place;

/// Every route of the app, as its source has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// Sorted by path and method.
    pub routes: Vec<SourceRoute>,
}

/// One method of one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRoute {
    /// The path in the policy's spelling: `/api/users/{user}`.
    pub path: String,
    /// The method, in capitals.
    pub method: String,
    /// Where its handler is exported.
    pub place: Place,
}
