//! Secrets are rotated every quarter.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

use super::seen::{is_secret, sets};
use crate::date;

pub(super) const CHECK: Check = Check {
    id: "env/secrets-rotated",
    title: "Secrets are rotated every quarter",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::Medium,
    reference: "A02:2021; ASVS 13.3.4",
    judge,
};

/// A quarter, and a few days to do it in.
const MAX_DAYS: i64 = 92;

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let env = case.facts.env.known()?;
    let sets = sets(case)?;
    let mut ruled = Vec::new();
    let mut young = 0_usize;
    for (environment, committed) in &env.committed {
        // A set that can be seen here says whether the value is still the one that was written down.
        let here = sets.iter().find(|(name, _)| name == environment).map(|(_, set)| set);
        for (name, variable) in committed.variables.iter().filter(|(name, it)| is_secret(name, it)) {
            let now = here.and_then(|set| set.variables.get(name)).and_then(|it| it.fingerprint.as_ref());
            let known = variable.fingerprint.as_ref().map(|it| format!("{}:{it}", committed.key));
            let same_key = now.is_some_and(|now| now.starts_with(&format!("{}:", committed.key)));
            let replaced = same_key && now != known.as_ref();
            let since = variable.since.as_deref().filter(|_| !replaced);
            let Some(days) = since.and_then(|since| Some(date::days(case.today)? - date::days(since)?)) else {
                continue;
            };
            if days > MAX_DAYS {
                let fix = format!(
                    "`palisade secrets rotate {name}`: the old one stays valid for a while, so nobody is logged out"
                );
                ruled.push(Ruled::warn(format!("{name} of {environment} is {days} days old"), fix));
            } else {
                young += 1;
            }
        }
    }
    if ruled.is_empty() && young > 0 {
        ruled.push(Ruled::pass(format!("{young} secrets are at most {MAX_DAYS} days old")));
    }
    if ruled.is_empty() {
        return Err(Unknown::new(
            "nobody has written down since when the secrets are in use",
            "run `palisade env fingerprint`, and commit what it writes",
        ));
    }
    Ok(ruled)
}
