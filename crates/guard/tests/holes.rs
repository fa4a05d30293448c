//! Attacks that should fail. Each is written as the attacker plays it; while the hole is open the test fails.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

#[path = "support/gate.rs"]
mod support;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use http::{Request, Response, header, request};
use palisade_event::{ClientKey, Code, Kind};
use palisade_guard::{
    BodyHint, Collected, Env, Ledger, Limiter, MonoMicros, Need, Now, Peer, Plan, Providers, Secrets, Seed, Spend,
    Spent, Step, TOKEN_LIFE_MILLIS, View, WallMicros,
};
use palisade_policy::{
    Cors, Csrf, Environment, Framework, Limit, ManifestAction, Method, Mode, PolicyBuilder, Route, Undeclared,
};
use support::{Gate, Outcome, body, builder, empty, from, get, navigate, origin, post, route};

const OURS: &str = "https://shop.example";

fn ours(builder: request::Builder) -> request::Builder {
    builder.header("origin", OURS)
}

fn manifest(actions: &[(&str, &[&str])]) -> BTreeMap<String, ManifestAction> {
    let action =
        |pages: &[&str]| ManifestAction { name: None, pages: pages.iter().map(|page| (*page).to_owned()).collect() };
    actions.iter().map(|(id, pages)| ((*id).to_owned(), action(pages))).collect()
}

fn next(actions: &[(&str, &[&str])]) -> PolicyBuilder {
    builder()
        .framework(Framework::NextJs)
        .manifest(manifest(actions))
        .route(route(Method::Get, "/admin", Kind::ProtectedRead))
        .route(route(Method::Post, "/api/posts", Kind::ProtectedWrite))
        .route(route(Method::Post, "/api/contact", Kind::PublicForm))
}

/// What the application answers, and what of it reaches the client.
fn answered(gate: &Gate, request: request::Builder, fields: &[(&'static str, &'static str)]) -> Outcome {
    gate.send_to(empty(request), |_| with(fields))
}

#[expect(clippy::disallowed_methods, reason = "the application's response, not the gate's")]
fn with(fields: &[(&'static str, &'static str)]) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"ok"));
    for (name, value) in fields {
        response.headers_mut().append(*name, header::HeaderValue::from_static(value));
    }
    response
}

// === SECURITY.md 1, 2: server actions and paths ===

/// `Next-Action` with the id of any action that is bundled everywhere (the not-found page, the root layout), sent to a
/// route handler: Next ignores the header there and runs the handler, but the gate decides by the action. The
/// handler's token, identity and limit are all skipped, by `curl`, with an `Origin` anyone can write.
#[test]
fn an_action_header_never_lifts_the_rules_of_a_declared_route() {
    let gate = Gate::new(next(&[("everywhere", &["/_not-found"]), ("catchall", &["/[...slug]"]), ("root", &["/"])]));
    for id in ["everywhere", "catchall"] {
        for path in ["/api/posts", "/api/contact"] {
            let outcome = gate.send(body(ours(post(path)).header("next-action", id), "{}"));
            assert!(!outcome.admitted(), "POST {path} with Next-Action {id} went to the application");
        }
    }
}

/// The gate decides by `Next-Action`, and `Connection: next-action` removes it on the way up: the application sees a
/// form instead, whose fields (`$ACTION_ID_...`) name another action than the one that was decided.
#[test]
fn a_header_the_gate_decides_by_is_not_nominated_away() {
    let gate = Gate::new(next(&[("everywhere", &["/_not-found"])]));
    let request = ours(post("/admin")).header("next-action", "everywhere").header("connection", "next-action");
    let outcome = gate.send(body(request.header("content-type", "multipart/form-data; boundary=b"), "--b--"));
    let kept = outcome.forwarded.as_ref().is_none_or(|head| head.headers.contains_key("next-action"));
    assert!(kept, "decided as an action, forwarded as a form");
}

/// `[undeclared] deny = true` closes the world, and the page `/secret` with it: but its action still runs.
#[test]
fn a_closed_world_is_closed_to_actions_of_undeclared_pages() {
    let gate = Gate::new(
        next(&[("hidden", &["/secret"])]).undeclared(Kind::Page, Undeclared { deny: true, unsafe_origin: false }),
    );
    assert_eq!(gate.send(empty(get("/secret"))).code(), Some(Code::RouteUndeclared));
    let outcome = gate.send(body(ours(post("/secret")).header("next-action", "hidden"), "[]"));
    assert_eq!(outcome.code(), Some(Code::RouteUndeclared));
}

/// `%3A` is `:` to every router that decodes segments (Next, Express, axum), but another path to the gate: the route
/// is undeclared then, and the open kind answers. Likewise `@`, `+`, `(`, `,` and the other reserved characters.
#[test]
fn an_escaped_reserved_character_is_no_second_spelling_of_a_declared_path() {
    let paths = [
        ("/api/items:export", "/api/items%3Aexport"),
        ("/@admin", "/%40admin"),
        ("/a+b", "/a%2Bb"),
        ("/v1(beta)", "/v1%28beta%29"),
        ("/a,b", "/a%2cb"),
        ("/a=b", "/a%3Db"),
        ("/a!", "/a%21"),
        ("/$me", "/%24me"),
    ];
    for (declared, spelled) in paths {
        let gate = Gate::new(builder().route(route(Method::Get, declared, Kind::ProtectedRead)));
        assert_eq!(gate.send(empty(get(declared))).code(), Some(Code::AuthRequired), "{declared}");
        assert!(!gate.send(empty(get(spelled))).admitted(), "{spelled} slips past {declared}");
    }
}

/// In development an unknown action is taken for one that was just compiled, and judged as an undeclared page, also
/// where a declared route handler answers: what refuses in production passes on the developer's machine, unseen.
#[test]
fn an_unknown_action_lifts_no_rules_in_development_either() {
    let gate = Gate::new(builder().environment(Environment::Development).framework(Framework::NextJs).route(route(
        Method::Post,
        "/api/posts",
        Kind::ProtectedWrite,
    )));
    let outcome = gate.send(body(ours(post("/api/posts")).header("next-action", "made-up"), "{}"));
    assert!(!outcome.admitted(), "decided as an undeclared page");
}

// === observe mode ===

fn staged() -> Gate {
    // The app is still observed; its contact form, the first route to be trusted, is enforced.
    Gate::new(next(&[("form", &["/guestbook"])]).mode(Mode::Observe).route(route(
        Method::Get,
        "/guestbook",
        Kind::ProtectedRead,
    )))
}

/// Two session cookies, a foreign Host, or another spelling fail in the first stage, before the route is known. The
/// app's mode counts then, and the request goes on past every check of a route whose own mode is `enforce`.
#[test]
fn an_enforced_route_of_an_observed_app_is_enforced() {
    let gate = staged();
    let enforced = gate.send(empty(post("/api/contact").header("origin", "https://evil.example")));
    assert_eq!((enforced.code(), enforced.admitted()), (Some(Code::CsrfCrossOrigin), false));
    let evil = |path: &str| post(path).header("origin", "https://evil.example");
    let tossed = evil("/api/contact").header("cookie", "__Host-palisade-sid=a; __Host-palisade-sid=b");
    let hosts = evil("/api/contact").header("host", "evil.example");
    for (name, request) in [
        ("two session cookies", tossed),
        ("two hosts", hosts),
        ("upper case", evil("/API/contact")),
        ("a trailing slash", evil("/api/contact/")),
        ("a dot segment", evil("/api/./contact")),
        ("an escape", evil("/api/%63ontact")),
    ] {
        assert!(!gate.send(empty(request)).admitted(), "{name}: forwarded");
    }
}

/// The same with actions: sent to a path that is not its page's, the action of an enforced page runs unchecked.
#[test]
fn an_enforced_pages_action_is_enforced_wherever_it_is_sent() {
    let gate = staged();
    let send = |path: &str| gate.send(body(ours(post(path)).header("next-action", "form"), "[]"));
    assert_eq!((send("/guestbook").code(), send("/guestbook").admitted()), (Some(Code::AuthRequired), false));
    assert!(!send("/").admitted(), "the action ran under another path");
}

// === SECURITY.md 4, 13: counting ===

/// Each thread reads the time, and charges a little later. A request that is overtaken by its client's whole burst (one
/// request, where the limit is one) between the two is charged with an earlier time than the burst was: the debt then
/// lies farther ahead than any debt can be, counts as long past, and the client starts afresh. A sixteenth of a
/// millisecond is enough; whoever keeps parallel connections to all threads finds it without aiming.
#[test]
fn a_request_that_was_overtaken_does_not_refill_its_clients_quota() {
    let limiter = Limiter::new(Limit::parse("5/min").expect("limit"), 1024, Seed::new([7; 16]));
    let charge = |micros| limiter.charge(0, 1, 1, MonoMicros(micros)).allowed;
    let (read, overtaken) = (1_000_000, 1_000_200);
    let times = [[overtaken; 5], [read, overtaken, overtaken, overtaken, overtaken]].concat();
    let admitted = times.into_iter().filter(|micros| charge(*micros)).count();
    assert_eq!(admitted, 5, "ten requests within 0.2 ms");
}

/// One /48 (a single customer of any host has one) holds 65,536 networks of /64. The wide limit refuses all but eighty
/// of them, but each was charged in the narrow table first: they fill it with refused clients, and every honest
/// newcomer of the site is sent to the shared cell and refused.
#[test]
fn one_network_does_not_fill_the_table_for_everybody() {
    let items = Route { limit: Limit::parse("5/min").ok(), ..route(Method::Get, "/api/items", Kind::PublicRead) };
    let gate = Gate::new(builder().route(items));
    let ask = |address: IpAddr| gate.send(empty(from(&address.to_string(), get("/api/items")))).admitted();
    for network in 0..8_000_u16 {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0xbad, network, 0, 0, 0, 1);
        (0..5).for_each(|_| assert!(ask(address.into()) || network > 0));
    }
    let newcomers = (0..200_u32).filter(|n| ask(Ipv4Addr::from(0xc633_6400 + n).into())).count();
    assert_eq!(newcomers, 200, "honest newcomers after a flood of one /48");
}

/// A token may be dated up to a minute ahead (another node's clock, or this one's before it was set back). Its session
/// is forgotten an hour after it was spent, a minute before the token is over: it can be spent twice.
#[test]
fn a_token_is_remembered_as_long_as_it_is_good() {
    let ledger = Ledger::new(64, 0);
    let (now, skew) = (1_800_000_000_000, 60_000);
    let client = ClientKey::of([192, 0, 2, 1].into());
    let spend = Spend { session: 1, nonce: 7, issued_millis: now + skew, client, verified: false };
    assert_eq!(ledger.spend(&spend, now), Spent::First { forgot: false });
    let last = now + TOKEN_LIFE_MILLIS + skew - 1;
    assert_ne!(ledger.spend(&spend, last), Spent::First { forgot: false }, "spent twice");
}

/// Used tokens live in the process. After a restart (a deploy, a crash that an attacker can cause or wait for) every
/// token of the last hour is unused again.
#[test]
fn a_restart_does_not_make_used_tokens_good_again() {
    let gate = || Gate::new(builder().route(route(Method::Post, "/api/contact", Kind::PublicForm)));
    let before = gate();
    let (cookie, token) = before.token();
    let send = |gate: &Gate| {
        gate.send(empty(ours(post("/api/contact")).header("cookie", &cookie).header("x-csrf-token", &token))).code()
    };
    assert_eq!(send(&before), None);
    assert_eq!(send(&before), Some(Code::CsrfTokenReused));
    // `State::new` is told the time; `support` starts it at zero, so this plays a process that starts a second later.
    let after = Gate { seconds: before.seconds + 1, ..restarted(&before) };
    assert_ne!(send(&after), None, "spent again");
}

/// Another process with the same secrets and policy, and empty state.
fn restarted(gate: &Gate) -> Gate {
    let policy = gate.plan.policy().clone();
    let state = palisade_guard::State::new(&policy.limits, &gate.env());
    let plan = palisade_guard::Plan::compile(policy, &support::secrets(), &state).expect("plan");
    Gate { plan, seconds: gate.seconds, ..Gate::new(builder()) }
}

// === SECURITY.md 6, 10, 16: origin ===

/// Cached Basic credentials ride along with a cross-site form as a cookie does. A browser that sends neither Origin
/// nor fetch metadata with it (old, or behind a proxy that strips both) proves nothing, yet passes for a program.
#[test]
fn ambient_authorization_counts_as_a_cookie() {
    let gate = Gate::new(builder().route(route(Method::Post, "/api/search", Kind::Search)).route(route(
        Method::Post,
        "/api/delegated",
        Kind::Delegated,
    )));
    for path in ["/api/search", "/api/delegated"] {
        for credentials in ["Basic dXNlcjpwYXNz", "Negotiate YII", "Digest username=\"u\"", "NTLM TlRM"] {
            let outcome = gate.send(empty(post(path).header("authorization", credentials)));
            assert_eq!(outcome.code(), Some(Code::CsrfTokenMissing), "{path} {credentials}");
        }
    }
}

/// A trusted origin may send forms; a WebSocket is a door for reading too, and opens for `public_origin` alone.
#[test]
fn a_websocket_opens_for_no_other_origin_however_trusted() {
    let trusted_origins = vec![origin("https://partner.example")];
    let gate = Gate::new(
        builder()
            .csrf(Csrf { trusted_origins, ..Csrf::default() })
            .route(Route { websocket: true, ..route(Method::Get, "/ws", Kind::Page) }),
    );
    let handshake = get("/ws")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("cookie", "__session=x")
        .header("origin", "https://partner.example");
    assert_eq!(gate.send(empty(handshake)).code(), Some(Code::CsrfCrossOrigin));
}

// === SECURITY.md 8, 9: caches ===

fn pages() -> Gate {
    Gate::new(builder().route(route(Method::Get, "/files/{*rest}", Kind::Static)).route(route(
        Method::Get,
        "/api/items",
        Kind::PublicRead,
    )))
}

/// What a shared cache obeys before `Cache-Control` (RFC 9213; nginx; Varnish, Fastly; Cloudflare; Vercel; Akamai).
const TARGETED: [(&str, &str); 6] = [
    ("cdn-cache-control", "max-age=600"),
    ("cloudflare-cdn-cache-control", "max-age=600"),
    ("vercel-cdn-cache-control", "max-age=600"),
    ("surrogate-control", "max-age=600"),
    ("edge-control", "max-age=600"),
    ("x-accel-expires", "600"),
];

/// An application that caches a page at its edge by such a field gets the gate's nonce, token and session cookie into
/// it: the gate writes `private, no-store`, and the cache obeys the other field. Measured with nginx 1.22 in
/// `crates/gateway/tests/cache.rs`: the second returning visitor got the first one's nonce and token.
#[test]
fn a_targeted_cache_field_never_keeps_what_is_personal() {
    let gate = pages();
    for (name, value) in TARGETED {
        let outcome = answered(&gate, navigate("/"), &[(name, value)]);
        assert_eq!(outcome.header("cache-control"), "private, no-store");
        assert_eq!(outcome.header(name), "", "a page with a nonce and a cookie");
    }
}

/// The page echoes the nonce policy it was given, as Next's documentation tells its middleware to, and is marked for
/// shared caches: every visitor then has one nonce, which whoever injects markup can read beforehand.
#[test]
fn a_nonce_that_the_application_echoes_is_shared_with_nobody() {
    let gate = pages();
    let outcome = gate.send_to(empty(navigate("/")), |head| {
        let mut response = with(&[("cache-control", "public, max-age=600")]);
        let csp = head.headers["content-security-policy"].clone();
        response.headers_mut().insert("content-security-policy", csp);
        response
    });
    let lines = outcome.response.headers().get_all("content-security-policy").iter();
    let nonce = lines.filter_map(|line| line.to_str().ok()).any(|line| line.contains("'nonce-"));
    assert!(!nonce || outcome.header("cache-control").contains("private"), "a nonce for everybody");
}

/// `static` caches long only what sets no cookie: the first visitor's cookie must not become everybody's. A cache may
/// keep `max-age` and `Expires` without `public` (RFC 9111 section 3).
#[test]
fn a_file_that_sets_a_cookie_is_kept_by_no_shared_cache() {
    let gate = pages();
    for (path, kept) in [
        ("/files/a.js", ("cache-control", "max-age=31536000, immutable")),
        ("/files/a.js", ("expires", "Thu, 01 Jan 2037 00:00:00 GMT")),
        ("/api/items", ("cache-control", "max-age=600")),
    ] {
        let outcome = answered(&gate, get(path), &[kept, ("set-cookie", "id=first-visitor")]);
        let cache = outcome.header("cache-control");
        let safe = outcome.header("set-cookie").is_empty() || cache.contains("private") || cache.contains("no-store");
        assert!(safe, "{path} {kept:?}: {cache}");
    }
}

/// What a client has left of its quota is nobody else's; `public` and `max-age` are not the only marks of a response
/// that caches keep.
#[test]
fn rate_fields_leave_whatever_caches_keep() {
    let limited = Route { limit: Limit::parse("60/min").ok(), ..route(Method::Get, "/api/items", Kind::PublicRead) };
    let gate = Gate::new(builder().route(limited));
    for field in TARGETED.into_iter().chain([("expires", "Thu, 01 Jan 2037 00:00:00 GMT")]) {
        let outcome = answered(&gate, get("/api/items"), &[field]);
        assert_eq!((outcome.header("ratelimit"), outcome.header("x-ratelimit-remaining")), ("", ""), "{field:?}");
    }
}

/// A cache that many share may keep what says nothing of caching, for a tenth of its age (RFC 9111 section 4.2.2; Apache
/// does so, cookie and all), where the response tells its age.
#[test]
fn a_cookie_is_not_kept_for_everybody_by_its_pages_age() {
    let gate = pages();
    let aged = ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT");
    let outcome = answered(&gate, get("/api/items"), &[aged, ("set-cookie", "id=1")]);
    assert_eq!(outcome.header("cache-control"), "private, no-store");
    assert_eq!(answered(&gate, get("/api/items"), &[aged]).header("cache-control"), "");
    let own = [aged, ("set-cookie", "id=1"), ("cache-control", "private")];
    assert_eq!(answered(&gate, get("/api/items"), &own).header("cache-control"), "private");
}

fn partners() -> Gate {
    let cors = Cors {
        origins: vec![origin("https://partner.example")],
        methods: vec!["PUT".to_owned()],
        headers: Vec::new(),
        credentials: true,
        max_age: std::time::Duration::from_secs(60),
    };
    Gate::new(builder().cors(cors).route(route(Method::Put, "/api/items", Kind::Delegated)))
}

/// The token's path never tells another origin anything, not even a refusal (SECURITY.md 4).
#[test]
fn the_token_endpoint_grants_no_origin_anything() {
    let gate = partners();
    for site in ["cross-site", "same-site", "same-origin"] {
        let ask = get("/api/csrf").header("origin", "https://partner.example").header("sec-fetch-site", site);
        let outcome = gate.send(empty(ask));
        assert_eq!((outcome.status(), outcome.header("access-control-allow-origin")), (403, ""), "{site}");
    }
}

/// A granted preflight is an answer of the gate like any other (SECURITY.md 9).
#[test]
fn a_preflights_answer_varies_as_every_answer_does() {
    let ask = support::request("OPTIONS", "/api/items")
        .header("origin", "https://partner.example")
        .header("access-control-request-method", "PUT");
    let outcome = partners().send(empty(ask));
    assert_eq!(outcome.header("access-control-allow-methods"), "PUT");
    let lines = outcome.response.headers().get_all("vary").iter().filter_map(|line| line.to_str().ok());
    let vary = lines.collect::<Vec<_>>().join(", ");
    for name in ["Origin", "Accept", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Cookie"] {
        assert!(vary.contains(name), "{name}: {vary}");
    }
}

/// A page that is prefetched gets no nonce, and in its place the policy of prerendered pages, which lets inline scripts
/// run. Whoever has found a place to inject markup (`/search?q=<script>`), and is stopped by the nonce, has the visitor's
/// browser prefetch that address first (speculation rules, `rel=prefetch`, from a sibling site) and then go there: the
/// browser shows the prefetched response, under its policy.
#[test]
fn prefetching_a_page_does_not_weaken_its_policy() {
    let gate = pages();
    for (name, value) in [("sec-purpose", "prefetch"), ("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch")] {
        let outcome = gate.send(empty(navigate("/search?q=markup").header(name, value)));
        let csp = outcome.header("content-security-policy");
        let scripts = csp.split(';').find(|directive| directive.trim().starts_with("script-src")).unwrap_or_default();
        assert!(!scripts.contains("'unsafe-inline'"), "{name}: {value} turns inline scripts on: {scripts}");
    }
}

// === SECURITY.md 11: aliases ===

/// Names under which proxies and platforms tell an application its client's address; the gate tells it afresh, and
/// whatever else the client wrote would be believed by applications that look there first.
#[test]
fn no_other_header_tells_the_application_who_asks() {
    let gate = pages();
    for name in [
        "x-forwarded",
        "x-vercel-forwarded-for",
        "x-vercel-ip-country",
        "x-original-forwarded-for",
        "x-envoy-external-address",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "x-remote-addr",
        "x-remote-ip",
        "x-originating-ip",
        "x-original-method",
        "cloudfront-viewer-address",
    ] {
        let outcome = gate.send(empty(get("/api/items").header(name, "6.6.6.6")));
        assert_eq!(outcome.up(name), None, "{name}");
    }
}

// === an application is stricter, never weaker ===

/// Of several `Referrer-Policy` lines the last that a browser knows counts, and the gate looks at the first.
#[test]
fn a_second_referrer_policy_does_not_weaken_the_first() {
    let gate = pages();
    let fields = [("referrer-policy", "no-referrer"), ("referrer-policy", "unsafe-url")];
    let outcome = answered(&gate, get("/"), &fields);
    let lines: Vec<_> = outcome.response.headers().get_all("referrer-policy").iter().collect();
    assert!(lines.iter().all(|line| *line != "unsafe-url"), "{lines:?}");
}

/// A browser ignores a header in which a directive stands twice, or that it cannot read (RFC 6797 section 6.1): then there
/// is no policy at all.
#[test]
fn a_transport_policy_that_browsers_ignore_does_not_take_the_place_of_the_gates() {
    let gate = pages();
    for theirs in [
        "max-age=63072000; max-age=0",
        "max-age=63072000; includeSubDomains; max-age=63072000",
        "max-age=63072000; includeSubDomains, max-age=0",
        "max-age=63072000; preload=; \"",
        "max-age=+63072000",
    ] {
        let outcome = answered(&gate, get("/"), &[("strict-transport-security", theirs)]);
        assert_eq!(outcome.header("strict-transport-security"), "max-age=31536000", "{theirs}");
    }
    let good = "max-age=\"63072000\" ; includeSubDomains; preload;";
    let outcome = answered(&gate, get("/"), &[("strict-transport-security", good)]);
    assert_eq!(outcome.header("strict-transport-security"), good);
}

/// What `Connection` names is taken away; the gate took it for there all the same, and set nothing in its place, or wrote
/// after it: `, camera=()` is no list.
#[test]
fn what_connection_names_away_is_not_taken_for_there() {
    let gate = pages();
    for (name, theirs) in [("referrer-policy", "no-referrer"), ("permissions-policy", "fullscreen=()")] {
        let plain = answered(&gate, get("/"), &[]);
        let outcome = answered(&gate, get("/"), &[("connection", name), (name, theirs)]);
        assert_eq!(outcome.header(name), plain.header(name));
    }
}

/// A structured field that does not parse is ignored whole (RFC 9651 section 4.2). The old syntax of Feature-Policy,
/// or any slip, ahead of the gate's features switches them all off.
#[test]
fn a_permissions_policy_that_does_not_parse_does_not_take_the_gates_along() {
    let gate = pages();
    for theirs in ["camera 'none'; microphone 'none'", "camera=(", "geolocation=*,", "Camera=()"] {
        let outcome = answered(&gate, get("/"), &[("permissions-policy", theirs)]);
        let merged = outcome.header("permissions-policy");
        assert!(merged.starts_with("camera=(), microphone=()"), "{theirs} was kept: {merged}");
    }
}

/// A hash for a style says nothing of scripts, but makes the gate take the application's policy for one with nonces
/// of its own, and add nothing for scripts.
#[test]
fn a_style_hash_does_not_switch_the_script_policy_off() {
    let gate = pages();
    let weak =
        "default-src * 'unsafe-inline' 'unsafe-eval'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
    let outcome = answered(&gate, navigate("/"), &[("content-security-policy", weak)]);
    let lines = outcome.response.headers().get_all("content-security-policy").iter();
    let scripts = lines.filter_map(|line| line.to_str().ok()).any(|line| line.contains("script-src"));
    assert!(scripts, "nothing restricts scripts");
}

// === the gate's word inside an app ===

/// Another guard with the same secrets, inside the app.
fn behind(gate: &Gate, builder: PolicyBuilder, secrets: &Secrets) -> Gate {
    let policy = builder.build().expect("policy");
    let start = Now { wall: WallMicros(0), mono: MonoMicros(0) };
    let state = palisade_guard::State::new(&policy.limits, &Env { now: start, ..gate.env() });
    let plan = Plan::compile_inside(policy, secrets, &state, &Providers::default()).expect("plan");
    Gate { plan, seconds: gate.seconds, ..Gate::new(support::builder()) }
}

/// What comes of a request whose body does not come in time.
fn slowly(gate: &Gate, mut head: request::Parts, bytes: u64) -> Option<request::Parts> {
    let peer = Peer { address: [198, 51, 100, 1].into() };
    let env = gate.env();
    let mut admitted = {
        let view = View {
            method: &head.method,
            uri: &head.uri,
            version: head.version,
            headers: &head.headers,
            peer,
            body: BodyHint::Sized(bytes),
        };
        let mut step = gate.plan.inspect(&view, &env);
        loop {
            step = match step {
                Step::Admit(admitted) => break admitted,
                Step::Need(Need::Collect(ask)) => ask.reply(Collected::TooSlow).run(&view, &env),
                _ => return None,
            };
        }
    };
    let _ = admitted.forward(&mut head, &env);
    Some(head)
}

/// A gate that only observes forwards what it objects to. What comes too slowly is objected to in the name of the body,
/// after the stages that were to look into it: the app's own guard took their word for a signature and a token that
/// nobody had seen. A token that was used up, it took for one that was spent just now.
#[test]
fn a_gate_that_observes_vouches_for_nothing_inside() {
    let secrets = Secrets {
        webhooks: [(
            "HOOK".to_owned(),
            vec![palisade_guard::SigningSecret { value: "a secret of the provider".to_owned(), until_seconds: None }],
        )]
        .into(),
        ..support::secrets()
    };
    let routes = |mode| {
        let signature = Some(palisade_policy::Signature {
            scheme: palisade_policy::SignatureScheme::GitHub,
            secrets: vec!["HOOK".to_owned()],
        });
        builder()
            .route(Route { signature, mode, ..Route::new("/hook", Kind::Webhook) })
            .route(Route { mode, ..route(Method::Post, "/api/contact", Kind::PublicForm) })
    };
    let gate = Gate::with_secrets(routes(Mode::Observe), &secrets);
    let inside = behind(&gate, routes(Mode::Enforce), &secrets);
    let forged = post("/hook").header("x-hub-signature-256", format!("sha256={}", "0".repeat(64)));
    let form = ours(post("/api/contact")).header("content-type", "application/x-www-form-urlencoded");
    for (request, text, code) in [(forged, "{}", Code::SignatureInvalid), (form, "text=hello", Code::CsrfTokenMissing)]
    {
        let (head, ()) = request.body(()).expect("request").into_parts();
        let head = slowly(&gate, head, text.len() as u64).expect("observed");
        assert!(head.headers.contains_key("x-palisade-admitted"));
        let outcome = inside.send(Request::from_parts(head, Bytes::copy_from_slice(text.as_bytes())));
        assert_eq!((outcome.code(), outcome.admitted()), (Some(code), false));
    }
    let (cookie, token) = gate.token();
    let send = || {
        let request = ours(post("/api/contact")).header("cookie", &cookie).header("x-csrf-token", &token);
        let head = gate.send(empty(request)).forwarded.expect("observed");
        inside.send(Request::from_parts(head, Bytes::new())).code()
    };
    assert_eq!([send(), send(), send()], [None, Some(Code::CsrfTokenReused), Some(Code::CsrfTokenReused)]);
}
