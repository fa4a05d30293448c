//! No card data is logged.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::Unknown;

pub(super) const CHECK: Check = Check {
    id: "payments/no-card-logs",
    title: "No card data is logged",
    item: Item::Box(5),
    section: Section::Payments,
    severity: Severity::Critical,
    reference: "A09:2021; ASVS 16.2.5",
    judge,
};

fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let source = case.facts.source.known()?;
    super::statements(source, &source.logged_cards, "a log statement names card data", "leave it out of the log")
}
