//! What a policy must satisfy, whether it comes from a file or from code.

mod alerting;
mod route;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use tables::{WIDE_FIX, is_wide, wide};

use crate::builder::PolicyBuilder;
use crate::model::{CsrfStrength, IdentityNeed};
use crate::place::Problems;

/// Checks every part, and settles what follows from several: `access` makes an optional identity a required one.
pub(crate) fn check(builder: &mut PolicyBuilder, problems: &mut Problems) {
    for route in &mut builder.routes {
        if !route.access.is_empty() && route.identity == IdentityNeed::Optional {
            route.identity = IdentityNeed::Required;
        }
        if route.csrf_because.as_deref().is_some_and(|because| because.trim().is_empty()) {
            route.csrf_because = None;
        }
        if route.methods_because.as_deref().is_some_and(|because| because.trim().is_empty()) {
            route.methods_because = None;
        }
    }
    for rule in tables::RULES {
        rule(builder, problems);
    }
    alerting::alerting(builder, problems);
    for (index, route) in builder.routes.iter().enumerate() {
        for rule in route::RULES {
            rule(builder, index, route, problems);
        }
    }
}

/// What a strength asks for, in words.
pub(crate) fn strength(csrf: CsrfStrength) -> &'static str {
    match csrf {
        CsrfStrength::None => "nothing",
        CsrfStrength::Origin => "the origin check alone",
        CsrfStrength::Token => "the origin check and a token",
    }
}
