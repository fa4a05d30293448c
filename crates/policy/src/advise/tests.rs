use super::*;
use crate::file::{Sources, parse};
use crate::model::Environment;

const SHOP: &str = r#"
[app]
name = "shop"
public_origin = "https://shop.example"
services = ["clerk"]
framework = "nextjs"

[csrf]
trusted_origins = ["https://admin.shop.example"]

[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"

[[route]]
path = "/api/users/{user}/posts"
methods = ["GET", "POST"]
kind = "search"
limit = "30/min"
csrf = "none"
because = "only searches"
access = { owner = "user", plan = ["pro"] }

[[route]]
path = "/api/hooks/stripe"
kind = "webhook"
signature = "stripe"

[[route]]
path = "/api/avatar"
methods = ["PUT"]
kind = "upload"
limit = "1000/s"
cost = 3
media_types = ["image/png"]
signals = "block"
"#;

fn shop(more: &str) -> Policy {
    let text = format!("{SHOP}{more}");
    let built = parse(palisade_diag::FileId(0), &text).0.build(&Sources::new(Environment::Production));
    built.unwrap_or_else(|found| panic!("{found}")).policy
}

fn stages(advice: &Advice) -> Vec<&'static str> {
    advice.protections.iter().map(|protection| protection.stage.id()).collect()
}

#[test]
fn advise_says_which_protections_a_route_needs_and_why() {
    let advice = shop("").advise("POST", "/api/contact");
    assert_eq!((advice.kind, advice.outcome), (Kind::PublicForm, Outcome::Declared));
    assert_eq!(stages(&advice), ["target", "block", "rate", "origin", "csrf-token", "body", "claim"]);
    let setting = |stage| advice.protections.iter().find(|it| it.stage == stage).map(|it| it.setting.as_str());
    assert_eq!(setting(Stage::Rate), Some("5/min per client, burst 5, then one every 12 s"));
    assert_eq!(
        setting(Stage::CsrfToken),
        Some("single-use token in X-CSRF-Token or form field _csrf, from GET /api/csrf")
    );
    assert!(advice.protections.iter().all(|it| !it.because.is_empty()));
    assert!(advice.protections.iter().any(|it| it.because.contains("OWASP")));
}

#[test]
fn advice_in_full() {
    let shop = shop("");
    let asked = [
        ("POST", "/api/contact"),
        ("POST", "/api/users/ada/posts?x=1"),
        ("GET", "/api/users/ada/posts"),
        ("POST", "/api/hooks/stripe"),
        ("PUT", "/api/avatar"),
        ("GET", "/about"),
    ];
    let shown: Vec<String> = asked.iter().map(|(method, path)| shop.advise(method, path).to_string()).collect();
    insta::assert_snapshot!(shown.join("----\n"));
}

#[test]
fn stages_stand_in_the_order_of_the_gate() {
    for kind in Kind::ALL {
        for method in ["GET", "POST"] {
            let route = Route::new("/x", kind);
            let advice = Advice::of(None, &route, method, Outcome::NoPolicy, String::new());
            assert!(advice.protections.is_sorted_by_key(|it| it.stage), "{kind}");
            assert!(advice.protections.iter().all(|it| !advice.without.iter().any(|other| other.stage == it.stage)));
        }
    }
}

#[test]
fn what_the_gate_refuses_is_told_with_its_status() {
    let open = shop("");
    let closed = shop("[undeclared]\ndeny = true\n");
    for (policy, method, path, outcome, note) in [
        (&open, "GET", "/api/contact", Outcome::Method([Method::Post].into_iter().collect()), "405"),
        (&open, "POST", "/nosuch", Outcome::Method(Methods::READ), "405"),
        (&open, "POST", "/API/contact", Outcome::Misspelled, "400"),
        (&open, "post", "https://shop.example/api/contact", Outcome::Declared, "public-form"),
        (&open, "GET", "/nosuch", Outcome::Undeclared, "no route names this path"),
        (&open, "GET", "/_next/static/x.js", Outcome::Declared, "static"),
        (&open, "GET", "/api/csrf", Outcome::Gate, "fresh CSRF token"),
        (&open, "OPTIONS", "/api/contact", Outcome::Gate, "Allow: POST"),
        (&open, "BREW", "/api/contact", Outcome::Method([Method::Post].into_iter().collect()), "405"),
        (&closed, "GET", "/nosuch", Outcome::Refused, "404"),
    ] {
        let advice = policy.advise(method, path);
        assert_eq!(advice.outcome, outcome, "{method} {path}");
        assert!(advice.note.contains(note), "{method} {path}: {}", advice.note);
    }
    assert!(closed.advise("GET", "/nosuch").protections.is_empty());
}

#[test]
fn a_guess_is_told_as_one_and_its_entry_is_valid() {
    for (method, path, kind) in [
        ("POST", "/api/contact", Kind::PublicForm),
        ("POST", "/api/support/tickets", Kind::PublicForm),
        ("POST", "/api/auth/sign-in", Kind::Login),
        ("POST", "/login", Kind::Login),
        ("PUT", "/api/avatar", Kind::Upload),
        ("POST", "/api/webhooks/stripe", Kind::Webhook),
        ("POST", "/api/checkout", Kind::Payment),
        ("POST", "/api/search", Kind::Search),
        ("GET", "/search", Kind::Search),
        ("GET", "/api/export.csv", Kind::Export),
        ("POST", "/api/reports", Kind::Report),
        ("POST", "/api/ai/summarize", Kind::Expensive),
        ("POST", "/api/users/bulk-delete", Kind::Bulk),
        ("DELETE", "/api/account", Kind::Account),
        ("POST", "/api/password/reset", Kind::PublicForm),
        ("POST", "/api/posts", Kind::ProtectedWrite),
        ("DELETE", "/api/posts/{id}", Kind::ProtectedWrite),
        ("GET", "/api/posts", Kind::PublicRead),
        ("GET", "/api/users/{id}", Kind::ProtectedRead),
        ("GET", "/healthz", Kind::Health),
        ("GET", "/logo.svg", Kind::Static),
        ("GET", "/", Kind::Page),
        ("GET", "/pricing", Kind::Page),
        ("PATCH", "/api/maintenance", Kind::ProtectedWrite),
    ] {
        let advice = Advice::without_policy(method, path);
        assert_eq!(advice.kind, kind, "{method} {path}");
        assert!(advice.note.contains("is a guess"), "{}", advice.note);
        let proposal = advice.proposal.unwrap_or_else(|| panic!("no proposal for {path}"));
        let text = format!("[app]\nname = \"a\"\npublic_origin = \"https://a.example\"\n{proposal}");
        let built = parse(palisade_diag::FileId(0), &text).0.build(&Sources::new(Environment::Production));
        let policy = built.unwrap_or_else(|found| panic!("{proposal}: {found}")).policy;
        assert_eq!(policy.advise(method, path).kind, kind, "{proposal}");
    }
    assert_eq!(Advice::without_policy("POST", "/a//b").proposal, None);
}

#[test]
fn json_has_the_documented_shape() {
    let value = shop("").advise("POST", "/api/contact").json();
    assert_eq!(
        (&value["route"], &value["method"], &value["kind"]),
        (&"/api/contact".into(), &"POST".into(), &"public-form".into())
    );
    let first = value["protections"][0].as_object().expect("protection");
    assert_eq!(first.keys().collect::<Vec<_>>(), ["stage", "setting", "because"]);
    let matrix = matrix_json();
    assert_eq!(matrix["kinds"].as_array().map(Vec::len), Some(18));
    assert_eq!(matrix["guide"].as_array().map(Vec::len), Some(6));
}

#[test]
fn a6_the_guides_decision_matrix_is_what_the_kinds_do() {
    let rows: Vec<_> = guide_matrix()
        .routes
        .iter()
        .map(|row| (row.route_type, row.rate_limit, row.csrf, row.authentication))
        .collect();
    // Copied from the guide.
    assert_eq!(
        rows,
        [
            ("Public form submission", "Yes", "Yes", "No"),
            ("Protected data modification", "Yes", "Yes", "Yes"),
            ("Public read-only API", "No", "No", "No"),
            ("Protected read-only API", "Maybe", "No", "Yes"),
            ("Webhook endpoint", "Yes", "No", "Signature"),
            ("File upload", "Yes", "Yes", "Yes"),
        ]
    );
}

#[test]
fn a1_each_case_of_the_guide_has_a_kind_with_a_limit() {
    let limits = guide_matrix().limits;
    assert_eq!(limits.iter().filter(|case| case.limit.is_some()).count(), 11);
    let kinds: Vec<&str> = limits.iter().take(11).map(|case| case.kind.id()).collect();
    assert_eq!(
        kinds,
        [
            "public-form",
            "login",
            "protected-write",
            "public-form",
            "webhook",
            "upload",
            "search",
            "export",
            "expensive",
            "report",
            "bulk",
        ]
    );
}

#[test]
fn a2_four_kinds_have_no_limit_and_may_opt_in() {
    let none: Vec<&str> =
        Kind::ALL.into_iter().filter(|kind| crate::KindDefaults::of(*kind).limit.is_none()).map(Kind::id).collect();
    assert_eq!(none, ["static", "health", "public-read", "delegated"]);
    let policy = shop("[[route]]\npath = \"/api/rates\"\nkind = \"public-read\"\nlimit = \"10/s\"\n");
    let advice = policy.advise("GET", "/api/rates");
    assert!(advice.protections.iter().any(|it| it.stage == Stage::Rate && it.setting.starts_with("10/s")));
}

#[test]
fn a3_a4_csrf_follows_from_the_kind() {
    for row in matrix() {
        let defaults = crate::KindDefaults::of(row.kind);
        let reads_or_hook = defaults.is_read_only() || row.kind == Kind::Webhook;
        assert_eq!(row.csrf == "none" || row.csrf.starts_with("never"), reads_or_hook, "{}", row.kind);
    }
}

#[test]
fn the_matrix_is_that_of_the_design() {
    let rows: Vec<String> = matrix()
        .iter()
        .map(|row| {
            format!("{} | {} | {} | {} | {} | {}", row.kind, row.methods, row.limit, row.csrf, row.identity, row.body)
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
}
