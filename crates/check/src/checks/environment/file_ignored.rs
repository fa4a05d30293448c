//! Env files are in .gitignore.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/file-ignored",
    title: "Env files are in .gitignore",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let git = case.facts.git.known()?;
    let open: Vec<&String> = git.ignored.iter().filter(|(_, ignored)| !**ignored).map(|(file, _)| file).collect();
    if open.is_empty() {
        let files: Vec<&str> = git.ignored.keys().map(String::as_str).collect();
        return Ok(vec![Ruled::pass(format!("git ignores {}", files.join(", ")))]);
    }
    // Defaults without secrets may be committed; the local ones never.
    let rule = |file: &&String| {
        let fix = format!("add `{file}` to .gitignore");
        let what = format!("git does not ignore {file}");
        if file.ends_with(".local") { Ruled::fail(what, fix) } else { Ruled::warn(what, fix) }
    };
    Ok(open.iter().map(rule).collect())
}
