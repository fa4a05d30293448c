//! Testing.

mod auth_flows;
mod csrf;
mod errors;
mod headers;
mod input;
mod rate_limit;

use crate::check::Check;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] =
    &[&rate_limit::CHECK, &csrf::CHECK, &input::CHECK, &headers::CHECK, &auth_flows::CHECK, &errors::CHECK];
