//! Packs: many objects in one file, most of them as changes to others.
//!
//! Source: git's `Documentation/gitformat-pack.txt`.

mod delta;
mod file;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::path::Path;
use std::rc::Rc;

use palisade_check::Unknown;

use super::{Kind, Object, Passed, unread};
use crate::root::read_regular;
use file::{Entry, PackFile};

/// The largest pack index that is read, in bytes: some 25 million objects.
const MAX_INDEX: u64 = 1 << 30;

/// Bases that are kept at hand, in bytes.
const MAX_BASES: usize = 64 << 20;

/// More steps from one object to its base than git ever writes.
const MAX_CHAIN: usize = 4096;

/// Shows the objects of a pack by its index, in the pack's order, in which bases come before their deltas.
pub(super) fn objects(
    index: &Path,
    wanted: &dyn Fn(Kind) -> bool,
    cap: usize,
    show: &mut dyn FnMut(&Object<'_>),
    passed: &mut Passed,
) -> Result<(), Unknown> {
    let bytes = read_regular(index, MAX_INDEX).map_err(|why| unread(&format!("the index of a pack: {why}")))?;
    let mut entries = entries(&bytes).ok_or_else(|| unread("the index of a pack is of a form that is not known"))?;
    let by_id: HashMap<[u8; 20], u64> = entries.iter().map(|(offset, id)| (*id, *offset)).collect();
    entries.sort_unstable();
    let path = index.with_extension("pack");
    let regular = std::fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
    let file = File::open(&path).ok().filter(|_| regular).ok_or_else(|| unread("a pack is not there"))?;
    let mut pack = Pack { file: PackFile::new(file), by_id, kinds: HashMap::new(), bases: Bases::default(), cap };
    for (offset, id) in entries {
        match pack.kind(offset) {
            None => passed.broken += 1,
            Some(kind) if !wanted(kind) => {}
            Some(kind) => match pack.content(offset) {
                Ok(data) => {
                    passed.shown += 1;
                    show(&Object { id, kind, data: &data });
                }
                Err(Missed::TooLarge) => passed.too_large += 1,
                Err(Missed::Broken) => passed.broken += 1,
            },
        }
    }
    Ok(())
}

struct Pack {
    file: PackFile,
    by_id: HashMap<[u8; 20], u64>,
    kinds: HashMap<u64, Kind>,
    bases: Bases,
    cap: usize,
}

/// Why an object has no content here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missed {
    TooLarge,
    Broken,
}

/// Contents that were needed lately, the oldest go first.
#[derive(Default)]
struct Bases {
    kept: HashMap<u64, Rc<Vec<u8>>>,
    order: VecDeque<u64>,
    bytes: usize,
}

// === impl Pack ===

impl Pack {
    /// What an object is: what the last of its bases is.
    fn kind(&mut self, offset: u64) -> Option<Kind> {
        let mut way = Vec::new();
        let mut at = offset;
        let kind = loop {
            if let Some(kind) = self.kinds.get(&at) {
                break *kind;
            }
            way.push(at);
            if way.len() > MAX_CHAIN {
                return None;
            }
            match self.file.entry(at)?.0 {
                Entry::Whole(kind) => break kind,
                Entry::ByOffset(back) => at = at.checked_sub(back)?,
                Entry::ById(id) => at = *self.by_id.get(&id)?,
            }
        };
        self.kinds.extend(way.into_iter().map(|at| (at, kind)));
        Some(kind)
    }

    fn content(&mut self, offset: u64) -> Result<Rc<Vec<u8>>, Missed> {
        // Down to a base that is at hand or whole, then up again.
        let (mut at, mut changes) = (offset, Vec::new());
        let mut data = loop {
            if let Some(known) = self.bases.kept.get(&at) {
                break Rc::clone(known);
            }
            let (entry, size, start) = self.file.entry(at).ok_or(Missed::Broken)?;
            if size > self.cap as u64 {
                return Err(Missed::TooLarge);
            }
            let bytes = self.file.inflate(start, size).ok_or(Missed::Broken)?;
            let base = match entry {
                Entry::Whole(_) => {
                    let whole = Rc::new(bytes);
                    self.bases.keep(at, &whole);
                    break whole;
                }
                Entry::ByOffset(back) => at.checked_sub(back).filter(|_| back > 0),
                Entry::ById(id) => self.by_id.get(&id).copied(),
            };
            changes.push((at, bytes));
            if changes.len() > MAX_CHAIN {
                return Err(Missed::Broken);
            }
            at = base.ok_or(Missed::Broken)?;
        };
        while let Some((at, change)) = changes.pop() {
            if delta::size(&change).is_none_or(|size| size > self.cap) {
                return Err(Missed::TooLarge);
            }
            data = Rc::new(delta::apply(&data, &change).ok_or(Missed::Broken)?);
            self.bases.keep(at, &data);
        }
        Ok(data)
    }
}

// === impl Bases ===

impl Bases {
    fn keep(&mut self, offset: u64, data: &Rc<Vec<u8>>) {
        if data.len() > MAX_BASES / 4 || self.kept.insert(offset, Rc::clone(data)).is_some() {
            return;
        }
        self.order.push_back(offset);
        self.bytes += data.len();
        while self.bytes > MAX_BASES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.kept.remove(&oldest).map_or(0, |data| data.len());
        }
    }
}

/// Offsets and ids of an index of version 2.
fn entries(bytes: &[u8]) -> Option<Vec<(u64, [u8; 20])>> {
    if !bytes.starts_with(b"\xfftOc\0\0\0\x02") {
        return None;
    }
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let count = usize::try_from(number(8 + 255 * 4)?).ok()?;
    let ids: usize = 8 + 256 * 4;
    let offsets = ids.checked_add(count.checked_mul(24)?)?;
    let large = offsets.checked_add(count.checked_mul(4)?)?;
    // The counts must fit the file before anything is allocated by them.
    bytes.get(..large)?;
    let entry = |at: usize| {
        let id = bytes.get(ids + at * 20..ids + at * 20 + 20)?.try_into().ok()?;
        let offset = number(offsets + at * 4)?;
        let offset = if offset & 0x8000_0000 == 0 {
            u64::from(offset)
        } else {
            let at = large + usize::try_from(offset & 0x7fff_ffff).ok()? * 8;
            u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?)
        };
        Some((offset, id))
    };
    (0..count).map(entry).collect()
}
