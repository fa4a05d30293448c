//! The gate enforces in production.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;
use palisade_policy::Mode;

pub(super) const CHECK: Check = Check {
    id: "env/enforced",
    title: "The gate enforces in production",
    item: Item::Beyond,
    section: Section::Environment,
    severity: Severity::High,
    reference: "A05:2021; ASVS 13.4.2",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let Some(policy) = case.policy else {
        return Err(Unknown::new(
            "there is no valid palisade.toml",
            "write one: `palisade init`, then `palisade policy check`",
        ));
    };
    if policy.app.mode == Mode::Observe {
        let fix = "set [app] mode = \"enforce\"";
        return Ok(vec![Ruled::fail(
            format!("the policy only observes in {}: nothing is refused", case.environment),
            fix,
        )]);
    }
    let observing = policy.routes().iter().filter(|route| route.mode == Mode::Observe);
    let mut ruled: Vec<Ruled> = observing
        .map(|route| {
            let what = format!("{} is only observed: nothing is refused there", route.path);
            Ruled::fail(what, "remove `mode = \"observe\"` from the route")
        })
        .collect();
    if ruled.is_empty() {
        ruled.push(Ruled::pass(format!("the policy enforces, on all its {} routes", policy.routes().len())));
    }
    Ok(ruled)
}
