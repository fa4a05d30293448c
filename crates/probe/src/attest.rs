//! `palisade.attestations.json`: what people have confirmed, committed beside the policy.
//!
//! One line for each check, sorted, so that two branches that confirm different things merge:
//! `"env/secret-manager": {"by":"Ann","until":"2027-03-31","note":"Vercel, sensitive variables"}`.

use std::collections::BTreeMap;

use palisade_check::facts::attestations::{Attestation, Attestations};
use palisade_check::{Unknown, date, find};

use crate::root::{Root, Unread};

/// The file's name in the project's root.
pub const ATTESTATIONS: &str = "palisade.attestations.json";

const MAX_FILE: u64 = 1 << 20;

/// Reads the file; without one, nobody has confirmed anything.
///
/// # Errors
/// It is there and cannot be read, names a check that does not exist, or a day that does not.
pub fn read(root: &Root) -> Result<Attestations, Unknown> {
    let text = match root.text(ATTESTATIONS, MAX_FILE) {
        Ok(text) => text,
        Err(Unread::Absent) => return Ok(BTreeMap::new()),
        Err(why) => return Err(unread(&why.to_string())),
    };
    let attestations: Attestations = serde_json::from_str(&text).map_err(|error| unread(&error.to_string()))?;
    for (id, Attestation { until, .. }) in &attestations {
        if find(id).is_none() {
            return Err(unread(&format!("there is no check `{id}`")));
        }
        if date::days(until).is_none() {
            return Err(unread(&format!("`{until}` of {id} is no date like 2027-01-31")));
        }
    }
    Ok(attestations)
}

/// The file's text: one line for each check.
#[must_use]
pub fn written(attestations: &Attestations) -> String {
    let line = |(id, attestation): (&String, &Attestation)| {
        let id = serde_json::to_string(id).unwrap_or_default();
        format!("  {id}: {}", serde_json::to_string(attestation).unwrap_or_default())
    };
    let lines: Vec<String> = attestations.iter().map(line).collect();
    if lines.is_empty() { "{}\n".to_owned() } else { format!("{{\n{}\n}}\n", lines.join(",\n")) }
}

fn unread(why: &str) -> Unknown {
    Unknown::new(
        format!("{ATTESTATIONS} was not read: {why}"),
        "mend it, or write it anew with `palisade check attest`",
    )
}
