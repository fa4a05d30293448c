//! The files of a project, and what is built from them for browsers.

use std::path::Path;
use std::sync::Mutex;

use ignore::{WalkBuilder, WalkState};
use palisade_check::facts::secrets::{Coverage, Leak, LeakSource};

use super::engine::Engine;
use super::named::Writing;
use super::report::{Report, Where};
use crate::root::{Unread, read_regular};
use crate::walk;

/// The largest file of the tree that is read, in bytes.
pub(super) const LARGEST: u64 = 2 * 1024 * 1024;

/// The largest built file, in bytes: bundles are larger than sources.
const LARGEST_BUILT: u64 = 16 * 1024 * 1024;

/// Folders that are never part of a project's own files.
const NEVER: [&str; 6] = [".git", "node_modules", ".next", ".venv", ".pnpm-store", ".palisade"];

/// What is served to browsers, from the root of an app.
const BUILT: [&str; 5] = [".next/static", ".next/server/app", "out", "dist", "build"];

/// Scans the tree: what git would track, and what it tracks although an ignore file in the tree names it, it does not
/// see. Links are not followed; the ignore files of the user's own are not read, so that two people find the same.
pub(super) fn scan(root: &Path, engine: &Engine, report: &Report) -> (Vec<Leak>, Coverage) {
    let walk = walk::walk(root, repository(root).unwrap_or(root), |name| NEVER.contains(&name));
    run(&walk, root, engine, report, LeakSource::Tree)
}

/// Scans what was built, whether ignored or not: formats and the project's own secrets alone.
pub(super) fn scan_built(root: &Path, engine: &Engine, report: &Report) -> (Vec<Leak>, Coverage) {
    let mut all = (Vec::new(), Coverage::default());
    for folder in BUILT {
        // Only what git ignores: the rest was read with the tree.
        let path = root.join(folder);
        if !path.is_dir() || path.is_symlink() {
            continue;
        }
        let mut walk = WalkBuilder::new(&path);
        walk.standard_filters(false);
        let (leaks, coverage) = run(&walk, root, engine, report, LeakSource::Built);
        all.0.extend(leaks);
        add(&mut all.1, &coverage);
    }
    all
}

/// What one thread has found; told to all when the thread ends.
struct Local<'a> {
    leaks: Vec<Leak>,
    coverage: Coverage,
    all: &'a Mutex<(Vec<Leak>, Coverage)>,
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.0.append(&mut self.leaks);
        add(&mut all.1, &self.coverage);
    }
}

fn run(walk: &WalkBuilder, root: &Path, engine: &Engine, report: &Report, source: LeakSource) -> (Vec<Leak>, Coverage) {
    let all = Mutex::new((Vec::new(), Coverage::default()));
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().min(8));
    let mut walk = walk.clone();
    walk.follow_links(false).threads(threads);
    walk.build_parallel().run(|| {
        let mut local = Local { leaks: Vec::new(), coverage: Coverage::default(), all: &all };
        Box::new(move |entry| {
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_symlink()) => local.coverage.links += 1,
                Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    one(entry.path(), root, engine, report, source, &mut local);
                }
                Ok(_) => {}
                Err(_) => local.coverage.unreadable += 1,
            }
            WalkState::Continue
        })
    });
    all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn one(path: &Path, root: &Path, engine: &Engine, report: &Report, source: LeakSource, local: &mut Local<'_>) {
    let name = relative(path, root);
    let most = if source == LeakSource::Built { LARGEST_BUILT } else { LARGEST };
    let text = match read_regular(path, most) {
        Ok(text) => text,
        Err(Unread::TooLarge) => return local.coverage.too_large += 1,
        Err(Unread::Link | Unread::NotAFile) => return local.coverage.links += 1,
        Err(_) => return local.coverage.unreadable += 1,
    };
    if is_binary(&text) {
        return local.coverage.binary += 1;
    }
    local.coverage.files += 1;
    local.coverage.bytes += text.len() as u64;
    let writing = if source == LeakSource::Built { Writing::Nowhere } else { writing(&name) };
    let hits = engine.hits(&text, writing);
    if hits.is_empty() {
        return;
    }
    let source = if source == LeakSource::Tree && is_served(&name) { LeakSource::Built } else { source };
    // An env file holds its own secrets, and is judged as one; only what else is in it counts.
    let place = Where { source, path: &name, blob: None, own: !is_env(&name) };
    local.leaks.extend(report.leaks(&text, &hits, &place));
}

/// The path from the root, with `/`.
fn relative(path: &Path, root: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inner.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// As git decides: a NUL among the first 8,000 bytes.
pub(super) fn is_binary(text: &[u8]) -> bool {
    memchr::memchr(0, text.get(..8000).unwrap_or(text)).is_some()
}

fn is_served(name: &str) -> bool {
    name.starts_with("public/") || name.contains("/public/")
}

fn is_env(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file == ".env"
        || (file.starts_with(".env.")
            && !["example", "sample", "template", "dist"].iter().any(|end| file.ends_with(end)))
}

/// How values are written in a file of that name.
pub(super) fn writing(name: &str) -> Writing {
    const LOCKS: [&str; 9] = [
        "package-lock.json",
        "npm-shrinkwrap.json",
        "pnpm-lock.yaml",
        "yarn.lock",
        "bun.lock",
        "Cargo.lock",
        "composer.lock",
        "Gemfile.lock",
        "go.sum",
    ];
    const TESTS: [&str; 10] = [
        "test",
        "tests",
        "__tests__",
        "spec",
        "fixtures",
        "__fixtures__",
        "testdata",
        "__mocks__",
        "mocks",
        "__snapshots__",
    ];
    let lower = name.to_ascii_lowercase();
    let file = lower.rsplit('/').next().unwrap_or(&lower);
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let lock = LOCKS.iter().any(|lock| file.eq_ignore_ascii_case(lock));
    let test =
        lower.split('/').any(|folder| TESTS.contains(&folder)) || file.contains(".test.") || file.contains(".spec.");
    let made =
        file.contains(".min.") || matches!(ending, "map" | "svg" | "snap" | "lock" | "csv" | "ipynb" | "xml" | "html");
    let prose = matches!(ending, "md" | "mdx" | "rst" | "txt" | "adoc");
    if lock || test || made || prose {
        return Writing::Nowhere;
    }
    let bare = file.starts_with(".env")
        || file.ends_with(".env")
        || file.starts_with("dockerfile")
        || file == ".npmrc"
        || file == ".netrc";
    let settings = matches!(ending, "yml" | "yaml" | "ini" | "conf" | "cfg" | "properties" | "tfvars" | "toml");
    if bare || settings { Writing::Bare } else { Writing::Quoted }
}

/// The folder of the repository around `root`, whose ignore files count as well.
fn repository(root: &Path) -> Option<&Path> {
    root.ancestors().find(|folder| folder.join(".git").exists())
}

/// Adds what was covered.
pub(super) fn add(to: &mut Coverage, more: &Coverage) {
    let Coverage { files, bytes, blobs, too_large, binary, unreadable, links, dropped, history, shallow } = *more;
    to.files += files;
    to.bytes += bytes;
    to.blobs += blobs;
    to.too_large += too_large;
    to.binary += binary;
    to.unreadable += unreadable;
    to.links += links;
    to.dropped += dropped;
    to.history |= history;
    to.shallow |= shallow;
}
