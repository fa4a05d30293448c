//! Secrets that lie in a project: in its files, in its history, in what it ships to browsers.
//!
//! Nothing is sent anywhere, and no secret leaves this module: what is told of one is its place, its length, the start of
//! it that its provider gives to all, and a keyed hash. Caps: 2 MiB a file, 16 MiB a built one, 200 secrets a file; what
//! lies beyond is counted in [`Coverage`](palisade_check::facts::secrets::Coverage). Archives and base 64 of strangers are
//! not unpacked.

mod baseline;
mod engine;
mod find;
mod history;
mod named;
mod noise;
mod own;
mod proof;
mod report;
mod rules;
mod shape;
mod tree;

use palisade_check::facts::secrets::Secrets;

use crate::root::Root;

pub use baseline::{Baseline, BaselineError, is_day};

/// The most leaks that are told of one scan.
const MOST: usize = 10_000;

/// What to look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Every blob and message of the git history too.
    pub history: bool,
    /// What was built for browsers too: `.next/static` and the like.
    pub built: bool,
}

/// Looks for secrets. The same project and key give the same result, byte for byte.
///
/// `key` is the key of the fingerprints: a fresh one for a run that keeps nothing, a kept one for a baseline.
///
/// # Errors
/// Says why the history, if it is wanted, cannot be read.
pub fn scan(root: &Root, wanted: Wanted, key: [u8; 32]) -> Result<Secrets, String> {
    let engine = engine::Engine::new(own::values(root)).map_err(|error| format!("too many patterns: {error}"))?;
    let report = report::Report::new(key);
    let (mut leaks, mut coverage) = tree::scan(root.path(), &engine, &report);
    if wanted.built {
        let (more, covered) = tree::scan_built(root.path(), &engine, &report);
        leaks.extend(more);
        tree::add(&mut coverage, &covered);
    }
    leaks.sort();
    // The same file can be reached by the tree and as a built one.
    leaks.dedup_by(|b, a| (&a.path, a.line, a.column, &a.rule) == (&b.path, b.line, b.column, &b.rule));
    if wanted.history {
        let (more, covered) = history::scan(root.path(), &engine, &report, &leaks)?;
        leaks.extend(more);
        tree::add(&mut coverage, &covered);
        leaks.sort();
    }
    if leaks.len() > MOST {
        coverage.dropped += (leaks.len() - MOST) as u64;
        leaks.truncate(MOST);
    }
    Ok(Secrets { leaks, coverage })
}
