//! API security.

mod csrf;
mod error_handling;
mod no_hardcoded_secrets;
mod no_sensitive_logs;
mod rate_limit;
mod validation;

use crate::check::Check;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] = &[
    &csrf::CHECK,
    &rate_limit::CHECK,
    &validation::CHECK,
    &error_handling::CHECK,
    &no_sensitive_logs::CHECK,
    &no_hardcoded_secrets::CHECK,
];
