//! SECURITY.md, test 6, bounded: bytes without a verdict cost the gate next to nothing, and the upstream nothing.

use palisade_testkit::{Client, HOST, RunningGate, Upstream, builder, eventually, route};
use palisade_tower::event::Kind;
use palisade_tower::policy::{Limits, Method, Route};

/// 2,000, or as many as this process may hold: a client here takes two files, and the gate one.
fn uploads() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = files.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(1024_usize);
    (soft.saturating_sub(300) / 6).min(2000)
}

/// Room for 64 forms of 16 KiB whose token may still come.
const BUDGET: u64 = 64 * (16 << 10);

fn gate(upstream: &Upstream) -> RunningGate {
    let limits = Limits { connections_per_client: 10_000, buffered: BUDGET, ..Limits::default() };
    let form = Route { limit: None, ..route("/contact", Kind::PublicForm, &[Method::Post]) };
    RunningGate::start(builder().limits(limits).route(form), &upstream.origin())
}

fn head(media_type: &str) -> String {
    format!(
        "POST /contact HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nContent-Type: {media_type}\r\n\
         Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
}

#[test]
fn uploads_without_a_token_are_refused_by_their_head() {
    let upstream = Upstream::fixed("never");
    let gate = gate(&upstream);
    let mut clients: Vec<Client> = (0..uploads()).map(|_| gate.client()).collect();
    for client in &mut clients {
        client.send(head("application/json"));
    }
    for client in &mut clients {
        // The first thing said is the refusal: no 100 Continue before it.
        let mut answer = String::from_utf8(client.raw(12)).expect("utf-8");
        answer.push_str(&client.rest_or_response());
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let _ = client.try_send("1\r\nx\r\n");
    }
    assert_eq!(gate.state.buffered(), 0);
    assert_eq!((upstream.requests().len(), upstream.connections()), (0, 0));
}

#[test]
fn forms_whose_token_may_still_come_share_one_budget() {
    let upstream = Upstream::fixed("never");
    let gate = gate(&upstream);
    let mut clients: Vec<Client> = (0..uploads()).map(|_| gate.client()).collect();
    for client in &mut clients {
        client.send(head("application/x-www-form-urlencoded"));
    }
    let mut most = 0;
    eventually("the budget is used up", || {
        most = most.max(gate.state.buffered());
        most == BUDGET
    });
    let mut told = [0; 2];
    for client in &mut clients {
        let answer = client.rest_or_response();
        let overloaded = answer.starts_with("HTTP/1.1 503");
        // Only who has a place in the budget is asked to go on.
        assert!(overloaded || answer.starts_with("HTTP/1.1 100 Continue"), "{answer}");
        told[usize::from(overloaded)] += 1;
        for byte in "a=1".bytes() {
            let _ = client.try_send(format!("1\r\n{}\r\n", char::from(byte)));
        }
        assert!(gate.state.buffered() <= BUDGET);
    }
    assert_eq!(told, [64, uploads() - 64]);
    drop(clients);
    eventually("the budget comes back", || gate.state.buffered() == 0);
    assert_eq!((upstream.requests().len(), upstream.connections()), (0, 0));
}

#[test]
fn a_form_with_its_token_passes_byte_for_byte() {
    let upstream = Upstream::fixed("thanks");
    let gate = gate(&upstream);
    let mut client = gate.client();
    let minted = client.get("/api/csrf");
    let json: serde_json::Value = serde_json::from_slice(&minted.body).expect("json");
    let token = json["csrfToken"].as_str().expect("token");
    let cookie = minted.field("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("cookie");
    let body = format!("a=1&_csrf={token}&text=%41+b");
    client.send(format!(
        "POST /contact HTTP/1.1\r\nHost: {HOST}\r\nOrigin: https://{HOST}\r\nCookie: {cookie}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    for byte in body.bytes() {
        client.send(format!("1\r\n{}\r\n", char::from(byte)));
    }
    client.send("0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "thanks"), "{response:?}");
    eventually("the body is recorded", || upstream.request().body == body.as_bytes());
    assert!(response.field("x-csrf-token").is_some());
}
