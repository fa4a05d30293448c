//! `palisade.fingerprints.json`: what each machine says of its variables, to be committed. Keyed by a key that is not in
//! the repository, so that nobody can try values against it.

use std::collections::BTreeMap;

use palisade_check::Unknown;
use palisade_check::facts::env::{Committed, EnvSet};

use crate::root::{Root, Unread};

/// The file's name in the project's root.
pub const FINGERPRINTS: &str = "palisade.fingerprints.json";

const MAX_FILE: u64 = 1 << 20;

/// Reads the file; without one, nothing is committed.
///
/// # Errors
/// It is there and cannot be read.
pub fn read(root: &Root) -> Result<BTreeMap<String, Committed>, Unknown> {
    let text = match root.text(FINGERPRINTS, MAX_FILE) {
        Ok(text) => text,
        Err(Unread::Absent) => return Ok(BTreeMap::new()),
        Err(why) => return Err(unread(&why.to_string())),
    };
    serde_json::from_str(&text).map_err(|error| unread(&error.to_string()))
}

/// The file's new text, with the variables of one environment as they are now. A value that was there before keeps the day
/// on which it was first seen.
#[must_use]
pub fn written(
    mut before: BTreeMap<String, Committed>,
    environment: &str,
    set: &EnvSet,
    key: &str,
    today: &str,
) -> String {
    let old = before.remove(environment).filter(|old| old.key == key);
    let mut variables = BTreeMap::new();
    for (name, variable) in &set.variables {
        let known = old.as_ref().and_then(|old| old.variables.get(name));
        let since =
            known.filter(|known| known.fingerprint == variable.fingerprint).and_then(|known| known.since.clone());
        let mut kept = variable.clone();
        (kept.place, kept.hash) = (None, String::new());
        kept.since = Some(since.unwrap_or_else(|| today.to_owned()));
        variables.insert(name.clone(), kept);
    }
    before.insert(environment.to_owned(), Committed { key: key.to_owned(), on: today.to_owned(), variables });
    let mut text = serde_json::to_string_pretty(&before).unwrap_or_default();
    text.push('\n');
    text
}

fn unread(why: &str) -> Unknown {
    Unknown::new(format!("{FINGERPRINTS} was not read: {why}"), "write it anew: `palisade env fingerprint`")
}
