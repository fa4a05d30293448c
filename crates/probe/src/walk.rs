//! Walks over a project's files, without those that git ignores.
//!
//! The ignore files are read by our own code: the walker's follows links and waits for pipes, so that a repository with
//! `.gitignore -> /dev/zero` would take all memory (SECURITY 22). As in git, one that is a link counts for nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::gitignore::Gitignore;
use ignore::{Match, WalkBuilder};

use crate::git::patterns;

/// A walk over `root` by the `.gitignore` files from `top` down; `never` names what is left out in any case. Links are
/// not followed.
pub(crate) fn walk(root: &Path, top: &Path, never: fn(&str) -> bool) -> WalkBuilder {
    let ignored = Ignored { top: top.to_owned(), known: Mutex::default() };
    let mut walk = WalkBuilder::new(root);
    walk.standard_filters(false).follow_links(false).filter_entry(move |entry| {
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let name = entry.file_name().to_str();
        entry.depth() == 0 || !(name.is_some_and(never) || ignored.holds(entry.path(), is_folder))
    });
    walk
}

struct Ignored {
    top: PathBuf,
    /// By folder.
    known: Mutex<HashMap<PathBuf, Option<Arc<Gitignore>>>>,
}

impl Ignored {
    /// Whether the deepest file that says something ignores the path. What lies in an ignored folder is not asked about.
    fn holds(&self, path: &Path, is_folder: bool) -> bool {
        let folders = path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.top));
        let mut said = folders.filter_map(|folder| match self.of(folder)?.matched(path, is_folder) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        });
        said.next().unwrap_or(false)
    }

    fn of(&self, folder: &Path) -> Option<Arc<Gitignore>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(patterns) = known.get(folder) {
            return patterns.clone();
        }
        let read = patterns(folder, &folder.join(".gitignore")).filter(|patterns| !patterns.is_empty()).map(Arc::new);
        known.insert(folder.to_owned(), read.clone());
        read
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_git_ignores_is_left_out_and_no_ignore_file_is_a_trap() {
        let folder = std::env::temp_dir().join(format!("palisade-walk-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for file in ["a.ts", "a.log", "b/keep.log", "b/c.ts", "never/d.ts", "out/e.ts", "f/g.ts", "h/i.ts"] {
            fs::create_dir_all(folder.join(file).parent().expect("a folder")).expect("folder");
            fs::write(folder.join(file), "").expect("file");
        }
        fs::write(folder.join(".gitignore"), "*.log\n/out/\n").expect("file");
        fs::write(folder.join("b/.gitignore"), "!keep.log\nc.*\n").expect("file");
        // A reader of these would never come back, or would ignore by what lies elsewhere.
        symlink("/dev/zero", folder.join("f/.gitignore")).expect("link");
        symlink("../b/.gitignore", folder.join("h/.gitignore")).expect("link");
        let paths = |root: &str| {
            let entries = walk(&folder.join(root), &folder, |name| name == "never").build().flatten();
            let files = entries.filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
            let path = |path: &Path| path.strip_prefix(&folder).expect("inside").display().to_string();
            let mut paths: Vec<String> = files.map(|entry| path(entry.path())).collect();
            paths.retain(|path| !path.ends_with(".gitignore"));
            paths.sort();
            paths
        };
        assert_eq!(paths(""), ["a.ts", "b/keep.log", "f/g.ts", "h/i.ts"]);
        assert_eq!(paths("b"), ["b/keep.log"], "by what lies above it too");
        fs::remove_dir_all(folder).expect("removed");
    }
}
