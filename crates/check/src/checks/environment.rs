//! Environment and configuration.

mod clerk_production_keys;
mod convex_production;
mod csrf_secret_length;
mod enforced;
mod file_ignored;
mod file_not_committed;
mod public_exposure;
mod secret;
mod secret_manager;
mod secrets_differ;
mod secrets_not_shared;
mod secrets_rotated;
pub(super) mod seen;
mod session_secret_length;
mod stripe_live_keys;
mod test_keys_elsewhere;
mod variables_set;

use crate::check::Check;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] = &[
    &variables_set::CHECK,
    &csrf_secret_length::CHECK,
    &session_secret_length::CHECK,
    &clerk_production_keys::CHECK,
    &convex_production::CHECK,
    &stripe_live_keys::CHECK,
    &file_not_committed::CHECK,
    &secrets_differ::CHECK,
    &file_ignored::CHECK,
    &test_keys_elsewhere::CHECK,
    &public_exposure::CHECK,
    &secrets_rotated::CHECK,
    &enforced::CHECK,
    &secret_manager::CHECK,
    &secrets_not_shared::CHECK,
];
