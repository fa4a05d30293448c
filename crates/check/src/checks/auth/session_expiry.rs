//! An expired session is handled gracefully.

use crate::check::{Case, Check, Item, Ruled, Section, Severity};
use crate::facts::routes::Interceptor;
use crate::facts::{Fact, Unknown};

pub(super) const CHECK: Check = Check {
    id: "auth/session-expiry",
    title: "An expired session is handled gracefully",
    item: Item::Box(5),
    section: Section::Authentication,
    severity: Severity::Medium,
    reference: "A07:2021; ASVS 7.3.1",
    judge,
};

/// By the gate, which tells a program from a browser, or by Clerk's own `auth.protect`, which does so too; and where the
/// running site was asked, by whether it refuses what ran out. What else an app does with its sessions, a person must say.
fn judge(case: &Case<'_>) -> Result<Vec<Ruled>, Unknown> {
    let mut ruled = crate::experiments::summary(case, &["auth/expired"]).unwrap_or_default();
    if let Some(identity) = case.policy.and_then(|policy| policy.identity.as_ref()) {
        ruled.push(match &identity.sign_in_url {
            Some(url) => Ruled::pass(format!(
                "the gate answers an expired session with 401 `token-expired`, and sends a browser to {url}"
            )),
            None => Ruled::warn(
                "the gate answers an expired session with 401 `token-expired`, and a browser too: it knows no page to sign in",
                "name `sign_in_url` in [identity]",
            ),
        });
    } else if let Some((file, call)) = protected(case) {
        ruled.push(Ruled::pass(format!("{file} sends whose session has expired to sign in (`{call}`)")));
    }
    if ruled.is_empty() {
        return Err(Unknown::new(
            "the policy has no [identity], and nothing else here shows it",
            "let a session expire and look, then confirm it with `palisade check attest`",
        ));
    }
    Ok(ruled)
}

/// What runs before every route and protects it by Clerk's own call.
fn protected<'a>(case: &Case<'a>) -> Option<(&'a str, &'a str)> {
    let Fact::Known(routes) = &case.facts.routes else { return None };
    routes.interceptors.iter().find_map(|Interceptor { file, shown, .. }| {
        let call = shown.identity.as_deref().filter(|call| call.ends_with(".protect"))?;
        Some((file.as_str(), call))
    })
}
