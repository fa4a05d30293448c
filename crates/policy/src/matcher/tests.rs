use palisade_event::Kind;
use proptest::prelude::*;

use super::*;
use crate::model::{Origin, Undeclared};
use crate::policy::Policy;

fn route(path: &str, kind: Kind, methods: &[Method]) -> Route {
    let mut route = Route::new(path, kind);
    if !methods.is_empty() {
        route.methods = methods.iter().copied().collect();
    }
    route
}

fn policy(routes: Vec<Route>, undeclared: Undeclared) -> Policy {
    let origin = Origin::parse("https://shop.example").expect("origin");
    let start = Policy::builder("shop", vec![origin]).framework(Framework::NextJs).undeclared(Kind::Page, undeclared);
    routes.into_iter().fold(start, crate::PolicyBuilder::route).build().expect("policy")
}

fn shop() -> Policy {
    policy(
        vec![
            route("/", Kind::Page, &[]),
            route("/admin", Kind::ProtectedRead, &[]),
            route("/api/contact", Kind::PublicForm, &[Method::Post]),
            route("/api/users/{user}", Kind::ProtectedRead, &[]),
            route("/api/users/{id}/posts", Kind::ProtectedWrite, &[Method::Post]),
            route("/api/users/me", Kind::Account, &[Method::Patch]),
            route("/docs/{*rest}", Kind::Page, &[]),
            route("/docs/private", Kind::ProtectedRead, &[]),
        ],
        Undeclared { deny: false, unsafe_origin: false },
    )
}

/// One word for what was found: the route's template, or the verdict.
fn say(policy: &Policy, method: &str, path: &str) -> String {
    match policy.find(method, path) {
        Found::Route(_, route) => route.path.clone(),
        Found::Method(methods) => format!("405 {methods}"),
        Found::Misspelled => "400".to_owned(),
        Found::Undeclared => "404".to_owned(),
    }
}

#[test]
fn each_spelling_of_a_declared_path_is_that_route_or_refused() {
    let shop = shop();
    for (method, path, found) in [
        ("POST", "/api/contact", "/api/contact"),
        ("POST", "/API/contact", "400"),
        ("POST", "/api/contact/", "400"),
        ("POST", "/api/contact;v=1", "400"),
        ("POST", "/api;x/contact", "400"),
        ("GET", "/API/contact", "400"),
        ("PURGE", "/api/Contact", "400"),
        ("GET", "/ADMIN", "400"),
        ("GET", "/admin/", "400"),
        ("GET", "/;x", "400"),
        ("GET", "/api/users/Ada", "/api/users/{user}"),
        ("GET", "/api/Users/Ada", "400"),
        ("GET", "/api/users/ME", "400"),
        ("POST", "/api/users/Ada/posts", "/api/users/{id}/posts"),
        ("POST", "/api/users/ada/Posts", "400"),
        ("GET", "/docs/A/b;c", "/docs/{*rest}"),
        ("GET", "/docs/Private", "400"),
        ("GET", "/docs/private/", "400"),
        ("GET", "/Docs/x", "400"),
        ("GET", "/About", "(undeclared)"),
        ("GET", "/about/", "(undeclared)"),
    ] {
        assert_eq!(say(&shop, method, path), found, "{method} {path}");
    }
}

#[test]
fn methods_are_exact_and_head_follows_get() {
    let shop = shop();
    for (method, path, found) in [
        ("GET", "/api/contact", "405 POST"),
        ("PUT", "/api/contact", "405 POST"),
        ("post", "/api/contact", "405 POST"),
        ("OPTIONS", "/api/contact", "405 POST"),
        ("TRACE", "/api/contact", "405 POST"),
        ("HEAD", "/admin", "/admin"),
        ("POST", "/admin", "405 GET, HEAD"),
        ("GET", "/api/users/me", "405 PATCH"),
        ("POST", "/nosuch", "405 GET, HEAD"),
        ("BREW", "/nosuch", "405 GET, HEAD"),
        ("GET", "/nosuch", "(undeclared)"),
        ("HEAD", "/nosuch", "(undeclared)"),
        ("POST", "/_next/static/x.js", "405 GET, HEAD"),
        ("GET", "/_next/static/Chunk-A.js", "/_next/static/{*rest}"),
        ("GET", "/_next/image", "/_next/image"),
    ] {
        assert_eq!(say(&shop, method, path), found, "{method} {path}");
    }
}

#[test]
fn prefixes_do_not_shadow_and_the_specific_path_wins() {
    let shop = shop();
    for (path, found) in [
        ("/docs", "(undeclared)"),
        ("/docs/private", "/docs/private"),
        ("/docs/private/x", "/docs/{*rest}"),
        ("/docs/privat", "/docs/{*rest}"),
        ("/api/users/me2", "/api/users/{user}"),
        ("/api/users", "(undeclared)"),
        ("/admin2", "(undeclared)"),
        ("/adm", "(undeclared)"),
    ] {
        assert_eq!(say(&shop, "GET", path), found, "{path}");
    }
}

#[test]
fn page_variants_are_decided_as_their_page() {
    let shop = shop();
    for (path, found) in [
        ("/_next/data/b-1/admin.json", "/admin"),
        ("/_next/data/b-1/index/admin.json", "/admin"),
        ("/_next/data/b-1/Admin.json", "400"),
        ("/_next/data/b-1/index.json", "/"),
        ("/_next/data/b-1/nosuch.json", "(undeclared)"),
        ("/admin.rsc", "/admin"),
        ("/index.rsc", "/"),
        ("/index/admin.rsc", "/admin"),
        ("/ADMIN.rsc", "400"),
        ("/admin.segments/_tree.segment.rsc", "/admin"),
        ("/admin.segments/a.segments/x/__PAGE__.segment.rsc", "(undeclared)"),
        ("/index.segments/_tree.segment.rsc", "/"),
        ("/docs/private.rsc", "/docs/private"),
        ("/_next/static/x.rsc", "/_next/static/{*rest}"),
    ] {
        assert_eq!(say(&shop, "GET", path), found, "{path}");
        assert_eq!(say(&shop, "HEAD", path), found, "{path}");
    }
}

#[test]
fn what_changes_something_never_borrows_a_page_by_its_variant() {
    let open = policy(
        vec![
            route("/api/contact", Kind::PublicForm, &[Method::Post]),
            route("/files/{name}", Kind::ProtectedWrite, &[Method::Put]),
        ],
        Undeclared { deny: false, unsafe_origin: true },
    );
    assert_eq!(say(&open, "POST", "/api/contact.rsc"), "405 GET, HEAD");
    assert_eq!(say(&open, "POST", "/_next/data/b/api/contact.json"), "405 GET, HEAD");
    assert_eq!(say(&open, "PUT", "/files/a.rsc"), "/files/{name}");
}

#[test]
fn paths_outside_the_framework_are_themselves() {
    for (framework, path, page) in [
        (None, "/x.rsc", "/x.rsc"),
        (None, "/_next/data/b/x.json", "/_next/data/b/x.json"),
        (Some(Framework::NextJs), "/x", "/x"),
        (Some(Framework::NextJs), "/.rsc", "/.rsc"),
        (Some(Framework::NextJs), "/x.segment.rsc", "/x.segment"),
        (Some(Framework::NextJs), "/_next/data/b.json", "/_next/data/b.json"),
        (Some(Framework::NextJs), "/_next/data/b/.json", "/_next/data/b/.json"),
        (Some(Framework::NextJs), "/_next/data/b/x", "/_next/data/b/x"),
        (Some(Framework::NextJs), "/_next/data//x.json", "/x"),
        (Some(Framework::NextJs), "/index.rsc", "/"),
        (Some(Framework::NextJs), "/indexed.rsc", "/indexed"),
    ] {
        assert_eq!(page_path(framework, path), page, "{path}");
        assert!(matches!(page_path(framework, path), Cow::Borrowed(_)));
    }
}

#[test]
fn undeclared_paths_open_only_as_far_as_the_policy_says() {
    let closed = policy(Vec::new(), Undeclared { deny: true, unsafe_origin: false });
    let open = policy(Vec::new(), Undeclared { deny: false, unsafe_origin: true });
    for method in ["GET", "POST", "BREW"] {
        assert_eq!(say(&closed, method, "/x"), "404");
    }
    assert_eq!(say(&open, "POST", "/x"), "(undeclared)");
    assert_eq!(say(&open, "BREW", "/x"), "405 GET, HEAD, POST, PUT, PATCH, DELETE");
    assert_eq!(open.route(open.undeclared_route()).map(|route| route.csrf), Some(crate::CsrfStrength::Origin));
    assert!(closed.allowed("/x").is_empty());
    assert_eq!(open.allowed("/x").to_string(), "GET, HEAD, POST, PUT, PATCH, DELETE");
    assert!(open.allowed("/FAVICON.ico").is_empty());
    assert_eq!(say(&Policy::deny_all(), "GET", "/"), "404");
}

#[test]
fn a_template_with_upper_case_is_not_slipped_past_in_lower_case() {
    let odd =
        policy(vec![route("/Admin/", Kind::ProtectedRead, &[])], Undeclared { deny: false, unsafe_origin: false });
    assert_eq!(say(&odd, "GET", "/Admin/"), "/Admin/");
    assert_eq!(say(&odd, "GET", "/admin"), "400");
    assert_eq!(say(&odd, "GET", "/Admin"), "400");
}

#[test]
fn one_path_may_have_a_route_for_each_method() {
    let split = policy(
        vec![
            route("/api/items", Kind::PublicRead, &[]),
            route("/api/items", Kind::ProtectedWrite, &[Method::Post, Method::Put]),
        ],
        Undeclared { deny: true, unsafe_origin: false },
    );
    let kind = |method| match split.find(method, "/api/items") {
        Found::Route(_, route) => Some(route.kind),
        _ => None,
    };
    assert_eq!(kind("GET"), Some(Kind::PublicRead));
    assert_eq!(kind("HEAD"), Some(Kind::PublicRead));
    assert_eq!(kind("PUT"), Some(Kind::ProtectedWrite));
    assert_eq!(kind("DELETE"), None);
    assert_eq!(split.allowed("/api/items").to_string(), "GET, HEAD, POST, PUT");
}

/// Another spelling of a path: each letter in either case, `;parameters` after segments, slashes at the end.
fn respelled(path: &'static str) -> impl Strategy<Value = String> {
    let cases = proptest::collection::vec(any::<bool>(), path.len());
    let parameters = proptest::collection::vec("(;[a-z=]{0,3})?", path.split('/').count());
    (cases, parameters, "/{0,2}").prop_map(move |(cases, parameters, end)| {
        let cased: String =
            path.chars().zip(cases).map(|(c, upper)| if upper { c.to_ascii_uppercase() } else { c }).collect();
        let parts: Vec<String> =
            cased.split('/').zip(&parameters).map(|(part, more)| format!("{part}{more}")).collect();
        format!("/{}{end}", parts.join("/").trim_start_matches(|c| c != '/').trim_start_matches('/'))
    })
}

proptest! {
    #[test]
    fn no_spelling_of_a_declared_path_reaches_another_route(
        (declared, path) in prop_oneof![Just("/admin"), Just("/api/contact"), Just("/api/users/me"), Just("/docs/private")]
            .prop_flat_map(|declared| (Just(declared), respelled(declared)))
    ) {
        let shop = shop();
        for method in ["GET", "POST", "PATCH"] {
            let found = say(&shop, method, &path);
            let refused = found.starts_with('4');
            prop_assert!(refused || (found == declared && path == declared), "{method} {path}: {found}");
        }
    }

    #[test]
    fn finding_never_panics(method in "[A-Z]{0,7}", path in "(/|\\PC|;|%|\\.rsc|\\.json|/_next/data/|\\.segments/|\\.segment|/index){0,12}") {
        let shop = shop();
        let found = say(&shop, &method, &path);
        prop_assert!(!found.is_empty());
        prop_assert!(shop.allowed(&path).is_empty() == (found == "400"), "{path}: {found}");
    }
}
