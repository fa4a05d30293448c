//! `replay --write`: what old logs tell, kept in the store.
//!
//! Logs are known by what stands in them. How much of them is kept is committed with what is kept, so that a run that was
//! killed goes on where it was when it is started anew, and one that ended adds nothing.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use palisade_event::{Incident, Seen};
use palisade_watch::store::{Commit, MAX_ROWS, Rows, Store, StoreFault};
use sha2::{Digest as _, Sha256};

use crate::args::StoreArgs;
use crate::{output, stored};

/// Events that are kept at once: so few that each finds a row.
const PORTION: usize = MAX_ROWS / 2;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;
/// What the mark says when all is kept.
const WHOLE: &[u8] = b"whole";

/// Events on their way into the store.
pub(super) struct Written {
    store: Store,
    /// The mark's name.
    name: String,
    rows: Rows,
    events: usize,
    /// Portions so far, and those that an earlier run kept.
    portions: u64,
    kept: u64,
    fault: Option<StoreFault>,
}

// === impl Written ===

impl Written {
    /// None where all of these logs are kept already.
    pub(super) fn open(args: &StoreArgs, files: &[PathBuf]) -> anyhow::Result<Option<Written>> {
        let place = args.place();
        let mut store = Store::open(&place).with_context(|| format!("the store at {place} cannot be used"))?;
        let name = format!("replay:{}", digest(files)?);
        let mark = store.mark(&name)?;
        if mark.as_deref() == Some(WHOLE) {
            output::note("these logs were written before; nothing is added");
            return Ok(None);
        }
        let kept = mark.and_then(|mark| String::from_utf8(mark).ok()?.parse().ok()).unwrap_or(0);
        Ok(Some(Written { store, name, rows: Rows::default(), events: 0, portions: 0, kept, fault: None }))
    }

    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        if self.portions >= self.kept {
            self.rows.add(seen);
        }
        self.events += 1;
        if self.events.is_multiple_of(PORTION) {
            self.portions += 1;
            let rows = std::mem::take(&mut self.rows);
            let mark = self.portions.to_string().into_bytes();
            if self.portions > self.kept && self.fault.is_none() {
                let commit = Commit { rows, marks: vec![(self.name.clone(), mark)], ..Commit::default() };
                self.fault = self.store.commit(&commit, stored::now()).err();
            }
        }
    }

    pub(super) fn finish(mut self, incidents: &[Incident]) -> anyhow::Result<()> {
        if let Some(fault) = self.fault {
            return Err(fault).context("the store cannot be written; started again it goes on from here");
        }
        let marks = vec![(self.name, WHOLE.to_vec())];
        let commit = Commit { rows: self.rows, incidents: incidents.to_vec(), marks, quiet: true };
        self.store
            .commit(&commit, stored::now())
            .context("the store cannot be written; started again it goes on from here")
    }
}

/// Of all files, in their order.
fn digest(files: &[PathBuf]) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    for path in files {
        let one = of(path).with_context(|| format!("{} cannot be read", path.display()))?;
        hash.update(one);
    }
    Ok(hash.finalize().iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}

fn of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    let (mut file, mut chunk) = (File::open(path)?, vec![0; CHUNK]);
    loop {
        let read = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hash.update(bytes);
    }
    Ok(hash.finalize().to_vec())
}
