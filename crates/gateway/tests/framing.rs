//! Raw bytes of HTTP/1.1 against the gate, and beside it against nginx and HAProxy where they are installed: what each
//! answers, and what the application behind it sees. `docs/framing.md` holds the table that this test makes; write it
//! anew with `PALISADE_WRITE_DOCS=1`.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "framing/cases.rs"]
mod cases;
#[path = "framing/peers.rs"]
mod peers;

use std::fmt::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use palisade_testkit::{Client, HOST, PATIENCE, Recorded, Response, RunningGate, Upstream, eventually, open};

use cases::{Case, Expect, cases};
use peers::{Haproxy, Nginx};

/// The clean request behind every case; it closes, so that everything there is to say has been said.
fn clean() -> Vec<u8> {
    format!("GET /free/clean HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n").into_bytes()
}

fn exchange(address: SocketAddr, case: &Case) -> Vec<Response> {
    let mut client = Client::connect(address);
    client.send([case.bytes.clone(), clean()].concat());
    let mut responses = Vec::new();
    loop {
        let method = if case.bytes.starts_with(b"HEAD") { "HEAD" } else { "GET" };
        responses.push(client.response_to(method));
        let last = matches!(case.expect, Expect::Last(_));
        if last || responses.last().is_some_and(|response| response.field("connection") == Some("close")) {
            assert!(client.is_closed(), "{}", case.name);
            return responses;
        }
    }
}

fn targets(requests: &[Recorded]) -> Vec<&str> {
    requests.iter().map(|request| request.target.as_str()).collect()
}

fn assert_refused(response: &Response, status: u16, case: &Case) {
    let name = case.name;
    assert_eq!(response.status, status, "{name}");
    assert_eq!(response.field("content-type"), Some("application/problem+json"), "{name}");
    assert_eq!(response.field("x-content-type-options"), Some("nosniff"), "{name}");
    assert_eq!(response.field("cache-control"), Some("no-store"), "{name}");
    assert_eq!(response.field("connection"), Some("close"), "{name}");
    assert_eq!(response.field("server"), None, "{name}");
    assert!(response.field("content-security-policy").is_some(), "{name}");
    assert!(response.field("strict-transport-security").is_some(), "{name}");
    let code = match status {
        414 => "target-too-long",
        431 => "head-too-large",
        _ => "framing-malformed",
    };
    if !case.bytes.starts_with(b"HEAD") {
        assert_eq!(response.code(), code, "{name}");
        assert!(response.text().contains(response.field("x-request-id").expect("an id")), "{name}");
    }
}

#[test]
fn every_case_reaches_the_application_in_one_meaning_or_not_at_all() {
    let upstream = Upstream::start(|exchange| {
        if exchange.try_body().is_ok() {
            exchange.reply(200, &[], "ok");
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    let all = cases();
    assert!(all.len() >= 120, "{} cases", all.len());
    let mut seen = 0;
    for case in &all {
        let responses = exchange(gate.address, case);
        let statuses: Vec<_> = responses.iter().map(|response| response.status).collect();
        // What the application saw of it, and that whoever comes next is served as if nothing had been.
        assert_eq!(gate.client().get("/free/next").text(), "ok", "{}", case.name);
        let requests = upstream.requests().split_off(seen);
        seen += requests.len();
        let (expect, targets_seen): (&[u16], &[&str]) = match &case.expect {
            Expect::Refused(status) => {
                assert_refused(&responses[0], *status, case);
                (&[*status], &["/free/next"])
            }
            Expect::Passes(target) => (&[200, 200], &[target, "/free/clean", "/free/next"]),
            Expect::Last(status) => (&[*status], &["/free/next"]),
            Expect::Answered(status) => (&[*status, 200], &["/free/clean", "/free/next"]),
        };
        assert_eq!((&statuses[..], &targets(&requests)[..]), (expect, targets_seen), "{}", case.name);
        for request in &requests {
            assert_one_framing(request, case);
        }
    }
}

/// What reaches the application is framed once, and names the host once.
fn assert_one_framing(request: &Recorded, case: &Case) {
    let names = request.head.names();
    let count = |name: &str| names.iter().filter(|known| **known == name).count();
    assert!(count("content-length") + count("transfer-encoding") <= 1, "{}: {names:?}", case.name);
    assert_eq!(count("host"), 1, "{}", case.name);
    assert!(names.iter().all(|name| !name.contains('_') && *name != "upgrade"), "{}: {names:?}", case.name);
}

/// Cut anywhere, a case is answered as if it had come at once; bodies whose head came before may end in other ways.
#[test]
fn a_refused_head_is_refused_however_it_is_cut() {
    let upstream = Upstream::fixed("never");
    let gate = RunningGate::start(open(), &upstream.origin());
    for case in cases() {
        let Expect::Refused(status) = case.expect else { continue };
        let whole_head = case.bytes.windows(4).any(|end| end == b"\r\n\r\n");
        let body = case.bytes.windows(4).position(|end| end == b"\r\n\r\n").is_some_and(|at| at + 4 < case.bytes.len());
        if !whole_head || body {
            continue;
        }
        let mut client = gate.client();
        let half = case.bytes.len() / 2;
        // It may be refused before its second half has come.
        client.send(&case.bytes[..half]);
        let _ = client.try_send(&case.bytes[half..]);
        let method = if case.bytes.starts_with(b"HEAD") { "HEAD" } else { "GET" };
        assert_refused(&client.response_to(method), status, &case);
        assert!(client.is_closed(), "{}", case.name);
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_refused_request_waits_for_the_answers_before_it_and_leaves_one_event() {
    let upstream = Upstream::start(|exchange| {
        let target = exchange.request.target.clone();
        exchange.reply(200, &[], target);
    });
    let mut gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let bad = format!("POST /in/secret HTTP/1.1\r\nHost: {HOST}\r\nHost: {HOST}\r\n\r\n");
    client.send(get("/free/1") + &get("/free/2") + &bad + &get("/free/3"));
    assert_eq!(client.response().text(), "/free/1");
    assert_eq!(client.response().text(), "/free/2");
    assert_eq!(client.response().code(), "framing-malformed");
    assert!(client.is_closed());
    assert_eq!(targets(&upstream.requests()), ["/free/1", "/free/2"]);
    drop(client);
    let _ = gate.stop();
    let events = gate.events.rest();
    assert_eq!(events.len(), 3);
    let refused = events.iter().find(|event| event["palisade.code"] == "framing-malformed").expect("an event");
    assert_eq!(refused["palisade.decision"], "refuse");
    assert_eq!(refused["http.request.method"], "POST");
    assert_eq!(refused["url.path"], "/in/secret");
    assert_eq!(refused["http.response.status_code"], 400);
}

#[test]
fn a_body_that_breaks_after_its_head_passed_reaches_the_application_unfinished() {
    let upstream = Upstream::start(|exchange| {
        let whole = exchange.try_body().is_ok();
        if whole {
            exchange.reply(200, &[], "whole");
        }
    });
    let gate = RunningGate::start(open(), &upstream.origin());
    for broken in ["3\r\nabcX\r\n0\r\n\r\n", "3;\n\r\nabc\r\n0\r\n\r\n", "zz\r\n", "0\r\nContent-Length: 1\r\n\r\n"] {
        let before = upstream.requests().len();
        let mut client = gate.client();
        client.send(format!("POST /in/a HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n"));
        upstream.wait_for(before + 1);
        client.send([broken.as_bytes(), &clean()].concat());
        let response = client.response();
        assert_eq!((response.status, response.code().as_str()), (400, "body-malformed"), "{broken:?}");
        assert!(client.is_closed());
        assert_eq!(gate.client().get("/free/next").status, 200);
        assert_eq!(upstream.requests().len(), before + 2, "{broken:?}: nothing that followed became a request");
    }
}

#[test]
fn chunked_requests_keep_their_connection() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    let mut client = gate.client();
    for _ in 0..3 {
        client.send(format!(
            "POST /in/a HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_head_of_the_largest_size_in_pieces_of_any_size_passes() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    let fixed = format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\nX: \r\n\r\n").len();
    for (size, status) in [(16 << 10, 200), ((16 << 10) + 1, 431)] {
        for piece in [1 << 20, 8 << 10, 1000] {
            let value = "v".repeat(size - fixed);
            let head = format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\nX: {value}\r\n\r\n");
            assert_eq!(head.len(), size);
            let mut client = gate.client();
            for piece in head.as_bytes().chunks(piece) {
                let _ = client.try_send(piece);
            }
            assert_eq!(client.response().status, status, "{size} bytes in pieces of {piece}");
        }
    }
}

#[test]
fn a_hundred_fields_pass_and_one_more_does_not() {
    let upstream = Upstream::fixed("ok");
    let gate = RunningGate::start(open(), &upstream.origin());
    for (fields, status) in [(99, 200), (100, 431)] {
        let fields = "X: 1\r\n".repeat(fields);
        let mut client = gate.client();
        client.send(format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n"));
        assert_eq!(client.response().status, status);
    }
}

// === beside others ===

/// What a proxy does with a case: the statuses it answers, and how many requests the application sees.
fn observe(address: SocketAddr, upstream: &Upstream, case: &Case, patience: Duration) -> String {
    let before = upstream.requests().len();
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(patience)).expect("timeout");
    let _ = std::io::Write::write_all(&mut stream, &[case.bytes.clone(), clean()].concat());
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = std::io::Read::read(&mut stream, &mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    let _ = stream.shutdown(Shutdown::Both);
    let text = String::from_utf8_lossy(&answer);
    let mut said: Vec<&str> = text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)).collect();
    if said.is_empty() {
        said.push(if answer.is_empty() { "nothing" } else { "a page" });
    }
    let seen = upstream.requests().len() - before;
    format!("{}; {seen}", said.join(", "))
}

fn recorder() -> Upstream {
    Upstream::start(|exchange| {
        if exchange.try_body().is_ok() {
            exchange.reply(200, &[], "ok");
        }
    })
}

fn row(case: &Case, cells: &[String]) -> String {
    let mut line = format!("| {} | {} |", case.section, case.name);
    for cell in cells {
        let _ = write!(line, " {cell} |");
    }
    line
}

#[test]
fn the_document_shows_what_others_answer() {
    let (nginx_sees, haproxy_sees, gate_sees) = (recorder(), recorder(), recorder());
    let gate = RunningGate::start(open(), &gate_sees.origin());
    let peers = Nginx::before(&nginx_sees.origin()).zip(Haproxy::before(&haproxy_sees.origin()));
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/framing.md");
    let text = std::fs::read_to_string(document).expect("docs/framing.md");
    let ours = |case: &Case| observe(gate.address, &gate_sees, case, PATIENCE);
    let Some((nginx, haproxy)) = peers else {
        assert!(std::env::var_os("PALISADE_WRITE_DOCS").is_none(), "nginx and haproxy are not both installed");
        for case in cases() {
            let line = row(&case, &[ours(&case)]);
            assert!(text.contains(&line), "docs/framing.md does not say: {line}");
        }
        return;
    };
    let mut table =
        format!("| section | case | Palisade | {} | {} |\n|---|---|---|---|---|\n", nginx.version, haproxy.version);
    // One that waits for more bytes is not waited for long.
    let patience = Duration::from_secs(1);
    for case in cases() {
        let ours = ours(&case);
        let nginx = observe(nginx.address, &nginx_sees, &case, patience);
        let haproxy = observe(haproxy.address, &haproxy_sees, &case, patience);
        let own = row(&case, std::slice::from_ref(&ours));
        let line = row(&case, &[ours, nginx, haproxy]);
        let said = std::env::var_os("PALISADE_WRITE_DOCS").is_some() || text.contains(&own);
        assert!(said, "docs/framing.md does not say: {own}");
        table.push_str(&line);
        table.push('\n');
    }
    if std::env::var_os("PALISADE_WRITE_DOCS").is_some() {
        let (head, rest) = text.split_once("<!-- table -->\n").expect("a mark");
        let (_, tail) = rest.split_once("<!-- /table -->").expect("a mark");
        let written = format!("{head}<!-- table -->\n{table}<!-- /table -->{tail}");
        std::fs::write(document, written).expect("docs/framing.md is written");
    }
    eventually("the peers are still there", || TcpStream::connect(nginx.address).is_ok());
}
