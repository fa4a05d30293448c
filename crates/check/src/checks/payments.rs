//! Payment security.

mod no_card_handling;
mod no_card_logs;
mod subscription_on_server;
mod test_mode_off;
mod webhooks_verified;

use crate::check::Check;

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] = &[
    &no_card_handling::CHECK,
    &webhooks_verified::CHECK,
    &subscription_on_server::CHECK,
    &test_mode_off::CHECK,
    &no_card_logs::CHECK,
];
