//! Cards are handled by the payment provider alone.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/no-card-handling",
    title: "Cards are handled by the payment provider alone",
    item: Item::Box(1),
    section: Section::Payments,
    severity: Severity::Critical,
    reference: "A04:2021; ASVS 14.2.1",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let source = case.facts.source.known()?;
    super::statements(
        source,
        &source.card_fields,
        "the app handles a card's field itself",
        "let the provider's own page or element take the card",
    )
}
