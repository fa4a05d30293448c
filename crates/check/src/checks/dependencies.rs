//! Dependencies.

mod audit;
mod critical_updated;
mod framework_current;
mod lockfile_committed;
mod outdated;

use crate::check::{Case, Check, Ruled};
use crate::facts::Unknown;
use crate::facts::dependencies::Advisory;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] =
    &[&audit::CHECK, &outdated::CHECK, &lockfile_committed::CHECK, &framework_current::CHECK, &critical_updated::CHECK];

/// Advisories about packages of production, those that are asked for.
pub(super) fn advisories(case: &Case<'_>, wanted: impl Fn(&Advisory) -> bool) -> Result<Vec<Ruled>, Unknown> {
    let advisories = case.facts.dependencies.known()?.advisories.known()?;
    let rule = |it: &Advisory| {
        let fix = match (it.fixable, it.manager.as_str()) {
            (true, "cargo") => format!("`cargo update -p {}`, or raise what asks for it, and test", it.package),
            (true, _) => "`npm audit fix`, and test".to_owned(),
            (false, _) => "no version without it exists: leave the package, or allow it with a reason".to_owned(),
        };
        Ruled::fail(format!("{}: {} ({}, {})", it.package, it.title, it.severity, it.reference), fix)
    };
    let found: Vec<Ruled> = advisories.iter().filter(|it| wanted(it)).map(rule).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let rest = if advisories.is_empty() {
        "no advisory concerns".to_owned()
    } else {
        format!("none of {} advisories about", advisories.len())
    };
    Ok(vec![Ruled::pass(format!(
        "{rest} packages of production{}",
        if advisories.is_empty() { "" } else { " is of this kind" }
    ))])
}
