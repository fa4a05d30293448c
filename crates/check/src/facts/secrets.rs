//! Secrets where none belong.

use serde::{Deserialize, Serialize};

use crate::facts::Place;

/// What the scan found. Not the secrets themselves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Sorted by place and rule.
    pub found: Vec<FoundSecret>,
}

/// One secret at one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundSecret {
    /// The rule's stable id.
    pub rule: String,
    /// Where it stands.
    pub place: Place,
    /// The vendor's prefix and dots, such as `sk_live_...`.
    pub masked: String,
}
