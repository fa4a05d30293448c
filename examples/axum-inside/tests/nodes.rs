//! An app with the gate inside, and a gate elsewhere: one server, one count.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use palisade_backend::{Inside, Notice, SystemEntropy, now};
use palisade_event::Kind;
use palisade_guard::{Env, Secrets};
use palisade_policy::{Limit, Method, PolicyBuilder, Route};
use palisade_testkit::{Client, FixedEnv, HOST, PATIENCE, Redis, RunningGate, Upstream, builder, route, shared_state};
use tokio::sync::oneshot;

/// The time that testkit's gates draw their secrets from.
const SECRETS: u64 = 1_793_577_600;

fn policy() -> PolicyBuilder {
    let limited = |limit: &str, route: Route| Route { limit: Limit::parse(limit).ok(), ..route };
    builder()
        .state(shared_state(Duration::from_secs(5)))
        .route(limited("5/min", route("/few", Kind::PublicRead, &[])))
        .route(limited("600/min", route("/form", Kind::PublicForm, &[Method::Post])))
}

struct App {
    address: SocketAddr,
    notices: Receiver<Notice>,
    _stop: oneshot::Sender<()>,
}

/// An app that carries the gate within, and shares by that server.
fn app(redis: &Redis) -> App {
    let (tell, notices) = channel();
    let inside = Inside::new(policy(), Secrets::ephemeral(&FixedEnv::at(SECRETS).env())).expect("inside");
    let inside = inside.on_event(|_| {}).sharing(redis.url().parse().expect("address"), move |notice| {
        let _ = tell.send(notice.clone());
    });
    let layer = inside.expect("a thread").layer();
    let router: Router =
        Router::new().route("/few", get(async || "ok")).route("/form", post(async || "ok")).layer(layer);
    let (told, address) = channel();
    let (stop, stopped) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
            let _ = told.send(listener.local_addr().expect("address"));
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            tokio::select! {
                served = axum::serve(listener, service) => served.expect("serves"),
                _ = stopped => {}
            }
        });
    });
    App { address: address.recv_timeout(PATIENCE).expect("it starts"), notices, _stop: stop }
}

fn ask(line: &mut Client, request: &str) -> u16 {
    line.send(request);
    line.response().status
}

#[test]
fn a_gate_and_an_app_count_as_one_and_spend_a_token_once() {
    let mut redis = Redis::start();
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::sharing(policy(), &upstream.origin(), 1, &redis.url());
    let app = app(&redis);
    redis.wait_for_gates(2);
    let mut lines = [gate.client(), Client::connect(app.address)];
    let few = format!("GET /few HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let told: Vec<u16> = (0..10).map(|turn| ask(&mut lines[turn % 2], &few)).collect();
    assert_eq!(told, [200, 200, 200, 200, 200, 429, 429, 429, 429, 429]);

    // A token of the one is the other's too, once.
    let minted = lines[1].get("/api/csrf");
    let json: serde_json::Value = serde_json::from_slice(&minted.body).expect("json");
    let token = json["csrfToken"].as_str().expect("token");
    let cookie = minted.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("cookie");
    let form = format!(
        "POST /form HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nCookie: {cookie}\r\nX-CSRF-Token: {token}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    assert_eq!([ask(&mut lines[0], &form), ask(&mut lines[1], &form), ask(&mut lines[0], &form)], [200, 403, 403]);

    redis.stop();
    let out = app.notices.recv_timeout(PATIENCE).expect("a notice");
    assert!(matches!(out, Notice::Outage { nodes: 2, .. }), "{out:?}");
    redis.run();
    let back = app.notices.recv_timeout(PATIENCE).expect("a notice");
    assert!(matches!(back, Notice::Recovered { .. }), "{back:?}");
}

#[test]
fn an_app_whose_policy_shares_nothing_is_told_so() {
    let secrets = Secrets::ephemeral(&Env { now: now(), entropy: &SystemEntropy });
    let inside = Inside::new(builder(), secrets).expect("inside");
    let refused =
        inside.sharing("redis://127.0.0.1:1".parse().expect("address"), |_| {}).expect_err("nothing to share");
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}
