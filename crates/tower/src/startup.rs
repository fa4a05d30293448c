use std::collections::BTreeMap;

use palisade_diag::Diagnostics;
use palisade_guard::WallMicros;
use palisade_policy::{Policy, environment_problems};

/// Judges the variables that an app starts with, as the operations guide's `validateConfig`: every missing one, secrets
/// that are short, placeholders or shared, rotations that are over. No value is repeated.
///
/// ```
/// # use std::collections::BTreeMap;
/// # use palisade_tower::{guard::WallMicros, policy::{Origin, Policy}, validate_config};
/// # let policy = Policy::builder("shop", Origin::parse("https://shop.example").into_iter().collect()).build()?;
/// let problems = validate_config(&policy, &BTreeMap::new(), WallMicros(0)).expect_err("nothing is set");
/// assert!(problems.to_string().contains("CSRF_SECRET is not set"));
/// assert!(problems.to_string().contains("SESSION_SECRET is not set"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// All problems at once, warnings with them. What is returned otherwise are warnings alone.
pub fn validate_config(
    policy: &Policy,
    variables: &BTreeMap<String, String>,
    now: WallMicros,
) -> Result<Diagnostics, Diagnostics> {
    let seconds = i64::try_from(now.0 / 1_000_000).unwrap_or(i64::MAX);
    let found = environment_problems(policy, variables, seconds);
    if found.has_errors() { Err(found) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use palisade_policy::{Environment, Origin, Service};

    use super::*;

    #[test]
    fn a16_startup_names_every_missing_variable_at_once() {
        let origin = Origin::parse("https://shop.example").expect("an origin");
        let policy = Policy::builder("shop", vec![origin])
            .environment(Environment::Production)
            .services([Service::Clerk, Service::Convex]);
        let mut variables = BTreeMap::from([("CSRF_SECRET".to_owned(), "hunter2".to_owned())]);
        let policy = policy.presets(&variables).build().expect("a policy");
        let found = validate_config(&policy, &variables, WallMicros(0)).expect_err("much is missing").to_string();
        // The guide's five.
        for name in
            ["SESSION_SECRET", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY", "NEXT_PUBLIC_CONVEX_URL"]
        {
            assert!(found.contains(&format!("{name} is not set")), "{name}: {found}");
        }
        assert!(found.contains("CSRF_SECRET has 7 characters") && !found.contains("hunter2"), "{found}");

        for (name, value) in [
            ("CSRF_SECRET", "f7a1".repeat(10)),
            ("SESSION_SECRET", "09be".repeat(10)),
            ("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuc2hvcC5leGFtcGxlJA".to_owned()),
            ("CLERK_SECRET_KEY", "sk_live_4f9a8b7c6d5e".to_owned()),
            ("NEXT_PUBLIC_CONVEX_URL", "https://calm-otter-1.convex.cloud".to_owned()),
        ] {
            variables.insert(name.to_owned(), value);
        }
        let warnings = validate_config(&policy, &variables, WallMicros(0)).expect("all is there");
        assert!(!warnings.has_errors());
    }
}
