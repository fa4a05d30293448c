//! The layer inside an app behind the gate: what the gate has done is not done again, and nothing else is believed.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]
#![allow(clippy::type_complexity, reason = "tables")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Extension, Router};
use palisade_backend::{DemoIssuer, Inside, SystemEntropy, now, providers};
use palisade_event::Kind;
use palisade_gateway::{Config, EventSink, Gateway};
use palisade_guard::{Env, Identity, Plan, Providers, Secrets, State};
use palisade_policy::{
    Access, Clients, CsrfStrength, Identity as Issuer, IdentityProvider, Limit, Method, Methods, Origin, Policy,
    PolicyBuilder, Route,
};
use palisade_testkit::{Client, Response};
use tokio::sync::oneshot;

const ISSUER: &str = "https://id.example";

/// A gate, the app behind it, and what the app's own guard tells.
struct World {
    gate: SocketAddr,
    app: SocketAddr,
    events: Receiver<String>,
    _stop: oneshot::Sender<()>,
}

fn builder() -> PolicyBuilder {
    Policy::builder("shop", vec![Origin::parse("https://shop.example").expect("origin")])
}

fn posts(path: &str, kind: Kind) -> Route {
    Route { methods: Methods::NONE.with(Method::Post), ..Route::new(path, kind) }
}

fn issuer() -> Issuer {
    Issuer {
        provider: IdentityProvider::Oidc,
        issuer: Some(ISSUER.to_owned()),
        jwks: Some("https://id.example/jwks.json".to_owned()),
        audience: vec!["shop".to_owned()],
        authorized_parties: Vec::new(),
        sign_in_url: None,
        claims: std::collections::BTreeMap::default(),
    }
}

fn secrets() -> Secrets {
    Secrets { csrf: vec!["c".repeat(32)], session: vec!["s".repeat(32)], ..Secrets::default() }
}

/// `gate` is the policy of the gate, `inside` that of the app.
fn world(gate: PolicyBuilder, inside: PolicyBuilder, own: Providers, key: Option<String>) -> World {
    let (told, events) = channel();
    let inside = Inside::with_providers(inside, secrets(), own).expect("inside").on_event(move |event| {
        let mut line = Vec::new();
        event.encode(&mut line);
        let _ = told.send(String::from_utf8(line).expect("text"));
    });
    let who = |caller: Option<Extension<Identity>>, headers: HeaderMap| async move {
        let leaked = headers.contains_key("x-palisade-admitted");
        format!("{:?} {leaked}", caller.map(|Extension(caller)| caller.subject().to_owned()))
    };
    let routes = Router::new().route("/read", get(who)).route("/other", get(who)).route("/write", post(who));
    let page = |headers: HeaderMap| async move {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        format!("{}\n{}", text("x-palisade-csrf-token"), text("content-security-policy"))
    };
    let routes = routes.route("/page", get(page));
    let router = routes.route("/account", post(who)).layer(inside.layer());
    let (tell, address) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listener");
            tell.send(listener.local_addr().expect("address")).expect("told");
            axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.expect("serve");
        });
    });
    let app = address.recv().expect("address");
    let local = Clients { trusted_proxies: vec!["127.0.0.0/8".parse().expect("net")], ..Clients::default() };
    let policy = gate.clients(local).build().expect("policy");
    let state = State::new(&policy.limits, &Env { now: now(), entropy: &SystemEntropy });
    let providers = Providers { jwt_key: key, ..providers() };
    let plan = Plan::compile_with(policy, &secrets(), &state, &providers).expect("plan");
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let upstream = Origin { https: false, authority: app.to_string() };
    let config =
        Config { listen, upstreams: vec![upstream.into()], threads: 1, plan, sink: EventSink::new(std::io::sink()) };
    let gateway = Gateway::bind(config).expect("bind");
    let (gate, (stop, stopped)) = (gateway.local_addr(), oneshot::channel::<()>());
    std::thread::spawn(move || {
        gateway.run(|_| async {
            let _ = stopped.await;
        })
    });
    World { gate, app, events, _stop: stop }
}

fn ask(to: SocketAddr, line: &str, fields: &[(&str, &str)]) -> Response {
    let mut head = format!("{line} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut client = Client::connect(to);
    client.send(format!("{head}\r\n"));
    client.response()
}

fn limited(count: &str) -> Route {
    Route { limit: Limit::parse(count).ok(), ..Route::new("/read", Kind::PublicRead) }
}

#[test]
fn a_request_through_the_gate_counts_once() {
    let policy = || builder().route(limited("5/min"));
    let world = world(policy(), policy(), providers(), None);
    // To the app they all come from the gate's address; counted there, the sixth would be one too many.
    for client in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        let statuses: Vec<u16> =
            (0..6).map(|_| ask(world.gate, "GET /read", &[("X-Forwarded-For", client)]).status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 429], "{client}");
    }
    let direct: Vec<u16> = (0..6).map(|_| ask(world.app, "GET /read", &[]).status).collect();
    assert_eq!(direct, [200, 200, 200, 200, 200, 429], "around the gate the app counts for itself, from the first on");
}

#[test]
fn a_rule_that_the_gate_does_not_have_is_kept_inside() {
    let stricter = world(builder().route(limited("100/min")), builder().route(limited("3/min")), providers(), None);
    let statuses: Vec<u16> = (0..5).map(|_| ask(stricter.gate, "GET /read", &[]).status).collect();
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let open = Route {
        csrf: CsrfStrength::Origin,
        csrf_because: Some("a test".to_owned()),
        ..posts("/write", Kind::PublicForm)
    };
    let inside = builder().route(posts("/write", Kind::PublicForm));
    let untested = world(builder().route(open), inside, providers(), None);
    let refused = ask(untested.gate, "POST /write", &[("Origin", "https://shop.example")]);
    assert_eq!((refused.status, refused.code()), (403, "csrf-token-missing".to_owned()));
}

#[test]
fn a_token_is_spent_at_the_gate_and_not_asked_for_inside() {
    let policy = || builder().route(posts("/write", Kind::PublicForm));
    let world = world(policy(), policy(), providers(), None);
    let fetched = ask(world.gate, "GET /api/csrf", &[("Sec-Fetch-Site", "same-origin")]);
    let cookie = fetched.field("set-cookie").expect("cookie").split(';').next().expect("pair").to_owned();
    let token = fetched.text().split('"').nth(3).expect("token").to_owned();
    let fields = [("Cookie", cookie.as_str()), ("X-CSRF-Token", &token), ("Origin", "https://shop.example")];
    assert_eq!(ask(world.gate, "POST /write", &fields).status, 200);
    let again = ask(world.gate, "POST /write", &fields);
    assert_eq!(again.code(), "csrf-token-reused");
    // The app's own ledger has not seen it: had the app spent it too, this would be its second use.
    assert_eq!(ask(world.app, "POST /write", &fields).status, 200);
    assert_eq!(ask(world.app, "POST /write", &fields).code(), "csrf-token-reused");
}

#[test]
fn the_caller_that_the_gate_verified_is_the_apps_caller_by_its_subject_alone() {
    let demo = DemoIssuer::new(ISSUER, "shop").expect("issuer");
    let (pem, token) = (demo.pem().expect("pem"), demo.token("user_1", Duration::from_secs(60)));
    let owner = Access { owner: Some("user".to_owned()), ..Access::default() };
    let account = || posts("/account", Kind::Account);
    let policy = || {
        builder()
            .identity(issuer())
            .route(account())
            .route(Route { access: owner.clone(), ..posts("/u/{user}", Kind::Account) })
    };
    // The app verifies nothing by itself.
    let own = Providers { verify: None, ..providers() };
    let world = world(policy(), policy(), own, Some(pem));
    let bearer = format!("Bearer {token}");
    let passed = ask(world.gate, "POST /account", &[("Authorization", &bearer)]);
    assert_eq!((passed.status, passed.text()), (200, "Some(\"user_1\") false".to_owned()));
    let line = world.events.recv_timeout(Duration::from_secs(5)).expect("an event");
    assert!(line.contains(r#""user.id":"user_1""#), "{line}");
    let around = ask(
        world.app,
        "POST /account",
        &[("Authorization", &bearer), ("X-Palisade-User", "user_1"), ("Origin", "https://shop.example")],
    );
    assert_ne!(around.status, 200, "nobody is anybody by a header alone");
}

#[test]
fn a_word_that_was_said_of_another_request_is_none() {
    let policy = || builder().route(limited("5/min")).route(Route { path: "/other".to_owned(), ..limited("5/min") });
    let world = world(policy(), policy(), providers(), None);
    // Another gate's word, as the app would see it: the gate's own plan speaks to this test in the app's place.
    let state = State::new(&policy().build().expect("policy").limits, &Env { now: now(), entropy: &SystemEntropy });
    let plan = Plan::compile(policy().build().expect("policy"), &secrets(), &state).expect("plan");
    let (mut head, ()) =
        axum::http::Request::get("/read").header("host", "shop.example").body(()).expect("request").into_parts();
    let env = Env { now: now(), entropy: &SystemEntropy };
    let view = palisade_guard::View {
        method: &head.method.clone(),
        uri: &head.uri.clone(),
        version: head.version,
        headers: &head.headers.clone(),
        peer: palisade_guard::Peer { address: Ipv4Addr::LOCALHOST.into() },
        body: palisade_guard::BodyHint::Empty,
    };
    let palisade_guard::Step::Admit(mut admitted) = plan.inspect(&view, &env) else { panic!("not admitted") };
    let _ = admitted.forward(&mut head, &env);
    let word: Vec<(String, String)> = ["x-palisade-admitted", "x-request-id", "x-forwarded-host"]
        .map(|name| (name.to_owned(), head.headers[name].to_str().expect("text").to_owned()))
        .into();
    let said = |line: &str, change: &dyn Fn(&mut Vec<(String, String)>)| {
        let mut fields = word.clone();
        change(&mut fields);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        (0..8).filter(|_| ask(world.app, line, &fields).status == 200).count()
    };
    assert_eq!(said("GET /read", &|_| {}), 8, "its own request it covers: this is what the others lack");
    assert_eq!(said("GET /other", &|_| {}), 5, "another target");
    let longer = |fields: &mut Vec<(String, String)>| fields[0].1 = fields[0].1.replacen("v1.", "v1.9", 1);
    let renamed = |fields: &mut Vec<(String, String)>| fields[1].1 = "01ARYZ6S410000000000000000".to_owned();
    let elsewhere = |fields: &mut Vec<(String, String)>| fields[2].1 = "evil.example".to_owned();
    let claimed = |fields: &mut Vec<(String, String)>| fields.push(("x-palisade-user".to_owned(), "root".to_owned()));
    let changes: [&dyn Fn(&mut Vec<(String, String)>); 4] = [&longer, &renamed, &elsewhere, &claimed];
    let passed: usize = changes.into_iter().map(|change| said("GET /read", change)).sum();
    assert_eq!(passed, 5, "all of them together have what one stranger has");
}

#[test]
fn a_document_has_one_nonce_one_token_and_one_session() {
    let policy = || builder().route(Route::new("/page", Kind::Page)).route(posts("/write", Kind::PublicForm));
    let world = world(policy(), policy(), providers(), None);
    let shown = ask(world.gate, "GET /page", &[("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Mode", "navigate")]);
    let cookies: Vec<&str> = shown
        .head
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .map(|it| it.1.as_str())
        .collect();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let text = shown.text();
    let (token, csp) = text.split_once('\n').expect("two lines");
    let policies: Vec<_> =
        shown.head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-security-policy")).collect();
    assert_eq!((policies.len(), policies[0].1.as_str()), (1, csp), "the nonce the app was given is the one that runs");
    let cookie = cookies[0].split(';').next().expect("pair");
    let fields = [("Cookie", cookie), ("X-CSRF-Token", token), ("Origin", "https://shop.example")];
    assert_eq!(ask(world.gate, "POST /write", &fields).status, 200, "the token in the page is the session's");
}
