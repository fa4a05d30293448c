//! SECURITY.md, tests 3, 6, 7 and 8, over two gates that share a server.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/identity.rs"]
mod identity;
#[path = "support/sharing.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod sharing;

use std::time::Instant;

use palisade_event::Kind;
use palisade_policy::{Limit, Limits, Method, PolicyBuilder, Route, Schema, Signature, SignatureScheme, Success};
use palisade_testkit::{Client, HOST, Redis, Response, RunningGate, Upstream, eventually, route};
use sharing::{TIMEOUT, get, hook, policy, status};

/// Connections of a kind that send their body a byte at a time. 2,000 of SECURITY.md are what `uploads.rs` holds.
const SLOW: usize = 200;
/// What stages of one gate may read of bodies together.
const BUDGET: u64 = 2 << 20;
/// What of it a message takes at first, whose signature is to be looked at.
const FIRST_STEP: u64 = 64 << 10;

fn limit(text: &str) -> Option<Limit> {
    Some(Limit::parse(text).expect("limit"))
}

/// Two gates that verify tokens and schemas, with bounds of their own.
fn pair(redis: &Redis, upstream: &Upstream, limits: &Limits, rules: impl Fn() -> PolicyBuilder) -> [RunningGate; 2] {
    [(); 2].map(|()| {
        let gate = RunningGate::sharing(policy(TIMEOUT).limits(limits.clone()), &upstream.origin(), 1, &redis.url());
        identity::verify(&gate, rules().limits(limits.clone()).identity(identity::issuer()), upstream);
        gate
    })
}

fn answer(gate: &RunningGate, request: impl AsRef<[u8]>) -> Response {
    let mut client = gate.client();
    client.send(request);
    client.response()
}

fn told(gate: &RunningGate, request: impl AsRef<[u8]>) -> (u16, String) {
    let answer = answer(gate, request);
    (answer.status, answer.code())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Fails whoever asks for it.
fn failing() -> Upstream {
    Upstream::start(|exchange| {
        let body = exchange.body();
        let fail = body.windows(4).any(|word| word == b"fail");
        exchange.reply(if fail { 500 } else { 200 }, &[], "");
    })
}

// === test 3 ===

fn writes() -> PolicyBuilder {
    let schema = "{\"type\":\"object\",\"required\":[\"n\"],\"properties\":{\"n\":{\"type\":\"string\"}}}".to_owned();
    let write = Route {
        limit: limit("60000/min"),
        body: 100,
        schema: Some(Schema::Inline { text: schema, span: None }),
        ..route("/write", Kind::ProtectedWrite, &[Method::Post])
    };
    let once = Route { path: "/once".to_owned(), limit: limit("1/min"), ..write.clone() };
    policy(TIMEOUT).route(write).route(once)
}

#[test]
fn a_token_is_spent_by_no_stage_before_the_last_whichever_gate_refuses() {
    let (redis, upstream) = (Redis::start(), failing());
    let gates = pair(&redis, &upstream, &Limits::default(), writes);
    let [live, over] = [600, -600].map(|seconds| format!("__session={}", identity::token("anna", seconds)));
    let mut line = gates[0].client();
    line.send(format!("GET /api/csrf HTTP/1.1\r\nHost: {HOST}\r\nCookie: {live}\r\n\r\n"));
    let minted = line.response();
    let json: serde_json::Value = serde_json::from_slice(&minted.body).expect("json");
    let sid = minted.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("cookie").to_owned();
    let write = |path: &str, session: &str, token: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nCookie: {sid}; {session}\r\n\
             X-CSRF-Token: {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let token = json["csrfToken"].as_str().expect("token");
    let (good, fail) = ("{\"n\":\"a\"}", "{\"n\":\"fail\"}");
    assert_eq!(told(&gates[1], write("/write", &over, token, good)), refused(401, "token-expired"));
    assert_eq!(told(&gates[0], write("/write", &live, token, &"x".repeat(101))), refused(413, "body-too-large"));
    assert_eq!(told(&gates[1], write("/write", &live, token, "{\"n\":1}")), refused(400, "validation-failed"));
    // Her one request a minute goes to another tab, over the one gate; the other knows of it.
    let bearer = identity::token("anna", 600);
    let other = format!(
        "POST /once HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{good}",
        good.len()
    );
    assert_eq!(answer(&gates[0], other).status, 200);
    assert_eq!(told(&gates[1], write("/once", &live, token, good)), refused(429, "rate-limited"));
    assert_eq!(upstream.requests().len(), 1);
    // It is as good as new, and goes with the request that reaches the application, whatever becomes of that.
    let failed = answer(&gates[1], write("/write", &live, token, fail));
    assert_eq!(failed.status, 500);
    for gate in &gates {
        assert_eq!(told(gate, write("/write", &live, token, good)), refused(403, "csrf-token-reused"));
    }
    let next = failed.field("x-csrf-token").expect("the next token");
    assert_eq!(answer(&gates[0], write("/write", &live, next, good)).status, 200);
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn a_message_that_some_stage_refused_or_the_application_failed_over_may_come_again_to_any_gate() {
    let (redis, upstream) = (Redis::start(), failing());
    let few = || Route {
        signature: Some(Signature { scheme: SignatureScheme::GitHub, secrets: vec!["HOOK_SECRET".to_owned()] }),
        limit: limit("2/min"),
        body: 100,
        ..route("/few-hooks", Kind::Webhook, &[Method::Post])
    };
    let gates = pair(&redis, &upstream, &Limits::default(), || policy(TIMEOUT).route(few()));
    let forged = hook("{\"n\":1}").replace("sha256=", "sha256=0");
    assert_eq!(told(&gates[0], forged), refused(400, "signature-invalid"));
    let to_few = |body: &str| hook(body).replace("POST /hook ", "POST /few-hooks ");
    assert_eq!(told(&gates[1], to_few(&"x".repeat(101))), refused(413, "body-too-large"));
    assert_eq!(answer(&gates[0], to_few("{\"n\":2}")).status, 200);
    // Both gates have charged one of two.
    assert_eq!(told(&gates[1], to_few("{\"n\":3}")), refused(429, "rate-limited"));
    assert_eq!(answer(&gates[1], hook("{\"n\":3}")).status, 200, "the other route takes what that one put off");
    // What the application failed over is free again, at the other gate too; what it took is not.
    assert_eq!(answer(&gates[0], hook("fail")).status, 500);
    eventually("released", || answer(&gates[1], hook("fail")).status == 500);
    for gate in &gates {
        assert_eq!(told(gate, hook("{\"n\":3}")), refused(400, "signature-replayed"));
    }
}

// === test 6 ===

/// Every kind that reads a body, and what a stranger's head alone is answered; nothing where it is admitted by its head,
/// and streams.
const BODIES: [(Kind, Option<u16>); 12] = [
    (Kind::PublicForm, Some(403)),
    (Kind::ProtectedWrite, Some(403)),
    (Kind::Bulk, Some(403)),
    (Kind::Account, Some(403)),
    (Kind::Payment, Some(403)),
    (Kind::Login, Some(403)),
    (Kind::Export, Some(403)),
    (Kind::Report, Some(403)),
    (Kind::Expensive, Some(403)),
    (Kind::Upload, Some(403)),
    (Kind::Search, None),
    (Kind::Delegated, None),
];

fn bodies() -> PolicyBuilder {
    let signature = Signature { scheme: SignatureScheme::GitHub, secrets: vec!["HOOK_SECRET".to_owned()] };
    let hook = Route {
        signature: Some(signature),
        limit: limit("60000/min"),
        ..route("/kinds/webhook", Kind::Webhook, &[Method::Post])
    };
    let of = |kind: Kind| Route {
        limit: limit("60000/min"),
        success: (kind == Kind::Login).then_some(Success::Status(302)),
        media_types: if kind == Kind::Upload { vec!["application/json".to_owned()] } else { Vec::new() },
        ..route(&format!("/kinds/{}", kind.id()), kind, &[Method::Post])
    };
    let kinds = BODIES.iter().map(|(kind, _)| of(*kind));
    kinds.chain([hook]).fold(policy(TIMEOUT), PolicyBuilder::route)
}

/// Begins to upload ten mebibytes, over as many connections to each gate.
fn begin(gates: &[RunningGate; 2], kind: Kind, more: &str) -> Vec<Client> {
    let head = format!(
        "POST /kinds/{} HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n{more}\r\n",
        kind.id()
    );
    let mut clients: Vec<Client> = (0..SLOW).map(|turn| gates[turn % 2].client()).collect();
    for client in &mut clients {
        client.send(&head);
    }
    clients
}

fn first_line(client: &mut Client) -> String {
    String::from_utf8(client.raw(12)).expect("utf-8")
}

/// A byte of each body, now and again.
fn trickle(gates: &[RunningGate; 2], clients: &mut [Client]) {
    for _ in 0..5 {
        for client in &mut *clients {
            let _ = client.try_send("1\r\nx\r\n");
        }
        assert!(gates.iter().all(|gate| gate.state.buffered() <= BUDGET));
    }
}

#[test]
fn strangers_bodies_cost_memory_within_the_budget_and_reach_nobody_before_the_verdict() {
    let (redis, upstream) = (Redis::start(), Upstream::fixed("ok"));
    let limits = Limits { connections_per_client: 10_000, buffered: BUDGET, ..Limits::default() };
    let gates = pair(&redis, &upstream, &limits, bodies);
    for (kind, status) in BODIES {
        let Some(status) = status else { continue };
        let mut clients = begin(&gates, kind, "");
        for client in &mut clients {
            // The first thing said is the verdict: no 100 Continue before it.
            assert_eq!(first_line(client), format!("HTTP/1.1 {status}"), "{kind:?}");
        }
        trickle(&gates, &mut clients);
        assert!(gates.iter().all(|gate| gate.state.buffered() == 0), "{kind:?}");
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (0, 0));

    // A signature can only be looked at with its body: as many as there is room for are read.
    let hooks = usize::try_from(BUDGET / FIRST_STEP).expect("few");
    let mut clients = begin(&gates, Kind::Webhook, &format!("X-Hub-Signature-256: sha256={}\r\n", "0".repeat(64)));
    let mut lines: Vec<String> = clients.iter_mut().map(first_line).collect();
    trickle(&gates, &mut clients);
    lines.sort();
    let count = |status: &str| lines.iter().filter(|line| line.ends_with(status)).count();
    assert_eq!((count("100"), count("503")), (2 * hooks, SLOW - 2 * hooks));
    drop(clients);
    eventually("the budget comes back", || gates.iter().all(|gate| gate.state.buffered() == 0));
    let mut none = begin(&gates, Kind::Webhook, "");
    assert!(none.iter_mut().all(|client| first_line(client) == "HTTP/1.1 400"), "without a signature none is read");
    assert_eq!((upstream.requests().len(), upstream.connections()), (0, 0));

    // What is admitted by its head streams: the gate keeps none of it.
    for (kind, _) in BODIES.iter().filter(|(_, status)| status.is_none()) {
        let mut clients = begin(&gates, *kind, "");
        trickle(&gates, &mut clients);
        assert!(gates.iter().all(|gate| gate.state.buffered() == 0), "{kind:?}");
    }
    assert_eq!(answer(&gates[0], get("/few", "192.0.2.77")).status, 200, "others are served meanwhile");
}

// === test 7 ===

fn crowded() -> PolicyBuilder {
    let read = Route { limit: limit("120/min"), ..route("/mine", Kind::ProtectedRead, &[]) };
    policy(TIMEOUT).route(read)
}

/// Tables so small that strangers push everybody out of them.
fn small() -> Limits {
    Limits { limiter_slots: 1024, ..Limits::default() }
}

/// How many of these requests pass, half of them through each gate.
fn passed(lines: &mut [Client; 2], clients: impl Iterator<Item = String>) -> usize {
    let requests: Vec<String> = clients.map(|client| get("/few", &client)).collect();
    let mut passed = 0;
    for (turn, batch) in requests.chunks(50).enumerate() {
        let line = &mut lines[turn % 2];
        line.send(batch.concat());
        passed += batch.iter().filter(|_| line.response().status == 200).count();
    }
    passed
}

#[test]
fn floods_through_two_gates_give_no_client_more_than_its_limit() {
    let (redis, upstream) = (Redis::start(), Upstream::fixed("ok"));
    let gates = pair(&redis, &upstream, &small(), crowded);
    let mut lines = [gates[0].client(), gates[1].client()];
    let real: Vec<String> = (1..=5).map(|n| format!("192.0.2.{n}")).collect();
    let began = Instant::now();
    let mut admitted = vec![0_u128; real.len()];
    let mut ask = |lines: &mut [Client; 2], times: usize| {
        for (client, count) in real.iter().zip(&mut admitted) {
            let passed = (0..times).filter(|turn| status(&mut lines[turn % 2], &get("/few", client)) == 200).count();
            *count += passed as u128;
        }
    };
    ask(&mut lines, 4);
    let strangers = passed(&mut lines, (0..4_000).map(|n| format!("10.{}.{}.1", n / 250, n % 250)));
    assert_eq!(strangers, 4_000, "each is a client of its own: the server forgets nobody for them");
    let network = passed(&mut lines, (0..1_000).map(|n| format!("2001:db8:bad:{n:x}::1")));
    let earned = began.elapsed().as_millis() * 80 / 60_000 + 1;
    assert!(network as u128 <= 80 + earned, "a /48 has sixteen quotas, and got {network}");
    let again = passed(&mut lines, (0..4_000).map(|n| format!("10.0.0.{}", 2 + n % 3)));
    let earned = 3 * (began.elapsed().as_millis() / 12_000 + 1);
    assert!(again as u128 <= 15 + earned, "{again} of refused clients");
    ask(&mut lines, 5);
    let most = 5 + began.elapsed().as_millis() / 12_000;
    assert!(admitted.iter().all(|count| (4..=most).contains(count)), "{admitted:?} of {most}");
}

#[test]
fn behind_one_address_nobody_is_refused_for_what_verified_neighbours_do() {
    let (redis, upstream) = (Redis::start(), Upstream::fixed("ok"));
    let gates = pair(&redis, &upstream, &small(), crowded);
    let mut lines = [gates[0].client(), gates[1].client()];
    let mine = |subject: &str| {
        let bearer = identity::token(subject, 600);
        format!("Authorization: Bearer {bearer}\r\n\r\n")
    };
    let office: Vec<String> = (0..30).map(|n| mine(&format!("user{n}"))).collect();
    let head = get("/mine", "192.0.2.1").trim_end().to_owned() + "\r\n";
    for turn in 0..20 {
        for (number, bearer) in office.iter().enumerate() {
            assert_eq!(status(&mut lines[(turn + number) % 2], &(head.clone() + bearer)), 200, "{number}, {turn}");
        }
    }
    // Six hundred requests in a route of 120 a minute: who comes now is served as well, at both gates.
    let late = mine("late");
    for line in &mut lines {
        assert_eq!(status(line, &(head.clone() + &late)), 200);
    }
    // One subject's own limit holds over both gates.
    let began = Instant::now();
    let passed = (0..300).filter(|turn| status(&mut lines[turn % 2], &(head.clone() + &late)) == 200).count();
    let earned = began.elapsed().as_millis() / 500 + 1;
    assert!(passed as u128 <= 118 + earned, "{passed}");
}

// === test 8 ===

#[test]
fn what_a_hostile_client_sends_through_one_gate_spoils_no_request_of_the_other() {
    let redis = Redis::start();
    let upstream = Upstream::start(|exchange| match exchange.request.target.as_str() {
        // Answers before the body has come, and goes on with the connection.
        "/kinds/delegated?early" => exchange.reply(200, &[], "early"),
        "/open?101" => {
            exchange.raw("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
        }
        "/open?103" => {
            exchange.raw("HTTP/1.1 103 Early Hints\r\nSet-Cookie: hint=1\r\nLink: </x>\r\n\r\n");
            exchange.reply(200, &[], "after hints");
        }
        _ => {
            let _ = exchange.try_body();
            exchange.reply(200, &[], "clean");
        }
    });
    let gates = pair(&redis, &upstream, &Limits::default(), bodies);
    let line = |target: &str, fields: &str| format!("{target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
    let smuggled = "GET /admin HTTP/1.1\r\nHost: shop.example\r\nX-Smuggled: 1\r\n\r\n";
    let hostile = [
        line("GET /open", "X_Palisade_User: root\r\nX-Palisade-Admitted: forged\r\nX-Middleware-Subrequest: a\r\n"),
        line("GET /open", "Connection: X-Forwarded-For, Host, close\r\nX-Forwarded-Proto: http\r\n"),
        line("GET /open", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n"),
        line("GET /open?101", ""),
        line("GET /open?103", ""),
        line("POST /kinds/delegated", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + smuggled,
        line("POST /kinds/delegated", "Transfer-Encoding: chunked\r\nTrailer: X-Palisade-User\r\n")
            + "1\r\nx\r\n0\r\nX-Palisade-User: root\r\n\r\n",
        line("POST /kinds/delegated?early", "Content-Length: 100\r\n") + smuggled,
        line("PRI *", "") + "SM\r\n\r\n",
    ];
    for (number, request) in hostile.iter().enumerate() {
        let mut bad = gates[number % 2].client();
        bad.send(request);
        let heard = bad.rest_or_response();
        assert!(!heard.contains("hint=1"), "{heard}");
        drop(bad);
        for gate in &gates {
            let clean = answer(gate, line("GET /open?clean", "Accept: */*\r\n"));
            assert_eq!((clean.status, clean.text().as_str()), (200, "clean"), "after {request}");
        }
    }
    for request in upstream.requests() {
        let names = request.head.names();
        assert!(request.target.starts_with("/open") || request.target.starts_with("/kinds"), "{}", request.target);
        let forbidden = ["x_palisade_user", "x-palisade-user", "x-middleware-subrequest", "upgrade", "http2-settings"];
        assert!(!names.iter().any(|name| forbidden.contains(name)), "{names:?}");
        assert_eq!(request.head.field("x-forwarded-proto"), Some("https"));
        assert_ne!(request.head.field("x-palisade-admitted"), Some("forged"));
        if request.target == "/open?clean" {
            let expected = ["accept", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
            assert_eq!(names[..5], expected);
            assert_eq!(names.len(), 7, "{names:?}");
        }
    }
}
