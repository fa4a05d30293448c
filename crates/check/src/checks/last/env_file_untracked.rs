//! Git does not see .env.local.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Place;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "final/env-file-untracked",
    title: "Git does not see .env.local",
    item: Item::Final(2),
    section: Section::Final,
    severity: Severity::Critical,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

/// What `git status | grep .env.local` would show, and what it would not: a tracked file without changes.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let git = case.facts.git.known()?;
    let local = |file: &&String| file.ends_with(".local");
    let tracked = git.tracked_env_files.iter().filter(local).map(|file| {
        Ruled::fail(format!("git tracks {file}"), format!("`git rm --cached {file}`"))
            .at(Some(Place::file(file.clone())))
    });
    let seen = git.ignored.iter().filter(|(file, ignored)| local(file) && !**ignored).map(|(file, _)| {
        Ruled::fail(
            format!("git would take {file} up with the next `git add .`"),
            format!("add `{file}` to .gitignore"),
        )
    });
    let found: Vec<Ruled> = tracked.chain(seen).collect();
    Ok(if found.is_empty() { vec![Ruled::pass("git neither tracks nor offers .env.local")] } else { found })
}
