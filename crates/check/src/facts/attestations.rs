//! What people have confirmed, in a committed file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The newest attestation of each check, by the check's id.
pub type Attestations = BTreeMap<String, Attestation>;

/// One person's word for one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// Who says so.
    pub by: String,
    /// The last day on which it holds: `2027-01-31`.
    pub until: String,
    /// What was looked at.
    pub note: String,
}
