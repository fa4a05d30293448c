//! All input is checked by a schema.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::checks::inventory::{Gate, each, gate, named};
use crate::facts::Unknown;
use crate::facts::routes::Surface;

pub(super) const CHECK: Check = Check {
    id: "api/validation",
    title: "All input is checked by a schema",
    item: Item::Box(3),
    section: Section::Api,
    severity: Severity::High,
    reference: "A03:2021; ASVS 2.2.1",
    judge,
};

/// By a schema at the gate, or by a check in the source. What a provider has signed is the provider's.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    each(case, "validation", "no route reads input", |endpoint| {
        let (name, shown) = (named(endpoint), &endpoint.shown);
        let fix = "parse it with a schema (`schema.safeParse(body)`), or name `schema` for it in palisade.toml";
        if endpoint.surface == Surface::Page {
            return None;
        }
        let declared = match gate(case.policy, endpoint) {
            Gate::Declared(route) => Some(route),
            Gate::Refuses | Gate::Absent => None,
        };
        let signed = shown.signature.is_some() || declared.is_some_and(|route| route.signature.is_some());
        Some(match (declared, &shown.validation, &shown.input) {
            (Some(route), ..) if route.schema.is_some() => {
                Ruled::pass(format!("{name} is checked by a schema at the gate"))
            }
            (_, Some(call), _) => Ruled::pass(format!("{name} checks its input in its source (`{call}`)")),
            _ if signed => Ruled::pass(format!("{name} takes what its provider has signed")),
            (_, None, Some(_)) if endpoint.surface == Surface::OpenApi => return None,
            (_, None, Some(read)) => {
                Ruled::fail(format!("{name} reads its input (`{read}`), and nothing checks it"), fix)
            }
            (_, None, None) if endpoint.surface == Surface::ServerAction => {
                Ruled::warn(format!("{name} takes what anybody sends, and no check of it was seen"), fix)
            }
            _ => return None,
        })
    })
}
