//! Live keys are in production only.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use crate::facts::env::Form;

use super::seen::{sets, shown};

pub(super) const CHECK: Check = Check {
    id: "env/test-keys-elsewhere",
    title: "Live keys are in production only",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.3.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let others: Vec<_> = sets(case)?.into_iter().filter(|(name, _)| *name != "production").collect();
    if others.is_empty() {
        return Err(Unknown::new("no variables but production's can be seen", "run it where .env.local is"));
    }
    let live = |form| matches!(form, Form::SecretKeyLive | Form::PublishableLive | Form::ConvexProduction);
    let mut ruled = Vec::new();
    for (environment, set) in &others {
        ruled.extend(set.variables.iter().filter(|(_, it)| live(it.form)).map(|(name, variable)| {
            let fix =
                format!("put a test key there, and rotate this one if {environment} is not as guarded as production");
            Ruled::fail(format!("{name} is {} in {environment}", shown(variable)), fix).at(variable.place.clone())
        }));
    }
    if ruled.is_empty() {
        let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
        ruled.push(Ruled::pass(format!("no live key is in {}", names.join(" or "))));
    }
    Ok(ruled)
}
