//! Security features.

mod csrf;
mod errors;
mod headers;
mod hsts;
mod input;
mod rate_limit;

use crate::check::Check;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] =
    &[&csrf::CHECK, &rate_limit::CHECK, &input::CHECK, &headers::CHECK, &hsts::CHECK, &errors::CHECK];
