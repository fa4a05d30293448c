//! TLS, HTTP/2 and what else stands before HTTP, over real handshakes with certificates of the test's own.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests fail the test")]

#[path = "tls/authority.rs"]
mod authority;
#[path = "tls/hygiene.rs"]
mod hygiene;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use authority::{Authority, Folder};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use palisade_gateway::{Certificate, Front};
use palisade_policy::{Clients, Limits, PolicyBuilder};
use palisade_testkit::{Client, HOST, PATIENCE, RunningGate, Upstream, eventually, open};

fn over_tls(folder: &Folder) -> Front {
    let certificate = Certificate::load(folder.chain(), folder.key()).expect("a certificate");
    Front { certificate: Some(certificate), ..Front::default() }
}

fn gate(folder: &Folder, policy: PolicyBuilder, upstream: &Upstream) -> RunningGate {
    RunningGate::behind(policy, &upstream.origin(), 1, over_tls(folder))
}

const GET: &str = "GET /free/a HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// Sends a request over a stream and reads a small response.
fn ask(stream: &mut (impl std::io::Read + std::io::Write), request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if read == 0 || (body.is_some() && body >= length) {
            return Ok(text.into_owned());
        }
    }
}

#[test]
fn http1_over_tls_is_http1_and_nothing_else_is_spoken() {
    let (authority, upstream) = (Authority::new(), Upstream::fixed("ok"));
    let folder = authority.issue("first");
    let gate = gate(&folder, open(), &upstream);
    let mut stream = authority.connect(gate.address, &["http/1.1"]).expect("handshake");
    for _ in 0..2 {
        let answer = ask(&mut stream, GET).expect("answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    }
    let answer = ask(&mut stream, "GET //a HTTP/1.1\r\nHost: shop.example\r\n\r\n").expect("answer");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("framing-malformed"), "{answer}");
    assert_eq!(upstream.requests().len(), 2);
    // Plain text is no handshake; an unknown protocol is refused in it.
    let mut plain = gate.client();
    plain.send(GET);
    assert!(!String::from_utf8_lossy(&plain.rest()).contains("HTTP/1.1"));
    assert!(authority.connect(gate.address, &["spdy/3"]).and_then(|mut stream| ask(&mut stream, GET)).is_err());
}

#[test]
fn a_certificate_swap_under_load_loses_nothing() {
    let (authority, upstream) = (Arc::new(Authority::new()), Upstream::fixed("ok"));
    let folder = authority.issue("swap");
    let front = over_tls(&folder);
    let certificate = front.certificate.clone().expect("one");
    let gate = RunningGate::behind(open(), &upstream.origin(), 2, front);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (authority, stop, asked) = (Arc::clone(&authority), Arc::clone(&stop), Arc::clone(&asked));
            let address = gate.address;
            std::thread::spawn(move || {
                let mut kept = authority.connect(address, &["http/1.1"]).expect("handshake");
                while !stop.load(Ordering::Relaxed) {
                    let mut fresh = authority.connect(address, &["http/1.1"]).expect("handshake");
                    for stream in [&mut kept, &mut fresh] {
                        assert!(ask(stream, GET).expect("answer").ends_with("ok"));
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let serial = authority.serial(gate.address);
    eventually("load runs", || asked.load(Ordering::Relaxed) > 20);
    // A broken file changes nothing and says why.
    std::fs::write(folder.chain(), "nonsense").expect("written");
    assert!(certificate.reload().is_err());
    assert_eq!(authority.serial(gate.address), serial);
    // A key of another certificate neither.
    authority.issue_into(&folder);
    let chain = std::fs::read(folder.chain()).expect("chain");
    authority.issue_into(&folder);
    std::fs::write(folder.chain(), chain).expect("written");
    assert!(certificate.reload().is_err(), "a key that does not belong to it");
    authority.issue_into(&folder);
    assert!(certificate.reload().expect("a good pair"));
    assert!(!certificate.reload().expect("unchanged"));
    assert_ne!(authority.serial(gate.address), serial, "handshakes to come take the new one");
    let before = asked.load(Ordering::Relaxed);
    eventually("load goes on", || asked.load(Ordering::Relaxed) > before + 20);
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no request was lost");
    }
}

#[test]
fn a_running_gate_takes_a_changed_certificate_by_itself() {
    let (authority, upstream) = (Authority::new(), Upstream::fixed("ok"));
    let folder = authority.issue("itself");
    let gate = gate(&folder, open(), &upstream);
    let serial = authority.serial(gate.address);
    authority.issue_into(&folder);
    eventually("the new one is served", || authority.serial(gate.address) != serial);
}

#[test]
fn a_handshake_that_does_not_come_is_closed() {
    let (authority, upstream) = (Authority::new(), Upstream::fixed("ok"));
    let folder = authority.issue("slow");
    let limits = Limits { header_timeout: Duration::from_millis(200), ..Limits::default() };
    let gate = gate(&folder, open().limits(limits), &upstream);
    let mut silent = gate.client();
    assert!(silent.is_closed());
    let mut half = gate.client();
    half.send([0x16, 3, 1, 2, 0]);
    assert!(half.is_closed());
}

#[test]
fn plain_http_is_sent_to_https_and_never_to_where_a_stranger_says() {
    let (authority, upstream) = (Authority::new(), Upstream::fixed("never"));
    let folder = authority.issue("redirect");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let front = Front { redirect: Some(any), ..over_tls(&folder) };
    let gate = RunningGate::behind(open(), &upstream.origin(), 2, front);
    let redirect = gate.redirect.expect("an address");
    for (host, location) in [
        (HOST, "https://shop.example/free/a?b=c"),
        ("shop.example:80", "https://shop.example/free/a?b=c"),
        ("evil.example", "https://shop.example/free/a?b=c"),
    ] {
        let mut client = Client::connect(redirect);
        client.send(format!("GET /free/a?b=c HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let response = client.response();
        assert_eq!((response.status, response.field("location")), (308, Some(location)), "{host}");
        assert_eq!(response.field("strict-transport-security"), None);
        assert_eq!(response.field("cache-control"), Some("no-store"));
    }
    let mut client = Client::connect(redirect);
    client.send("GET //evil.example/ HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_proxys_word_about_its_client_is_taken_from_trusted_proxies_alone() {
    let upstream = Upstream::fixed("ok");
    let trusting = |net: &str| {
        let trusted_proxies = vec![net.parse().expect("net")];
        open().clients(Clients { trusted_proxies, ..Clients::default() })
    };
    let front = Front { proxy_protocol: true, ..Front::default() };
    let gate = RunningGate::behind(trusting("127.0.0.0/8"), &upstream.origin(), 1, front.clone());
    let mut client = gate.client();
    client.send("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n".to_owned() + GET + GET);
    assert_eq!((client.response().status, client.response().status), (200, 200));
    for request in upstream.requests() {
        assert_eq!(request.head.field("x-forwarded-for"), Some("192.0.2.7"));
    }
    let mut bare = gate.client();
    bare.send(GET);
    assert_eq!(bare.rest(), b"", "without its header nobody is served");
    let stranger = RunningGate::behind(trusting("10.0.0.0/8"), &upstream.origin(), 1, front);
    let mut client = stranger.client();
    let _ = client.try_send("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n".to_owned() + GET);
    assert_eq!(client.rest(), b"");
    assert_eq!(upstream.requests().len(), 2);
}

// === HTTP/2 ===

/// Runs one HTTP/2 connection.
fn http2<T>(authority: &Authority, gate: SocketAddr, talk: impl AsyncFnOnce(h2::client::SendRequest<Bytes>) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        let stream = authority.connect_async(gate, &["h2"]).await.expect("handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = h2::client::handshake(stream).await.expect("preface");
        let driver = tokio::spawn(connection);
        // A connection that is told to end has some seconds to do so, and a busy machine takes more.
        let said = tokio::time::timeout(3 * PATIENCE, talk(sender)).await.expect("in time");
        driver.abort();
        said
    })
}

fn request(method: Method, uri: &str) -> http::request::Builder {
    Request::builder().method(method).version(Version::HTTP_2).uri(uri)
}

async fn said(response: h2::client::ResponseFuture) -> (StatusCode, String, http::HeaderMap) {
    let (head, mut body) = response.await.expect("a response").into_parts();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.expect("data");
        let _ = body.flow_control().release_capacity(data.len());
        text.extend_from_slice(&data);
    }
    (head.status, String::from_utf8(text).expect("utf-8"), head.headers)
}

#[test]
fn http2_passes_by_the_same_rules() {
    let (authority, upstream) = (
        Authority::new(),
        Upstream::start(|exchange| {
            let body = exchange.try_body().unwrap_or_default();
            exchange.reply(200, &[], [b"got ", &body[..]].concat());
        }),
    );
    let folder = authority.issue("h2");
    let gate = gate(&folder, open(), &upstream);
    http2(&authority, gate.address, async |sender| {
        let mut sender = sender.ready().await.expect("ready");
        let get = request(Method::GET, "https://shop.example/free/a?b=c")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("x-forwarded-for", "6.6.6.6")
            .body(())
            .expect("request");
        let (response, _) = sender.send_request(get, true).expect("sent");
        let (status, text, headers) = said(response).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "got "));
        assert!(headers.contains_key("x-content-type-options") && !headers.contains_key("connection"));

        let post = request(Method::POST, "https://shop.example/in/a").body(()).expect("request");
        let (response, mut body) = sender.send_request(post, false).expect("sent");
        body.send_data(Bytes::from(vec![b'x'; 40_000]), true).expect("data");
        let (status, text, _) = said(response).await;
        assert_eq!((status, text.len()), (StatusCode::OK, 40_004));

        for (uri, host, code) in [
            ("https://evil.example/free/a", None, "host-unknown"),
            ("https://shop.example/free/a", Some("evil.example"), "header-malformed"),
            ("https://shop.example/free/%61", None, "path-malformed"),
        ] {
            let mut bad = request(Method::GET, uri);
            if let Some(host) = host {
                bad = bad.header("host", host);
            }
            let (response, _) = sender.send_request(bad.body(()).expect("request"), true).expect("sent");
            let (status, text, _) = said(response).await;
            assert!(status == StatusCode::BAD_REQUEST && text.contains(code), "{uri}: {status} {text}");
        }
    });
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    let head = &requests[0].head;
    assert_eq!(head.field("cookie"), Some("a=1; b=2"), "crumbs are one cookie again");
    assert_eq!((head.field("host"), requests[0].target.as_str()), (Some(HOST), "/free/a?b=c"));
    assert_eq!(head.field("x-forwarded-for"), Some("127.0.0.1"));
    assert!(requests[0].head.start.ends_with("HTTP/1.1"));
}

#[test]
fn what_has_no_place_in_http2_ends_its_connection() {
    let (authority, upstream) = (Authority::new(), Upstream::fixed("never"));
    let folder = authority.issue("h2bad");
    let gate = gate(&folder, open(), &upstream);
    let bad = [
        request(Method::CONNECT, "shop.example:443"),
        request(Method::GET, "http://shop.example/free/a"),
        request(Method::GET, "https://shop.example//free/a"),
        request(Method::GET, "https://shop.example/free/a").header("x", " padded"),
        request(Method::from_bytes(b"get").expect("a token"), "https://shop.example/free/a"),
    ];
    for request in bad {
        http2(&authority, gate.address, async |sender| {
            let mut sender = sender.ready().await.expect("ready");
            let what = format!("{request:?}");
            let (response, _) = sender.send_request(request.body(()).expect("request"), true).expect("sent");
            let refused = match response.await {
                Ok(response) => response.status() == StatusCode::BAD_REQUEST,
                Err(_) => true,
            };
            assert!(refused, "{what}");
        });
    }
    http2(&authority, gate.address, async |sender| {
        let mut sender = sender.ready().await.expect("ready");
        let large = request(Method::GET, "https://shop.example/free/a").header("x", "y".repeat(20 << 10));
        let (response, _) = sender.send_request(large.body(()).expect("request"), true).expect("sent");
        let (status, text, headers) = said(response).await;
        assert!(status.as_u16() == 431 && text.contains("head-too-large"), "{status} {text}");
        assert!(headers.contains_key("strict-transport-security"));
    });
    assert_eq!(upstream.requests().len(), 0);
}

/// A frame by hand (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `:method GET`, `:scheme https`, `:path /`, `:authority shop.example`, by the static table.
fn headers_block() -> Vec<u8> {
    [&[0x82, 0x87, 0x84, 0x41, 12][..], b"shop.example"].concat()
}

/// Makes the frames of a flood, by their number.
type Frames<'a> = &'a dyn Fn(u32) -> Vec<u8>;

/// Sends a flood until the gate has closed: how many frames it took.
fn flood(authority: &Authority, gate: SocketAddr, mut next: impl FnMut(u32) -> Vec<u8>) -> u32 {
    let mut stream = authority.connect(gate, &["h2"]).expect("handshake");
    stream.sock.set_read_timeout(Some(Duration::from_millis(1))).expect("timeout");
    let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(4, 0, 0, &[])].concat();
    stream.write_all(&preface).expect("preface");
    let deadline = Instant::now() + PATIENCE;
    for number in 0..100_000 {
        let sent = stream.write_all(&next(number)).and_then(|()| stream.flush());
        let ended = number % 64 == 0 && matches!(stream.read(&mut [0; 4096]), Ok(0));
        if sent.is_err() || ended {
            return number;
        }
        assert!(Instant::now() < deadline, "still open after {number} frames");
    }
    panic!("a flood of 100,000 frames went through");
}

#[test]
fn floods_of_frames_end_their_connection_and_nobody_elses() {
    let (authority, upstream) = (Authority::new(), Upstream::fixed("ok"));
    let folder = authority.issue("flood");
    let gate = gate(&folder, open(), &upstream);
    let stream_of = |number: u32| 2 * number + 1;
    let rapid_reset = |number: u32| {
        let stream = stream_of(number);
        [frame(1, 5, stream, &headers_block()), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let continuation = |number: u32| {
        if number == 0 { frame(1, 1, 1, &headers_block()) } else { frame(9, 0, 1, b"\x00\x01x\x01y") }
    };
    let settings = |_| frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]);
    let ping = |_| frame(6, 0, 0, b"12345678");
    let empty_data = |number: u32| {
        if number == 0 { frame(1, 4, 1, &headers_block()) } else { frame(0, 0, 1, &[]) }
    };
    let floods: [(&str, Frames<'_>); 5] = [
        ("rapid reset", &rapid_reset),
        ("CONTINUATION", &continuation),
        ("SETTINGS", &settings),
        ("PING", &ping),
        ("empty DATA", &empty_data),
    ];
    for (name, next) in floods {
        let frames = flood(&authority, gate.address, next);
        eprintln!("{name}: {frames}");
        let mut stream = authority.connect(gate.address, &["http/1.1"]).expect("handshake");
        assert!(ask(&mut stream, GET).expect("answer").ends_with("ok"), "{name}");
    }
    let flooded = upstream.requests().iter().filter(|request| request.target == "/").count();
    assert!(flooded <= 1000, "{flooded} of the requests that were reset at once reached the application");
}

#[test]
fn a_drain_lets_streams_finish_and_an_idle_connection_go() {
    let (authority, upstream) = (
        Authority::new(),
        Upstream::start(|exchange| {
            std::thread::sleep(Duration::from_millis(300)); // the application is busy while the gate drains
            exchange.reply(200, &[], "finished");
        }),
    );
    let folder = authority.issue("drain");
    let mut gate = gate(&folder, open(), &upstream);
    let address = gate.address;
    let gate_ref = &mut gate;
    let upstream_ref = &upstream;
    http2(&authority, address, async move |sender| {
        let mut sender = sender.ready().await.expect("ready");
        let get = request(Method::GET, "https://shop.example/free/a").body(()).expect("request");
        let (response, _) = sender.send_request(get, true).expect("sent");
        while upstream_ref.requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gate_ref.shut_down();
        let (status, text, _) = said(response).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "finished"));
    });
    assert_eq!(gate.join().cut, 0);
}

#[test]
fn a_stream_whose_window_stays_closed_ends_its_connection_though_others_move() {
    let authority = Authority::new();
    let (tell, freed) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::start(move |exchange| {
        if exchange.request.target != "/free/large" {
            return exchange.reply(200, &[], "small");
        }
        exchange.raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
        while exchange.try_raw([b'x'; 16 << 10]).is_ok() {}
        let _ = tell.lock().expect("lock").send(());
    });
    let folder = authority.issue("stalled");
    let limits = Limits { idle_timeout: Duration::from_millis(400), ..Limits::default() };
    let gate = gate(&folder, open().limits(limits), &upstream);
    http2(&authority, gate.address, async |sender| {
        let mut sender = sender.ready().await.expect("ready");
        let get = |path: &str| request(Method::GET, &format!("https://shop.example{path}")).body(()).expect("request");
        // Nobody ever takes of this one, beyond what its window lets through.
        let (stalled, _) = sender.send_request(get("/free/large"), true).expect("sent");
        let stalled = stalled.await.expect("a head");
        let mut served = 0;
        loop {
            let Ok(ready) = sender.clone().ready().await else { break };
            sender = ready;
            let Ok((response, _)) = sender.send_request(get("/free/small"), true) else { break };
            let Ok(response) = response.await else { break };
            assert_eq!(response.status(), StatusCode::OK);
            served += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(served > 5, "{served} others were served meanwhile");
        drop(stalled);
    });
    freed.recv_timeout(PATIENCE).expect("the application is free again");
}
