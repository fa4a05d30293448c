//! What npm says when the user lets it be asked (SECURITY 22): on a copy of the lock file, in an empty folder, without any
//! configuration of the repository or the user, with nothing of the environment but PATH, and without scripts.
//!
//! Reads `npm audit --json` (auditReportVersion 2) and `npm outdated --json`. A registry that does not answer, or answers
//! something else, is unknown and never a pass.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use palisade_check::Unknown;
use palisade_check::facts::dependencies::{Advisory, Outdated};
use serde_json::{Map, Value};

use super::MAX_LOCK;
use crate::project;
use crate::root::{Root, read_regular};

/// How long npm may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What npm may write.
const MAX_OUTPUT: u64 = 64 << 20;

/// Which registry is asked, and by whose permission: the user's, on this run.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// The address that the user named; else npm's own default.
    pub url: Option<String>,
    /// The process's PATH.
    pub path: std::ffi::OsString,
}

/// `npm audit --omit=dev`.
pub(super) fn audit(root: &Root, registry: &Registry) -> Result<Vec<Advisory>, Unknown> {
    let room = Room::with_lock(root)?;
    let report = room.npm(registry, &["audit", "--json", "--omit=dev", "--package-lock-only"])?;
    read_audit(&report)
}

/// `npm outdated`: what is behind by the lock file.
pub(super) fn outdated(root: &Root, registry: &Registry) -> Result<Vec<Outdated>, Unknown> {
    let room = Room::with_lock(root)?;
    let report = room.npm(registry, &["outdated", "--json"])?;
    let packages = super::read(root, room.lock)?;
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
            latest(package, registry)?;
        }
    }
    found.sort();
    Ok(found)
}

/// The newest stable version of a package.
pub(super) fn latest(package: &str, registry: &Registry) -> Result<String, Unknown> {
    let room = Room::new()?;
    let report = room.npm(registry, &["view", package, "dist-tags.latest", "--json"])?;
    report.as_str().map(str::to_owned).ok_or_else(|| refused(&report))
}

/// An empty folder of this run, gone at its end.
struct Room {
    path: PathBuf,
    lock: &'static str,
}

impl Room {
    fn new() -> Result<Room, Unknown> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("palisade-npm-{}-{number}", std::process::id()));
        // Fails where somebody else has put something there.
        let made = fs::create_dir(&path).and_then(|()| fs::create_dir(path.join("home")));
        made.map_err(|_| Unknown::new("no temporary folder can be made", "set TMPDIR to one that can be written"))?;
        Ok(Room { path, lock: "" })
    }

    fn with_lock(root: &Root) -> Result<Room, Unknown> {
        let Some(lock) = ["package-lock.json", "npm-shrinkwrap.json"].into_iter().find(|file| root.has(file)) else {
            return Err(Unknown::new(
                "npm reads package-lock.json alone, and there is none",
                "name an OSV database: `palisade check --osv FOLDER`",
            ));
        };
        let text = root
            .read(lock, MAX_LOCK)
            .map_err(|why| Unknown::new(format!("{lock} was not read: {why}"), "look at it"))?;
        let manifest = project::manifest(root)?.unwrap_or_default();
        let kept = ["dependencies", "devDependencies", "optionalDependencies"];
        let kept = kept.into_iter().filter_map(|name| Some((name.to_owned(), manifest.get(name)?.clone())));
        let own = [("name", "audited"), ("version", "0.0.0")].map(|(name, text)| (name.to_owned(), Value::from(text)));
        let manifest = Value::Object(own.into_iter().chain(kept).collect::<Map<_, _>>());
        let mut room = Room::new()?;
        room.lock = lock;
        let written = fs::write(room.path.join("package-lock.json"), text)
            .and_then(|()| fs::write(room.path.join("package.json"), manifest.to_string()));
        written.map_err(|_| Unknown::new("the copy of the lock file cannot be written", "make room in TMPDIR"))?;
        Ok(room)
    }

    fn npm(&self, registry: &Registry, arguments: &[&str]) -> Result<Value, Unknown> {
        let none = |of: &str| self.path.join(of).display().to_string();
        let mut command = Command::new("npm");
        command
            .args(arguments)
            .args(["--ignore-scripts", "--no-update-notifier", "--no-fund", "--fetch-retries=0"])
            .arg(format!("--userconfig={}", none("user")))
            // Two names: npm refuses one file in both places.
            .arg(format!("--globalconfig={}", none("global")))
            .arg(format!("--cache={}", self.path.join("cache").display()))
            .env_clear()
            .env("PATH", &registry.path)
            .env("HOME", self.path.join("home"))
            .current_dir(&self.path)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        if let Some(url) = &registry.url {
            command.arg(format!("--registry={url}"));
        }
        let out = self.path.join("out");
        let file =
            File::create(&out).map_err(|_| Unknown::new("npm's answer cannot be kept", "make room in TMPDIR"))?;
        let child = command.stdout(file).spawn();
        let mut child =
            child.map_err(|_| Unknown::new("npm does not start", "install Node.js, or name --osv FOLDER"))?;
        let started = Instant::now();
        let ended = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break status;
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Unknown::new("npm gave no answer within two minutes", "try again, or name --osv FOLDER"));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        answer(&out, ended.success())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// npm ends with 1 where it found something: what it wrote tells. Only a good end without a word means that nothing is
/// behind.
fn answer(out: &Path, good: bool) -> Result<Value, Unknown> {
    let bytes =
        read_regular(out, MAX_OUTPUT).map_err(|why| Unknown::new(format!("npm's answer: {why}"), "try again"))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        if !good {
            return Err(Unknown::new("npm failed without a word", "run it by hand"));
        }
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(&bytes)
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
