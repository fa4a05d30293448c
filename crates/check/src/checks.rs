//! The checklist: the guide's 42 boxes and four final groups, and what its other pages ask. One file each.

mod api;
mod auth;
mod dependencies;
mod environment;
mod inventory;
mod last;
mod leaks;
mod payments;
mod security;
mod testing;

use std::sync::LazyLock;

use crate::check::Check;

/// Every check, in the order of the guide's sections.
pub static CHECKS: LazyLock<Vec<&'static Check>> = LazyLock::new(|| {
    [
        environment::CHECKS,
        dependencies::CHECKS,
        security::CHECKS,
        auth::CHECKS,
        api::CHECKS,
        payments::CHECKS,
        testing::CHECKS,
        last::CHECKS,
    ]
    .concat()
});

/// The check of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Check> {
    CHECKS.iter().copied().find(|check| check.id == id)
}
