//! What `cargo-audit` and `osv-scanner` say of `Cargo.lock`, when the user lets tools be asked (SECURITY 22): each that is
//! installed, on a copy of the file, without the repository's or the user's configuration.
//!
//! Reads the report of `cargo-audit --json` (the `Report` of rustsec, docs.rs/rustsec) and of `osv-scanner --format json`
//! (google.github.io/osv-scanner/output; it ends with 0 where nothing was found, 1 where something was, and 127 or more
//! where it failed). What is only unmaintained, unsound or yanked is a warning of cargo-audit's, and left out of both.
//! cargo-deny is not asked: it reads no lock file alone, but runs cargo on the project's manifest.

use std::collections::BTreeMap;
use std::ffi::OsString;

use palisade_check::Unknown;
use palisade_check::facts::dependencies::Advisory;
use serde_json::Value;

use super::online::Registry;
use super::room::{Ended, Room, Tool};
use super::{MAX_LOCK, osv, severity};
use crate::root::Root;

/// The file that is asked about.
pub(super) const LOCK: &str = "Cargo.lock";

struct Scanner {
    name: &'static str,
    arguments: &'static [&'static str],
    read: fn(&Ended, usize) -> Option<Vec<Advisory>>,
}

const SCANNERS: [Scanner; 2] = [
    Scanner { name: "cargo-audit", arguments: &["audit", "--json", "--file", LOCK], read: read_audit },
    Scanner { name: "osv-scanner", arguments: &["--format", "json", "--lockfile", LOCK], read: read_scan },
];

/// The advisories of every scanner that is installed, by a lock file with that many published packages. One that is found
/// counts, whoever fails; that there is none, each has to say.
pub(super) fn advisories(root: &Root, registry: &Registry, pinned: usize) -> Result<Vec<Advisory>, Unknown> {
    let installed = SCANNERS.iter().filter_map(|it| Some((it, Tool::find(it.name, root, &registry.path)?)));
    let answers: Vec<_> = installed.map(|(it, tool)| ask(root, it, &tool, pinned)).collect();
    if answers.is_empty() {
        return Err(Unknown::new(
            "nobody was asked about Cargo.lock: neither cargo-audit nor osv-scanner is on PATH outside the project",
            "`cargo install --locked cargo-audit`, or name an OSV database: `--osv FOLDER`",
        ));
    }
    super::agreed(answers).map(told_once)
}

fn ask(root: &Root, scanner: &Scanner, tool: &Tool, pinned: usize) -> Result<Vec<Advisory>, Unknown> {
    let text = root
        .read(LOCK, MAX_LOCK)
        .map_err(|why| Unknown::new(format!("{LOCK} was not read: {why}"), "make it a plain file"))?;
    let room = Room::new()?;
    room.put(LOCK, &text)?;
    let arguments: Vec<OsString> = scanner.arguments.iter().map(OsString::from).collect();
    let ended = room.run(tool, &arguments)?;
    (scanner.read)(&ended, pinned).ok_or_else(|| {
        let code = ended.code.map_or_else(|| "by a signal".to_owned(), |code| format!("with {code}"));
        let why = format!("{} gave no answer about {LOCK} that can be relied on: it ended {code}", scanner.name);
        let remedy = "see whether it reaches its database: run it by hand; or name an OSV database: `--osv FOLDER`";
        Unknown::new(why, remedy)
    })
}

/// `None` where the report is of another form, or was made from no database, from less than the whole file, or by a run
/// that says it failed.
fn read_audit(ended: &Ended, pinned: usize) -> Option<Vec<Advisory>> {
    let report: Value = serde_json::from_slice(&ended.output).ok()?;
    let number = |pointer: &str| usize::try_from(report.pointer(pointer)?.as_u64()?).ok();
    if number("/database/advisory-count")? == 0 || number("/lockfile/dependency-count")? < pinned {
        return None;
    }
    let list = report.pointer("/vulnerabilities/list")?.as_array()?;
    let consistent = match ended.code? {
        0 => list.is_empty(),
        1 => !list.is_empty(),
        _ => false,
    };
    if !consistent || number("/vulnerabilities/count")? != list.len() {
        return None;
    }
    list.iter().map(audited).collect()
}

fn audited(entry: &Value) -> Option<Advisory> {
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
    Some(Advisory {
        package: spelled(text("/package/name")?, text("/package/version")?)?,
        severity: severity::of_vector(text("/advisory/cvss").unwrap_or_default()).to_owned(),
        title: short(text("/advisory/title")?),
        reference: short(text("/advisory/id")?),
        fixable: entry.pointer("/versions/patched")?.as_array().is_some_and(|versions| !versions.is_empty()),
        manager: "cargo".to_owned(),
    })
}

fn read_scan(ended: &Ended, _: usize) -> Option<Vec<Advisory>> {
    let report: Value = serde_json::from_slice(&ended.output).ok()?;
    let results = report.get("results")?.as_array()?;
    let (mut found, mut groups) = (Vec::new(), 0);
    for result in results {
        for entry in result.get("packages")?.as_array()? {
            let weak = entry.get("vulnerabilities").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
            let list = entry.get("groups").and_then(Value::as_array);
            let list = list.map(Vec::as_slice).unwrap_or_default();
            if weak && list.is_empty() {
                return None;
            }
            groups += list.len();
            for group in list {
                found.extend(scanned(entry, group)?);
            }
        }
    }
    match ended.code? {
        0 if groups == 0 => Some(found),
        1 if groups > 0 => Some(found),
        _ => None,
    }
}

/// One weakness under its several ids, or none where all of them only inform. `None` where the form is another.
fn scanned(entry: &Value, group: &Value) -> Option<Vec<Advisory>> {
    let text = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str);
    if text("/package/ecosystem")? != "crates.io" {
        return None;
    }
    let name = text("/package/name")?;
    let ids: Vec<&str> = group.get("ids")?.as_array()?.iter().filter_map(Value::as_str).collect();
    // RustSec's id is the one that cargo-audit knows too.
    let reference = ids.iter().find(|id| id.starts_with("RUSTSEC-")).or_else(|| ids.first())?;
    let listed = entry.get("vulnerabilities")?.as_array()?;
    let of = |it: &&Value| it.get("id").and_then(Value::as_str).is_some_and(|id| ids.contains(&id));
    let listed: Vec<&Value> = listed.iter().filter(of).collect();
    if !listed.is_empty() && listed.iter().all(|it| informs(it)) {
        return Some(Vec::new());
    }
    let word = |pointer: &str| listed.iter().find_map(|it| it.pointer(pointer)?.as_str());
    let score = group.get("max_severity").and_then(Value::as_str).and_then(|score| score.parse().ok());
    let rated = word("/database_specific/severity").map(str::to_ascii_lowercase);
    let rated = rated.filter(|it| matches!(it.as_str(), "low" | "moderate" | "high" | "critical"));
    let severity = score.map(|score| severity::of_score(score).to_owned()).or(rated);
    Some(vec![Advisory {
        package: spelled(name, text("/package/version")?)?,
        severity: severity.unwrap_or_else(|| severity::UNRATED.to_owned()),
        title: short(word("/summary").unwrap_or("a known weakness")),
        reference: short(reference),
        fixable: listed.iter().flat_map(|it| affected(it, name)).any(osv::is_fixed),
        manager: "cargo".to_owned(),
    }])
}

fn affected<'a>(advisory: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = advisory.get("affected").and_then(Value::as_array).into_iter().flatten();
    all.filter(move |it| it.pointer("/package/name").and_then(Value::as_str) == Some(name))
}

fn informs(advisory: &Value) -> bool {
    let mut all = advisory.get("affected").and_then(Value::as_array).into_iter().flatten().peekable();
    let said = |it: &Value| it.pointer("/database_specific/informational").is_some_and(Value::is_string);
    all.peek().is_some() && all.all(said)
}

/// `name@version`, as cargo takes it; nothing where it is no crate's: it becomes part of a command line in a fix.
fn spelled(name: &str, version: &str) -> Option<String> {
    let plain = |text: &str, more: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.len() <= 64 && text.chars().all(known)
    };
    (plain(name, "-_") && plain(version, "-.+")).then(|| format!("{name}@{version}"))
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

/// Two scanners tell of one weakness under one id.
fn told_once(found: Vec<Advisory>) -> Vec<Advisory> {
    let mut told: BTreeMap<(String, String), Advisory> = BTreeMap::new();
    for it in found {
        let key = (it.package.clone(), it.reference.clone());
        match told.get_mut(&key) {
            Some(kept) => {
                kept.fixable |= it.fixable;
                if kept.severity == severity::UNRATED {
                    kept.severity = it.severity;
                }
            }
            None => {
                told.insert(key, it);
            }
        }
    }
    told.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ended(code: i32, report: &Value) -> Ended {
        Ended { output: report.to_string().into_bytes(), code: Some(code) }
    }

    fn audit(code: i32, change: impl Fn(&mut Value)) -> Option<Vec<Advisory>> {
        let mut report = json!({ "database": { "advisory-count": 1280 }, "lockfile": { "dependency-count": 3 },
            "vulnerabilities": { "found": false, "count": 0, "list": [] }, "warnings": {} });
        change(&mut report);
        read_audit(&ended(code, &report), 2)
    }

    #[test]
    fn an_audit_of_nothing_or_of_a_part_is_no_clean_bill() {
        assert_eq!(audit(0, |_| {}), Some(Vec::new()));
        assert_eq!(audit(1, |_| {}), None);
        assert_eq!(audit(2, |_| {}), None);
        assert_eq!(audit(0, |report| report["database"]["advisory-count"] = json!(0)), None);
        assert_eq!(audit(0, |report| report["lockfile"]["dependency-count"] = json!(1)), None);
        assert_eq!(audit(0, |report| report["vulnerabilities"]["count"] = json!(1)), None);
        assert_eq!(audit(0, |report| *report = json!({})), None);
        assert_eq!(read_audit(&Ended { output: Vec::new(), code: Some(0) }, 0), None);
    }

    #[test]
    fn a_scan_is_believed_as_far_as_its_end_agrees() {
        let clean = json!({ "results": [] });
        assert_eq!(read_scan(&ended(0, &clean), 0), Some(Vec::new()));
        for code in [1, 127, 128] {
            assert_eq!(read_scan(&ended(code, &clean), 0), None, "{code}");
        }
        assert_eq!(read_scan(&ended(0, &json!({ "results": null })), 0), None);
        let informs = |informational: &Value| {
            let entry = json!({ "package": { "name": "a", "version": "1.0.0", "ecosystem": "crates.io" },
                "vulnerabilities": [{ "id": "RUSTSEC-1", "affected": [{ "package": { "name": "a" },
                    "database_specific": { "informational": informational } }] }],
                "groups": [{ "ids": ["RUSTSEC-1"], "max_severity": "" }] });
            read_scan(&ended(1, &json!({ "results": [{ "packages": [entry] }] })), 0)
        };
        assert_eq!(informs(&json!("unmaintained")), Some(Vec::new()));
        let told = informs(&Value::Null).expect("advisories");
        assert_eq!((told[0].severity.as_str(), told[0].fixable), (severity::UNRATED, false));
    }

    #[test]
    fn a_name_that_is_no_crates_comes_into_no_command() {
        assert_eq!(spelled("a-b_c", "1.0.0-rc.1+x").as_deref(), Some("a-b_c@1.0.0-rc.1+x"));
        for (name, version) in [("a; rm", "1.0.0"), ("a", "1.0.0`x`"), ("", "1.0.0")] {
            assert_eq!(spelled(name, version), None);
        }
    }
}
