//! Advisories from a folder of the OSV database, without a network: one JSON file each, in the folder or in `npm/`.
//!
//! Source: the OSV schema 1.6 (ossf.github.io/osv-schema), `affected[].ranges` of type SEMVER and `affected[].versions`. Not
//! read: the archives `all.zip` (unpack them), and ecosystems other than npm and crates.io.

use std::fs;
use std::path::{Path, PathBuf};

use palisade_check::Unknown;
use palisade_check::facts::dependencies::Advisory;
use serde_json::Value;

use super::Package;
use super::version::Version;
use crate::root::read_regular;

/// The largest advisory that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// The most files that are read: the whole of npm has some 200,000.
const MAX_FILES: usize = 1_000_000;

/// The advisories that concern packages of production.
pub(super) fn advisories(folder: &Path, packages: &[Package]) -> Result<Vec<Advisory>, Unknown> {
    let places = [folder.to_owned(), folder.join("npm"), folder.join("crates.io")];
    let files: Vec<PathBuf> = places.iter().flat_map(|place| json_files(place)).take(MAX_FILES).collect();
    if files.is_empty() {
        return Err(Unknown::new("the OSV folder holds no advisory", "unpack the database's all.zip into it"));
    }
    let mut found = Vec::new();
    for file in files {
        let advisory =
            read_regular(&file, MAX_FILE).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let Some(advisory) = advisory else {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(Unknown::new(format!("{name} of the OSV folder is no advisory"), "fetch the database anew"));
        };
        if advisory.get("withdrawn").is_none() {
            found.extend(concerned(&advisory, packages));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "json"));
    files.sort();
    files
}

fn concerned(advisory: &Value, packages: &[Package]) -> Vec<Advisory> {
    let text = |pointer: &str| advisory.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let mut found = Vec::new();
    for affected in advisory.get("affected").and_then(Value::as_array).into_iter().flatten() {
        let of = |pointer: &str| affected.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if !matches!(of("/package/ecosystem"), "npm" | "crates.io") {
            continue;
        }
        let name = of("/package/name");
        let hit = packages.iter().find(|it| it.name == name && !it.dev && is_affected(affected, &it.version));
        let Some(package) = hit else { continue };
        let severity = text("/database_specific/severity").to_ascii_lowercase();
        found.push(Advisory {
            package: format!("{}@{}", package.name, package.version),
            severity: if severity.is_empty() { "moderate".to_owned() } else { severity },
            title: text("/summary").chars().take(120).collect(),
            reference: text("/id").chars().take(60).collect(),
            fixable: is_fixed(affected),
            manager: if of("/package/ecosystem") == "npm" { "npm" } else { "cargo" }.to_owned(),
        });
    }
    found
}

/// Whether a version without the weakness exists.
pub(super) fn is_fixed(affected: &Value) -> bool {
    events(affected).any(|event| event.get("fixed").is_some())
}

fn events(affected: &Value) -> impl Iterator<Item = &Value> {
    let ranges = affected.get("ranges").and_then(Value::as_array).into_iter().flatten();
    let ranges = ranges.filter(|range| range.get("type").and_then(Value::as_str) == Some("SEMVER"));
    ranges.filter_map(|range| range.get("events")?.as_array()).flatten()
}

/// Whether the version is listed, or lies between an `introduced` and the `fixed` or `last_affected` after it.
fn is_affected(affected: &Value, version: &str) -> bool {
    let listed = affected.get("versions").and_then(Value::as_array).into_iter().flatten();
    if listed.filter_map(Value::as_str).any(|it| it == version) {
        return true;
    }
    // A version that cannot be compared may be any: it is told.
    let Some(version) = Version::parse(version) else { return events(affected).next().is_some() };
    let bound = |event: &Value, name: &str| event.get(name).and_then(Value::as_str).and_then(Version::parse);
    let mut inside = false;
    for event in events(affected) {
        if let Some(start) = bound(event, "introduced") {
            inside |= version >= start;
        }
        if bound(event, "fixed").is_some_and(|end| version >= end) {
            inside = false;
        }
        if bound(event, "last_affected").is_some_and(|end| version > end) {
            inside = false;
        }
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open() {
        let affected: Value = serde_json::json!({ "versions": ["9.9.9"], "ranges": [{ "type": "SEMVER", "events": [
            { "introduced": "0" }, { "fixed": "1.2.0" }, { "introduced": "2.0.0" }, { "last_affected": "2.3.0" }] }] });
        for (version, expect) in [
            ("0.1.0", true),
            ("1.1.9", true),
            ("1.2.0", false),
            ("1.9.0", false),
            ("2.0.0", true),
            ("2.3.0", true),
            ("2.3.1", false),
            ("9.9.9", true),
        ] {
            assert_eq!(is_affected(&affected, version), expect, "{version}");
        }
    }
}
