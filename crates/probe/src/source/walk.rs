//! The project's own source files.

use std::io;

use crate::root::Root;
use crate::walk;

const ENDS: [&str; 8] = ["ts", "tsx", "js", "jsx", "mjs", "cjs", "mts", "cts"];

/// Folders that hold what others wrote, or what a program made.
const FOLDERS: [&str; 10] =
    ["node_modules", ".next", ".git", "dist", "build", "out", "coverage", "target", ".vercel", "vendor"];

/// The most files that are listed.
const MAX_FILES: usize = 50_000;

/// Paths from the project's root, sorted. Links are not followed; what git ignores is left out, but by the project's own
/// files alone. Tests are left out too: what they log is made up.
pub(super) fn sources(root: &Root) -> io::Result<Vec<String>> {
    std::fs::read_dir(root.path())?;
    let mut files: Vec<String> = walk::walk(root.path(), root.path(), |name| FOLDERS.contains(&name))
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .filter_map(|entry| Some(entry.path().strip_prefix(root.path()).ok()?.to_str()?.replace('\\', "/")))
        .filter(|path| is_source(path))
        .take(MAX_FILES)
        .collect();
    files.sort();
    Ok(files)
}

fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, end)) = name.rsplit_once('.') else { return false };
    let test = stem.ends_with(".test") || stem.ends_with(".spec") || stem.ends_with(".d");
    ENDS.contains(&end) && !test && !path.split('/').any(|part| part == "__tests__" || part == "tests")
}
