//! Who asks, and what they may: by request. Signatures are make-believe here (a hash in the signature's place), so that
//! each rule around them is looked at alone; real ones are verified in the backend's tests.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::result_large_err, clippy::too_many_lines, clippy::type_complexity, reason = "tables and doubles")]

#[path = "identity/access.rs"]
mod access;
#[path = "identity/counts.rs"]
mod counts;
#[path = "identity/csrf.rs"]
mod csrf;
#[path = "support/gate.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_event::{Code, Kind, Stage};
use palisade_guard::{Alg, KeySet, Providers, PublicKey, Verify};
use palisade_policy::{
    Access, CsrfStrength, Environment, Identity, IdentityProvider, Limit, Limits, Method, Mode, Policy, PolicyBuilder,
    Route,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Gate, builder, empty, from, get, navigate, origin, post, route};

const LIVE: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
const ISSUER: &str = "https://clerk.example.com";
const NOW: u64 = 1_800_000_000;

/// Accepts the hash of key and message as the key's signature.
struct Hashes;

impl Verify for Hashes {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let PublicKey::Rsa { n, .. } = key else { return false };
        Alg::RSA.contains(&alg) && signature == signed(n, message)
    }
}

fn signed(n: &[u8], message: &[u8]) -> Vec<u8> {
    Sha256::digest([n, message].concat()).to_vec()
}

fn modulus(number: u8) -> Vec<u8> {
    (0..=255_u8).map(|byte| byte.wrapping_mul(7).wrapping_add(number) | 0x81).collect()
}

fn keys(kids: &[(&str, u8)]) -> Arc<KeySet> {
    let jwk = |(kid, number): &(&str, u8)| json!({ "kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode(modulus(*number)) });
    let text = json!({ "keys": kids.iter().map(jwk).collect::<Vec<_>>() }).to_string();
    Arc::new(KeySet::from_jwks(text.as_bytes()).expect("keys"))
}

fn token_of(header: &Value, claims: &Value, number: u8) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(signed(&modulus(number), message.as_bytes()));
    format!("{message}.{signature}")
}

fn header() -> Value {
    json!({ "alg": "RS256", "kid": "ins_1", "typ": "JWT", "cat": "cl_B7d4PD111AAA" })
}

fn claims() -> Value {
    json!({
        "v": 2, "iss": ISSUER, "sub": "user_1", "sid": "sess_1", "azp": "https://shop.example",
        "iat": NOW - 10, "nbf": NOW - 20, "exp": NOW + 50, "sts": "active",
        "pla": "u:free,o:pro", "fea": "o:dashboard,u:export",
        "o": { "id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3" },
    })
}

/// The claims with some changed; null removes.
fn but(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("object") {
        claims.as_object_mut().expect("object").insert(name.clone(), value.clone());
        if value.is_null() {
            claims.as_object_mut().expect("object").remove(name);
        }
    }
    claims
}

fn token(changes: &Value) -> String {
    token_of(&header(), &but(changes), 1)
}

fn clerk() -> Identity {
    Identity {
        provider: IdentityProvider::Clerk,
        issuer: None,
        jwks: None,
        audience: Vec::new(),
        authorized_parties: vec!["https://shop.example".to_owned()],
        sign_in_url: Some("/sign-in".to_owned()),
        claims: BTreeMap::new(),
    }
}

fn providers() -> Providers {
    Providers {
        verify: Some(Arc::new(Hashes)),
        clerk_publishable_key: Some(LIVE.to_owned()),
        jwt_key: None,
        schemas: None,
    }
}

fn policy() -> PolicyBuilder {
    let access = |access: Access| Route { access, ..route(Method::Get, "/x", Kind::ProtectedRead) };
    let at = |path: &str, route: Route| Route { path: path.to_owned(), ..route };
    let name = |name: &str| vec![name.to_owned()];
    builder()
        .identity(clerk())
        .route(route(Method::Get, "/api/me", Kind::ProtectedRead))
        .route(route(Method::Post, "/api/posts", Kind::ProtectedWrite))
        .route(route(Method::Post, "/api/contact", Kind::PublicForm))
        .route(route(Method::Post, "/api/search", Kind::Search))
        .route(at("/api/admin", access(Access { role: name("admin"), ..Access::default() })))
        .route(at("/api/owners", access(Access { role: name("owner"), ..Access::default() })))
        .route(at("/api/manage", access(Access { permission: name("org:dashboard:manage"), ..Access::default() })))
        .route(at("/api/teams", access(Access { permission: name("org:teams:manage"), ..Access::default() })))
        .route(at("/api/pro", access(Access { plan: name("pro"), ..Access::default() })))
        .route(at("/api/gold", access(Access { plan: name("gold"), ..Access::default() })))
        .route(at("/api/export", access(Access { feature: name("export"), ..Access::default() })))
        .route(at("/api/sso", access(Access { feature: name("sso"), ..Access::default() })))
        .route(at("/api/users/{user}", access(Access { owner: Some("user".to_owned()), ..Access::default() })))
}

fn gate() -> Gate {
    Gate { keys: Some(keys(&[("ins_1", 1)])), ..Gate::with(policy(), &providers()) }
}

fn bearer(path: &str, token: &str) -> http::request::Builder {
    get(path).header("authorization", format!("Bearer {token}"))
}

fn same_origin(builder: http::request::Builder) -> http::request::Builder {
    builder.header("origin", "https://shop.example").header("sec-fetch-site", "same-origin")
}

#[test]
fn a7_required_identity_admits_the_verified_and_tells_the_app_who_it_is() {
    let gate = gate();
    let anonymous = gate.send(empty(get("/api/me")));
    assert_eq!(
        (anonymous.status(), anonymous.code(), anonymous.stage()),
        (401, Some(Code::AuthRequired), Some(Stage::Identity))
    );
    assert_eq!(anonymous.json()["error"], "Unauthorized");
    let good = token(&json!({}));
    let forged = bearer("/api/me", &good).header("x-palisade-user", "root").header("x-palisade-org", "evil");
    for request in [forged, get("/api/me").header("cookie", format!("__session={good}"))] {
        let outcome = gate.send(empty(request));
        assert!(outcome.admitted(), "{:?}", outcome.code());
        for (name, value) in [
            ("x-palisade-user", "user_1"),
            ("x-palisade-session", "sess_1"),
            ("x-palisade-org", "org_1"),
            ("x-palisade-role", "org:admin"),
            ("x-palisade-permissions", "org:dashboard:manage,org:dashboard:read"),
            ("x-palisade-plans", "u:free,o:pro"),
            ("x-palisade-features", "o:dashboard,u:export"),
        ] {
            assert_eq!(outcome.up(name), Some(value), "{name}");
        }
    }
    let page = gate.send(empty(get("/").header("x-palisade-user", "root")));
    assert_eq!(page.up("x-palisade-user"), None, "nobody is verified, nobody is named");
}

#[test]
fn a7_each_change_of_a_token_is_refused() {
    let other_key = token_of(&header(), &claims(), 2);
    let head = |changes: Value| {
        let mut header = header();
        for (name, value) in changes.as_object().expect("object") {
            header.as_object_mut().expect("object").insert(name.clone(), value.clone());
        }
        token_of(&header, &claims(), 1)
    };
    let good = token(&json!({}));
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let doubled = {
        let text = claims().to_string().replacen('{', "{\"sub\":\"root\",", 1);
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header().to_string()), URL_SAFE_NO_PAD.encode(text));
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed(&modulus(1), message.as_bytes())))
    };
    let rows = [
        ("another key", other_key),
        ("no signature", format!("{message}.")),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.x")),
        ("padding", format!("{good}=")),
        ("another spelling of the last character", respelled(&good)),
        ("standard base64", format!("{message}.+/{signature}")),
        ("alg none", head(json!({ "alg": "none" }))),
        ("alg HS256", head(json!({ "alg": "HS256" }))),
        ("alg ES256, not Clerk's", head(json!({ "alg": "ES256" }))),
        ("alg in another case", head(json!({ "alg": "rs256" }))),
        ("crit", head(json!({ "crit": ["exp"] }))),
        ("jku", head(json!({ "jku": "https://evil.example" }))),
        ("jwk", head(json!({ "jwk": {} }))),
        ("x5u", head(json!({ "x5u": "https://evil.example" }))),
        ("typ at+jwt", head(json!({ "typ": "at+jwt" }))),
        ("typ no text", head(json!({ "typ": 1 }))),
        ("cat of machines", head(json!({ "cat": "cl_B7d4PD333AAA" }))),
        ("kid no text", head(json!({ "kid": 1 }))),
        ("unknown kid", head(json!({ "kid": "ins_2" }))),
        ("doubled claim", doubled),
        ("another issuer", token(&json!({ "iss": "https://clerk.evil.com" }))),
        ("no issuer", token(&json!({ "iss": null }))),
        ("no subject", token(&json!({ "sub": null }))),
        ("empty subject", token(&json!({ "sub": "" }))),
        ("subject with a line break", token(&json!({ "sub": "a\r\nx: y" }))),
        ("subject no text", token(&json!({ "sub": 7 }))),
        ("machine", token(&json!({ "sub": "mch_1" }))),
        ("no exp", token(&json!({ "exp": null }))),
        ("exp a text", token(&json!({ "exp": "9999999999" }))),
        ("nbf ahead", token(&json!({ "nbf": NOW + 6 }))),
        ("nbf a text", token(&json!({ "nbf": "0" }))),
        ("iat ahead", token(&json!({ "iat": NOW + 6 }))),
        ("azp of another app", token(&json!({ "azp": "https://evil.example" }))),
        ("no azp", token(&json!({ "azp": null }))),
        ("too long", token(&json!({ "pad": "x".repeat(20_000) }))),
        ("garbage", "garbage".to_owned()),
        ("API key", "ak_1234".to_owned()),
    ];
    let gate = gate();
    for (what, token) in &rows {
        let outcome = gate.send(empty(bearer("/api/me", token)));
        assert_eq!((outcome.status(), outcome.code()), (401, Some(Code::TokenInvalid)), "{what}");
        // Where nobody is wanted, it is nobody, and the app gets its cookies untouched.
        let page = gate.send(empty(get("/").header("cookie", format!("__session={token}; a=1"))));
        assert!(page.admitted() && page.up("x-palisade-user").is_none(), "{what}");
        assert_eq!(page.up("cookie"), Some(format!("__session={token}; a=1").as_str()), "{what}");
    }
    let pending = gate.send(empty(bearer("/api/me", &token(&json!({ "sts": "pending" })))));
    assert_eq!(pending.code(), Some(Code::AuthRequired), "a pending session is signed out");
    assert!(gate.send(empty(bearer("/api/me", &good))).admitted());
}

/// The same bits in another spelling: a 32-byte signature leaves two bits of its last character unused.
fn respelled(token: &str) -> String {
    let last = token.chars().last().expect("character");
    let alphabet: Vec<char> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars().collect();
    let at = alphabet.iter().position(|c| *c == last).expect("base64url");
    format!("{}{}", &token[..token.len() - 1], alphabet[at ^ 1])
}

#[test]
fn a7_clocks_may_differ_by_five_seconds() {
    for (changes, code) in [
        (json!({ "exp": NOW }), None),
        (json!({ "exp": NOW - 4 }), None),
        (json!({ "exp": NOW - 5 }), Some(Code::TokenExpired)),
        (json!({ "exp": 1_799_999_995.5 }), None),
        (json!({ "nbf": NOW + 5 }), None),
        (json!({ "iat": NOW + 5 }), None),
        (json!({ "iat": null, "nbf": null }), None),
    ] {
        assert_eq!(gate().send(empty(bearer("/api/me", &token(&changes)))).code(), code, "{changes}");
    }
}

#[test]
fn a7_the_authorization_header_is_read_as_clerks_sdk_does() {
    let gate = gate();
    let (good, bad) = (token(&json!({})), "x.y.z");
    for (authorization, cookie, code) in [
        (format!("Bearer {good}"), "", None),
        (good.clone(), "", None),
        (format!("bearer {good}"), "", Some(Code::AuthRequired)),
        (format!("Basic {good}"), "", Some(Code::AuthRequired)),
        (format!("Bearer  {good}"), "", Some(Code::TokenInvalid)),
        (format!("Bearer {bad}"), good.as_str(), Some(Code::TokenInvalid)),
        (format!("Bearer {good}"), bad, None),
        ("Basic dTpw".to_owned(), good.as_str(), None),
    ] {
        let mut request = get("/api/me").header("authorization", &authorization);
        if !cookie.is_empty() {
            request = request.header("cookie", format!("__session={cookie}"));
        }
        assert_eq!(gate.send(empty(request)).code(), code, "{authorization} {cookie}");
    }
    let twice = bearer("/api/me", &good).header("authorization", format!("Bearer {good}"));
    assert_eq!(gate.send(empty(twice)).code(), Some(Code::HeaderMalformed));
    let tossed = |path: &str| get(path).header("cookie", format!("__session={good}; __session={bad}"));
    assert_eq!(gate.send(empty(tossed("/api/me"))).code(), Some(Code::HeaderMalformed));
    assert_eq!(gate.send(empty(tossed("/"))).code(), Some(Code::HeaderMalformed));
}

#[test]
fn a7_clerks_suffixed_cookie_is_preferred_as_by_its_sdk() {
    let gate = gate();
    let (old, new) = (token(&json!({ "sub": "user_old", "iat": NOW - 50 })), token(&json!({ "sub": "user_new" })));
    let who = |cookie: String| {
        gate.send(empty(get("/api/me").header("cookie", cookie))).up("x-palisade-user").map(str::to_owned)
    };
    let both = |plain: &str, suffixed: &str| {
        format!("__session={plain}; __session_naoXFJnI={suffixed}; __client_uat=5; __client_uat_naoXFJnI=5")
    };
    assert_eq!(who(both(&old, &new)).as_deref(), Some("user_new"));
    assert_eq!(who(both(&new, &old)).as_deref(), Some("user_new"), "the newer plain one");
    let foreign = token(&json!({ "iss": "https://clerk.other.com" }));
    assert_eq!(who(both(&foreign, &new)).as_deref(), Some("user_new"), "another instance's plain one");
    assert_eq!(who(format!("__session={new}")).as_deref(), Some("user_new"));
}

#[test]
fn a7_keys_are_asked_for_once_and_an_outage_closes_required_routes_only() {
    let mut gate = gate();
    let good = token(&json!({}));
    for _ in 0..3 {
        assert!(gate.send(empty(bearer("/api/me", &good))).admitted());
    }
    assert_eq!(gate.fetches.load(std::sync::atomic::Ordering::Relaxed), 1);
    // The issuer rotates: the old key's tokens die at once, known or not.
    let next = token_of(&json!({ "alg": "RS256", "kid": "ins_2" }), &claims(), 2);
    gate.keys = Some(keys(&[("ins_2", 2)]));
    assert!(gate.send(empty(bearer("/api/me", &next))).admitted());
    assert_eq!(gate.send(empty(bearer("/api/me", &good))).code(), Some(Code::TokenInvalid));
    // What cannot be the issuer's is refused without a question.
    let before = gate.fetches.load(std::sync::atomic::Ordering::Relaxed);
    for token in ["garbage", &token(&json!({ "iss": "https://evil.example" }))] {
        assert_eq!(gate.send(empty(bearer("/api/me", token))).code(), Some(Code::TokenInvalid));
    }
    assert_eq!(gate.fetches.load(std::sync::atomic::Ordering::Relaxed), before);
    let down = Gate::with(policy(), &providers());
    let outage = down.send(empty(bearer("/api/me", &good)));
    assert_eq!((outage.status(), outage.code()), (503, Some(Code::StateUnavailable)));
    let page = down.send(empty(get("/").header("cookie", format!("__session={good}"))));
    assert!(page.admitted() && page.up("x-palisade-user").is_none());
}

#[test]
fn a7_a_remembered_token_is_forgotten_when_it_is_over() {
    let gate = gate();
    let good = token(&json!({}));
    assert!(gate.send(empty(bearer("/api/me", &good))).admitted());
    assert_eq!(gate.plan.state().verified_tokens(), 1);
    let later = Gate { seconds: NOW + 54, ..gate };
    assert!(later.send(empty(bearer("/api/me", &good))).admitted());
    let over = Gate { seconds: NOW + 55, ..later };
    assert_eq!(over.send(empty(bearer("/api/me", &good))).code(), Some(Code::TokenExpired));
}

#[test]
fn the_event_names_the_verified_caller_and_nobody_else() {
    let gate = gate();
    let line = |outcome: &support::Outcome| outcome.record.event().user.map(str::to_owned);
    let known = gate.send(empty(bearer("/api/me", &token(&json!({})))));
    assert_eq!(line(&known).as_deref(), Some("user_1"));
    assert_eq!(line(&gate.send(empty(bearer("/api/me", "a.b.c")))), None);
    assert_eq!(line(&gate.send(empty(get("/api/me").header("x-palisade-user", "root")))), None);
}

#[test]
fn observe_mode_names_what_it_would_refuse_and_forwards_no_identity() {
    let watching = Route { mode: Mode::Observe, ..route(Method::Get, "/api/watched", Kind::ProtectedRead) };
    let gate = Gate { keys: Some(keys(&[("ins_1", 1)])), ..Gate::with(policy().route(watching), &providers()) };
    let outcome = gate.send(empty(navigate("/api/watched")));
    assert!(outcome.admitted());
    assert_eq!((outcome.code(), outcome.stage()), (Some(Code::AuthRequired), Some(Stage::Identity)));
    assert_eq!(outcome.up("x-palisade-user"), None);
    let good = gate.send(empty(bearer("/api/watched", &token(&json!({})))));
    assert_eq!((good.code(), good.up("x-palisade-user")), (None, Some("user_1")));
}

#[test]
fn an_admitted_request_carries_the_gates_word_and_only_its_own() {
    use palisade_guard::{BodyHint, Peer, View};
    let gate = gate();
    let outcome = gate.send(empty(bearer("/api/me?a=1", &token(&json!({})))));
    let head = outcome.forwarded.expect("forwarded");
    let read = |head: &http::request::Parts, gate: &Gate| {
        let peer = Peer { address: std::net::IpAddr::from([127, 0, 0, 1]) };
        let view = View {
            method: &head.method,
            uri: &head.uri,
            version: head.version,
            headers: &head.headers,
            peer,
            body: BodyHint::Empty,
        };
        gate.plan.vouched(&view, &gate.env())
    };
    let vouched = read(&head, &gate).expect("genuine");
    assert_eq!(vouched.subject(), Some("user_1"));
    assert!(vouched.passed(Stage::Identity) && vouched.passed(Stage::Claim));
    for (name, value) in [
        ("x-palisade-user", "user_2"),
        ("x-request-id", "01ARYZ6S410000000000000000"),
        ("x-forwarded-host", "evil.example"),
        ("x-palisade-admitted", "v1.1800000030.7ff.AAAA"),
    ] {
        let mut changed = head.clone();
        changed.headers.insert(name, value.parse().expect("value"));
        assert_eq!(read(&changed, &gate), None, "{name}");
    }
    let mut elsewhere = head.clone();
    elsewhere.uri = "/api/me?a=2".parse().expect("uri");
    assert_eq!(read(&elsewhere, &gate), None, "another target");
    let mut otherwise = head.clone();
    otherwise.method = http::Method::DELETE;
    assert_eq!(read(&otherwise, &gate), None, "another method");
    let later = Gate { seconds: NOW + 31, ..gate };
    assert_eq!(read(&head, &later), None, "too old");
}

#[test]
fn other_issuers_take_their_own_audience_and_claims() {
    let identity = Identity {
        provider: IdentityProvider::Oidc,
        issuer: Some("https://id.example".to_owned()),
        jwks: Some("https://id.example/jwks".to_owned()),
        audience: vec!["shop".to_owned()],
        authorized_parties: Vec::new(),
        sign_in_url: None,
        claims: BTreeMap::from([("owner".to_owned(), "tenant".to_owned())]),
    };
    let owned = Route {
        access: Access { owner: Some("tenant".to_owned()), ..Access::default() },
        ..route(Method::Get, "/t/{tenant}", Kind::ProtectedRead)
    };
    let providers = Providers { verify: Some(Arc::new(Hashes)), ..Providers::default() };
    let policy: Result<Policy, _> = builder().identity(identity.clone()).build();
    assert_eq!(policy.expect("policy").environment, Environment::Production);
    let gate =
        Gate { keys: Some(keys(&[("k", 1)])), ..Gate::with(builder().identity(identity).route(owned), &providers) };
    let claims = |changes: &Value| {
        let base = json!({ "iss": "https://id.example", "sub": "auth0|1", "aud": ["x", "shop"], "exp": NOW + 60, "tenant": "t1" });
        let mut claims = base.as_object().expect("object").clone();
        claims.extend(changes.as_object().expect("object").clone());
        token_of(&json!({ "alg": "RS256", "kid": "k", "typ": "at+jwt" }), &Value::Object(claims), 1)
    };
    for (path, changes, code) in [
        ("/t/t1", json!({}), None),
        ("/t/t1", json!({ "aud": "shop" }), None),
        ("/t/t1", json!({ "aud": "other" }), Some(Code::TokenInvalid)),
        ("/t/t1", json!({ "aud": ["shop", 1] }), Some(Code::TokenInvalid)),
        ("/t/t1", json!({ "aud": null }), Some(Code::TokenInvalid)),
        ("/t/t2", json!({}), Some(Code::ForbiddenOwner)),
    ] {
        assert_eq!(gate.send(empty(bearer(path, &claims(&changes)))).code(), code, "{path} {changes}");
    }
    let nameless = token_of(
        &json!({ "alg": "RS256" }),
        &json!({ "iss": "https://id.example", "sub": "a", "aud": "shop", "exp": NOW + 60, "tenant": "t1" }),
        1,
    );
    assert!(gate.send(empty(bearer("/t/t1", &nameless))).admitted(), "one key, no kid");
}

#[test]
fn a_configuration_that_cannot_verify_is_refused_at_start() {
    let compile = |providers: &Providers| {
        let policy = policy().build().expect("policy");
        let gate = Gate::new(builder());
        palisade_guard::Plan::compile_with(policy, &support::secrets(), gate.plan.state(), providers)
            .err()
            .map(|found| format!("{found:?}"))
    };
    let with = |key: Option<&str>, pem: Option<&str>| Providers {
        clerk_publishable_key: key.map(str::to_owned),
        jwt_key: pem.map(str::to_owned),
        ..providers()
    };
    assert!(compile(&with(None, None)).is_some_and(|found| found.contains("identity-issuer")));
    assert!(compile(&with(Some("pk_live_x"), None)).is_some_and(|found| found.contains("clerk-key-malformed")));
    assert!(compile(&with(Some(LIVE), Some("x"))).is_some_and(|found| found.contains("jwt-key-malformed")));
    assert_eq!(compile(&with(Some(LIVE), None)), None);
    assert_eq!(CsrfStrength::Token, Route::new("/x", Kind::ProtectedWrite).csrf);
    let _ = origin("https://shop.example");
}
