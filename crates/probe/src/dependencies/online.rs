//! What npm says when the user lets it be asked (SECURITY 22): on a copy of the lock file, in a [`Room`], and without
//! scripts.
//!
//! Reads `npm audit --json` (auditReportVersion 2) and `npm outdated --json`. A registry that does not answer, or answers
//! something else, is unknown and never a pass.

use std::ffi::OsString;

use palisade_check::Unknown;
use palisade_check::facts::dependencies::{Advisory, Outdated};
use serde_json::{Map, Value};

use super::MAX_LOCK;
use super::room::{Ended, Room, Tool};
use crate::project;
use crate::root::Root;

/// Which registry is asked, and by whose permission: the user's, on this run.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// The address that the user named; else npm's own default.
    pub url: Option<String>,
    /// The process's PATH.
    pub path: OsString,
}

/// `npm audit --omit=dev`.
pub(super) fn audit(root: &Root, registry: &Registry) -> Result<Vec<Advisory>, Unknown> {
    let (room, _) = with_lock(root)?;
    let report = npm(&room, root, registry, &["audit", "--json", "--omit=dev", "--package-lock-only"])?;
    read_audit(&report)
}

/// `npm outdated`: what is behind by the lock file.
pub(super) fn outdated(root: &Root, registry: &Registry) -> Result<Vec<Outdated>, Unknown> {
    let (room, lock) = with_lock(root)?;
    let report = npm(&room, root, registry, &["outdated", "--json"])?;
    let packages = super::read(root, lock)?;
    let Some(entries) = report.as_object().filter(|entries| !entries.contains_key("error")) else {
        return Err(refused(&report));
    };
    let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut found: Vec<Outdated> = Vec::new();
    for (package, entry) in entries {
        // A package that several parts of a workspace use is an array.
        let entry = entry.get(0).unwrap_or(entry);
        let locked = packages.iter().find(|it| it.name == *package).map(|it| it.version.clone());
        let current = locked.unwrap_or_else(|| text(entry, "current"));
        let (wanted, latest) = (text(entry, "wanted"), text(entry, "latest"));
        if !latest.is_empty() && latest != current {
            found.push(Outdated { package: package.clone(), current, wanted, latest });
        }
    }
    if found.is_empty() {
        // npm passes over packages that the registry refuses: that it answers at all must be seen.
        let manifest = project::manifest(root)?.unwrap_or_default();
        for package in project::strings(&manifest, "dependencies").keys().take(1) {
            latest(package, root, registry)?;
        }
    }
    found.sort();
    Ok(found)
}

/// The newest stable version of a package.
pub(super) fn latest(package: &str, root: &Root, registry: &Registry) -> Result<String, Unknown> {
    let report = npm(&Room::new()?, root, registry, &["view", package, "dist-tags.latest", "--json"])?;
    report.as_str().map(str::to_owned).ok_or_else(|| refused(&report))
}

/// A room with the lock file, by its name, and the manifest without its scripts.
fn with_lock(root: &Root) -> Result<(Room, &'static str), Unknown> {
    let Some(lock) = ["package-lock.json", "npm-shrinkwrap.json"].into_iter().find(|file| root.has(file)) else {
        return Err(Unknown::new(
            "npm reads package-lock.json alone, and there is none",
            "name an OSV database: `palisade check --osv FOLDER`",
        ));
    };
    let text =
        root.read(lock, MAX_LOCK).map_err(|why| Unknown::new(format!("{lock} was not read: {why}"), "look at it"))?;
    let manifest = project::manifest(root)?.unwrap_or_default();
    let kept = ["dependencies", "devDependencies", "optionalDependencies"];
    let kept = kept.into_iter().filter_map(|name| Some((name.to_owned(), manifest.get(name)?.clone())));
    let own = [("name", "audited"), ("version", "0.0.0")].map(|(name, text)| (name.to_owned(), Value::from(text)));
    let manifest = Value::Object(own.into_iter().chain(kept).collect::<Map<_, _>>());
    let room = Room::new()?;
    room.put("package-lock.json", &text)?;
    room.put("package.json", manifest.to_string().as_bytes())?;
    Ok((room, lock))
}

fn npm(room: &Room, root: &Root, registry: &Registry, arguments: &[&str]) -> Result<Value, Unknown> {
    let tool = Tool::find("npm", root, &registry.path).ok_or_else(|| {
        Unknown::new("npm is not on PATH outside the project", "install Node.js, or name --osv FOLDER")
    })?;
    let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    all.extend(["--ignore-scripts", "--no-update-notifier", "--no-fund", "--fetch-retries=0"].map(OsString::from));
    // Two names: npm refuses one file in both places.
    for (option, place) in [("--userconfig", "user"), ("--globalconfig", "global"), ("--cache", "cache")] {
        all.push(format!("{option}={}", room.place(place).display()).into());
    }
    all.extend(registry.url.as_ref().map(|url| format!("--registry={url}").into()));
    answer(&room.run(&tool, &all)?)
}

/// npm ends with 1 where it found something: what it wrote tells. Only a good end without a word means that nothing is
/// behind.
fn answer(ended: &Ended) -> Result<Value, Unknown> {
    if ended.output.iter().all(u8::is_ascii_whitespace) {
        if ended.code != Some(0) {
            return Err(Unknown::new("npm failed without a word", "run it by hand"));
        }
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(&ended.output)
        .map_err(|_| Unknown::new("npm answered something that is not JSON", "run it by hand"))
}

fn read_audit(report: &Value) -> Result<Vec<Advisory>, Unknown> {
    let known = report.get("auditReportVersion").and_then(Value::as_u64) == Some(2);
    let Some(entries) = report.get("vulnerabilities").and_then(Value::as_object).filter(|_| known) else {
        return Err(refused(report));
    };
    let mut found = Vec::new();
    for (package, entry) in entries {
        let fixable = entry.get("fixAvailable").is_some_and(|fix| *fix != Value::Bool(false));
        for via in entry.get("via").and_then(Value::as_array).into_iter().flatten().filter(|via| via.is_object()) {
            let text = |name: &str| via.get(name).and_then(Value::as_str).unwrap_or_default();
            found.push(Advisory {
                package: package.clone(),
                severity: text("severity").to_owned(),
                title: text("title").chars().take(120).collect(),
                reference: text("url").chars().take(120).collect(),
                fixable,
                manager: "npm".to_owned(),
            });
        }
    }
    found.sort();
    Ok(found)
}

fn refused(report: &Value) -> Unknown {
    let text = report.pointer("/error/summary").or_else(|| report.get("message")).and_then(Value::as_str);
    let why = text.unwrap_or("its answer is of a form that is not known").lines().next().unwrap_or_default();
    let why: String = why.chars().take(120).collect();
    Unknown::new(
        format!("the registry did not answer npm: {why}"),
        "try again, or name an OSV database: `--osv FOLDER`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_registry_is_no_clean_bill() {
        let refusal =
            serde_json::json!({ "message": "405 Method Not Allowed", "statusCode": 405, "error": { "summary": "" } });
        assert!(read_audit(&refusal).is_err());
        assert!(read_audit(&Value::Object(Map::new())).is_err());
        let clean = serde_json::json!({ "auditReportVersion": 2, "vulnerabilities": {} });
        assert_eq!(read_audit(&clean), Ok(Vec::new()));
    }
}
