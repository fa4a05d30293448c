//! What the checks of this section ask of the variables.

use std::collections::BTreeSet;

use palisade_policy::{ALWAYS, Service, variables};

use crate::check::{Case, Ruled};
use crate::facts::env::{Env, EnvSet, Form, Variable};
use crate::facts::{Fact, Unknown};

/// The fewest bytes of a secret of ours.
pub(super) const SECRET_BYTES: u32 = 32;

/// The fewest bits that a guesser must find (ASVS 11.5.1).
pub(super) const SECRET_BITS: u32 = 128;

/// The variables of the environment that is deployed, or of another; what a machine has committed of them stands in where
/// nothing can be seen from here.
pub(in crate::checks) fn set(case: &Case<'_>, environment: &str) -> Result<EnvSet, Unknown> {
    let env = case.facts.env.known()?;
    let here = match env.sets.get(environment) {
        Some(Fact::Known(set)) => Ok(set.clone()),
        Some(Fact::Unknown(unknown)) => Err(unknown.clone()),
        None => Fact::<EnvSet>::default().known().cloned(),
    };
    // Fingerprints carry their key from here on: those of two keys say nothing about each other.
    let here = here.map(|set| tagged(set, env.key.as_deref().unwrap_or_default()));
    let committed = env.committed.get(environment).map(|committed| {
        let set =
            EnvSet { variables: committed.variables.clone(), sources: vec![source(&committed.on)], complete: true };
        tagged(set, &committed.key)
    });
    match (here, committed) {
        (Ok(set), None) => Ok(set),
        (Ok(mut set), Some(committed)) if !is_complete(case, &set) => {
            set.sources.extend(committed.sources);
            for (name, variable) in committed.variables {
                set.variables.entry(name).or_insert(variable);
            }
            set.complete = true;
            Ok(set)
        }
        (Ok(set), Some(_)) => Ok(set),
        (Err(_), Some(committed)) => Ok(committed),
        (Err(unknown), None) => Err(unknown),
    }
}

/// The sets that can be seen, with their names, the one that is deployed first.
pub(super) fn sets<'a>(case: &Case<'a>) -> Result<Vec<(&'a str, EnvSet)>, Unknown> {
    case.facts.env.known()?;
    let others = ["production", "staging", "development"].into_iter().filter(|name| *name != case.environment);
    Ok(std::iter::once(case.environment).chain(others).filter_map(|name| Some((name, set(case, name).ok()?))).collect())
}

fn tagged(mut set: EnvSet, key: &str) -> EnvSet {
    for fingerprint in set.variables.values_mut().filter_map(|variable| variable.fingerprint.as_mut()) {
        *fingerprint = format!("{key}:{fingerprint}");
    }
    set
}

fn source(on: &str) -> String {
    format!("palisade.fingerprints.json of {on}")
}

/// Whether what is not in the set is missing: it was asked for as a whole, or it holds secrets, which nobody writes into a
/// file of defaults.
pub(in crate::checks) fn is_complete(case: &Case<'_>, set: &EnvSet) -> bool {
    let secret = |name: &String| !is_public(name) && set.variables.contains_key(name);
    set.complete || required(case).iter().any(secret)
}

/// Why a variable that is not in an incomplete set is not known to be missing.
pub(super) fn unseen(name: &str, environment: &str, set: &EnvSet) -> Ruled {
    Ruled::unknown(Unknown::new(
        format!("{name} is not in {}, and the secrets of {environment} seem to lie elsewhere", set.sources.join(", ")),
        format!(
            "run `palisade env fingerprint --env {environment}` where they are, and commit palisade.fingerprints.json"
        ),
    ))
}

/// Services by the policy, else by what the project depends on.
pub(in crate::checks) fn services(case: &Case<'_>) -> Vec<Service> {
    let named = case.policy.map(|policy| policy.app.services.clone()).unwrap_or_default();
    let project = case.facts.project.known().map(|project| project.services.clone()).unwrap_or_default();
    Service::ALL.into_iter().filter(|it| named.contains(it) || project.contains(it.id())).collect()
}

/// Whether it is known which services the app uses; only then is one that is not named not used.
pub(in crate::checks) fn services_known(case: &Case<'_>) -> Result<(), Unknown> {
    if case.policy.is_some() { Ok(()) } else { case.facts.project.known().map(|_| ()) }
}

/// The variables that the app must have.
pub(super) fn required(case: &Case<'_>) -> BTreeSet<String> {
    let presets = services(case).into_iter().flat_map(|service| variables(service).required);
    let own = case.policy.map(|policy| policy.required_variables.clone()).unwrap_or_default();
    ALWAYS.iter().chain(presets).map(|name| (*name).to_owned()).chain(own).collect()
}

/// Whether a bundler writes the variable into what browsers load.
pub(super) fn is_public(name: &str) -> bool {
    ["NEXT_PUBLIC_", "VITE_", "REACT_APP_", "NUXT_PUBLIC_", "EXPO_PUBLIC_", "GATSBY_", "PUBLIC_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether nobody outside may see the value: by its form, or by its name.
pub(super) fn is_secret(name: &str, variable: &Variable) -> bool {
    let named = ["SECRET", "PASSWORD", "PASSWD", "PRIVATE", "_TOKEN"].iter().any(|part| name.contains(part));
    match variable.form {
        Form::SecretKeyLive
        | Form::SecretKeyTest
        | Form::WebhookSecret
        | Form::OtherSecret
        | Form::PrivateKey
        | Form::AddressWithPassword => true,
        Form::Empty | Form::Placeholder => false,
        Form::Random | Form::Token | Form::Text => named,
        _ => false,
    }
}

/// The variables of Clerk, Convex or Stripe in the deployed environment, each with the forms it must have.
pub(super) fn forms(
    case: &Case<'_>,
    service: Service,
    wanted: &[(&str, bool, &[Form], &str)],
) -> Result<Vec<Ruled>, Unknown> {
    let env: &Env = case.facts.env.known()?;
    let title = service.id();
    let anywhere =
        |name: &str| env.sets.values().any(|set| set.known().is_ok_and(|set| set.variables.contains_key(name)));
    if !services(case).contains(&service) && !wanted.iter().any(|(name, ..)| anywhere(name)) {
        services_known(case)?;
        return Ok(vec![Ruled::not_applicable(format!("the app does not use {title}"))]);
    }
    let set = set(case, case.environment)?;
    let mut ruled = Vec::new();
    for (name, required, forms, should) in wanted {
        ruled.extend(match set.variables.get(*name) {
            Some(variable) => Some(form(case, name, variable, forms, should)),
            None if *required && is_complete(case, &set) => {
                Some(Ruled::fail(format!("{name} is not set in {}", case.environment), format!("set it to {should}")))
            }
            None if *required => Some(unseen(name, case.environment, &set)),
            None => None,
        });
    }
    if ruled.is_empty() {
        ruled.push(Ruled::not_applicable(format!("no variable of {title} is set in {}", case.environment)));
    }
    Ok(ruled)
}

fn form(case: &Case<'_>, name: &str, variable: &Variable, forms: &[Form], should: &str) -> Ruled {
    let (environment, shown) = (case.environment, shown(variable));
    if forms.contains(&variable.form) {
        return Ruled::pass(format!("{name} is {shown} in {environment}"));
    }
    let fix = format!("set it to {should} in {environment}");
    Ruled::fail(format!("{name} is {shown} in {environment}"), fix).at(variable.place.clone())
}

/// What a value is, in words.
pub(in crate::checks) fn shown(variable: &Variable) -> String {
    match (variable.form, variable.prefix.as_str()) {
        (Form::Empty, _) => "empty".to_owned(),
        (Form::Placeholder, _) => "a placeholder".to_owned(),
        (Form::ClerkDevelopmentAddress, _) => "an address of Clerk's development hosts".to_owned(),
        (Form::LocalAddress, _) => "an address of this machine".to_owned(),
        (Form::Address, _) => "an address".to_owned(),
        (Form::AddressWithPassword, _) => "an address with a password".to_owned(),
        (Form::PrivateKey, _) => "a private key".to_owned(),
        (Form::Token, _) => "a signed token".to_owned(),
        (_, "") => "none of the known forms".to_owned(),
        (_, prefix) => format!("`{prefix}...`"),
    }
}
