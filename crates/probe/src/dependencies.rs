//! Lock files, read by our own code; advisories and newer versions, where the user lets a registry be asked.

mod cargo;
mod lock;
mod online;
mod osv;
mod room;
mod severity;
mod version;

use std::path::Path;

use palisade_check::facts::dependencies::{Advisory, Dependencies, Framework, Lock};
use palisade_check::{Fact, Unknown};

pub use lock::{Package, packages};
pub use online::Registry;

use crate::git::LOCK_FILES;
use crate::project;
use crate::root::{Root, Unread};

/// The largest lock file that is read, in bytes.
const MAX_LOCK: u64 = 64 << 20;

/// What may be asked beyond the project's own files.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// `--online`: npm, cargo-audit and osv-scanner may be run on a copy of the lock file.
    pub registry: Option<&'a Registry>,
    /// `--osv`: a folder with the OSV database, or its `all.zip`.
    pub osv: Option<&'a Path>,
}

/// Collects what is known of the packages.
///
/// # Errors
/// The manifest cannot be read.
pub fn collect(root: &Root, sources: &Sources<'_>) -> Result<Dependencies, Unknown> {
    let manifest = project::manifest(root)?;
    let wanted = manifest.as_ref().map(|manifest| project::strings(manifest, "dependencies")).unwrap_or_default();
    let mut locks = Vec::new();
    let mut pinned: Vec<Package> = Vec::new();
    for file in LOCK_FILES.into_iter().filter(|file| root.has(file)) {
        let read = read(root, file);
        let manager = lock::manager(file).to_owned();
        let mut unpinned = Vec::new();
        if let (Ok(packages), true) = (&read, manager != "cargo") {
            let has = |name: &str| packages.iter().any(|package| package.name == name);
            unpinned.extend(wanted.keys().filter(|name| !packages.is_empty() && !has(name)).cloned());
        }
        let packages = read.as_ref().map(|packages| u32::try_from(packages.len()).unwrap_or(u32::MAX));
        let packages = Fact::from(packages.map_err(Clone::clone));
        pinned.extend(read.unwrap_or_default());
        locks.push(Lock { manager, file: file.to_owned(), packages, unpinned });
    }
    let outdated = match sources.registry {
        Some(registry) => online::outdated(root, registry),
        None => Err(offline()),
    };
    let framework = wanted.contains_key("next").then(|| {
        let version = pinned.iter().find(|package| package.name == "next").map(|package| package.version.clone());
        let version = version.ok_or_else(|| Unknown::new("no lock file pins next", "commit the lock file"));
        let latest = match sources.registry {
            Some(registry) => online::latest("next", root, registry),
            None => Err(offline()),
        };
        Framework { name: "next".to_owned(), version: Fact::from(version), latest: Fact::from(latest) }
    });
    let advisories = Fact::from(advisories(root, sources, &pinned, &locks));
    Ok(Dependencies { locks, framework, advisories, outdated: Fact::from(outdated) })
}

fn advisories(
    root: &Root,
    sources: &Sources<'_>,
    pinned: &[Package],
    locks: &[Lock],
) -> Result<Vec<Advisory>, Unknown> {
    let registry = match (sources.osv, sources.registry) {
        (Some(folder), _) => return osv::advisories(folder, pinned),
        (None, Some(registry)) => registry,
        (None, None) => return Err(offline()),
    };
    let cargo = locks.iter().find(|lock| lock.manager == "cargo");
    let npm = cargo.is_none() || locks.len() > 1 || project::manifest(root)?.is_some();
    let mut answers: Vec<_> = npm.then(|| online::audit(root, registry)).into_iter().collect();
    if let Some(lock) = cargo {
        let packages = lock.packages.known().map(|packages| usize::try_from(*packages).unwrap_or(usize::MAX));
        answers.push(packages.and_then(|packages| cargo::advisories(root, registry, packages)));
    }
    agreed(answers)
}

/// A weakness that one of them found counts, whatever the others say; that there is none, all have to say.
fn agreed(answers: Vec<Result<Vec<Advisory>, Unknown>>) -> Result<Vec<Advisory>, Unknown> {
    let mut found: Vec<Advisory> = answers.iter().flatten().flatten().cloned().collect();
    let silent: Vec<Unknown> = answers.into_iter().filter_map(Result::err).collect();
    if found.is_empty() && !silent.is_empty() {
        let all = |of: fn(&Unknown) -> &str| silent.iter().map(of).collect::<Vec<_>>().join("; ");
        return Err(Unknown::new(all(|it| &it.why), all(|it| &it.remedy)));
    }
    found.sort();
    Ok(found)
}

fn offline() -> Unknown {
    Unknown::new("no registry was asked", "run `palisade check --online`, or name an OSV database: `--osv FOLDER`")
}

fn read(root: &Root, file: &str) -> Result<Vec<Package>, Unknown> {
    if file == "bun.lockb" {
        return Err(Unknown::new("bun.lockb is binary", "write it as text: `bun install --save-text-lockfile`"));
    }
    let text = match root.text(file, MAX_LOCK) {
        Ok(text) => text,
        Err(why @ (Unread::Link | Unread::TooLarge | Unread::NotAFile)) => {
            return Err(Unknown::new(format!("{file} was not read: {why}"), "make it a plain file"));
        }
        Err(why) => return Err(Unknown::new(format!("{file} was not read: {why}"), "look at it by hand")),
    };
    lock::packages(file, &text)
        .map_err(|why| Unknown::new(format!("{file} was not understood: {why}"), "write it anew"))
}
