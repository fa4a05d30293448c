//! Dependencies.

mod audit;
mod critical_updated;
mod framework_current;
mod lockfile_committed;
mod outdated;

use crate::check::Check;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] =
    &[&audit::CHECK, &outdated::CHECK, &lockfile_committed::CHECK, &framework_current::CHECK, &critical_updated::CHECK];
