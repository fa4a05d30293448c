//! What leaves the gate, in both directions: headers, policies, caches, masks.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

#[path = "support/gate.rs"]
mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use palisade_event::{Code, Kind, Tag};
use palisade_policy::{
    ActionRule, Cors, Environment, Framework, Limit, Limits, ManifestAction, Method, Policy, PolicyBuilder, Route,
};
use support::{Gate, Outcome, body, builder, empty, get, navigate, origin, post, request, route};

fn gate() -> Gate {
    Gate::new(
        builder()
            .route(route(Method::Get, "/api/items", Kind::PublicRead))
            .route(Route { limit: Limit::parse("60/min").ok(), ..route(Method::Post, "/api/form", Kind::PublicForm) })
            .route(route(Method::Get, "/files/{*rest}", Kind::Static)),
    )
}

fn answer(status: u16, headers: &[(&str, &str)]) -> Response<Bytes> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Bytes::from_static(b"Error: at /srv/app/db.js:12 SELECT * FROM users")).expect("response")
}

fn load(gate: &Gate, target: &str, headers: &[(&str, &str)]) -> Outcome {
    gate.send_to(empty(navigate(target)), |_| answer(200, headers))
}

fn nonce(csp: &str) -> Option<&str> {
    csp.split("'nonce-").nth(1)?.split('\'').next()
}

#[test]
fn a12_every_response_carries_the_protections_whoever_made_it() {
    let gate = gate();
    let responses = [
        gate.send_to(empty(get("/api/items")), |_| answer(200, &[("server", "x"), ("x-powered-by", "y")])),
        gate.send(empty(get("/a/../b"))),
        gate.send(empty(get("/api/csrf"))),
        gate.send(empty(request("OPTIONS", "/api/items"))),
        load(&gate, "/", &[]),
        gate.send_to(empty(get("/api/items")), |_| answer(500, &[])),
    ];
    for outcome in &responses {
        let expect = [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("strict-transport-security", "max-age=31536000"),
            ("server", ""),
            ("x-powered-by", ""),
        ];
        for (name, value) in expect {
            assert_eq!(outcome.header(name), value, "{name} of {}", outcome.status());
        }
        assert!(outcome.header("content-security-policy").contains("frame-ancestors 'none'"));
        assert!(outcome.header("permissions-policy").contains("camera=()"));
        assert_eq!(outcome.header("x-request-id").len(), 26);
        assert_eq!(outcome.record.event().request_id, outcome.header("x-request-id"));
    }
}

/// A field of ours that the application brought makes the gate look at each one by itself; otherwise they are put on in
/// one piece. Nobody can tell.
#[test]
fn what_a_response_wears_does_not_depend_on_how_it_is_put_on() {
    let gate = gate();
    let own = ["x-request-id", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset"];
    for (target, status, cache) in [
        ("/", 200, None),
        ("/", 404, Some("private, no-cache")),
        ("/", 200, Some("public, max-age=60")),
        ("/files/a.css", 200, Some("max-age=60")),
        ("/api/items", 200, None),
        ("/api/items", 503, None),
    ] {
        let worn = |more: Option<(&'static str, &'static str)>| {
            let theirs = [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-app", "1")];
            let cache = cache.map(|cache| ("cache-control", cache));
            let brought: Vec<_> = theirs.into_iter().chain(cache).chain(more).collect();
            let outcome = gate.send_to(empty(get(target)), |_| answer(status, &brought));
            let mut all = BTreeMap::<String, Vec<String>>::new();
            for (name, value) in outcome.response.headers() {
                let value = if own.contains(&name.as_str()) { "" } else { value.to_str().expect("text") };
                all.entry(name.to_string()).or_default().push(value.to_owned());
            }
            (all, outcome.header("x-ratelimit-remaining").to_owned())
        };
        let (whole, left) = worn(None);
        let (one_by_one, fewer) = worn(Some(("x-frame-options", "ALLOWALL")));
        assert_eq!(whole, one_by_one, "{target} {status} {cache:?}");
        assert_eq!(whole["set-cookie"], ["a=1", "b=2"]);
        let numbers = [left, fewer].map(|text| text.parse::<u32>().ok());
        assert_eq!(numbers[0].map(|left| left - 1), numbers[1], "{target} {status} {cache:?}");
    }
}

#[test]
fn a12_hsts_is_for_production_over_https_alone() {
    for (environment, origins, expect) in [
        (Environment::Production, "https://shop.example", "max-age=31536000"),
        (Environment::Staging, "https://shop.example", ""),
        (Environment::Development, "https://shop.example", ""),
        (Environment::Production, "http://127.0.0.1", ""),
    ] {
        let small = Limits { limiter_slots: 1024, ..Limits::default() };
        let gate = Gate::new(Policy::builder("shop", vec![origin(origins)]).environment(environment).limits(small));
        let host = origins.split_once("://").expect("origin").1;
        let request = http::Request::builder().uri("/").header("host", host);
        let outcome = gate.send_to(empty(request), |_| answer(200, &[("strict-transport-security", "max-age=1")]));
        assert_eq!(outcome.header("strict-transport-security"), expect, "{environment:?} {origins}");
    }
}

#[test]
fn an_application_may_be_stricter_and_never_weaker() {
    let gate = gate();
    let with = |name: &str, value: &str| gate.send_to(empty(get("/")), |_| answer(200, &[(name, value)]));
    assert_eq!(with("referrer-policy", "no-referrer").header("referrer-policy"), "no-referrer");
    assert_eq!(with("referrer-policy", "unsafe-url").header("referrer-policy"), "strict-origin-when-cross-origin");
    let longer = "max-age=63072000; includeSubDomains";
    assert_eq!(with("strict-transport-security", longer).header("strict-transport-security"), longer);
    assert_eq!(with("strict-transport-security", "max-age=0").header("strict-transport-security"), "max-age=31536000");
    assert_eq!(with("x-frame-options", "ALLOWALL").header("x-frame-options"), "DENY");
    assert!(
        with("permissions-policy", "camera=*, fullscreen=()")
            .header("permissions-policy")
            .ends_with("browsing-topics=()")
    );
    let both = with("content-security-policy", "default-src *");
    assert_eq!(both.response.headers().get_all("content-security-policy").iter().count(), 2, "they intersect");
}

#[test]
fn a_document_gets_a_nonce_a_token_and_a_session_and_no_cache_keeps_it() {
    let gate = gate();
    let outcome = load(&gate, "/", &[("etag", "\"1\""), ("cache-control", "max-age=60")]);
    let csp = outcome.header("content-security-policy");
    assert_eq!(nonce(csp), nonce(outcome.up("content-security-policy").expect("csp on the request")));
    assert!(nonce(csp).is_some_and(|nonce| nonce.len() == 22), "{csp}");
    assert!(outcome.up("x-palisade-csrf-token").is_some());
    assert!(outcome.header("set-cookie").starts_with("__Host-palisade-sid="));
    assert_eq!(outcome.header("cache-control"), "private, no-store");
    assert_eq!(outcome.header("etag"), "");
    assert_ne!(nonce(csp), nonce(load(&gate, "/", &[]).header("content-security-policy")));
    let conditional = navigate("/").header("if-none-match", "\"1\"").header("if-modified-since", "x");
    let outcome = gate.send(empty(conditional));
    assert_eq!((outcome.up("if-none-match"), outcome.up("if-modified-since")), (None, None));
}

#[test]
fn the_token_for_server_rendered_forms_is_a_good_one() {
    let gate = gate();
    let outcome = load(&gate, "/", &[]);
    let cookie = outcome.header("set-cookie").split(';').next().expect("cookie").to_owned();
    let token = outcome.up("x-palisade-csrf-token").expect("token").to_owned();
    let form = post("/api/form")
        .header("origin", "https://shop.example")
        .header("cookie", cookie)
        .header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(gate.send(body(form, &format!("_csrf={token}&name=x"))).code(), None);
}

#[test]
fn a_page_of_ones_own_is_not_fetched_ahead_and_a_shared_one_is() {
    let gate = gate();
    let ahead = || navigate("/").header("sec-purpose", "prefetch;prerender");
    let own = gate.send_to(empty(ahead()), |_| answer(200, &[("set-cookie", "id=1")]));
    assert_eq!((own.status(), own.header("set-cookie"), own.response.body().len()), (503, "", 0));
    assert_eq!(own.code(), None, "no fault of the application's");
    let shared = gate.send_to(empty(ahead()), |_| answer(200, &[("x-nextjs-prerender", "1")]));
    assert_eq!(shared.status(), 200);
}

#[test]
fn a_page_that_answers_a_form_may_load_files_and_run_nothing_inline() {
    let gate = gate();
    let form = post("/api/form").header("sec-fetch-mode", "navigate").header("sec-fetch-site", "same-origin");
    let (cookie, token) = gate.token();
    let outcome = gate.send(empty(form.header("cookie", cookie).header("x-csrf-token", token)));
    let csp = outcome.header("content-security-policy");
    assert!(csp.contains("script-src 'self';") && csp.contains("style-src 'self'"), "{csp}");
    let data = gate.send(empty(get("/api/items")));
    assert!(data.header("content-security-policy").starts_with("default-src 'none'; base-uri 'none'"));
}

#[test]
fn what_is_not_a_document_gets_none_of_it() {
    let gate = gate();
    for (name, value) in
        [("rsc", "1"), ("next-router-prefetch", "1"), ("purpose", "prefetch"), ("sec-purpose", "prefetch;prerender")]
    {
        let outcome = gate.send(empty(navigate("/").header(name, value)));
        assert_eq!(outcome.header("set-cookie"), "", "{name}");
        assert_eq!(outcome.up("x-palisade-csrf-token"), None, "{name}");
        assert_eq!(nonce(outcome.header("content-security-policy")), None, "{name}");
    }
    let fetch =
        get("/").header("sec-fetch-dest", "empty").header("sec-fetch-mode", "cors").header("accept", "text/html");
    assert_eq!(gate.send(empty(fetch)).header("set-cookie"), "");
    let head = request("HEAD", "/").header("accept", "text/html");
    assert_eq!(gate.send(empty(head)).header("set-cookie"), "");
    assert_eq!(load(&gate, "/files/report.pdf", &[]).header("set-cookie"), "", "a file is no document");
}

/// SECURITY.md 8: nothing personal enters what caches share.
#[test]
fn what_caches_share_gets_no_cookie_and_the_policy_without_nonce() {
    let gate = gate();
    for marks in [
        ("cache-control", "public, max-age=60"),
        ("cache-control", "s-maxage=31536000"),
        ("x-nextjs-cache", "HIT"),
        ("x-nextjs-prerender", "1"),
    ] {
        let outcome = load(&gate, "/about", &[marks, ("etag", "\"1\"")]);
        let csp = outcome.header("content-security-policy");
        assert_eq!(outcome.header("set-cookie"), "", "{marks:?}");
        assert!(nonce(csp).is_none() && csp.contains("script-src 'self' 'unsafe-inline'"), "{csp}");
        assert_eq!(outcome.header("etag"), "\"1\"");
    }
    let cookie = load(&gate, "/about", &[("cache-control", "public, max-age=60"), ("set-cookie", "id=1")]);
    assert_eq!(cookie.header("cache-control"), "private, no-store", "an application's cookie is nobody else's");
    let missing = gate.send_to(empty(get("/files/x")), |_| answer(404, &[("cache-control", "public, max-age=60")]));
    assert_eq!(missing.header("cache-control"), "private, no-store");
}

#[test]
fn refusals_are_kept_by_no_cache() {
    let gate = gate();
    let refusals = [
        gate.send(empty(get("/a/../b"))),
        gate.send(empty(post("/api/form").header("origin", "https://evil.example"))),
        gate.send(empty(post("/api/items"))),
    ];
    for outcome in refusals {
        assert_eq!(outcome.header("cache-control"), "no-store");
        assert_eq!(outcome.header("vary"), "Accept, Sec-Fetch-Mode, Sec-Fetch-Site, Cookie");
    }
}

#[test]
fn rate_fields_leave_what_caches_keep() {
    let limited = Route { limit: Limit::parse("5/min").ok(), ..route(Method::Get, "/api/items", Kind::PublicRead) };
    let gate = Gate::new(builder().route(limited));
    let send = |status, cache: &str| {
        gate.send_to(empty(get("/api/items")), |_| answer(status, &[("cache-control", cache)]))
            .header("ratelimit")
            .to_owned()
    };
    assert_eq!(send(200, "no-cache"), "\"public-read\";r=4;t=12");
    for cache in ["public", "s-maxage=1", "max-age=60"] {
        assert_eq!(send(200, cache), "", "{cache}");
    }
    assert_ne!(send(404, "max-age=60"), "");
}

#[test]
fn a11_an_applications_error_is_generic_in_production_and_whole_in_development() {
    let gate = gate();
    let outcome = gate
        .send_to(empty(get("/api/items")), |_| answer(500, &[("content-length", "47"), ("content-encoding", "gzip")]));
    let json = outcome.json();
    assert_eq!((json["error"].as_str(), json["code"].as_str()), (Some("Internal server error"), Some("internal")));
    assert_eq!(json["requestId"], outcome.header("x-request-id"));
    assert_eq!(outcome.header("content-type"), "application/problem+json");
    assert_eq!((outcome.header("content-length"), outcome.header("content-encoding")), ("", ""));
    assert!(outcome.record.event().has(Tag::ErrorMasked));
    assert!(!String::from_utf8_lossy(outcome.response.body()).contains("SELECT"));
    let page = gate.send_to(empty(navigate("/")), |_| answer(503, &[]));
    assert!(page.header("content-type").starts_with("text/html") && page.status() == 503);
    assert_eq!(gate.send_to(empty(get("/api/items")), |_| answer(507, &[])).status(), 500);

    let small = Limits { limiter_slots: 1024, ..Limits::default() };
    let dev = Policy::builder("shop", vec![origin("http://shop.example")]).environment(Environment::Development);
    let outcome = Gate::new(dev.limits(small)).send_to(empty(get("/x")), |_| answer(500, &[]));
    assert!(String::from_utf8_lossy(outcome.response.body()).contains("SELECT"));
}

#[test]
fn a11_a_person_gets_a_page_and_a_program_gets_json() {
    let gate = gate();
    let page = gate.send(empty(navigate("/nothing/../here")));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("style-src 'sha256-"));
    let form = post("/api/form").header("sec-fetch-mode", "navigate").header("sec-fetch-site", "cross-site");
    assert!(gate.send(empty(form)).header("content-type").starts_with("text/html"));
    let program = gate.send(empty(get("/nothing/../here").header("accept", "*/*")));
    assert_eq!(program.header("content-type"), "application/problem+json");
}

#[test]
fn the_application_is_told_who_asks_and_nothing_a_client_made_up() {
    let gate = gate();
    let request = get("/api/items")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "gopher")
        .header("x-request-id", "mine")
        .header("x-palisade-user", "root")
        .header("x-action-forwarded", "1")
        .header("next-action", "00ff");
    let outcome = gate.send(empty(request));
    assert_eq!(outcome.up("x-forwarded-for"), Some("198.51.100.1"));
    assert_eq!(outcome.up("x-forwarded-host"), Some("shop.example"));
    assert_eq!(outcome.up("x-forwarded-proto"), Some("https"));
    assert_eq!(outcome.up("x-request-id"), Some(outcome.header("x-request-id")));
    for name in ["x-palisade-user", "x-action-forwarded", "next-action"] {
        assert_eq!(outcome.up(name), None, "{name}");
    }
}

#[test]
fn cors_grants_what_the_policy_names() {
    let cors = Cors {
        origins: vec![origin("https://app.example")],
        methods: vec!["PUT".to_owned()],
        headers: vec!["x-custom".to_owned()],
        credentials: true,
        max_age: std::time::Duration::from_secs(600),
    };
    let gate = Gate::new(builder().cors(cors).route(route(Method::Put, "/api/items", Kind::PublicForm)));
    let preflight = |origin: &str, method: &str, headers: &str| {
        gate.send(empty(
            request("OPTIONS", "/api/items")
                .header("origin", origin)
                .header("access-control-request-method", method)
                .header("access-control-request-headers", headers),
        ))
    };
    let granted = preflight("https://app.example", "PUT", "X-Custom");
    assert_eq!(granted.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(granted.header("access-control-allow-credentials"), "true");
    assert_eq!(granted.header("access-control-max-age"), "600");
    for (origin, method, headers) in [
        ("https://evil.example", "PUT", ""),
        ("https://app.example", "DELETE", ""),
        ("https://app.example", "PUT", "x-other"),
        ("null", "PUT", ""),
    ] {
        let refused = preflight(origin, method, headers);
        assert_eq!(refused.header("access-control-allow-methods"), "", "{origin} {method} {headers}");
        assert_eq!(refused.header("allow"), "PUT, OPTIONS");
    }
    let leaked = gate.send_to(empty(get("/x").header("origin", "https://evil.example")), |_| {
        answer(200, &[("access-control-allow-origin", "*"), ("access-control-allow-credentials", "true")])
    });
    assert_eq!(leaked.header("access-control-allow-origin"), "");
}

fn next() -> PolicyBuilder {
    let action =
        |pages: &[&str]| ManifestAction { name: None, pages: pages.iter().map(|page| (*page).to_owned()).collect() };
    let manifest = BTreeMap::from([
        ("aa".to_owned(), action(&["/admin"])),
        ("bb".to_owned(), action(&["/guestbook"])),
        ("cc".to_owned(), action(&["/guestbook", "/admin"])),
        ("dd".to_owned(), action(&["/guestbook", "/_not-found"])),
        ("ee".to_owned(), action(&["/guestbook"])),
    ]);
    let own = ActionRule { name: "ee".to_owned(), kind: Kind::Expensive, access: palisade_policy::Access::default() };
    builder()
        .framework(Framework::NextJs)
        .manifest(manifest)
        .action(own)
        .route(route(Method::Get, "/admin", Kind::ProtectedRead))
        .route(route(Method::Get, "/api/items", Kind::PublicRead))
}

/// SECURITY.md 1: an action is decided by its id, whatever path it was sent to.
#[test]
fn a_server_action_is_decided_by_the_action_and_never_by_the_path() {
    let gate = Gate::new(next());
    let send = |id: &str, path: &str| {
        let request = post(path).header("origin", "https://shop.example").header("next-action", id);
        gate.send(body(request, "[]")).code()
    };
    for path in ["/", "/nosuch", "/_not-found", "/guestbook", "/_next/data/x.json", "/favicon.ico", "/api/items"] {
        assert_eq!(send("aa", path), Some(Code::RouteUndeclared), "{path}");
    }
    assert_eq!(send("aa", "/admin"), Some(Code::AuthRequired), "the page wants an identity, so does its action");
    assert_eq!(send("bb", "/guestbook"), None);
    assert_eq!(send("cc", "/guestbook"), Some(Code::AuthRequired), "the strictest page counts");
    assert_eq!(send("dd", "/whatever"), None, "bundled by the not-found page, it runs anywhere");
    assert_eq!(send("ee", "/guestbook"), Some(Code::AuthRequired), "its own entry counts");
    assert_eq!(send("ffff", "/guestbook"), Some(Code::RouteUndeclared));
    let bare = post("/guestbook").header("next-action", "bb");
    assert_eq!(gate.send(body(bare, "[]")).code(), Some(Code::CsrfCrossOrigin), "no page sent it");
    let twice = post("/guestbook").header("next-action", "bb").header("next-action", "aa");
    assert_eq!(gate.send(body(twice, "[]")).code(), Some(Code::HeaderMalformed));
}

#[test]
fn an_actions_limit_counts_the_action_over_all_paths() {
    let gate = Gate::new(
        next().route(Route { limit: Limit::parse("3/min").ok(), ..route(Method::Get, "/guestbook", Kind::Page) }),
    );
    let send = |path: &str| {
        let request = post(path).header("origin", "https://shop.example").header("next-action", "dd");
        gate.send(body(request, "[]")).status()
    };
    assert_eq!([send("/a"), send("/b"), send("/c"), send("/d")], [200, 200, 200, 429]);
}

#[test]
fn page_variants_belong_to_the_pages_route() {
    let gate = Gate::new(next());
    for path in ["/admin", "/_next/data/build-1/admin.json", "/admin.rsc", "/admin.segments/_tree.segment.rsc"] {
        assert_eq!(gate.send(empty(get(path))).code(), Some(Code::AuthRequired), "{path}");
    }
}

#[test]
fn a_websocket_opens_for_our_own_origin_on_routes_that_take_one() {
    let gate = Gate::new(builder().route(Route { websocket: true, ..route(Method::Get, "/ws", Kind::Page) }));
    let handshake = |path: &str, origin: Option<&str>, version: &str| {
        let mut request = get(path)
            .header("upgrade", "websocket")
            .header("connection", "Upgrade")
            .header("sec-websocket-version", version)
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        gate.send(empty(request))
    };
    let good = handshake("/ws", Some("https://shop.example"), "13");
    assert_eq!((good.up("upgrade"), good.up("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(handshake("/ws", Some("https://evil.example"), "13").code(), Some(Code::CsrfCrossOrigin));
    assert_eq!(handshake("/ws", None, "13").code(), Some(Code::CsrfCrossOrigin));
    assert_eq!(handshake("/ws", Some("https://shop.example"), "8").code(), Some(Code::HeaderMalformed));
    let elsewhere = handshake("/", Some("https://shop.example"), "13");
    assert_eq!((elsewhere.up("upgrade"), elsewhere.up("connection")), (None, None));
}
