//! Authentication and authorization.

mod no_hardcoded_credentials;
mod ownership;
mod protected_routes;
mod session_expiry;
mod subscription;
mod webhook_signatures;

use crate::check::Check;

pub(super) use webhook_signatures::webhook;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] = &[
    &protected_routes::CHECK,
    &ownership::CHECK,
    &subscription::CHECK,
    &webhook_signatures::CHECK,
    &session_expiry::CHECK,
    &no_hardcoded_credentials::CHECK,
];
