use ipnet::IpNet;
use palisade_event::Kind;

use super::*;
use crate::model::{Clients, Origin, Route, Signature, SignatureScheme};

/// 2026-11-21T00:00:00Z.
const NOW: i64 = 1_795_219_200;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn policy() -> Policy {
    let mut hook = Route::new("/hook", Kind::Webhook);
    hook.signature =
        Some(Signature { scheme: SignatureScheme::Svix, secrets: vec!["HOOK_A".to_owned(), "HOOK_B".to_owned()] });
    Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
        .required_variable("CLERK_SECRET_KEY")
        .required_variable("NEXT_PUBLIC_CONVEX_URL")
        .route(hook)
        .build()
        .expect("policy")
}

/// Variables that are all right.
fn good() -> BTreeMap<String, String> {
    map(&[
        ("CSRF_SECRET", "kW3yhJ9cQ2mVxT7bN4pLs8RdF6gZaE1u"),
        ("SESSION_SECRET", "u1EaZg6FdR8sLp4Nb7TxVm2Qc9JhY3Wk"),
        ("CLERK_SECRET_KEY", "a-live-key"),
        ("NEXT_PUBLIC_CONVEX_URL", "https://happy-animal-1.convex.cloud"),
        ("HOOK_B", "another-key"),
    ])
}

fn codes(variables: &BTreeMap<String, String>) -> Vec<String> {
    environment_problems(&policy(), variables, NOW)
        .iter()
        .map(|item| format!("{} {}", item.code, item.message))
        .collect()
}

#[test]
fn b6_every_missing_variable_is_named_at_once() {
    let found = environment_problems(&policy(), &BTreeMap::new(), NOW);
    assert!(found.has_errors());
    let text = found.to_string();
    for name in ["CSRF_SECRET", "SESSION_SECRET", "CLERK_SECRET_KEY", "NEXT_PUBLIC_CONVEX_URL", "HOOK_A or HOOK_B"] {
        assert!(text.contains(&format!("{name} is not set")), "{name}: {text}");
    }
    assert_eq!(found.len(), 5);
    let mut blank = good();
    blank.insert("CLERK_SECRET_KEY".to_owned(), "  ".to_owned());
    assert_eq!(codes(&blank), ["variable-missing CLERK_SECRET_KEY is not set"]);
    assert_eq!(codes(&good()), Vec::<String>::new());
}

#[test]
fn b6_secrets_have_32_characters_and_are_not_shared() {
    let mut short = good();
    short.insert("CSRF_SECRET".to_owned(), "kW3yhJ9cQ2mVxT7bN4pLs8RdF6gZaE1".to_owned());
    short.insert("SESSION_SECRET".to_owned(), "short".to_owned());
    assert_eq!(
        codes(&short),
        [
            "secret-short CSRF_SECRET has 31 characters; 32 are the least",
            "secret-short SESSION_SECRET has 5 characters; 32 are the least"
        ]
    );
    let mut same = good();
    same.insert("SESSION_SECRET".to_owned(), same["CSRF_SECRET"].clone());
    assert_eq!(codes(&same), ["secret-shared CSRF_SECRET and SESSION_SECRET are the same secret"]);
}

#[test]
fn placeholders_are_not_values_and_values_are_never_repeated() {
    for text in [
        "changeme",
        "<32-byte-base64url-string>",
        "pk_test_...",
        "your-secret-here",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "https://...convex.cloud",
        "please-change-me-before-you-deploy-this",
    ] {
        let mut variables = good();
        variables.insert("CSRF_SECRET".to_owned(), text.to_owned());
        assert_eq!(codes(&variables), ["variable-placeholder CSRF_SECRET holds a placeholder"], "{text}");
    }
    for text in ["kW3yhJ9cQ2mVxT7bN4pLs8RdF6gZaE1u", "dev:happy-animal-1", "https://app.clerk.accounts.dev", "1"] {
        assert!(!is_placeholder(text), "{text}");
    }
    let found =
        environment_problems(&policy(), &map(&[("CSRF_SECRET", "hunter2"), ("SESSION_SECRET", "hunter2")]), NOW);
    assert!(!found.to_string().contains("hunter2"));
}

#[test]
fn a_previous_secret_has_an_end() {
    let previous = "Zz9yhJ9cQ2mVxT7bN4pLs8RdF6gZaE1u";
    for (secret, until, told) in [
        (Some(previous), Some("2026-12-01T00:00:00Z"), None),
        (Some(previous), None, Some("rotation-without-end")),
        (Some(previous), Some("soon"), Some("rotation-malformed")),
        (Some(previous), Some(""), Some("rotation-malformed")),
        (Some(previous), Some("2026-11-21T00:00:00Z"), Some("rotation-over")),
        (Some("short"), Some("2026-12-01T00:00:00Z"), Some("secret-short")),
        (None, Some("2026-12-01T00:00:00Z"), Some("rotation-without-secret")),
        (None, None, None),
    ] {
        let mut variables = good();
        variables.extend(secret.map(|text| ("CSRF_SECRET_PREVIOUS".to_owned(), text.to_owned())));
        variables.extend(until.map(|text| ("CSRF_SECRET_PREVIOUS_UNTIL".to_owned(), text.to_owned())));
        let found = environment_problems(&policy(), &variables, NOW);
        let codes: Vec<&str> = found.iter().map(|item| item.code).collect();
        assert_eq!(codes, told.into_iter().collect::<Vec<_>>(), "{secret:?} {until:?}");
        assert_eq!(
            found.has_errors(),
            told.is_some_and(|code| !matches!(code, "rotation-over" | "rotation-without-secret"))
        );
    }
    let mut hook = good();
    hook.insert("HOOK_B_PREVIOUS".to_owned(), "x".to_owned());
    assert_eq!(environment_problems(&policy(), &hook, NOW).len(), 1, "webhook secrets rotate too");
}

#[test]
fn live_secrets_are_the_current_one_and_the_previous_until_its_end() {
    let live = |pairs: &[(&str, &str)]| live_secrets(&map(pairs), "HOOK", NOW);
    let until = "HOOK_PREVIOUS_UNTIL";
    assert_eq!(live(&[("HOOK", " new "), ("HOOK_PREVIOUS", "old"), (until, "2026-11-21T00:00:01Z")]), ["new", "old"]);
    assert_eq!(live(&[("HOOK", "new"), ("HOOK_PREVIOUS", "old"), (until, "2026-11-21T00:00:00Z")]), ["new"]);
    assert_eq!(live(&[("HOOK", "new"), ("HOOK_PREVIOUS", "old")]), ["new"]);
    assert_eq!(live(&[("HOOK", "new"), ("HOOK_PREVIOUS", "old"), (until, "soon")]), ["new"]);
    assert_eq!(live(&[("HOOK", "new"), ("HOOK_PREVIOUS", ""), (until, "2027-01-01T00:00:00Z")]), ["new"]);
    assert_eq!(live(&[("HOOK", "")]), Vec::<String>::new());
}

#[test]
fn the_environment_is_chosen_in_order() {
    use Environment::{Development, Production, Staging};
    for (flag, variables, chosen) in [
        (None, &[][..], Some(Production)),
        (None, &[("NODE_ENV", "development")], Some(Development)),
        (None, &[("NODE_ENV", "test")], Some(Development)),
        (None, &[("NODE_ENV", "weird")], Some(Production)),
        (None, &[("VERCEL_ENV", "preview"), ("NODE_ENV", "production")], Some(Staging)),
        (None, &[("VERCEL_ENV", "weird"), ("NODE_ENV", "development")], Some(Production)),
        (None, &[("PALISADE_ENV", "development"), ("VERCEL_ENV", "production")], Some(Development)),
        (None, &[("PALISADE_ENV", ""), ("VERCEL_ENV", ""), ("NODE_ENV", "development")], Some(Development)),
        (None, &[("PALISADE_ENV", "devel"), ("NODE_ENV", "development")], None),
        (Some("production"), &[("PALISADE_ENV", "development")], Some(Production)),
        (Some("staging"), &[], Some(Staging)),
        (Some("Production"), &[], None),
        (Some(""), &[], None),
    ] {
        let found = Environment::choose(flag, &map(variables));
        assert_eq!(found.ok(), chosen, "{flag:?} {variables:?}");
    }
}

#[test]
fn serve_does_not_start_where_the_environment_contradicts_the_address() {
    let build = |environment, origin: &str, proxies: &[&str]| {
        let nets: Vec<IpNet> = proxies.iter().map(|net| net.parse().expect("net")).collect();
        let mut policy = Policy::builder("shop", vec![Origin::parse(origin).expect("origin")])
            .environment(environment)
            .upstream(Origin::parse("http://127.0.0.1:3000").expect("upstream"))
            .build()
            .expect("policy");
        policy.clients = Clients { trusted_proxies: nets, ..Clients::default() };
        policy
    };
    use Environment::{Development, Production, Staging};
    let https = "https://shop.example";
    for (environment, origin, proxies, listen, told) in [
        (Development, "http://localhost:8080", &[][..], "127.0.0.1:8080", &[][..]),
        (Development, "http://localhost:8080", &[], "[::1]:8080", &[]),
        (Development, "http://localhost:8080", &[], "0.0.0.0:8080", &["development-exposed"]),
        (Development, "http://localhost:8080", &[], "[::]:8080", &["development-exposed"]),
        (Development, "http://localhost:8080", &[], "[::ffff:10.0.0.1]:8080", &["development-exposed"]),
        (Production, https, &[], "0.0.0.0:8080", &[]),
        (Production, "http://shop.example", &[], "0.0.0.0:8080", &["public-origin-http"]),
        (Production, "http://127.0.0.1:8080", &[], "127.0.0.1:8080", &[]),
        (Staging, "http://shop.example", &[], "0.0.0.0:8080", &["public-origin-http"]),
        (Production, https, &["10.0.0.0/8", "2001::/16", "::ffff:10.0.0.0/104"], "0.0.0.0:1", &[]),
        (Production, https, &["0.0.0.0/0"], "0.0.0.0:1", &["trusted-proxies-wide"]),
        (Production, https, &["10.0.0.0/7"], "0.0.0.0:1", &["trusted-proxies-wide"]),
        (Production, https, &["2000::/15"], "0.0.0.0:1", &["trusted-proxies-wide"]),
        (Production, https, &["::ffff:0:0/96"], "0.0.0.0:1", &["trusted-proxies-wide"]),
        (Production, https, &["::/32"], "0.0.0.0:1", &["trusted-proxies-wide"]),
        (Production, https, &[], "127.0.0.1:3000", &["upstream-loop"]),
        (Production, https, &[], "0.0.0.0:3000", &["upstream-loop"]),
    ] {
        let found = start_problems(&build(environment, origin, proxies), listen.parse().expect("address"));
        let codes: Vec<&str> = found.iter().map(|item| item.code).collect();
        assert_eq!(codes, told, "{environment:?} {origin} {proxies:?} {listen}");
        assert_eq!(found.has_errors(), !told.is_empty() && environment != Staging);
    }
}

#[test]
fn the_admin_listener_stays_on_this_machine_and_its_token_is_strong() {
    let policy = Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
        .upstream(Origin::parse("http://localhost:3000").expect("upstream"))
        .build()
        .expect("policy");
    let strong = "0123456789abcdef0123456789abcdef";
    for (address, token, told) in [
        ("127.0.0.1:9180", None, &[][..]),
        ("[::1]:9180", Some(strong), &[]),
        ("0.0.0.0:9180", None, &["admin-exposed"]),
        ("10.0.0.1:9180", None, &["admin-exposed"]),
        ("[::]:9180", None, &["admin-exposed"]),
        ("127.0.0.1:3000", None, &["upstream-loop"]),
        ("127.0.0.1:9180", Some("short"), &["secret-short"]),
        ("127.0.0.1:9180", Some("changeme"), &["variable-placeholder"]),
    ] {
        let found = admin_problems(&policy, address.parse().expect("address"), token);
        assert_eq!(found.iter().map(|item| item.code).collect::<Vec<_>>(), told, "{address} {token:?}");
    }
}
