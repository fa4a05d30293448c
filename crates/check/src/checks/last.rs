//! Final checks.

mod audit;
mod env_file_untracked;
mod production_build;
mod secrets_grep;

use crate::check::Check;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] =
    &[&secrets_grep::CHECK, &env_file_untracked::CHECK, &audit::CHECK, &production_build::CHECK];
