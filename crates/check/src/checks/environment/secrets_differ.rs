//! Development and production have different secrets.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

use super::seen::{is_complete, is_secret, required, set, sets, unseen};
use crate::facts::env::Variable;

pub(super) const CHECK: Check = Check {
    id: "env/secrets-differ",
    title: "Development and production have different secrets",
    item: Item::Box(8),
    section: Section::Environment,
    severity: Severity::High,
    reference: "A02:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let deployed = set(case, case.environment)?;
    let required = required(case);
    let secrets: Vec<(&String, &Variable)> = deployed
        .variables
        .iter()
        .filter(|(name, it)| is_secret(name, it) || (required.contains(*name) && name.ends_with("_SECRET")))
        .filter(|(_, variable)| variable.length > 0)
        .collect();
    let others: Vec<_> = sets(case)?.into_iter().filter(|(name, _)| *name != case.environment).collect();
    if others.is_empty() {
        let why = format!("only the variables of {} can be seen", case.environment);
        return Err(Unknown::new(
            why,
            "run it where .env.local is, or commit fingerprints: `palisade env fingerprint`",
        ));
    }
    let mut ruled = Vec::new();
    if secrets.is_empty() && !is_complete(case, &deployed) {
        ruled.push(unseen("no secret", case.environment, &deployed));
    }
    let mut compared = 0_usize;
    for (name, variable) in secrets {
        for (environment, other) in &others {
            match other.variables.get(name).map(|other| is_same(variable, other)) {
                None => {}
                Some(Some(false)) => compared += 1,
                Some(Some(true)) => ruled.push(
                    Ruled::fail(
                        format!("{name} is the same in {} and {environment}", case.environment),
                        format!("make a new one for {}: `palisade secrets new {name}`", case.environment),
                    )
                    .at(variable.place.clone()),
                ),
                Some(None) => ruled.push(Ruled::unknown(Unknown::new(
                    format!("{name} of {} and {environment} have fingerprints by different keys", case.environment),
                    "give both machines one key (PALISADE_FINGERPRINT_KEY), and run `palisade env fingerprint` on each",
                ))),
            }
        }
    }
    if ruled.is_empty() && compared > 0 {
        ruled.push(Ruled::pass(format!("{compared} secrets were compared, and all differ")));
    }
    if ruled.is_empty() {
        return Err(Unknown::new(
            "no secret is set in two environments that can be seen",
            "commit fingerprints: `palisade env fingerprint`",
        ));
    }
    Ok(ruled)
}

/// By the hashes of this run where both values were seen in it, else by fingerprints of one key.
fn is_same(one: &Variable, other: &Variable) -> Option<bool> {
    if !one.hash.is_empty() && !other.hash.is_empty() {
        return Some(one.hash == other.hash);
    }
    let (one, other) = (one.fingerprint.as_ref()?, other.fingerprint.as_ref()?);
    let key = |text: &str| text.split_once(':').map(|(key, _)| key.to_owned());
    (key(one) == key(other)).then(|| one == other)
}
