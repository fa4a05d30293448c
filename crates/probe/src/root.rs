//! The project's folder, and the only way files in it are opened (SECURITY 22).

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

/// The folder that is examined.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
}

/// Why a file was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unread {
    /// There is none.
    Absent,
    /// It, or a folder on the way to it, is a link.
    Link,
    /// It is a folder, a pipe, a device or a socket.
    NotAFile,
    /// It has more bytes than were asked for.
    TooLarge,
    /// Its path leaves the root.
    Outside,
    /// It is not UTF-8.
    NotText,
    /// The system refused.
    Refused,
}

// === impl Root ===

impl Root {
    /// A folder, by the path that the user named; a link in that path itself is the user's own.
    ///
    /// # Errors
    /// It is not a folder, or cannot be entered.
    pub fn new(path: &Path) -> std::io::Result<Root> {
        let path = path.canonicalize()?;
        if !path.is_dir() {
            return Err(std::io::Error::from(std::io::ErrorKind::NotADirectory));
        }
        Ok(Root { path })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a regular file of at most `cap` bytes, through no link.
    ///
    /// # Errors
    /// Why it was not read.
    pub fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>, Unread> {
        let relative = Path::new(path);
        let mut at = self.path.clone();
        for part in relative.components() {
            match part {
                Component::Normal(name) => at.push(name),
                Component::CurDir => continue,
                _ => return Err(Unread::Outside),
            }
            let meta = fs::symlink_metadata(&at).map_err(|error| Unread::of(&error))?;
            if meta.file_type().is_symlink() {
                return Err(Unread::Link);
            }
        }
        read_regular(&at, cap)
    }

    /// As [`Root::read`], for text.
    ///
    /// # Errors
    /// Why it was not read.
    pub fn text(&self, path: &str, cap: u64) -> Result<String, Unread> {
        String::from_utf8(self.read(path, cap)?).map_err(|_| Unread::NotText)
    }

    /// Writes a file in the root itself, with the rights given (on Unix). A link that stands there is not followed.
    ///
    /// # Errors
    /// The name is a path, a link stands there, or the system refuses.
    pub fn write(&self, name: &str, bytes: &[u8], mode: u32) -> std::io::Result<()> {
        if name.is_empty() || name.contains(['/', '\\']) || name == ".." {
            return Err(std::io::Error::from(std::io::ErrorKind::InvalidInput));
        }
        write_regular(&self.path.join(name), bytes, mode)
    }

    /// Whether something other than a link stands there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path.join(path)).is_ok_and(|meta| !meta.file_type().is_symlink())
    }
}

// === impl Unread ===

impl Unread {
    fn of(error: &std::io::Error) -> Unread {
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Unread::Absent,
            _ => Unread::Refused,
        }
    }
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unread::Absent => "it is not there",
            Unread::Link => "it is a link, and links are not followed",
            Unread::NotAFile => "it is not a regular file",
            Unread::TooLarge => "it is too large",
            Unread::Outside => "its path leaves the project",
            Unread::NotText => "it is not UTF-8",
            Unread::Refused => "the system does not let it be read",
        })
    }
}

/// Looks before it opens: a pipe would wait for its writer.
pub(crate) fn read_regular(path: &Path, cap: u64) -> Result<Vec<u8>, Unread> {
    let meta = fs::symlink_metadata(path).map_err(|error| Unread::of(&error))?;
    if meta.file_type().is_symlink() {
        return Err(Unread::Link);
    }
    if !meta.is_file() {
        return Err(Unread::NotAFile);
    }
    if meta.len() > cap {
        return Err(Unread::TooLarge);
    }
    let file = File::open(path).map_err(|error| Unread::of(&error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed shows a file that grew meanwhile.
    file.take(cap.saturating_add(1)).read_to_end(&mut bytes).map_err(|_| Unread::Refused)?;
    if bytes.len() as u64 > cap { Err(Unread::TooLarge) } else { Ok(bytes) }
}

/// Writes beside the file and then takes its place, so that it is whole at any time and a link there is replaced by
/// nothing: links are refused.
///
/// # Errors
/// A link or something that is no file stands there, or the system refuses.
pub fn write_regular(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let refused = || std::io::Error::other("it is not a regular file");
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(refused());
    }
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(refused)?;
    let beside = path.with_file_name(format!("{name}.palisade-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_pipes_and_other_folders_are_not_read() {
        let folder = std::env::temp_dir().join(format!("palisade-root-{}", std::process::id()));
        fs::create_dir_all(folder.join("inner")).expect("folder");
        fs::write(folder.join("plain"), "text").expect("file");
        fs::write(folder.join("inner/large"), vec![b'x'; 100]).expect("file");
        std::os::unix::fs::symlink(folder.join("plain"), folder.join("link")).expect("link");
        std::os::unix::fs::symlink(folder.join("inner"), folder.join("way")).expect("link");
        let root = Root::new(&folder).expect("root");
        assert_eq!(root.text("plain", 4).as_deref(), Ok("text"));
        assert_eq!(root.read("plain", 3), Err(Unread::TooLarge));
        assert_eq!(root.read("link", 100), Err(Unread::Link));
        assert_eq!(root.read("way/large", 100), Err(Unread::Link));
        assert_eq!(root.read("inner", 100), Err(Unread::NotAFile));
        assert_eq!(root.read("../plain", 100), Err(Unread::Outside));
        assert_eq!(root.read("/etc/hosts", 100), Err(Unread::Outside));
        assert_eq!(root.read("missing", 100), Err(Unread::Absent));
        fs::remove_dir_all(folder).expect("removed");
    }
}
