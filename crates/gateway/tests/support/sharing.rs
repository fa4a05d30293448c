//! Two gates that share a server, and what is sent to them.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use palisade_event::Kind;
use palisade_policy::{
    Clients, CsrfStrength, ForwardingHeader, Limit, Method, PolicyBuilder, Route, Signature, SignatureScheme, Success,
};
use palisade_testkit::{Client, HOST, Response, RunningGate, Upstream, WEBHOOK_SECRET, builder, route, shared_state};
use sha2::Sha256;

/// What gates of these tests may wait for the server: long enough that a busy machine is no outage.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// A policy whose clients are those that `X-Forwarded-For` names:
///
/// - `/few` 5/min, `/many` 600/min, `/open` 60000/min, all of them reads;
/// - `/login` 6/min, without a token; `/form` a public form at 600/min;
/// - `/hook` a webhook of GitHub's.
pub(crate) fn policy(timeout: Duration) -> PolicyBuilder {
    let read = |path: &str, limit: &str| Route { limit: Some(limited(limit)), ..route(path, Kind::PublicRead, &[]) };
    let login = Route {
        limit: Some(limited("6/min")),
        csrf: CsrfStrength::None,
        csrf_because: Some("it is looked at by other tests".to_owned()),
        success: Some(Success::Status(200)),
        ..route("/login", Kind::Login, &[Method::Post])
    };
    let form = Route { limit: Some(limited("600/min")), ..route("/form", Kind::PublicForm, &[Method::Post]) };
    let signature = Signature { scheme: SignatureScheme::GitHub, secrets: vec!["HOOK_SECRET".to_owned()] };
    let hook = Route {
        signature: Some(signature),
        limit: Some(limited("60000/min")),
        ..route("/hook", Kind::Webhook, &[Method::Post])
    };
    let proxies = vec!["127.0.0.0/8".parse().expect("net")];
    builder()
        .clients(Clients { trusted_proxies: proxies, header: ForwardingHeader::XForwardedFor })
        .state(shared_state(timeout))
        .route(read("/few", "5/min"))
        .route(read("/many", "600/min"))
        .route(read("/open", "60000/min"))
        .route(login)
        .route(form)
        .route(hook)
}

fn limited(text: &str) -> Limit {
    Limit::parse(text).expect("limit")
}

/// Two gates of two threads each in front of one application.
pub(crate) fn pair(upstream: &Upstream, url: &str) -> [RunningGate; 2] {
    [(); 2].map(|()| RunningGate::sharing(policy(TIMEOUT), &upstream.origin(), 2, url))
}

/// The head of a GET by that client.
pub(crate) fn get(path: &str, client: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: {client}\r\n\r\n")
}

/// Asks, and says with what status it was answered.
pub(crate) fn status(to: &mut Client, request: &str) -> u16 {
    to.send(request);
    to.response().status
}

/// A request to sign in.
pub(crate) fn login(client: &str) -> String {
    format!(
        "POST /login HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nX-Forwarded-For: {client}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A message with its signature.
pub(crate) fn hook(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "POST /hook HTTP/1.1\r\nHost: {HOST}\r\nX-Hub-Signature-256: sha256={signature}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A form with a token that a gate has just made.
pub(crate) fn form(gate: &RunningGate, client: &str) -> String {
    let mut line = gate.client();
    line.send(get("/api/csrf", client));
    let minted = line.response();
    let json: serde_json::Value = serde_json::from_slice(&minted.body).expect("json");
    let token = json["csrfToken"].as_str().expect("token");
    let cookie = minted.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("cookie");
    format!(
        "POST /form HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nCookie: {cookie}\r\n\
         X-CSRF-Token: {token}\r\nX-Forwarded-For: {client}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Sends the same request so many times at once, to both gates in turn; says what was answered.
pub(crate) fn at_once(gates: &[RunningGate; 2], request: &str, times: usize) -> Vec<Response> {
    let mut clients: Vec<Client> = (0..times).map(|turn| gates[turn % 2].client()).collect();
    for client in &mut clients {
        client.send(request);
    }
    clients.iter_mut().map(Client::response).collect()
}

/// Whether gates decide as one over the server at `url`.
pub(crate) fn decide_as_one(url: &str) {
    let upstream = Upstream::fixed("ok");
    let gates = pair(&upstream, url);
    let mut lines = [gates[0].client(), gates[1].client()];
    let told: Vec<u16> = (0..10).map(|turn| status(&mut lines[turn % 2], &get("/few", "192.0.2.1"))).collect();
    assert_eq!(told, [200, 200, 200, 200, 200, 429, 429, 429, 429, 429]);
    let answers = at_once(&gates, &form(&gates[0], "192.0.2.2"), 20);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let answers = at_once(&gates, &hook("{}"), 20);
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
}
