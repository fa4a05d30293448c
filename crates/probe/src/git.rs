//! What git tracks, ignores and remembers, read from its files by our own code: no git runs, so no hook, filter, pager,
//! fsmonitor or configuration of the repository does either (SECURITY 22).
//!
//! Reads the index (versions 2 to 4) and SHA-1 object stores, loose and packed. Does not read: SHA-256 repositories, object
//! stores of others (`alternates`), submodules; each of them is told as unknown.

mod ignored;
mod index;
mod loose;
mod pack;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use palisade_check::facts::git::{Git, Remembered};
use palisade_check::{Fact, Unknown};

pub(crate) use ignored::patterns;

use crate::env;
use crate::root::{Root, Unread, read_regular};

/// The largest index that is read, in bytes.
const MAX_INDEX: u64 = 256 << 20;

/// Lock files by their whole names.
pub(crate) const LOCK_FILES: [&str; 7] =
    ["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock", "bun.lockb", "Cargo.lock"];

/// The repository that holds the project.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Where HEAD and the index are.
    own: PathBuf,
    /// Where the objects are; the same unless this is a linked work tree.
    common: PathBuf,
    /// The work tree's folder.
    work: PathBuf,
    /// The project's path from there: empty, or with a `/` at its end.
    prefix: String,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A folder.
    Tree,
    /// A file's content.
    Blob,
    /// An annotated tag.
    Tag,
}

/// An object of the store.
#[derive(Debug)]
pub struct Object<'a> {
    /// Its id.
    pub id: [u8; 20],
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub data: &'a [u8],
}

/// What a walk over the store did not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// Objects that were shown.
    pub shown: u64,
    /// Objects of the wanted kind that were larger than asked for.
    pub too_large: u64,
    /// Objects that could not be read.
    pub broken: u64,
}

/// Collects what the checks ask about git.
///
/// # Errors
/// There is no repository, or none that can be read.
pub fn collect(root: &Root) -> Result<Git, Unknown> {
    let repository = Repository::find(root)?;
    let tracked = repository.tracked()?;
    let tracked_env_files = tracked.iter().filter(|path| is_env_file(path)).cloned().collect();
    let tracked_lock_files = tracked.iter().filter(|path| LOCK_FILES.contains(&path.as_str())).cloned().collect();
    let wanted = env::FILES.iter().filter(|file| **file == ".env.local" || root.has(file));
    let ignored = wanted.map(|file| ((*file).to_owned(), repository.ignores(file))).collect();
    Ok(Git { tracked_env_files, ignored, committed_env_files: Fact::from(repository.remembered()), tracked_lock_files })
}

/// Whether a file of that name may hold secrets: `.env` and `.env.*`, but for examples and what is encrypted.
#[must_use]
pub fn is_env_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let harmless = ["example", "sample", "template", "dist", "defaults", "schema", "vault", "d"];
    match name.strip_prefix(".env") {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|rest| !rest.split('.').any(|part| harmless.contains(&part))),
        None => false,
    }
}

// === impl Repository ===

impl Repository {
    /// The repository around a folder.
    ///
    /// # Errors
    /// There is none, or it is of a kind that is not read.
    pub fn find(root: &Root) -> Result<Repository, Unknown> {
        let work = root.path().ancestors().find(|folder| fs::symlink_metadata(folder.join(".git")).is_ok());
        let Some(work) = work else {
            return Err(Unknown::new("the project is in no git repository", "run it where the repository is"));
        };
        let inner = root.path().strip_prefix(work).unwrap_or(Path::new(""));
        let inner = inner.to_str().ok_or_else(|| unread("the project's path is not UTF-8"))?.replace('\\', "/");
        let prefix = if inner.is_empty() { String::new() } else { format!("{inner}/") };
        let (own, common) = folders(work)?;
        let config = read_regular(&common.join("config"), 1 << 20).unwrap_or_default();
        if String::from_utf8_lossy(&config).to_ascii_lowercase().contains("sha256") {
            return Err(unread("its objects are named by SHA-256"));
        }
        Ok(Repository { own, common, work: work.to_owned(), prefix })
    }

    /// The paths in the index that lie in the project, from the project's root.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn tracked(&self) -> Result<Vec<String>, Unknown> {
        let bytes = match read_regular(&self.own.join("index"), MAX_INDEX) {
            Ok(bytes) => bytes,
            Err(Unread::Absent) => return Ok(Vec::new()),
            Err(why) => return Err(unread(&format!("its index: {why}"))),
        };
        let paths = index::paths(&bytes).ok_or_else(|| unread("its index is of a form that is not known"))?;
        Ok(paths.into_iter().filter_map(|path| path.strip_prefix(&self.prefix).map(str::to_owned)).collect())
    }

    /// Whether git would leave a file of the project alone, by the `.gitignore` files from the work tree's root down to it
    /// and by `info/exclude`. What the user's own configuration ignores does not count: others do not have it.
    #[must_use]
    pub fn ignores(&self, path: &str) -> bool {
        ignored::ignores(&self.work, &self.common, &format!("{}{path}", self.prefix))
    }

    /// Shows every object of the wanted kinds with at most `cap` bytes: loose ones, then each pack in its order. An object
    /// that is in two packs is shown twice. Memory: the index of one pack, and 64 MiB of bases.
    ///
    /// # Errors
    /// The store cannot be read whole.
    pub fn objects(
        &self,
        wanted: &dyn Fn(Kind) -> bool,
        cap: usize,
        show: &mut dyn FnMut(&Object<'_>),
    ) -> Result<Passed, Unknown> {
        let store = self.common.join("objects");
        if store.join("info/alternates").exists() {
            return Err(unread("a part of its objects lies in another repository (alternates)"));
        }
        let mut passed = Passed::default();
        loose::objects(&store, wanted, cap, show, &mut passed)?;
        for path in packs(&store)? {
            pack::objects(&path, wanted, cap, show, &mut passed)?;
        }
        Ok(passed)
    }

    /// Env files that any commit, stash or forgotten tree of the store names.
    fn remembered(&self) -> Result<Vec<Remembered>, Unknown> {
        if self.common.join("shallow").exists() {
            return Err(Unknown::new(
                "the history is cut off (a shallow clone)",
                "fetch all of it: `git fetch --unshallow`, in CI `fetch-depth: 0`",
            ));
        }
        let mut found = BTreeSet::new();
        let mut entries = |object: &Object<'_>| {
            for (name, id) in tree_entries(object.data) {
                if is_env_file(name) {
                    found.insert(Remembered { name: name.to_owned(), object: hex(id) });
                }
            }
        };
        let passed = self.objects(&|kind| kind == Kind::Tree, 64 << 20, &mut entries)?;
        if passed.broken + passed.too_large > 0 {
            let why = format!("{} folders of the history could not be read", passed.broken + passed.too_large);
            return Err(Unknown::new(why, "look at it with `git fsck`"));
        }
        Ok(found.into_iter().collect())
    }
}

/// Files of a tree: name and object. What is no file (mode 40000, 160000) is left out.
fn tree_entries(data: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    let mut rest = data;
    std::iter::from_fn(move || {
        loop {
            let space = rest.iter().position(|byte| *byte == b' ')?;
            let zero = space + rest.get(space..)?.iter().position(|byte| *byte == 0)?;
            let (mode, name, id) = (rest.get(..space)?, rest.get(space + 1..zero)?, rest.get(zero + 1..zero + 21)?);
            rest = rest.get(zero + 21..)?;
            if let (true, Ok(name)) = (mode.starts_with(b"100"), std::str::from_utf8(name)) {
                return Some((name, id));
            }
        }
    })
}

/// The folder of this work tree and the one of the objects. A `.git` file is believed only where what it names points back
/// at it, as `git worktree` leaves it: else a stranger's file could show us anybody's repository.
fn folders(work: &Path) -> Result<(PathBuf, PathBuf), Unknown> {
    let dot = work.join(".git");
    let meta = fs::symlink_metadata(&dot).map_err(|_| unread("it cannot be entered"))?;
    if meta.is_dir() {
        return Ok((dot.clone(), dot));
    }
    let line = |path: &Path| {
        let bytes = read_regular(path, 1 << 16).ok()?;
        Some(String::from_utf8(bytes).ok()?.trim().to_owned())
    };
    let named = line(&dot).and_then(|text| Some(work.join(text.strip_prefix("gitdir:")?.trim())));
    let own = named.ok_or_else(|| unread("its .git is a link"))?;
    let back = line(&own.join("gitdir")).map(|text| own.join(text));
    let same = back.and_then(|back| back.canonicalize().ok()) == dot.canonicalize().ok();
    let common = line(&own.join("commondir")).map(|text| own.join(text)).filter(|_| same);
    let common = common.ok_or_else(|| unread("it is a submodule, or its .git names a folder that does not know it"))?;
    Ok((own, common))
}

fn packs(store: &Path) -> Result<Vec<PathBuf>, Unknown> {
    let Ok(entries) = fs::read_dir(store.join("pack")) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    if paths.iter().any(|path| path.extension().is_some_and(|end| end == "promisor")) {
        return Err(Unknown::new("the clone is partial: its server has objects that are not here", "clone all of it"));
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "idx"));
    paths.sort();
    Ok(paths)
}

fn unread(why: &str) -> Unknown {
    Unknown::new(
        format!("the git repository was not read: {why}"),
        "look by hand: `git log --all --full-history -- '*.env*'`",
    )
}

/// An id as people write it.
#[must_use]
pub fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_told_from_examples() {
        for path in [".env", ".env.local", "apps/web/.env.production", ".env.production.local", ".env.me"] {
            assert!(is_env_file(path), "{path}");
        }
        for path in [".env.example", ".env.local.example", "env.ts", ".envrc", "a.env", ".env.d.ts", ".env.vault"] {
            assert!(!is_env_file(path), "{path}");
        }
    }

    #[test]
    fn a_tree_gives_its_files() {
        let mut data = Vec::new();
        for (mode, name) in [("100644", ".env.local"), ("40000", "lib"), ("100755", "run")] {
            data.extend_from_slice(format!("{mode} {name}\0").as_bytes());
            data.extend_from_slice(&[7; 20]);
        }
        let names: Vec<_> = tree_entries(&data).map(|(name, _)| name).collect();
        assert_eq!(names, [".env.local", "run"]);
        assert_eq!(tree_entries(b"100644 x\0short").count(), 0);
    }
}
