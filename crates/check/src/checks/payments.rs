//! Payment security.

mod no_card_handling;
mod no_card_logs;
mod subscription_on_server;
mod test_mode_off;
mod webhooks_verified;

use palisade_policy::Service;

use crate::check::{Case, Check, Ruled};
use crate::checks::environment::seen::{services, services_known};
use crate::facts::Unknown;
use crate::facts::source::{Source, Statement};

/// In the guide's order; what other pages of it ask comes last.
pub(super) const CHECKS: &[&Check] = &[
    &no_card_handling::CHECK,
    &webhooks_verified::CHECK,
    &subscription_on_server::CHECK,
    &test_mode_off::CHECK,
    &no_card_logs::CHECK,
];

/// Whether anything here takes money: Stripe, or a provider that bills through it.
fn has_payments(case: &Case<'_>) -> Result<bool, Unknown> {
    let paying = |service: &Service| matches!(service, Service::Stripe | Service::Clerk | Service::Svix);
    let has = services(case).iter().any(paying);
    if !has {
        services_known(case)?;
    }
    Ok(has)
}

/// One ruling for each statement; a pass where sources were read and none was found.
pub(super) fn statements(source: &Source, found: &[Statement], what: &str, fix: &str) -> Result<Vec<Ruled>, Unknown> {
    let mut ruled: Vec<Ruled> =
        found.iter().map(|it| Ruled::fail(format!("{what}: {}", it.what), fix).at(Some(it.place.clone()))).collect();
    if ruled.is_empty() && source.files == 0 {
        return Err(Unknown::new("no source file was found", "run it in the project's root"));
    }
    if ruled.is_empty() && source.skipped > 0 {
        ruled.push(Ruled::unknown(Unknown::new(
            format!("{} source files were not read: too large, not text, or links", source.skipped),
            "look at them by hand, or leave them out of the project",
        )));
    }
    if ruled.is_empty() {
        ruled.push(Ruled::pass(format!("none in {} source files", source.files)));
    }
    Ok(ruled)
}
