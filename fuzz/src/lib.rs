//! What a stranger's bytes may reach, one function for each way in.
//!
//! A target takes any bytes and panics where a promise is broken. `fuzz_targets/` hands each to libFuzzer, and
//! `tests/replay.rs` runs each over `seeds/` and mutations of them without it. To add one: a function and its line in
//! [`TARGETS`] here, `fuzz_targets/NAME.rs` with its `[[bin]]`, and at least one file in `seeds/NAME/`; a test says
//! what is missing.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use palisade_diag::{Diagnostics, FileId};
use palisade_event::{ClientKey, Code, Decision, Event, Kind, Signal, Stage, Tag};
use palisade_guard::{
    BadJson, Cookie, Peer, canonical, client, cookie, read_json, read_multipart, signals_of_path, signals_of_query,
    signals_of_text,
};
use palisade_policy::{Clients, Environment, ForwardingHeader, Found, Policy, RouteSource, Sources};

/// A target: any bytes go in; it panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("cookies", cookies),
    ("event_line", event_line),
    ("forwarding_headers", forwarding_headers),
    ("json_body", json_body),
    ("multipart", multipart),
    ("policy_text", policy_text),
    ("request_target", request_target),
];

/// Cookie lines: the guard's answer is that of the slow obvious reading, and one more cookie of the name is noticed.
pub fn cookies(data: &[u8]) {
    const NAME: &str = "sid";
    let mut headers = lines(data, &header::COOKIE);
    let trimmed = |text: &str| String::from(text.trim_matches([' ', '\t']));
    let texts = headers.values().filter_map(|line| line.to_str().ok());
    let pairs = texts
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| trimmed(pair).split_once('=').map(|(name, value)| (trimmed(name), trimmed(value))));
    let values: Vec<_> = pairs.filter(|(name, _)| name == NAME).map(|(_, value)| value).collect();
    let expected = match values.as_slice() {
        [] => Cookie::Absent,
        [one] => Cookie::One(one),
        _ => Cookie::Ambiguous,
    };
    assert_eq!(cookie(&headers, NAME), expected);
    headers.append(header::COOKIE, HeaderValue::from_static("sid=tossed"));
    let tossed = if values.is_empty() { Cookie::One("tossed") } else { Cookie::Ambiguous };
    assert_eq!(cookie(&headers, NAME), tossed);
}

/// Lines of a forwarding header that the client wrote: from a stranger they mean nothing, and behind a trusted proxy,
/// which adds the address it saw, they cannot move the client away from that address.
pub fn forwarding_headers(data: &[u8]) {
    let (proxy, stranger, seen) = (address("10.0.0.1"), address("198.51.100.1"), address("203.0.113.9"));
    let lists = [
        (ForwardingHeader::XForwardedFor, HeaderName::from_static("x-forwarded-for"), "203.0.113.9"),
        (ForwardingHeader::Forwarded, header::FORWARDED, "for=203.0.113.9;proto=https"),
    ];
    for (header, name, added) in lists {
        let clients = Clients { trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")], header };
        let mut headers = lines(data, &name);
        let found = client(&clients, Peer { address: stranger }, &headers);
        assert_eq!((found.address, found.malformed), (stranger, false));
        let found = client(&clients, Peer { address: proxy }, &headers).address;
        assert_eq!(found, found.to_canonical());
        headers.append(&name, HeaderValue::from_static(added));
        let found = client(&clients, Peer { address: proxy }, &headers);
        assert_eq!((found.address, found.malformed), (seen, false));
    }
}

/// A JSON body: what is taken is what the common reader takes, and written again it reads as the same; what only the
/// strict reader refuses is deep, large or says a key twice. Signals are looked for in whatever came.
pub fn json_body(data: &[u8]) {
    let common = serde_json::from_slice::<serde_json::Value>(data);
    match read_json(data) {
        Ok(value) => {
            let written = serde_json::to_vec(&value).expect("a value is JSON");
            assert_eq!(read_json(&written).as_ref(), Ok(&value));
            assert_eq!(Some(value), common.ok());
        }
        Err(BadJson::Syntax) => assert!(common.is_err()),
        Err(BadJson::TooDeep | BadJson::DuplicateKey | BadJson::TooManyValues) => {}
    }
    let text = String::from_utf8_lossy(data);
    let known = Signal::ALL.iter().fold(0, |bits, signal| bits | signal.bit());
    for bits in [signals_of_text(&text), signals_of_query(&text), signals_of_path(&text)] {
        assert_eq!(bits & !known, 0);
    }
}

/// A multipart form with the boundary `B`: the parts that are read are cut from the body in order, none overlaps
/// another, and no content holds the delimiter.
pub fn multipart(data: &[u8]) {
    let Ok(parts) = read_multipart(data, "B") else { return };
    assert!(data.starts_with(b"--B"));
    let mut last = data.as_ptr() as usize;
    for part in &parts {
        let start = part.content.as_ptr() as usize;
        assert!(start >= last, "parts stand in order");
        last = start + part.content.len();
        assert!(!part.content.windows(5).any(|window| window == b"\r\n--B"));
        assert!(!part.name.contains(['\r', '\n', '"']));
    }
    assert!(last <= data.as_ptr() as usize + data.len());
}

/// A policy file: every problem lies inside the text, a text with errors builds nothing, and in a policy that is built
/// each declared route without parameters is found under its own path and methods.
pub fn policy_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (draft, found) = palisade_policy::parse(FileId(0), &text);
    lie_inside(&found, &text);
    match draft.build(&Sources::new(Environment::Production)) {
        Err(problems) => {
            assert!(problems.has_errors());
            lie_inside(&problems, &text);
        }
        Ok(built) => {
            assert!(!found.has_errors() && !built.warnings.has_errors());
            lie_inside(&built.warnings, &text);
            find_themselves(&built.policy);
        }
    }
}

/// A path: what the guard lets pass has one spelling. The parsers behind it read it byte for byte, and decoding it
/// yields no separator, no dot segment, no control and nothing to decode again.
pub fn request_target(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    if canonical(path).is_err() {
        return;
    }
    assert_eq!(path.parse::<http::Uri>().expect("hyper reads it").path(), path);
    let url = url::Url::parse("http://shop.example").and_then(|base| base.join(path)).expect("browsers read it");
    assert_eq!((url.host_str(), url.path()), (Some("shop.example"), path));
    let decoded = decode(path);
    assert_eq!(decoded.matches('/').count(), path.matches('/').count());
    assert!(!decoded.contains(|c: char| c == '\\' || c.is_ascii_control()));
    assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
    // Some servers cut parameters off a segment before they resolve dots.
    let mut names = path.split('/').filter_map(|segment| segment.split(';').next());
    assert!(names.all(|name| name != "." && name != ".."));
    assert_eq!(decode(&decoded), decoded);
}

/// Three texts of a request (method, path, user agent): the event of it is one line of printable ASCII that is JSON,
/// and the path reads back as it was sent, up to its cap.
pub fn event_line(data: &[u8]) {
    const CAP: usize = 1024;
    let [method, path, agent] = texts(data);
    let address = address("192.0.2.1");
    let event = Event {
        time_micros: 0,
        service: "fuzz",
        decision: Decision::Refuse,
        stage: Some(Stage::Target),
        code: Some(Code::PathMalformed),
        kind: Some(Kind::Page),
        route: Some("/{*rest}"),
        method: &method,
        path: &path,
        status: 400,
        client_address: address,
        client: ClientKey::of(address),
        request_id: "0",
        user_agent: Some(&agent),
        session: None,
        duration_micros: 0,
        tags: Tag::RouteUndeclared.bit(),
        signals: 0,
        attributable: false,
        count: 1,
    };
    let mut line = Vec::new();
    event.encode(&mut line);
    let (end, text) = line.split_last().expect("a line");
    assert_eq!(*end, b'\n');
    assert!(text.iter().all(|byte| (0x20..0x7f).contains(byte)), "a line for terminals");
    let read: serde_json::Value = serde_json::from_slice(text).expect("a line of JSON");
    assert_eq!(read["url.path"], path[..path.floor_char_boundary(CAP)]);
}

fn lie_inside(problems: &Diagnostics, text: &str) {
    for span in problems.iter().flat_map(|problem| &problem.labels).map(|label| label.span) {
        let range = span.start as usize..span.end as usize;
        assert!(text.get(range.clone()).is_some(), "{range:?} is no part of {} bytes", text.len());
    }
}

fn find_themselves(policy: &Policy) {
    let literal = |path: &str| !path.contains('{');
    for route in policy.routes().iter().filter(|route| route.source == RouteSource::Declared && literal(&route.path)) {
        for method in route.methods.iter() {
            let found = policy.find(method.id(), &route.path);
            let itself = matches!(found, Found::Route(_, found) if std::ptr::eq(found, route));
            assert!(itself, "{} {} finds {found:?}", method.id(), route.path);
        }
    }
}

/// The input as lines of one header, parted by line feeds; what cannot be a header value is left out.
fn lines(data: &[u8], name: &HeaderName) -> HeaderMap {
    let values = data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.map(|value| (name.clone(), value)).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Every `%` with two hexadecimal digits behind it decoded once, whatever comes out.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let code = escaped.and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).expect("a decoded path is text")
}

/// The input as `N` texts, parted by the byte 0xff, which no text holds; those that are missing are empty.
fn texts<const N: usize>(data: &[u8]) -> [String; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0xff);
    std::array::from_fn(|_| String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned())
}
