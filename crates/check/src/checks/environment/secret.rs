//! Whether a secret of ours is one: long enough, and not to be guessed.

use super::seen::{SECRET_BITS, SECRET_BYTES, is_complete, set, sets, shown, unseen};
use crate::check::{Case, Ruled};
use crate::facts::Unknown;
use crate::facts::env::{Form, Variable};

/// Judges the secret in every environment that can be seen; the deployed one must be among them.
pub(super) fn judge(case: &Case<'_>, name: &str) -> Result<Vec<Ruled>, Unknown> {
    let mut ruled = Vec::new();
    for (environment, set) in sets(case)? {
        match set.variables.get(name) {
            Some(variable) => ruled.push(strength(name, environment, variable)),
            None if is_complete(case, &set) => {
                ruled.push(Ruled::fail(format!("{name} is not set in {environment}"), "run `palisade secrets new`"));
            }
            None if environment == case.environment => ruled.push(unseen(name, environment, &set)),
            None => {}
        }
    }
    if let Err(unknown) = set(case, case.environment) {
        ruled.push(Ruled::unknown(unknown));
    }
    Ok(ruled)
}

fn strength(name: &str, environment: &str, variable: &Variable) -> Ruled {
    let Variable { form, length, decoded, bits, place, .. } = variable;
    let what = match form {
        Form::Empty | Form::Placeholder => format!("{name} is {} in {environment}", shown(variable)),
        _ if *decoded < SECRET_BYTES => {
            format!(
                "{name} has {length} characters in {environment}, which hold {decoded} bytes; {SECRET_BYTES} are the least"
            )
        }
        _ if *bits < SECRET_BITS => {
            format!("{name} has the entropy of {bits} bits in {environment}; {SECRET_BITS} are the least")
        }
        _ => return Ruled::pass(format!("{name} holds {decoded} bytes in {environment}")),
    };
    Ruled::fail(what, "run `palisade secrets new`, and set what it prints").at(place.clone())
}
