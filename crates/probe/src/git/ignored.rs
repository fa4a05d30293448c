//! Whether git would ignore a path, by the patterns that everybody with a clone has.

use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::root::read_regular;

const MAX_FILE: u64 = 1 << 20;

/// The deepest folder's `.gitignore` that says something decides; below all of them stands `info/exclude`.
pub(super) fn ignores(work: &Path, common: &Path, path: &str) -> bool {
    let folders: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
    // A folder that is ignored hides what lies in it, whatever a file further down says.
    let outer = folders.iter().rev().skip(1).any(|folder| matches(work, common, folder, true) == Some(true));
    outer || matches(work, common, Path::new(path), false) == Some(true)
}

fn matches(work: &Path, common: &Path, path: &Path, is_folder: bool) -> Option<bool> {
    let own = path.ancestors().skip(1).map(|folder| (work.join(folder), work.join(folder).join(".gitignore")));
    let everywhere = std::iter::once((work.to_owned(), common.join("info/exclude")));
    own.chain(everywhere).find_map(|(root, file)| match patterns(&root, &file)?.matched(work.join(path), is_folder) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    })
}

/// The patterns of an ignore file, which is read through no link.
pub(crate) fn patterns(root: &Path, file: &Path) -> Option<Gitignore> {
    let text = String::from_utf8(read_regular(file, MAX_FILE).ok()?).ok()?;
    let mut builder = GitignoreBuilder::new(root);
    for line in text.lines() {
        // A line that is no pattern ignores nothing, in git as here.
        let _ = builder.add_line(None, line);
    }
    builder.build().ok()
}
