//! Every blob and every message that git keeps, each once.
//!
//! The objects are read by `git cat-file`, which knows packs and deltas; it is given a repository of our own that is empty,
//! and the project's objects beside it. So nothing that the project configures is read: no hook, filter, pager,
//! monitor or promised remote can run (SECURITY 22). What lies among the objects is looked at first: git would wait for a pipe
//! there, and read whatever a link or `alternates` leads to. Names of files are looked up only where something was found.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use palisade_check::facts::secrets::{Certainty, Coverage, Leak, LeakSource};

use super::engine::Engine;
use super::named::Writing;
use super::report::{Report, Where};
use super::tree;
use crate::root::read_regular;

/// The largest blob that is read, in bytes. Larger ones pass by in small pieces.
const LARGEST: u64 = tree::LARGEST;

/// The largest of git's own small files, in bytes.
const SMALL: u64 = 1024 * 1024;

/// The most different secrets that are kept.
const MOST: usize = 10_000;

/// A repository of our own for the child; the folder goes when this does.
struct Empty {
    folder: PathBuf,
    objects: PathBuf,
}

/// What is kept of a pass over all objects.
#[derive(Default)]
struct Pass {
    leaks: BTreeMap<(String, String), Leak>,
    commits: BTreeSet<String>,
    coverage: Coverage,
}

/// Scans the history of the repository at `root`. Each secret is told once, and not if `known` has it already.
///
/// # Errors
/// Says why the history cannot be read: there is none, or git is not installed or fails.
pub(super) fn scan(
    root: &Path,
    engine: &Engine,
    report: &Report,
    known: &[Leak],
) -> Result<(Vec<Leak>, Coverage), String> {
    let git = git_folder(root).ok_or("there is no .git folder here")?;
    sound(&git.join("objects"))?;
    let empty = Empty::make(&git).map_err(|error| format!("no folder for git to work in: {error}"))?;
    let mut pass = Pass::default();
    pass.coverage.shallow = git.join("shallow").exists();
    let failed = |error: io::Error| format!("git cat-file: {error}");
    let wanted = pass.wanted(&empty).map_err(failed)?;
    let mut child = empty.git(&["cat-file", "--buffer", "--batch"]).stdin(Stdio::piped()).spawn().map_err(failed)?;
    let writer = written(&mut child, wanted).map_err(failed)?;
    let out = child.stdout.take().ok_or("git has no output")?;
    let read = pass.read(BufReader::with_capacity(1 << 20, out), engine, report);
    let ended = finish(child, read.is_err()).and(read).map_err(failed);
    let _ = writer.join();
    ended?;
    pass.coverage.history = true;
    for leak in known {
        pass.leaks.remove(&(leak.rule.clone(), leak.fingerprint.clone()));
    }
    let leaks = named(&empty, pass.leaks, &pass.commits).map_err(|error| format!("git rev-list: {error}"))?;
    Ok((leaks, pass.coverage))
}

/// The `.git` folder, or the one that a worktree's `.git` file names and that names the worktree in turn.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let root = std::path::absolute(root).ok()?;
    let folder = root.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok())?;
    let git = folder.join(".git");
    let kind = git.symlink_metadata().ok()?.file_type();
    if kind.is_dir() {
        return Some(git);
    }
    let text = |path: &Path| String::from_utf8(read_regular(path, SMALL).ok()?).ok();
    let inner = folder.join(text(&git)?.strip_prefix("gitdir:")?.trim());
    let back = text(&inner.join("gitdir"))?;
    if inner.join(back.trim()).canonicalize().ok()? != git.canonicalize().ok()? {
        return None;
    }
    let common = text(&inner.join("commondir"))?;
    Some(inner.join(common.trim()))
}

/// Whether a store holds folders and files alone, and is whole.
fn sound(objects: &Path) -> Result<(), String> {
    let odd = |path: &Path| {
        let name = path.strip_prefix(objects).ok().filter(|name| !name.as_os_str().is_empty());
        let name = name.map_or_else(|| "objects".to_owned(), |name| name.display().to_string());
        format!("git's store is not read: `{}` is a link or no file", name.escape_default())
    };
    if objects.join("info/alternates").symlink_metadata().is_ok() {
        return Err("a part of git's objects lies in another repository (alternates); scan there".to_owned());
    }
    if !objects.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return Err(odd(objects));
    }
    let mut folders = vec![objects.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("git's store: {error}"))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("git's store: {error}"))?;
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => {}
                _ => return Err(odd(&entry.path())),
            }
        }
    }
    Ok(())
}

// === impl Empty ===

impl Empty {
    fn make(git: &Path) -> io::Result<Empty> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let folder = std::env::temp_dir().join(format!("palisade-git-{:016x}", u64::from_ne_bytes(random)));
        std::fs::create_dir(&folder)?;
        let empty = Empty { folder, objects: git.join("objects") };
        std::fs::create_dir(empty.folder.join("refs"))?;
        std::fs::create_dir(empty.folder.join("objects"))?;
        std::fs::write(empty.folder.join("HEAD"), "ref: refs/heads/none\n")?;
        let config = read_regular(&git.join("config"), SMALL).unwrap_or_default();
        let sha256 =
            String::from_utf8_lossy(&config).to_ascii_lowercase().replace(' ', "").contains("objectformat=sha256");
        let format =
            if sha256 { "[core]\nrepositoryformatversion = 1\n[extensions]\nobjectformat = sha256\n" } else { "" };
        std::fs::write(empty.folder.join("config"), format)?;
        if let Ok(shallow) = read_regular(&git.join("shallow"), SMALL) {
            std::fs::write(empty.folder.join("shallow"), shallow)?;
        }
        Ok(empty)
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .env("GIT_DIR", &self.folder)
            .env("GIT_OBJECT_DIRECTORY", &self.objects)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            // A large blob is handed on in pieces, not held whole.
            .args(["-c", "core.bigFileThreshold=4m"])
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

// === impl Pass ===

impl Pass {
    /// The objects that are worth reading, by what git says of each. It would take all of a folder into memory that says it is
    /// as large as a disk.
    fn wanted(&mut self, empty: &Empty) -> io::Result<String> {
        let mut child =
            empty.git(&["cat-file", "--batch-all-objects", "--unordered", "--buffer", "--batch-check"]).spawn()?;
        let out = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
        let mut ids = String::new();
        for line in BufReader::new(out).lines() {
            let line = line?;
            let mut parts = line.split(' ');
            let (Some(id), Some(kind @ ("blob" | "commit" | "tag")), Some(size)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if kind == "commit" {
                self.commits.insert(id.to_owned());
            }
            if size.parse().is_ok_and(|size: u64| size <= LARGEST) {
                ids.push_str(id);
                ids.push('\n');
            } else {
                self.coverage.too_large += 1;
            }
        }
        finish(child, false)?;
        Ok(ids)
    }

    /// Reads `id type size`, the bytes, and a newline, again and again.
    fn read(&mut self, mut out: impl io::BufRead, engine: &Engine, report: &Report) -> io::Result<()> {
        let mut head = String::new();
        let mut bytes = Vec::new();
        loop {
            head.clear();
            if out.by_ref().take(200).read_line(&mut head)? == 0 {
                return Ok(());
            }
            let mut parts = head.split_ascii_whitespace();
            let (Some(id), Some(kind), Some(size)) = (parts.next(), parts.next(), parts.next()) else { continue };
            let size = size.parse().ok().filter(|size| *size <= LARGEST);
            let size: u64 = size.ok_or_else(|| io::Error::other("an answer that is none"))?;
            bytes.clear();
            out.by_ref().take(size + 1).read_to_end(&mut bytes)?;
            bytes.pop();
            self.one(id, kind, &bytes, engine, report);
        }
    }

    fn one(&mut self, id: &str, kind: &str, text: &[u8], engine: &Engine, report: &Report) {
        if tree::is_binary(text) {
            self.coverage.binary += 1;
            return;
        }
        self.coverage.blobs += 1;
        self.coverage.bytes += text.len() as u64;
        let writing = match kind {
            "blob" if looks_like_env(text) => Writing::Bare,
            "blob" => Writing::Quoted,
            _ => Writing::Nowhere,
        };
        let hits = engine.hits(text, writing);
        let path = if kind == "blob" { "" } else { "(message)" };
        let place = Where { source: LeakSource::History, path, blob: Some(id), own: true };
        for leak in report.leaks(text, &hits, &place) {
            let room = self.leaks.len() < MOST;
            let key = (leak.rule.clone(), leak.fingerprint.clone());
            match self.leaks.get_mut(&key) {
                // The one with the smallest id, so that the order of packs does not show.
                Some(kept) if leak.blob < kept.blob => *kept = leak,
                Some(_) => {}
                None if room => drop(self.leaks.insert(key, leak)),
                None => self.coverage.dropped += 1,
            }
        }
    }
}

/// Whether most of the first lines are `NAME=value` or comments: what an env file looks like without its name.
fn looks_like_env(text: &[u8]) -> bool {
    let lines = || text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(20);
    let fits = |line: &[u8]| {
        let line = line.trim_ascii();
        let name =
            line.iter().take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_').count();
        line.starts_with(b"#") || (name > 1 && line.get(name) == Some(&b'='))
    };
    let count = lines().count();
    count > 0 && lines().filter(|line| fits(line)).count() * 10 >= count * 8
}

/// Gives blobs the names that some commit has for them; what no file is likely to be a secret in, goes.
fn named(empty: &Empty, leaks: BTreeMap<(String, String), Leak>, commits: &BTreeSet<String>) -> io::Result<Vec<Leak>> {
    let mut leaks: Vec<Leak> = leaks.into_values().collect();
    let wanted: BTreeSet<String> =
        leaks.iter().filter(|leak| leak.path.is_empty()).filter_map(|leak| leak.blob.clone()).collect();
    let names = if wanted.is_empty() { BTreeMap::new() } else { names(empty, &wanted, commits)? };
    for leak in leaks.iter_mut().filter(|leak| leak.path.is_empty()) {
        let name = leak.blob.as_ref().and_then(|blob| names.get(blob));
        leak.path = name.cloned().unwrap_or_else(|| "(in no commit)".to_owned());
    }
    leaks.retain(|leak| {
        leak.certainty != Certainty::Likely
            || leak.rule != "named-secret"
            || tree::writing(&leak.path) != Writing::Nowhere
    });
    Ok(leaks)
}

/// Names of blobs, by the first twelve digits of their ids.
fn names(empty: &Empty, wanted: &BTreeSet<String>, commits: &BTreeSet<String>) -> io::Result<BTreeMap<String, String>> {
    let mut child =
        empty.git(&["rev-list", "--objects", "--missing=allow-any", "--stdin"]).stdin(Stdio::piped()).spawn()?;
    let list = commits.iter().map(|id| format!("{id}\n")).collect();
    let writer = written(&mut child, list)?;
    let out = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
    let mut names = BTreeMap::new();
    let mut out = BufReader::with_capacity(1 << 18, out);
    let mut line = Vec::new();
    while out.by_ref().take(8192).read_until(b'\n', &mut line)? > 0 {
        let id = line.get(..12).map(String::from_utf8_lossy).unwrap_or_default();
        if wanted.contains(id.as_ref()) {
            let name = line.iter().position(|byte| *byte == b' ').and_then(|at| line.get(at + 1..)).unwrap_or_default();
            let name: String = String::from_utf8_lossy(name).trim_end().chars().filter(|c| !c.is_control()).collect();
            names.entry(id.into_owned()).or_insert(name);
        }
        line.clear();
        if names.len() == wanted.len() {
            break;
        }
    }
    // Whether it was stopped early or failed: what has no name is told as having none.
    let _ = finish(child, true);
    let _ = writer.join();
    Ok(names)
}

/// Writes a child's input. A pipe holds little: two threads, or both wait.
fn written(child: &mut Child, text: String) -> io::Result<JoinHandle<io::Result<()>>> {
    let mut input = child.stdin.take().ok_or_else(|| io::Error::other("no input"))?;
    Ok(std::thread::spawn(move || input.write_all(text.as_bytes())))
}

/// Waits for the child, which is ended first where nobody reads on.
fn finish(mut child: Child, stop: bool) -> io::Result<()> {
    if stop {
        let _ = child.kill();
    }
    let status = child.wait()?;
    if stop || status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
}
