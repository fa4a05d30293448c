//! Every public route has a rate limit.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::inventory::{Gate, each, gate, is_api, limit_comes_late, named};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "api/rate-limit",
    title: "Every public route has a rate limit",
    item: Item::Box(2),
    section: Section::Api,
    severity: Severity::High,
    reference: "A04:2021; ASVS 2.4.1",
    judge,
};

/// At the gate or in the code, and before anything dearer. Reads of public data need none.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    each(case, "rate-limit", "no route needs one", |endpoint| {
        if !is_api(endpoint) {
            return None;
        }
        let name = named(endpoint);
        if limit_comes_late(endpoint) {
            let wrappers = endpoint.shown.wrappers.join("(");
            return Some(Ruled::fail(
                format!("{name} checks its token before its limit: {wrappers}"),
                "put the limit outside: withRateLimit(withCsrf(handler))",
            ));
        }
        let needs = endpoint.is_unsafe();
        Some(match (gate(case.policy, endpoint), &endpoint.shown.rate_limit) {
            (Gate::Declared(route), _) if route.limit.is_some() => {
                Ruled::pass(format!("{name} is limited at the gate, as {}", route.kind))
            }
            (_, Some(call)) => Ruled::pass(format!("{name} is limited in its source (`{call}`)")),
            (Gate::Refuses, None) if needs => Ruled::warn(
                format!("{name} is in the source, and the policy does not declare it: the gate refuses it"),
                "declare it by its kind; `palisade advise` says which",
            ),
            (Gate::Declared(route), None) => Ruled::pass(format!("{name} needs no limit, as {}", route.kind)),
            _ if needs => Ruled::fail(
                format!("nothing limits how often {name} is called"),
                "declare it in palisade.toml, or wrap it: withRateLimit(handler)",
            ),
            _ => return None,
        })
    })
}
