//! Reading a stranger's files: inside the root, no link followed, regular, and never more than was asked for.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Enough for manifests, env files and ignore files: 1 MiB.
pub(crate) const SMALL: u64 = 1024 * 1024;

/// Why a file was not read.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It has more bytes than asked for.
    TooLarge,
    /// It is a link, a folder, a pipe or a device.
    NotRegular,
    /// It is not there.
    Absent,
    /// The system says no.
    Failed(io::Error),
}

/// The file's bytes. No part of `path` below `root` may be a link.
///
/// # Errors
/// When it is no regular file of at most `most` bytes inside the root.
pub(crate) fn read(root: &Path, path: &Path, most: u64) -> Result<Vec<u8>, Refused> {
    let mut folder = open(CWD, root, OFlags::DIRECTORY)?;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let std::path::Component::Normal(name) = part else { return Err(Refused::NotRegular) };
        if parts.peek().is_none() {
            let file = open(&folder, Path::new(name), OFlags::NOFOLLOW | OFlags::NONBLOCK)?;
            return contents(file, most);
        }
        folder = open(&folder, Path::new(name), OFlags::NOFOLLOW | OFlags::DIRECTORY)?;
    }
    Err(Refused::NotRegular)
}

/// The bytes of a file that a walk has found: its last part may not be a link.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_found(path: &Path, most: u64) -> Result<Vec<u8>, Refused> {
    contents(open(CWD, path, OFlags::NOFOLLOW | OFlags::NONBLOCK)?, most)
}

fn open(folder: impl std::os::fd::AsFd, path: &Path, flags: OFlags) -> Result<File, Refused> {
    match openat(folder, path, OFlags::RDONLY | OFlags::CLOEXEC | flags, Mode::empty()) {
        Ok(file) => Ok(File::from(file)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Err(Refused::Absent),
        Err(rustix::io::Errno::LOOP) => Err(Refused::NotRegular),
        Err(errno) => Err(Refused::Failed(errno.into())),
    }
}

fn contents(file: File, most: u64) -> Result<Vec<u8>, Refused> {
    let about = file.metadata().map_err(Refused::Failed)?;
    if !about.is_file() {
        return Err(Refused::NotRegular);
    }
    if about.len() > most {
        return Err(Refused::TooLarge);
    }
    // The size is what the file had a moment ago: one byte more than allowed tells that it grew.
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default() + 1);
    file.take(most + 1).read_to_end(&mut bytes).map_err(Refused::Failed)?;
    if bytes.len() as u64 > most { Err(Refused::TooLarge) } else { Ok(bytes) }
}
