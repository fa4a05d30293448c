//! All environment variables are set in production.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use crate::facts::env::Form;

use super::seen::{is_complete, required, set, shown, unseen};

pub(super) const CHECK: Check = Check {
    id: "env/variables-set",
    title: "All environment variables are set in production",
    item: Item::Box(1),
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.1.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let environment = case.environment;
    let set = set(case, environment)?;
    let (required, complete) = (required(case), is_complete(case, &set));
    let mut ruled = Vec::new();
    for name in &required {
        let usable = set.variables.get(name).is_some_and(|it| !matches!(it.form, Form::Empty | Form::Placeholder));
        match set.variables.get(name) {
            _ if usable => {}
            Some(variable) => ruled.push(
                Ruled::fail(format!("{name} is {} in {environment}", shown(variable)), "put the real value there")
                    .at(variable.place.clone()),
            ),
            None if complete => ruled.push(Ruled::fail(
                format!("{name} is not set in {environment}"),
                format!("set it where the variables of {environment} are: {}", set.sources.join(", ")),
            )),
            None => ruled.push(unseen(name, environment, &set)),
        }
    }
    // Each webhook needs one secret: providers have renamed theirs, and rotation brings a second.
    let mut told = Vec::new();
    for signature in case.policy.iter().flat_map(|it| it.routes()).filter_map(|route| route.signature.as_ref()) {
        let any = signature.secrets.iter().any(|name| set.variables.contains_key(name));
        if any || told.contains(&&signature.secrets) {
            continue;
        }
        told.push(&signature.secrets);
        let names = signature.secrets.join(" or ");
        ruled.push(if complete {
            Ruled::fail(
                format!("{names} is not set in {environment}"),
                "copy the signing secret from the provider's dashboard",
            )
        } else {
            unseen(&names, environment, &set)
        });
    }
    let placeholders =
        set.variables.iter().filter(|(name, it)| it.form == Form::Placeholder && !required.contains(*name));
    ruled.extend(placeholders.map(|(name, variable)| {
        Ruled::warn(format!("{name} is a placeholder in {environment}"), "put the real value there, or remove it")
            .at(variable.place.clone())
    }));
    if ruled.is_empty() {
        let names: Vec<&str> = required.iter().map(String::as_str).collect();
        ruled.push(Ruled::pass(format!("{} are set in {environment} ({})", names.join(", "), set.sources.join(", "))));
    }
    Ok(ruled)
}
