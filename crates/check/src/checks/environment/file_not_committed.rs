//! Env files are not in git, and never were.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Place;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "env/file-not-committed",
    title: "Env files are not in git, and never were",
    item: Item::Box(7),
    section: Section::Environment,
    severity: Severity::Critical,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let git = case.facts.git.known()?;
    let tracked = git.tracked_env_files.iter().map(|file| {
        let fix = format!("`git rm --cached {file}`, ignore it, and rotate every secret in it");
        Ruled::fail(format!("git tracks {file}"), fix).at(Some(Place::file(file.clone())))
    });
    let mut ruled: Vec<Ruled> = tracked.collect();
    match git.committed_env_files.known() {
        Ok(files) => ruled.extend(files.iter().map(|file| {
            let short: String = file.object.chars().take(12).collect();
            let fix = "rotate every secret that was in it; removing it from history alone does not call it back";
            Ruled::fail(format!("the history holds a {} (`git show {short}`)", file.name), fix)
        })),
        Err(unknown) => ruled.push(Ruled::unknown(unknown)),
    }
    if ruled.is_empty() {
        ruled.push(Ruled::pass("no env file is in git's index, and none is in its history"));
    }
    Ok(ruled)
}
