//! The lock file is committed.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Place;
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/lockfile-committed",
    title: "The lock file is committed",
    item: Item::Box(3),
    section: Section::Dependencies,
    severity: Severity::Medium,
    reference: "A08:2021; ASVS 15.1.2",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let locks = &case.facts.dependencies.known()?.locks;
    if locks.is_empty() {
        let fix = "run `npm install` (or pnpm, yarn, bun), and commit the lock file it writes";
        return Ok(vec![Ruled::fail("there is no lock file: every build may get other packages", fix)]);
    }
    let tracked = case.facts.git.known().map(|git| &git.tracked_lock_files);
    let mut ruled = Vec::new();
    for lock in locks {
        let place = Some(Place::file(lock.file.clone()));
        match &tracked {
            Ok(files) if files.contains(&lock.file) => {}
            Ok(_) => {
                let fix = format!("`git add {}` and commit it", lock.file);
                ruled.push(Ruled::fail(format!("git does not track {}", lock.file), fix).at(place.clone()));
            }
            Err(unknown) => ruled.push(Ruled::unknown(unknown.clone()).at(place.clone())),
        }
        match lock.packages.known() {
            Ok(0) => ruled.push(Ruled::unknown(Unknown::new(
                format!("no package was read from {}", lock.file),
                "look whether it is whole",
            ))),
            Ok(_) => {}
            Err(unknown) => ruled.push(Ruled::unknown(unknown).at(place.clone())),
        }
        ruled.extend(lock.unpinned.iter().map(|package| {
            let what = format!("{} does not pin {package}, which the manifest asks for", lock.file);
            Ruled::fail(what, format!("run `{} install`, and commit what it writes", lock.manager)).at(place.clone())
        }));
    }
    if ruled.is_empty() {
        let count = |packages: u32| if packages == 1 { "1 package".to_owned() } else { format!("{packages} packages") };
        let files =
            locks.iter().filter_map(|lock| Some(format!("{} pins {}", lock.file, count(*lock.packages.known().ok()?))));
        ruled.push(Ruled::pass(format!("{}, and git tracks it", files.collect::<Vec<_>>().join(", "))));
    }
    Ok(ruled)
}
