//! What the gate decides, by request.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

#[path = "support/gate.rs"]
mod support;

use palisade_event::{Code, Kind, Stage};
use palisade_guard::Plan;
use palisade_policy::{
    Clients, Csrf, CsrfStrength, Environment, Limit, Limits, Listen, Method, Mode, Policy, Route, Undeclared,
};
use support::{Gate, body, builder, empty, from, get, navigate, origin, post, request, route};

fn gate() -> Gate {
    Gate::new(
        builder()
            .route(route(Method::Post, "/api/contact", Kind::PublicForm))
            .route(Route { limit: Limit::parse("60/min").ok(), ..route(Method::Post, "/api/form", Kind::PublicForm) })
            .route(route(Method::Get, "/api/items", Kind::PublicRead))
            .route(route(Method::Get, "/api/me", Kind::ProtectedRead))
            .route(route(Method::Post, "/api/posts", Kind::ProtectedWrite))
            .route(route(Method::Post, "/api/search", Kind::Search)),
    )
}

fn same_origin(builder: http::request::Builder) -> http::request::Builder {
    builder.header("origin", "https://shop.example").header("sec-fetch-site", "same-origin")
}

#[test]
fn a1_a_burst_over_the_quota_gets_429_with_everything_a_client_needs() {
    let gate = gate();
    let outcomes: Vec<_> = (0..7).map(|_| gate.send(empty(post("/api/contact")))).collect();
    let refused: Vec<bool> = outcomes.iter().map(|outcome| outcome.status() == 429).collect();
    assert_eq!(refused, [false, false, false, false, false, true, true]);
    let last = &outcomes[6];
    assert_eq!((last.code(), last.stage()), (Some(Code::RateLimited), Some(Stage::Rate)));
    assert_eq!(last.header("retry-after"), "12");
    assert_eq!(last.header("ratelimit-policy"), "\"public-form\";q=5;w=60");
    assert_eq!(last.header("ratelimit"), "\"public-form\";r=0;t=12");
    assert_eq!(last.header("x-ratelimit-limit"), "5");
    assert_eq!(last.header("x-ratelimit-remaining"), "0");
    let json = last.json();
    assert_eq!(json["error"], "Too many requests");
    assert_eq!(json["retryAfter"], 12);
    assert_eq!(json["violated-policies"][0], "public-form");
    assert_eq!(json["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
}

#[test]
fn a2_open_kinds_are_not_limited_and_can_opt_in() {
    let limit = Limit::parse("2/min").ok();
    let gate = Gate::new(
        builder()
            .route(route(Method::Get, "/a", Kind::PublicRead))
            .route(route(Method::Get, "/b", Kind::Static))
            .route(route(Method::Get, "/c", Kind::Health))
            .route(route(Method::Post, "/d", Kind::Delegated))
            .route(Route { limit, ..route(Method::Get, "/e", Kind::PublicRead) }),
    );
    for path in ["/a", "/b", "/c"] {
        assert!((0..500).all(|_| gate.send(empty(get(path))).admitted()), "{path}");
    }
    assert!((0..500).all(|_| gate.send(empty(post("/d"))).admitted()));
    let opted: Vec<_> = (0..3).map(|_| gate.send(empty(get("/e"))).status()).collect();
    assert_eq!(opted, [200, 200, 429]);
}

#[test]
fn a3_every_state_changing_method_of_a_browser_kind_needs_a_token() {
    for kind in Kind::ALL {
        for method in [Method::Post, Method::Put, Method::Patch, Method::Delete] {
            let route = Route { success: Some(palisade_policy::Success::Status(302)), ..route(method, "/x", kind) };
            if route.csrf != CsrfStrength::Token {
                continue;
            }
            let media_types = vec!["image/png".to_owned()];
            let Ok(policy) = builder().route(Route { media_types, ..route }).build() else { continue };
            let gate = Gate::new(support::builder().route(policy.routes()[0].clone()));
            let outcome = gate.send(empty(same_origin(request(method.id(), "/x"))));
            assert_eq!(outcome.code(), Some(Code::CsrfTokenMissing), "{kind} {}", method.id());
        }
    }
}

#[test]
fn a4_reads_and_webhooks_want_no_token() {
    let gate = gate();
    let cross = gate.send(empty(get("/api/items").header("sec-fetch-site", "cross-site").header("cookie", "a=1")));
    assert!(cross.admitted());
    for kind in [Kind::Page, Kind::Static, Kind::Health, Kind::PublicRead, Kind::ProtectedRead, Kind::Webhook] {
        assert_ne!(Route::new("/x", kind).csrf, CsrfStrength::Token, "{kind}");
    }
    assert_eq!(Route::new("/x", Kind::Webhook).csrf, CsrfStrength::None);
}

#[test]
fn a5_a_limited_request_does_no_token_check_and_a_refused_one_spends_nothing() {
    let gate = gate();
    let (cookie, token) = gate.token();
    let spend = || same_origin(post("/api/contact")).header("cookie", &cookie).header("x-csrf-token", &token);
    // Five refusals for a foreign origin use up the quota and leave the token alone.
    for _ in 0..5 {
        let foreign = post("/api/contact").header("origin", "https://evil.example").header("x-csrf-token", &token);
        assert_eq!(gate.send(empty(foreign)).code(), Some(Code::CsrfCrossOrigin));
    }
    let limited = gate.send(empty(spend()));
    assert_eq!(limited.stage(), Some(Stage::Rate), "the token of a limited request is not looked at");
    let explained = gate.send(empty(same_origin(post("/api/contact")).header("x-csrf-token", "garbage")));
    assert_eq!(explained.code(), Some(Code::RateLimited), "nor is a bad one");
    let later = Gate { seconds: gate.seconds + 60, ..gate };
    assert!(later.send(empty(spend())).admitted(), "and it is still good a minute later");
    assert_eq!(later.send(empty(spend())).code(), Some(Code::CsrfTokenReused));
}

#[test]
fn a6_the_decision_matrix_is_enforced_for_the_guides_six_route_types() {
    let secrets = palisade_policy::Signature {
        scheme: palisade_policy::SignatureScheme::Stripe,
        secrets: vec!["STRIPE_WEBHOOK_SECRET".to_owned()],
    };
    let gate = Gate::new(
        builder()
            .route(route(Method::Post, "/form", Kind::PublicForm))
            .route(route(Method::Post, "/write", Kind::ProtectedWrite))
            .route(route(Method::Get, "/public", Kind::PublicRead))
            .route(route(Method::Get, "/private", Kind::ProtectedRead))
            .route(Route { signature: Some(secrets), ..route(Method::Post, "/hook", Kind::Webhook) })
            .route(Route { media_types: vec!["image/png".to_owned()], ..route(Method::Post, "/file", Kind::Upload) }),
    );
    let (cookie, _) = gate.token();
    // Type, method, rate limited, what an anonymous request without a token gets, and one with a token.
    let rows = [
        ("/form", "POST", true, Some(Code::CsrfTokenMissing), None),
        ("/write", "POST", true, Some(Code::CsrfTokenMissing), Some(Code::AuthRequired)),
        ("/public", "GET", false, None, None),
        ("/private", "GET", true, Some(Code::AuthRequired), Some(Code::AuthRequired)),
        ("/hook", "POST", true, Some(Code::SignatureMissing), Some(Code::SignatureMissing)),
        ("/file", "POST", true, Some(Code::CsrfTokenMissing), Some(Code::AuthRequired)),
    ];
    for (path, method, limited, bare, with_token) in rows {
        let token = gate.send(empty(get("/api/csrf").header("cookie", &cookie))).json()["csrfToken"].clone();
        let token = token.as_str().expect("token");
        let bare_outcome = gate.send(empty(same_origin(request(method, path))));
        assert_eq!(bare_outcome.code(), bare, "{path}");
        let full = same_origin(request(method, path)).header("cookie", &cookie).header("x-csrf-token", token);
        assert_eq!(gate.send(empty(full)).code(), with_token, "{path}");
        assert_eq!(!bare_outcome.header("ratelimit-policy").is_empty(), limited, "{path}");
    }
}

#[test]
fn a14_the_token_speaks_the_guides_words() {
    let gate = gate();
    let (cookie, token) = gate.token();
    let send = |token: Option<&str>| {
        let request = same_origin(post("/api/form")).header("cookie", &cookie);
        gate.send(empty(match token {
            Some(token) => request.header("x-csrf-token", token),
            None => request,
        }))
    };
    let missing = send(None);
    assert_eq!((missing.status(), missing.json()["error"].as_str()), (403, Some("CSRF token missing")));
    let fake = send(Some("fake"));
    assert_eq!((fake.status(), fake.json()["error"].as_str()), (403, Some("CSRF token invalid")));
    let fresh = send(Some(&token));
    assert_eq!(fresh.status(), 200);
    let next = fresh.header("x-csrf-token").to_owned();
    let reused = send(Some(&token));
    assert_eq!((reused.status(), reused.json()["error"].as_str()), (403, Some("CSRF token already used")));
    assert_eq!(send(Some(&next)).status(), 200, "the answer brought the next token");
}

#[test]
fn a_token_of_another_session_or_after_an_hour_is_refused() {
    let gate = gate();
    let ((cookie, token), (other, _)) = (gate.token(), gate.token());
    let send = |gate: &Gate, cookie: &str| {
        let request = same_origin(post("/api/form")).header("cookie", cookie).header("x-csrf-token", &token);
        gate.send(empty(request)).code()
    };
    assert_eq!(send(&gate, &other), Some(Code::CsrfTokenInvalid));
    assert_eq!(send(&gate, ""), Some(Code::CsrfTokenInvalid));
    let later = Gate { seconds: gate.seconds + 3600, ..gate };
    assert_eq!(send(&later, &cookie), Some(Code::CsrfTokenExpired));
}

#[test]
fn a_form_may_carry_the_token_in_its_body_and_only_there() {
    let gate = gate();
    let send = |content_type: &str, text: String, cookie: &str| {
        let request = same_origin(post("/api/form")).header("cookie", cookie).header("content-type", content_type);
        gate.send(body(request, &text)).code()
    };
    let urlencoded = "application/x-www-form-urlencoded";
    let (cookie, token) = gate.token();
    assert_eq!(send(urlencoded, format!("a=1&_csrf={token}"), &cookie), None);
    let (cookie, token) = gate.token();
    let part = format!("--B\r\nContent-Disposition: form-data; name=\"_csrf\"\r\n\r\n{token}\r\n--B--");
    assert_eq!(send("multipart/form-data; boundary=B", part, &cookie), None);
    let (cookie, token) = gate.token();
    for content_type in ["application/json", "text/plain", "application/x-www-form-urlencoded2"] {
        assert_eq!(
            send(content_type, format!("_csrf={token}"), &cookie),
            Some(Code::CsrfTokenMissing),
            "{content_type}"
        );
    }
    assert_eq!(
        send("application/x-www-form-urlencoded; charset=utf-16", format!("_csrf={token}"), &cookie),
        Some(Code::MediaType)
    );
    let far = format!("a={}&_csrf={token}", "x".repeat(17 << 10));
    assert_eq!(send(urlencoded, far, &cookie), Some(Code::CsrfTokenMissing), "beyond 16 KiB");
    let query = same_origin(post(&format!("/api/form?_csrf={token}"))).header("cookie", &cookie);
    assert_eq!(gate.send(empty(query)).code(), Some(Code::CsrfTokenMissing), "never from the query");
}

#[test]
fn no_byte_of_a_body_is_asked_for_before_the_head_has_passed() {
    let gate = gate();
    let (cookie, token) = gate.token();
    // protected-write wants an identity, which stands before the body: the form is never read.
    let request = same_origin(post("/api/posts"))
        .header("cookie", &cookie)
        .header("content-type", "application/x-www-form-urlencoded");
    let outcome = gate.send(body(request, &format!("_csrf={token}")));
    assert_eq!(outcome.code(), Some(Code::AuthRequired));
}

#[test]
fn two_cookies_of_the_sessions_name_are_refused() {
    let gate = gate();
    let (cookie, token) = gate.token();
    let tossed = format!("{cookie}; {cookie}");
    let request = same_origin(post("/api/form")).header("cookie", tossed).header("x-csrf-token", &token);
    assert_eq!(gate.send(empty(request)).code(), Some(Code::HeaderMalformed));
}

/// SECURITY.md 2: every spelling of a declared path, and what it must not reach.
#[test]
fn no_other_spelling_of_a_path_reaches_the_open_kind() {
    let gate = gate();
    for target in [
        "/API/contact",
        "/api/Contact",
        "/api/contact/",
        "/api/contact;x=1",
        "/api;v=1/contact",
        "/api/%63ontact",
        "/api%2fcontact",
        "/api//contact",
        "/api/./contact",
        "/api/x/../contact",
        "/api/%2e%2e/api/contact",
        "/api/contact%00",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let outcome = gate.send(empty(request(method, target)));
            assert_eq!(outcome.code(), Some(Code::PathMalformed), "{method} {target}");
        }
    }
    let undeclared = gate.send(empty(get("/api/contact")));
    assert_eq!((undeclared.status(), undeclared.header("allow")), (405, "POST, OPTIONS"));
}

#[test]
fn methods_are_those_the_policy_names() {
    let gate = gate();
    for (method, target, code) in [
        ("DELETE", "/api/items", Some(Code::MethodNotAllowed)),
        ("POST", "/api/items", Some(Code::MethodNotAllowed)),
        ("POST", "/undeclared", Some(Code::MethodNotAllowed)),
        ("PURGE", "/api/items", Some(Code::MethodNotAllowed)),
        ("TRACE", "/", Some(Code::MethodNotAllowed)),
        ("get", "/api/items", Some(Code::MethodNotAllowed)),
        ("HEAD", "/api/items", None),
        ("GET", "/undeclared", None),
    ] {
        assert_eq!(gate.send(empty(request(method, target))).code(), code, "{method} {target}");
    }
    let closed = Gate::new(builder().undeclared(Kind::Page, Undeclared { deny: true, unsafe_origin: false }));
    assert_eq!(closed.send(empty(get("/x"))).code(), Some(Code::RouteUndeclared));
}

#[test]
fn the_host_is_one_of_ours_and_said_once() {
    let gate = gate();
    let send = |hosts: &[&str], target: &str| {
        let mut request = http::Request::builder().uri(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        gate.send(empty(request)).code()
    };
    assert_eq!(send(&["shop.example"], "/"), None);
    assert_eq!(send(&["SHOP.example:443"], "/"), None);
    assert_eq!(send(&["shop.example:8443"], "/"), Some(Code::HostUnknown));
    assert_eq!(send(&["evil.example"], "/"), Some(Code::HostUnknown));
    assert_eq!(send(&[], "/"), Some(Code::HostUnknown));
    assert_eq!(send(&["shop.example", "shop.example"], "/"), Some(Code::HeaderMalformed));
    assert_eq!(send(&["shop.example"], "http://evil.example/"), Some(Code::HeaderMalformed));
    assert_eq!(send(&["shop.example"], "http://shop.example/"), None);
}

/// The table of `cross-origin.json`, transcribed: method, Sec-Fetch-Site, Origin, cookie, and whether it passes.
#[test]
fn origin_follows_the_cross_origin_table() {
    let gate = Gate::new(
        support::builder()
            .route(Route { limit: None, ..all_methods() })
            .csrf(Csrf { trusted_origins: vec![origin("https://trusted.example")], ..Csrf::default() }),
    );
    let rows: &[(&str, &str, Option<&str>, Option<&str>, bool, Option<Code>)] = &[
        ("same-origin", "POST", Some("same-origin"), None, true, None),
        ("cross-site", "POST", Some("cross-site"), None, true, Some(Code::CsrfCrossOrigin)),
        ("same-site", "POST", Some("same-site"), None, true, Some(Code::CsrfCrossOrigin)),
        ("not a browser", "POST", None, None, false, None),
        ("origin matches", "POST", None, Some("https://shop.example"), true, None),
        ("origin differs", "POST", None, Some("https://attacker.example"), true, Some(Code::CsrfCrossOrigin)),
        ("null origin", "POST", None, Some("null"), true, Some(Code::CsrfCrossOrigin)),
        ("GET", "GET", Some("cross-site"), None, true, None),
        ("HEAD", "HEAD", Some("cross-site"), None, true, None),
        ("PUT", "PUT", Some("cross-site"), None, true, Some(Code::CsrfCrossOrigin)),
        ("trusted", "POST", None, Some("https://trusted.example"), true, None),
        ("trusted, cross-site", "POST", Some("cross-site"), Some("https://trusted.example"), true, None),
        ("untrusted", "POST", Some("cross-site"), Some("https://attacker.example"), true, Some(Code::CsrfCrossOrigin)),
        ("DELETE", "DELETE", Some("cross-site"), None, true, Some(Code::CsrfCrossOrigin)),
        ("PATCH", "PATCH", Some("same-site"), None, true, Some(Code::CsrfCrossOrigin)),
        ("none with ours", "POST", Some("none"), Some("https://shop.example"), true, None),
        (
            "none with foreign",
            "POST",
            Some("none"),
            Some("https://attacker.example"),
            true,
            Some(Code::CsrfCrossOrigin),
        ),
        ("scheme differs", "POST", None, Some("http://shop.example"), true, Some(Code::CsrfCrossOrigin)),
        ("port differs", "POST", None, Some("https://shop.example:8443"), true, Some(Code::CsrfCrossOrigin)),
        (
            "contradiction",
            "POST",
            Some("same-origin"),
            Some("https://attacker.example"),
            true,
            Some(Code::CsrfCrossOrigin),
        ),
        ("unknown value", "POST", Some("same-planet"), None, true, Some(Code::CsrfCrossOrigin)),
        ("origin with a path", "POST", None, Some("https://shop.example/"), true, Some(Code::CsrfCrossOrigin)),
        (
            "origin list",
            "POST",
            None,
            Some("https://shop.example https://a.example"),
            true,
            Some(Code::CsrfCrossOrigin),
        ),
        ("cookie, neither header", "POST", None, None, true, Some(Code::CsrfTokenMissing)),
        ("cookie, none, no origin", "POST", Some("none"), None, true, Some(Code::CsrfTokenMissing)),
    ];
    for (name, method, site, origin, cookie, expect) in rows {
        let mut request = request(method, "/x");
        if let Some(site) = site {
            request = request.header("sec-fetch-site", *site);
        }
        if let Some(origin) = origin {
            request = request.header("origin", *origin);
        }
        if *cookie {
            request = request.header("cookie", "a=1");
        }
        assert_eq!(gate.send(empty(request)).code(), *expect, "{name}");
    }
    let twice = post("/x").header("origin", "https://shop.example").header("origin", "https://shop.example");
    assert_eq!(gate.send(empty(twice)).code(), Some(Code::HeaderMalformed));
}

fn all_methods() -> Route {
    let methods = [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete].into_iter().collect();
    Route { methods, ..Route::new("/x", Kind::Page) }
}

#[test]
fn the_token_endpoint_answers_our_own_pages_only() {
    let gate = gate();
    let ask = |site: &str| gate.send(empty(get("/api/csrf").header("sec-fetch-site", site)));
    for site in ["cross-site", "same-site"] {
        assert_eq!(ask(site).code(), Some(Code::CsrfCrossOrigin), "{site}");
    }
    let ours = ask("same-origin");
    assert_eq!((ours.status(), ours.header("cache-control")), (200, "no-store"));
    assert_eq!(ours.header("access-control-allow-origin"), "");
    let cookie = ours.header("set-cookie");
    assert!(cookie.starts_with("__Host-palisade-sid=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
    let asked: Vec<_> = (0..60).map(|_| ask("same-origin").status()).collect();
    assert_eq!(asked.iter().filter(|status| **status == 200).count(), 57, "60 a minute, and three were asked before");
    assert_eq!(gate.send(empty(post("/api/csrf"))).code(), Some(Code::MethodNotAllowed));
}

#[test]
fn kinds_whose_stage_is_not_built_refuse() {
    let gate = gate();
    assert_eq!(gate.send(empty(get("/api/me"))).code(), Some(Code::AuthRequired));
}

#[test]
fn a10_a_schema_without_an_engine_does_not_compile() {
    let schema = Some(palisade_policy::Schema::Preset("contact-form".to_owned()));
    let policy = builder().route(Route { schema, ..route(Method::Post, "/api/search", Kind::Search) });
    let policy = policy.build().expect("policy");
    let old = gate();
    let refused = Plan::compile(policy, &support::secrets(), old.plan.state());
    let found = refused.expect_err("no engine");
    assert_eq!(found.iter().map(|item| item.code).collect::<Vec<_>>(), ["schema-unsupported"]);
}

#[test]
fn observe_lets_everything_pass_and_says_what_it_would_have_refused() {
    let gate = Gate::new(
        builder()
            .mode(Mode::Observe)
            .route(Route { mode: Mode::Observe, ..route(Method::Post, "/api/contact", Kind::PublicForm) }),
    );
    let cases = [
        (empty(post("/api/contact").header("origin", "https://evil.example")), Code::CsrfCrossOrigin),
        (empty(same_origin(post("/api/contact"))), Code::CsrfTokenMissing),
        (empty(same_origin(post("/api/contact")).header("x-csrf-token", "fake")), Code::CsrfTokenInvalid),
        (empty(get("/api/./contact")), Code::PathMalformed),
        (empty(get("/x").header("host", "again.example")), Code::HeaderMalformed),
    ];
    for (request, code) in cases {
        let outcome = gate.send(request);
        let event = outcome.record.event();
        assert!(outcome.admitted(), "{code}");
        assert_eq!((event.decision.id(), event.code), ("would-refuse", Some(code)));
    }
}

#[test]
fn limits_count_clients_behind_a_trusted_proxy_and_ipv6_by_network() {
    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("net")];
    let clients = Clients { trusted_proxies, ..Clients::default() };
    let gate = Gate::new(
        builder()
            .clients(clients)
            .route(Route { limit: Limit::parse("1/min").ok(), ..route(Method::Get, "/api/items", Kind::PublicRead) }),
    );
    let send = |peer: &str, forwarded: Option<&str>| {
        let request = from(peer, get("/api/items"));
        gate.send(empty(match forwarded {
            Some(list) => request.header("x-forwarded-for", list),
            None => request,
        }))
        .status()
    };
    assert_eq!(send("198.51.100.9", Some("1.1.1.1")), 200);
    assert_eq!(send("198.51.100.9", Some("2.2.2.2")), 429, "an untrusted peer cannot choose its address");
    assert_eq!(send("10.0.0.1", Some("203.0.113.1")), 200);
    assert_eq!(send("10.0.0.1", Some("203.0.113.2")), 200);
    assert_eq!(send("10.0.0.1", Some("6.6.6.6, 203.0.113.2")), 429);
    assert_eq!(send("2001:db8:1:1::1", None), 200);
    assert_eq!(send("2001:db8:1:1::2", None), 429, "the same /64");
    let fresh = (2..40).filter(|n| send(&format!("2001:db8:1:{n}::1"), None) == 200).count();
    assert_eq!(fresh, 15, "a /48 has sixteen times the quota");
}

#[test]
fn refusals_that_are_cheap_to_cause_grow_quiet() {
    let gate = gate();
    let noisy = (0..100).filter(|_| !gate.send(empty(get("/a/../b"))).record.quiet()).count();
    assert_eq!(noisy, 60);
    let last = gate.send(empty(get("/a/../b")));
    assert_eq!(last.header("connection"), "close");
    assert!(!gate.send(empty(navigate("/"))).record.quiet());
}

#[test]
fn a_blocked_client_is_refused_before_anything_is_counted() {
    let gate = gate();
    let now = gate.env().now.mono;
    let client = palisade_event::ClientKey::of([198, 51, 100, 1].into());
    assert!(gate.plan.state().blocks.add(client, palisade_guard::MonoMicros(now.0 + 30_000_000), now));
    let refused = gate.send(empty(get("/api/items")));
    assert_eq!((refused.status(), refused.code(), refused.stage()), (403, Some(Code::Blocked), Some(Stage::Block)));
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("30", ""));
    assert!(gate.send(empty(from("203.0.113.5", get("/api/items")))).admitted(), "others are served");
    let later = Gate { seconds: gate.seconds + 30, ..gate };
    assert!(later.send(empty(get("/api/items"))).admitted());
}

#[test]
fn development_answers_at_this_machines_names_too() {
    let origins = vec![origin("http://127.0.0.1:8080")];
    let listen = Listen { address: Some("127.0.0.1:8080".to_owned()), ..Listen::default() };
    let dev = Policy::builder("shop", origins).environment(Environment::Development).listen(listen);
    let gate = Gate::new(dev.limits(Limits { limiter_slots: 1024, ..Limits::default() }));
    for (host, code) in [
        ("127.0.0.1:8080", None),
        ("localhost:8080", None),
        ("[::1]:8080", None),
        ("localhost", Some(Code::HostUnknown)),
        ("evil.example", Some(Code::HostUnknown)),
    ] {
        let request = http::Request::builder().uri("/").header("host", host);
        assert_eq!(gate.send(empty(request)).code(), code, "{host}");
    }
}
