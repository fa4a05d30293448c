//! SECURITY.md 10: a tunnel opens on routes that take one, for pages of this origin, on the right answer, and ends.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "support/identity.rs"]
mod identity;

use palisade_testkit::{Client, Exchange, HOST, RunningGate, Upstream, builder, eventually, route};
use palisade_tower::event::{ClientKey, Kind};
use palisade_tower::policy::{Clients, ForwardingHeader, Route};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn gate(upstream: &Upstream) -> RunningGate {
    let socket = Route { websocket: true, limit: None, ..route("/socket", Kind::PublicRead, &[]) };
    RunningGate::start(builder().route(socket).route(route("/plain", Kind::PublicRead, &[])), &upstream.origin())
}

fn switch(exchange: &mut Exchange, accept: &str) {
    exchange.raw(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ));
}

/// Switches where it is asked, and echoes.
fn echo() -> Upstream {
    Upstream::start(|exchange| {
        if exchange.request.head.field("upgrade").is_none() {
            return exchange.reply(200, &[], "plain");
        }
        switch(exchange, ACCEPT);
        loop {
            let bytes = exchange.bytes();
            if bytes.is_empty() {
                return exchange.close();
            }
            exchange.raw(bytes);
        }
    })
}

fn handshake(path: &str, changes: &[(&str, Option<&str>)]) -> String {
    let origin = format!("https://{HOST}");
    let mut fields = vec![
        ("Origin", origin.as_str()),
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.extend(value.map(|value| (*name, value)));
    }
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n")
}

fn opened(gate: &RunningGate) -> Client {
    let mut client = gate.client();
    client.send(handshake("/socket", &[]));
    assert_eq!(client.head().status, 101);
    client
}

#[test]
fn a_page_of_this_origin_opens_a_tunnel_and_bytes_go_both_ways() {
    let upstream = echo();
    let gate = gate(&upstream);
    let mut client = gate.client();
    client.send(handshake("/socket", &[("Sec-WebSocket-Protocol", Some("chat"))]));
    let response = client.head();
    assert_eq!((response.status, response.field("sec-websocket-accept")), (101, Some(ACCEPT)));
    for text in ["hello", "again"] {
        client.send(text);
        assert_eq!(client.raw(5), text.as_bytes());
    }
    let head = upstream.request().head;
    assert_eq!((head.field("upgrade"), head.field("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!((head.field("sec-websocket-key"), head.field("sec-websocket-protocol")), (Some(KEY), Some("chat")));
    assert_eq!(gate.events.next()["http.response.status_code"], 101);
    client.shutdown(std::net::Shutdown::Write);
    assert!(client.is_closed());
}

#[test]
fn bytes_that_come_with_the_handshake_go_through_the_tunnel() {
    let upstream = echo();
    let gate = gate(&upstream);
    let mut client = gate.client();
    client.send(handshake("/socket", &[]) + "eager");
    assert_eq!(client.head().status, 101);
    assert_eq!(client.raw(5), b"eager");
}

#[test]
fn bytes_that_come_with_the_answer_go_through_the_tunnel() {
    let upstream = Upstream::start(|exchange| {
        let (line, fields) = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket\r\nConnection: Upgrade");
        exchange.raw(format!("{line}\r\n{fields}\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\nwelcome"));
        let bytes = exchange.bytes();
        exchange.raw(bytes);
        exchange.await_close();
    });
    let gate = gate(&upstream);
    let mut client = opened(&gate);
    assert_eq!(client.raw(7), b"welcome");
    client.send("hello");
    assert_eq!(client.raw(5), b"hello");
}

#[test]
fn whoever_else_asks_gets_no_tunnel() {
    let upstream = echo();
    let gate = gate(&upstream);
    let refused: &[(&str, &str, Option<&str>, u16)] = &[
        ("foreign origin", "Origin", Some("https://evil.example"), 403),
        ("http origin", "Origin", Some("http://shop.example"), 403),
        ("null origin", "Origin", Some("null"), 403),
        ("no origin", "Origin", None, 403),
        ("cross-site", "Sec-Fetch-Site", Some("cross-site"), 403),
        ("old version", "Sec-WebSocket-Version", Some("8"), 400),
        ("no version", "Sec-WebSocket-Version", None, 400),
        ("no key", "Sec-WebSocket-Key", None, 400),
        ("other protocol", "Upgrade", Some("h2c"), 400),
        ("body", "Content-Length", Some("3"), 400),
    ];
    for (what, name, value, status) in refused {
        let mut client = gate.client();
        client.send(handshake("/socket", &[(name, *value)]) + "abc");
        assert_eq!(client.response().status, *status, "{what}");
    }
    assert_eq!(upstream.requests().len(), 0);
    // Routes that declare no WebSocket, and paths nobody declared, answer as if nothing had been asked.
    for path in ["/plain", "/undeclared"] {
        let mut client = gate.client();
        client.send(handshake(path, &[]));
        assert_eq!(client.response().text(), "plain", "{path}");
    }
}

#[test]
fn a_wrong_answer_opens_nothing_and_a_refusal_passes() {
    let upstream = Upstream::start(|exchange| match exchange.request.target.as_str() {
        "/socket?refuse" => exchange.reply(403, &[], "not you"),
        "/socket?no-accept" => {
            exchange.raw("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nsecret");
        }
        "/socket?h2c" => exchange.raw(format!(
            "HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\nsecret"
        )),
        _ => {
            switch(exchange, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
            exchange.await_close();
        }
    });
    let gate = gate(&upstream);
    for query in ["?wrong", "?no-accept", "?h2c"] {
        let mut client = gate.client();
        client.send(handshake(&format!("/socket{query}"), &[]));
        let response = client.response();
        assert_eq!((response.status, response.code().as_str()), (502, "upstream-unreachable"), "{query}");
    }
    let mut client = gate.client();
    client.send(handshake("/socket?refuse", &[]));
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (403, "not you"));
}

#[test]
fn tunnels_are_counted_per_client_and_end_with_the_gate() {
    let upstream = echo();
    let mut gate = gate(&upstream);
    let mut open: Vec<Client> = (0..32).map(|_| opened(&gate)).collect();
    let mut one_more = gate.client();
    one_more.send(handshake("/socket", &[]));
    assert_eq!(one_more.response().status, 503);
    drop(open.pop());
    eventually("a place is free again", || {
        let mut client = gate.client();
        client.send(handshake("/socket", &[]));
        client.head().status == 101
    });
    assert_eq!(gate.stop().cut, 0);
    for client in &mut open {
        assert!(client.is_closed());
    }
}

/// Has the gate ask for somebody at `/socket`.
fn wants_identity(gate: &RunningGate, upstream: &Upstream) {
    let socket = Route { websocket: true, limit: None, ..route("/socket", Kind::ProtectedRead, &[]) };
    identity::verify(gate, builder().identity(identity::issuer()).route(socket), upstream);
}

#[test]
fn a_tunnel_ends_with_the_token_it_was_opened_with() {
    let upstream = echo();
    let gate = gate(&upstream);
    wants_identity(&gate, &upstream);
    let open = |seconds| {
        let mut client = gate.client();
        let bearer = format!("Bearer {}", identity::token("anna", seconds));
        client.send(handshake("/socket", &[("Authorization", Some(&bearer))]));
        (client.head().status, client)
    };
    eventually("the thread has the plan", || open(600).0 == 101 && open(-600).0 == 401);
    let (status, mut long) = open(600);
    assert_eq!(status, 101);
    // Over for three seconds, which is within the leeway: good for two more.
    let (status, mut short) = open(-3);
    assert_eq!(status, 101);
    short.send("still");
    assert_eq!(short.raw(5), b"still");
    assert!(short.is_closed());
    long.send("alive");
    assert_eq!(long.raw(5), b"alive", "another's goes on");
}

#[test]
fn a_block_ends_the_tunnels_of_its_client_and_of_nobody_else() {
    let upstream = echo();
    let proxies = vec!["127.0.0.0/8".parse().expect("net")];
    let clients = Clients { trusted_proxies: proxies, header: ForwardingHeader::XForwardedFor };
    let socket = Route { websocket: true, limit: None, ..route("/socket", Kind::PublicRead, &[]) };
    let gate = RunningGate::start(builder().clients(clients).route(socket), &upstream.origin());
    let [mut bad, mut good] = ["192.0.2.1", "192.0.2.2"].map(|address| {
        let mut client = gate.client();
        client.send(handshake("/socket", &[("X-Forwarded-For", Some(address))]));
        assert_eq!(client.head().status, 101);
        client
    });
    let now = palisade_backend::now().mono;
    let address: std::net::IpAddr = [192, 0, 2, 1].into();
    assert!(gate.state.blocks.add(ClientKey::of(address), palisade_guard::MonoMicros(now.0 + 60_000_000), now));
    assert!(bad.is_closed());
    good.send("alive");
    assert_eq!(good.raw(5), b"alive");
    let mut again = gate.client();
    again.send(handshake("/socket", &[("X-Forwarded-For", Some("192.0.2.1"))]));
    let refused = again.response();
    assert_eq!((refused.status, refused.code().as_str()), (403, "blocked"));
}
