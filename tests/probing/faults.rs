//! A shop with one fault at a time: the check of that name finds it, and nothing else that is not there.

use std::collections::BTreeSet;
use std::time::Duration;

use palisade_check::experiments::{EXPERIMENTS, LIVE_CHECKS, experiment, was_asked};
use palisade_check::facts::live::{Aim, Live};
use palisade_check::{Case, Fact, Facts, Status};
use palisade_probe::live::{self, Caps, Consent, Plan, Target};
use palisade_testkit::{SHOP_OTHER, SHOP_SECRET, SHOP_TOKEN, shop};

/// Each fault, by the check that finds it, and what a fault of that sort brings along.
const FAULTS: &[(&str, &[&str])] = &[
    ("headers/content-security-policy", &["headers/policy-depth"]),
    ("headers/policy-depth", &[]),
    ("headers/cookies", &[]),
    ("headers/cross-origin-embedder-policy", &[]),
    ("headers/cross-origin-opener-policy", &[]),
    ("headers/cross-origin-resource-policy", &[]),
    ("headers/cross-origin-resource-sharing", &[]),
    ("headers/permissions-policy", &[]),
    ("headers/referrer-policy", &[]),
    ("headers/subresource-integrity", &[]),
    ("headers/x-content-type-options", &[]),
    ("headers/x-frame-options", &[]),
    ("errors/stack-trace", &[]),
    ("errors/path", &[]),
    ("errors/sql", &[]),
    ("errors/detail", &[]),
    ("errors/debug-page", &[]),
    ("errors/banner", &[]),
    ("errors/version", &[]),
    ("errors/source-map", &[]),
    ("errors/env-file", &[]),
    ("errors/git", &[]),
    ("errors/manifest", &[]),
    ("errors/backup", &[]),
    ("errors/status-page", &[]),
    ("errors/listing", &[]),
    ("errors/secret", &[]),
    ("errors/trace", &[]),
    ("errors/not-found", &[]),
    ("rate-limit/enforced", &[]),
    ("rate-limit/status", &[]),
    ("rate-limit/retry-after", &[]),
    ("rate-limit/retry-after-true", &[]),
    ("rate-limit/fields", &[]),
    ("rate-limit/forwarded-for", &[]),
    ("rate-limit/address-fields", &[]),
    ("rate-limit/spelling", &[]),
    ("rate-limit/query", &[]),
    ("rate-limit/agent", &[]),
    ("csrf/missing", &[]),
    ("csrf/fake", &[]),
    ("csrf/valid", &[]),
    ("csrf/reused", &[]),
    ("csrf/other-session", &[]),
    ("csrf/cross-origin", &[]),
    ("csrf/cross-site-fetch", &[]),
    ("csrf/null-origin", &[]),
    ("csrf/look-alike-origin", &[]),
    ("csrf/simple-type", &[]),
    ("csrf/override", &[]),
    ("csrf/url", &[]),
    ("csrf/length", &[]),
    ("csrf/fixed", &[]),
    ("csrf/cached", &[]),
    ("csrf/shared", &[]),
    ("csrf/cookie", &[]),
    ("input/xss", &[]),
    ("input/xss-query", &[]),
    ("input/sql", &[]),
    ("input/traversal", &[]),
    ("input/template", &[]),
    ("input/command", &[]),
    ("input/header", &[]),
    ("input/redirect", &[]),
    ("input/length", &[]),
    ("input/required", &[]),
    ("input/type", &[]),
    ("input/array", &[]),
    ("input/unknown-field", &[]),
    ("input/malformed", &[]),
    ("input/media-type", &[]),
    ("input/duplicate", &[]),
    ("input/server-error", &[]),
    ("auth/anonymous", &["auth/other-user"]),
    ("auth/garbage", &[]),
    ("auth/unsigned", &[]),
    // Whoever does not verify signatures takes each of these.
    ("auth/weak-key", &["auth/expired", "auth/issuer"]),
    ("auth/expired", &["auth/weak-key", "auth/issuer"]),
    ("auth/issuer", &["auth/weak-key", "auth/expired"]),
    ("auth/cookie", &[]),
    ("auth/claimed-user", &[]),
    ("auth/subrequest", &[]),
    ("auth/local-address", &[]),
    ("auth/spelling", &[]),
    ("auth/method", &[]),
    ("auth/token-in-url", &[]),
    ("auth/valid", &[]),
    ("auth/other-user", &[]),
    ("auth/cached", &[]),
    ("auth/session-cookie", &[]),
    ("webhook/unsigned", &[]),
    ("webhook/wrong", &["webhook/large"]),
    ("webhook/empty-key", &[]),
    ("webhook/valid", &[]),
    ("webhook/replayed", &[]),
    ("webhook/stale", &[]),
    ("webhook/future", &[]),
    ("webhook/changed", &[]),
    ("webhook/large", &[]),
    ("webhook/status", &[]),
    ("actions/foreign-path", &[]),
    ("actions/cross-origin", &[]),
    ("actions/no-origin", &[]),
    ("actions/unknown", &[]),
];

#[test]
fn each_fault_is_found_by_its_own_id() {
    let wrong: Vec<_> = std::thread::scope(|scope| {
        // A few at a time: most of their time goes by in waiting.
        let shares: Vec<_> = (0..8)
            .map(|share| {
                scope.spawn(move || FAULTS.iter().skip(share).step_by(8).filter_map(missed).collect::<Vec<_>>())
            })
            .collect();
        shares.into_iter().flat_map(|share| share.join().expect("a share of the faults")).collect()
    });
    assert!(wrong.is_empty(), "{} of {} faults:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
}

/// What is wrong with how a fault was found.
fn missed((fault, along): &(&'static str, &[&str])) -> Option<String> {
    let name = fault.split('/').next().expect("a name");
    let found = found(&ask(fault, &[name]), &[Status::Fail, Status::Warn]);
    let others: Vec<_> = found.iter().filter(|id| *id != fault && !along.contains(&id.as_str())).collect();
    (!found.contains(*fault) || !others.is_empty()).then(|| format!("  {fault}: found {found:?}"))
}

#[test]
fn the_well_behaved_twin_is_clean() {
    let names: Vec<_> = EXPERIMENTS.iter().map(|experiment| experiment.name).chain(["headers"]).collect();
    let found = found(&ask("", &names), &[Status::Fail, Status::Warn, Status::Unknown]);
    assert_eq!(found, BTreeSet::new());
}

#[test]
fn every_check_but_those_of_handshakes_has_its_fault() {
    // What only https shows, and what the shop cannot do wrong alone.
    let without = ["headers/strict-transport-security", "headers/redirection", "auth/rewritten-path", "rate-limit/own"];
    let checks = LIVE_CHECKS.iter().map(|check| check.id).filter(|id| !id.starts_with("tls/") && !without.contains(id));
    let missing: Vec<_> = checks.filter(|id| !FAULTS.iter().any(|(fault, _)| fault == id)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(FAULTS.len() >= 60, "{}", FAULTS.len());
}

#[test]
fn who_cannot_be_reached_is_unknown_and_not_found_wanting() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    drop(listener);
    let target = Target::new(&url, &Consent::default()).expect("this machine");
    let aims = vec![(experiment("errors").expect("known"), aim(&target.origin(), "", "/"))];
    let live = live::collect(&target, &Plan { headers: true, aims, ..Plan::default() }, Caps::default(), &mut |_| {});
    assert!(live.site.known().is_err_and(|unknown| unknown.why.contains("cannot be reached")), "{live:?}");
    assert!(found(&live, &[Status::Fail, Status::Warn]).is_empty());
}

#[test]
fn a_wait_that_is_asked_for_is_kept_and_secrets_stay_out_of_what_is_kept() {
    let live = ask("", &["rate-limit", "auth", "webhook"]);
    let text = serde_json::to_string(&live.trials).expect("JSON");
    for secret in [SHOP_TOKEN, SHOP_OTHER, SHOP_SECRET] {
        assert!(!text.contains(secret), "{secret}");
    }
    let waited = live.trials.iter().flat_map(|trial| &trial.exchanges).find(|exchange| exchange.sent.step == "waited");
    assert!(waited.is_some_and(|exchange| exchange.sent.after >= Duration::from_secs(1)));
}

/// The ids of checks that came to one of some statuses.
fn found(live: &Live, wanted: &[Status]) -> BTreeSet<String> {
    let checks: Vec<_> = LIVE_CHECKS.iter().copied().filter(|check| was_asked(live, check)).collect();
    let facts = Facts { live: Fact::Known(live.clone()), ..Facts::default() };
    let case = Case { facts: &facts, policy: None, environment: "production", today: "2026-01-31" };
    let mut found = BTreeSet::new();
    palisade_check::run(&case, &checks, &mut |finding| {
        if wanted.contains(&finding.status) {
            found.insert(finding.check.id.to_owned());
        }
    });
    found
}

/// Asks a shop with a fault.
fn ask(fault: &'static str, names: &[&str]) -> Live {
    let shop = shop(fault);
    let target =
        Target::new(&format!("http://{}", shop.origin().authority), &Consent::default()).expect("this machine");
    let origin = target.origin();
    let all = [
        ("errors", aim(&origin, "", "/")),
        (
            "auth",
            Aim {
                token: Some(SHOP_TOKEN.to_owned()),
                other_token: Some(SHOP_OTHER.to_owned()),
                ..aim(&origin, "GET", "/api/me")
            },
        ),
        ("csrf", Aim { body: Some("{\"name\":\"Ann\"}".to_owned()), ..aim(&origin, "POST", "/api/contact") }),
        ("input", Aim { body: Some("{\"name\":\"Ann\"}".to_owned()), ..aim(&origin, "POST", "/api/contact") }),
        ("input", aim(&origin, "GET", "/search")),
        (
            "webhook",
            Aim {
                scheme: Some("stripe".to_owned()),
                secret: Some(SHOP_SECRET.to_owned()),
                ..aim(&origin, "POST", "/api/hook")
            },
        ),
        ("actions", aim(&origin, "", "/")),
        ("rate-limit", aim(&origin, "GET", "/api/limited")),
    ];
    let wanted = all.into_iter().filter(|(name, _)| names.contains(name));
    let aims = wanted.map(|(name, aim)| (experiment(name).expect("known"), aim)).collect();
    let plan = Plan { headers: names.contains(&"headers"), aims, ..Plan::default() };
    live::collect(&target, &plan, Caps::default(), &mut |_| {})
}

fn aim(origin: &str, method: &str, path: &str) -> Aim {
    Aim {
        origin: origin.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        csrf_path: "/api/csrf".to_owned(),
        csrf_header: "x-csrf-token".to_owned(),
        requests: 20,
        now: live::now(),
        marker: live::marker(),
        ..Aim::default()
    }
}
