//! No secret is in a variable that browsers see.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use crate::facts::env::{EnvSet, Form, Variable};

use super::seen::{is_public, is_secret, sets, shown};

pub(super) const CHECK: Check = Check {
    id: "env/public-exposure",
    title: "No secret is in a variable that browsers see",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::Critical,
    reference: "A02:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let sets = sets(case)?;
    if sets.is_empty() {
        return Err(Unknown::new(
            "no variables can be seen from here",
            "run it in the project, where its env files are",
        ));
    }
    let mut ruled: Vec<Ruled> = Vec::new();
    let mut seen = 0_usize;
    for (environment, set) in &sets {
        for (name, variable) in set.variables.iter().filter(|(name, _)| is_public(name)) {
            seen += 1;
            let Some(why) = exposed(name, variable, set) else { continue };
            let fix = format!(
                "rename it without the public prefix, read it on the server alone, and rotate it: {environment}"
            );
            let one = Ruled::fail(format!("{name} is written into what browsers load, and {why}"), fix)
                .at(variable.place.clone());
            // A file of two environments is told once.
            if !ruled.iter().any(|other| other.evidence == one.evidence && other.place == one.place) {
                ruled.push(one);
            }
        }
    }
    if ruled.is_empty() {
        ruled.push(Ruled::pass(format!("{seen} variables are public, and none of them looks secret")));
    }
    Ok(ruled)
}

/// By its form, by its value, by its name.
fn exposed(name: &str, variable: &Variable, set: &EnvSet) -> Option<String> {
    let secret_form = matches!(
        variable.form,
        Form::SecretKeyLive
            | Form::SecretKeyTest
            | Form::WebhookSecret
            | Form::OtherSecret
            | Form::PrivateKey
            | Form::AddressWithPassword
    );
    if secret_form {
        return Some(format!("holds a secret: {}", shown(variable)));
    }
    let same = |other: &Variable| {
        (!variable.hash.is_empty() && variable.hash == other.hash)
            || (variable.fingerprint.is_some() && variable.fingerprint == other.fingerprint)
    };
    let twin = set.variables.iter().find(|(other, it)| !is_public(other) && is_secret(other, it) && same(it));
    if let Some((twin, _)) = twin {
        return Some(format!("has the value of {twin}"));
    }
    let harmless = ["PUBLISHABLE", "PUBLIC_KEY", "ANON_KEY", "SITE_KEY"].iter().any(|part| name.contains(part));
    (is_secret(name, variable) && !harmless).then(|| "is named like a secret".to_owned())
}
