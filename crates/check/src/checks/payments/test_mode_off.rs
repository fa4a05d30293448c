//! Test mode is off in production.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::environment::seen::{is_complete, set, shown};
use crate::facts::Unknown;
use crate::facts::env::Form;

pub(super) const CHECK: Check = Check {
    id: "payments/test-mode-off",
    title: "Test mode is off in production",
    item: Item::Box(4),
    section: Section::Payments,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.4.2",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    if !super::has_payments(case)? {
        return Ok(vec![Ruled::not_applicable("the app uses no payment service that is known here")]);
    }
    let set = set(case, case.environment)?;
    let test = |form| matches!(form, Form::SecretKeyTest | Form::PublishableTest);
    let found: Vec<Ruled> = set
        .variables
        .iter()
        .filter(|(_, variable)| test(variable.form))
        .map(|(name, variable)| {
            let what = format!("{name} is {} in {}", shown(variable), case.environment);
            Ruled::fail(what, "put the live key there").at(variable.place.clone())
        })
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if !is_complete(case, &set) {
        let why = format!("the keys of {} lie elsewhere", case.environment);
        return Err(Unknown::new(
            why,
            format!("run `palisade env fingerprint --env {}` where they are", case.environment),
        ));
    }
    Ok(vec![Ruled::pass(format!("no test key is in {}", case.environment))])
}
