//! The framework is on its latest stable version.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "deps/framework-current",
    title: "The framework is on its latest stable version",
    item: Item::Box(4),
    section: Section::Dependencies,
    severity: Severity::Medium,
    reference: "A06:2021; ASVS 15.2.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let Some(framework) = &case.facts.dependencies.known()?.framework else {
        return Ok(vec![Ruled::not_applicable("the app depends on no framework that is known here")]);
    };
    let (version, name) = (framework.version.known()?, &framework.name);
    let latest = framework.latest.known()?;
    let parts = |text: &str| text.split(['.', '-', '+']).map_while(|part| part.parse::<u64>().ok()).collect::<Vec<_>>();
    if parts(version) >= parts(latest) {
        return Ok(vec![Ruled::pass(format!("{name} {version} is the latest stable version"))]);
    }
    let what = format!("{name} {version} is behind {latest}");
    let fix = format!("read its release notes, then `npm install {name}@{latest}`");
    let major = parts(version).first() < parts(latest).first();
    Ok(vec![if major { Ruled::fail(what, fix) } else { Ruled::warn(what, fix) }])
}
