//! Objects in files of their own: zlib over `kind size\0content`.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::ZlibDecoder;
use palisade_check::Unknown;

use super::{Kind, Object, Passed};
use crate::root::read_regular;

/// Shows the loose objects of a store.
pub(super) fn objects(
    store: &Path,
    wanted: &dyn Fn(Kind) -> bool,
    cap: usize,
    show: &mut dyn FnMut(&Object<'_>),
    passed: &mut Passed,
) -> Result<(), Unknown> {
    for first in 0..=255_u8 {
        let Ok(entries) = fs::read_dir(store.join(format!("{first:02x}"))) else { continue };
        let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        for file in files {
            let Some(id) = file.file_name().and_then(|name| id(first, name.to_str()?)) else { continue };
            match object(&file, wanted, cap) {
                Loose::Unwanted => {}
                Loose::TooLarge => passed.too_large += 1,
                Loose::Broken => passed.broken += 1,
                Loose::Read(kind, data) => {
                    passed.shown += 1;
                    show(&Object { id, kind, data: &data });
                }
            }
        }
    }
    Ok(())
}

enum Loose {
    Unwanted,
    TooLarge,
    Broken,
    Read(Kind, Vec<u8>),
}

fn object(file: &Path, wanted: &dyn Fn(Kind) -> bool, cap: usize) -> Loose {
    let Ok(packed) = read_regular(file, 1 << 30) else { return Loose::Broken };
    let mut decoder = ZlibDecoder::new(packed.as_slice());
    let mut head = Vec::new();
    let mut byte = [0];
    while decoder.read(&mut byte).is_ok_and(|read| read == 1) && byte != [0] && head.len() < 32 {
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap_or_default();
    let Some((kind, size)) = head.split_once(' ') else { return Loose::Broken };
    let kind = match kind {
        "commit" => Kind::Commit,
        "tree" => Kind::Tree,
        "blob" => Kind::Blob,
        "tag" => Kind::Tag,
        _ => return Loose::Broken,
    };
    let Ok(size) = size.parse::<usize>() else { return Loose::Broken };
    if !wanted(kind) {
        return Loose::Unwanted;
    }
    if size > cap {
        return Loose::TooLarge;
    }
    let mut data = Vec::with_capacity(size.min(1 << 20));
    let read = decoder.take(size as u64 + 1).read_to_end(&mut data);
    if read.is_ok() && data.len() == size { Loose::Read(kind, data) } else { Loose::Broken }
}

fn id(first: u8, rest: &str) -> Option<[u8; 20]> {
    if rest.len() != 38 || !rest.is_ascii() {
        return None;
    }
    let mut id = [first; 20];
    for (at, byte) in id.iter_mut().skip(1).enumerate() {
        *byte = u8::from_str_radix(rest.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}
