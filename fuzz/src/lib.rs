//! What a stranger's bytes may reach, one function for each way in.
//!
//! A target takes any bytes and panics where a promise is broken. `fuzz_targets/` hands each to libFuzzer, and
//! `tests/replay.rs` runs each over `seeds/` and mutations of them without it. To add one: a function and its line in
//! [`TARGETS`] here, `fuzz_targets/NAME.rs` with its `[[bin]]`, and at least one file in `seeds/NAME/`; a test says
//! what is missing.
#![forbid(unsafe_code)]

mod answers;
mod files;
// The gateway's own files: its crate would bring a TLS library and a runtime along.
#[path = "../../crates/gateway/src/framing.rs"]
#[allow(dead_code, missing_docs)]
mod framing;
mod gate;
mod logs;
#[path = "../../crates/gateway/src/upstream/reply.rs"]
#[allow(dead_code, missing_docs)]
mod reply;
mod sessions;
// The watch's own readers: its crate would bring databases, a server and a runtime along.
#[path = "../../crates/watch/src"]
#[allow(dead_code, missing_docs, unused_imports)]
mod watch {
    pub(crate) mod lines;
    pub(crate) mod recent;
}

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use palisade_diag::{Diagnostics, FileId};
use palisade_event::{ClientKey, Code, Decision, Event, Kind, Signal, Stage, Tag};
use palisade_guard::{
    BadJson, BodyHint, Collected, Cookie, Entropy, Env, MonoMicros, Need, Now, Peer, Plan, Secrets, SigningSecret,
    State, Step, View, WallMicros, canonical, client, cookie, read_json, read_multipart, signals_of_path,
    signals_of_query, signals_of_text,
};
use palisade_policy::{
    Clients, Environment, ForwardingHeader, Found, Origin, Policy, Route, RouteSource, Signature, SignatureScheme,
    Sources,
};

use crate::gate::{GATE, Outcome};
use crate::sessions::SESSIONS;
// What the files of the watch call by their crate's root.
use crate::watch::{lines, recent};

pub use crate::answers::response_framing;
pub use crate::files::{env_file, git_file, lock_file, source_text};
pub use crate::logs::{json_line, log_line};

/// A target: any bytes go in; it panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("cookies", cookies),
    ("cors_and_fetch_metadata", cors_and_fetch_metadata),
    ("csrf_token", csrf_token),
    ("env_file", env_file),
    ("event_line", event_line),
    ("forwarding_headers", forwarding_headers),
    ("git_file", git_file),
    ("json_body", json_body),
    ("json_line", json_line),
    ("lock_file", lock_file),
    ("log_line", log_line),
    ("multipart", multipart),
    ("policy_text", policy_text),
    ("request_framing", request_framing),
    ("request_target", request_target),
    ("response_framing", response_framing),
    ("session_token", session_token),
    ("signature_headers", signature_headers),
    ("source_text", source_text),
];

/// Cookie lines: the guard's answer is that of the slow obvious reading, and one more cookie of the name is noticed.
pub fn cookies(data: &[u8]) {
    const NAME: &str = "sid";
    let mut headers = lines(data, &header::COOKIE);
    let values = values_of(&headers, NAME);
    let expected = match values.as_slice() {
        [] => Cookie::Absent,
        [one] => Cookie::One(one.as_str()),
        _ => Cookie::Ambiguous,
    };
    assert_eq!(cookie(&headers, NAME), expected);
    headers.append(header::COOKIE, HeaderValue::from_static("sid=tossed"));
    let tossed = if values.is_empty() { Cookie::One("tossed") } else { Cookie::Ambiguous };
    assert_eq!(cookie(&headers, NAME), tossed);
}

/// A method and lines of Origin, of Sec-Fetch-Site and of Cookie, and what a preflight asks for: nothing unsafe goes to
/// the application but from this origin or a trusted one, and no origin but the configured one may read an answer.
pub fn cors_and_fetch_metadata(data: &[u8]) {
    const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let [method, origins, sites, cookies, wanted] = texts(data);
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return };
    let origins = lines(origins.as_bytes(), &header::ORIGIN);
    let sites = lines(sites.as_bytes(), &HeaderName::from_static("sec-fetch-site"));
    let cookies = lines(cookies.as_bytes(), &header::COOKIE);
    let (wanted_method, wanted_headers) = wanted.split_once('\n').unwrap_or((&wanted, ""));
    let mut headers = lines(wanted_method.as_bytes(), &header::ACCESS_CONTROL_REQUEST_METHOD);
    headers.extend(lines(wanted_headers.as_bytes(), &header::ACCESS_CONTROL_REQUEST_HEADERS));
    for more in [&origins, &sites, &cookies] {
        headers.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let cookie = !cookies.is_empty();
    let texts = |lines: &HeaderMap| lines.values().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>();
    let (origins, sites) = (texts(&origins), texts(&sites));
    let (origins, sites): (Vec<_>, Vec<_>) =
        (origins.iter().map(Vec::as_slice).collect(), sites.iter().map(Vec::as_slice).collect());
    let outcome = GATE.ask("/open", &method, &headers, b"");
    if outcome.admitted {
        assert!(METHODS.contains(&method.as_str()), "{method} went to the application");
        let (ours, trusted) = (origins == [gate::OURS.as_bytes()], origins == [gate::TRUSTED.as_bytes()]);
        let proven = match sites.as_slice() {
            [] => ours || trusted || (origins.is_empty() && !cookie),
            [b"same-origin"] => ours || origins.is_empty(),
            [b"none"] => ours,
            [b"same-site" | b"cross-site"] => trusted,
            _ => false,
        };
        assert!(proven || matches!(method, Method::GET | Method::HEAD), "{method} {origins:?} {sites:?}");
    }
    let reader = origins == [gate::READER.as_bytes()];
    let one = |name: HeaderName| {
        let mut lines = outcome.headers.get_all(name).iter();
        (lines.next().cloned(), lines.next().is_some())
    };
    let (allowed, twice) = one(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    assert!(!twice && allowed.as_ref().is_none_or(|allowed| reader && allowed == gate::READER), "{origins:?}");
    let credentials = outcome.headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
    assert!(!credentials || allowed.is_some(), "credentials for nobody");
    let granted = outcome.headers.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS);
    assert!(!granted || (reader && method == Method::OPTIONS), "{method} {origins:?} was granted");
}

/// Cookie lines, a content type, lines of the token's header, and a form: whatever is written, only a token that was
/// minted, with the session it was minted for, goes to the application, and that once. `{s}` and `{t}` stand for one
/// visitor's session and token, `{S}` and `{T}` for another's, `{o}` for a token of another site.
pub fn csrf_token(data: &[u8]) {
    let [cookies, content_type, tokens, form] = texts(data).map(|text: String| GATE.filled(&text));
    let mut headers = lines(cookies.as_bytes(), &header::COOKIE);
    let header = HeaderName::from_static("x-csrf-token");
    let sent = lines(tokens.as_bytes(), &header);
    let sent: Vec<_> = if tokens.is_empty() { Vec::new() } else { sent.values().cloned().collect() };
    headers.extend(sent.iter().map(|line| (header.clone(), line.clone())));
    if let Ok(content_type) = HeaderValue::from_str(&content_type) {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    headers.insert(header::ORIGIN, HeaderValue::from_static(gate::OURS));
    let outcome = GATE.ask("/form", &Method::POST, &headers, form.as_bytes());
    if !outcome.admitted {
        return;
    }
    let read = String::from_utf8_lossy(&unescape(form.as_bytes())).into_owned();
    let sessions = values_of(&headers, "__Host-palisade-sid");
    let genuine = GATE.visitors.iter().any(|visitor| {
        let shown = match sent.as_slice() {
            [] => read.contains(&visitor.token),
            [one] => *one == visitor.token,
            _ => false,
        };
        shown && sessions == [visitor.session.as_str()]
    });
    assert!(genuine, "{cookies:?} {sent:?} {form:?}");
    let Outcome { spent, .. } = outcome;
    assert_eq!(spent, 1, "a token is spent right before the application sees its request");
    assert!(!GATE.ask_again("/form", &Method::POST, &headers, form.as_bytes()).admitted, "a token is good once");
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

/// Bytes of a connection: whatever is let through, hyper's parser reads, and in the same way; so it never answers by
/// itself. Cut in two, the same flaw is found.
pub fn request_framing(data: &[u8]) {
    let bounds = framing::Bounds { bytes: 16 << 10 };
    let (given, flaw) = handed_on(&[data], bounds);
    let (first, second) = data.split_at(data.first().map_or(0, |first| usize::from(*first)).min(data.len()));
    let (pieces, same) = handed_on(&[first, second], bounds);
    assert_eq!(flaw, same);
    assert!(pieces.starts_with(&given), "less is handed on in pieces");
    let instead = framing::stand_in(data);
    assert!(read_as_hyper_does(&instead).is_some(), "a stand-in is a whole request");
    let mut rest = given.as_slice();
    while !rest.is_empty() {
        let Some((head, body)) = read_as_hyper_does(rest) else { panic!("hyper would refuse it") };
        rest = rest.get(head..).unwrap_or_default();
        match body {
            Framed::Sized(length) => rest = rest.get(length..).unwrap_or_default(),
            // Chunks are read by hyper's own decoder, whose error is an error of the body.
            Framed::Chunked => return,
        }
    }
}

enum Framed {
    Sized(usize),
    Chunked,
}

/// What a scanner hands on of pieces that come one after the other.
fn handed_on(pieces: &[&[u8]], bounds: framing::Bounds) -> (Vec<u8>, Option<framing::Flaw>) {
    let mut scanner = framing::Scanner::new(bounds);
    let (mut held, mut given) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        let (until, flaw) = match scanner.scan(&held) {
            framing::Found::All => (held.len(), None),
            framing::Found::Until(at) => (at, None),
            framing::Found::Refused(at, flaw) | framing::Found::Broken(at, flaw) => (at, Some(flaw)),
        };
        given.extend(held.drain(..until));
        if flaw.is_some() {
            return (given, flaw);
        }
    }
    (given, None)
}

/// The length of a head and the framing of its body, by the parser that hyper uses, set as hyper sets it.
fn read_as_hyper_does(bytes: &[u8]) -> Option<(usize, Framed)> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = request.parse(bytes).ok()? else { return None };
    Method::from_bytes(request.method?.as_bytes()).ok()?;
    request.path?.parse::<Uri>().ok()?;
    let mut framed = Framed::Sized(0);
    for field in request.headers.iter() {
        HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        HeaderValue::from_bytes(field.value).ok()?;
        if field.name.eq_ignore_ascii_case("content-length") {
            framed = Framed::Sized(std::str::from_utf8(field.value).ok()?.parse().ok()?);
        }
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            framed = Framed::Chunked;
        }
    }
    Some((length, framed))
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
    // Some servers decode, and cut parameters off a segment, before they resolve dots.
    let mut names = decoded.split('/').filter_map(|segment| segment.split(';').next());
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
        user: None,
        outcome: None,
        fields: None,
        report: Some(&agent),
        attributable: false,
        run: Some(1),
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

/// Every value of a cookie of that name, read slowly and obviously; one that is not text stands twice, as it may be read
/// in two ways.
fn values_of(headers: &HeaderMap, wanted: &str) -> Vec<String> {
    let trimmed = |text: &[u8]| {
        let text: Vec<char> = text.iter().copied().map(char::from).collect();
        String::from_iter(text).trim_matches([' ', '\t']).chars().map(|c| c as u8).collect::<Vec<u8>>()
    };
    let mut values = Vec::new();
    for pair in headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';')) {
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
        if trimmed(&pair[..equals]) == wanted.as_bytes() {
            match String::from_utf8(trimmed(&pair[equals + 1..])) {
                Ok(value) => values.push(value),
                Err(_) => values.extend([String::new(), String::new()]),
            }
        }
    }
    values
}

/// Lines of Authorization, lines of Cookie, and the header and claims of a token that the issuer signs whatever they say:
/// only somebody whose token came letter by letter as it was signed reads what is somebody's, and under no other name.
/// `{a}` and `{b}` stand for the tokens of two visitors, `{o}` for one that is over, `{s}` for the one of this input.
pub fn session_token(data: &[u8]) {
    let [authorization, cookies, head, claims] = texts(data);
    SESSIONS.with_signed(&head, &claims, |signed| {
        let filled = |text: &str, name| lines(SESSIONS.filled(text, signed).as_bytes(), name);
        let mut headers = if cookies.is_empty() { HeaderMap::new() } else { filled(&cookies, &header::COOKIE) };
        if !authorization.is_empty() {
            headers.extend(filled(&authorization, &header::AUTHORIZATION));
        }
        let first = SESSIONS.ask(&headers);
        assert_eq!(SESSIONS.ask(&headers), first, "a token that is known is judged as it was at first");
        let Ok(user) = first else { return };
        let mut shown: Vec<String> = sessions::COOKIES.iter().flat_map(|name| values_of(&headers, name)).collect();
        let bearers = headers.get_all(header::AUTHORIZATION).iter().filter_map(|line| line.to_str().ok());
        // A token may stand there without a scheme, as Clerk's SDK takes it.
        shown.extend(
            bearers.map(|line| line.trim().split_once(' ').map_or(line.trim(), |(_, token)| token.trim()).to_owned()),
        );
        let genuine = shown.iter().any(|token| {
            let good = SESSIONS.owner(token).map(str::to_owned);
            good.or_else(|| if token == signed { sessions::subject(&head, &claims) } else { None }).as_ref()
                == Some(&user)
        });
        assert!(genuine, "{user} by {authorization:?} {cookies:?} {head:?} {claims:?}");
    });
}

/// Header lines, an empty line, a body: whatever they say, a webhook of any scheme is refused by a code of its own, as
/// nobody can sign without the secret, and the room that the body took is given back.
pub fn signature_headers(data: &[u8]) {
    let split = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = split.map_or((data, &b""[..]), |at| (&data[..at], &data[at + 2..]));
    let body = Bytes::copy_from_slice(body);
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("shop.example"));
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = line[colon + 1..].trim_ascii();
        // A second Host, or another one, is refused before a signature is looked at.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(value))
            && ![header::HOST, header::COOKIE].contains(&name)
        {
            headers.append(name, value);
        }
    }
    for scheme in SignatureScheme::ALL {
        let uri = Uri::try_from(format!("/{}", scheme.id())).expect("a path");
        match send(&HOOKS, &uri, &headers, &body) {
            Code::SignatureMissing | Code::SignatureInvalid | Code::SignatureStale | Code::HeaderMalformed => {}
            code => panic!("{code} from {}", scheme.id()),
        }
        assert_eq!(HOOKS.state().buffered(), 0);
    }
}

/// One webhook for each scheme, with secrets that no input knows, at the time of the seeds.
static HOOKS: LazyLock<Arc<Plan>> = LazyLock::new(|| {
    let hook = |scheme: SignatureScheme| {
        let signature = Some(Signature { scheme, secrets: vec!["HOOK".to_owned()] });
        Route { signature, limit: None, ..Route::new(format!("/{}", scheme.id()), Kind::Webhook) }
    };
    let builder = Policy::builder("fuzz", vec![Origin::parse("https://shop.example").expect("an origin")]);
    let policy = SignatureScheme::ALL.into_iter().map(hook).fold(builder, |builder, route| builder.route(route));
    let policy = policy.build().expect("a policy");
    let secret = |text: &str| SigningSecret::from(text.to_owned());
    let secrets = Secrets {
        csrf: vec!["c".repeat(32)],
        session: vec!["s".repeat(32)],
        webhooks: [("HOOK".to_owned(), vec![secret("bm90IHRoZSBzZWNyZXQgb2YgYW55IHNlZWQh")])].into(),
    };
    let state = State::new(&policy.limits, &still());
    Plan::compile(policy, &secrets, &state).expect("a plan")
});

/// Sends one request up to the refusal, its body in pieces as the gate asks for them.
fn send(plan: &Arc<Plan>, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Code {
    let view = View {
        method: &Method::POST,
        uri,
        version: Version::HTTP_11,
        headers,
        peer: Peer { address: address("192.0.2.1") },
        body: if body.is_empty() { BodyHint::Empty } else { BodyHint::Chunked },
    };
    let mut step = plan.inspect(&view, &still());
    loop {
        step = match step {
            Step::Admit(_)
            | Step::Need(Need::Claim(_) | Need::Keys(_) | Need::Pause(_) | Need::Lease(_) | Need::Fold(_)) => {
                panic!("a forged message passed")
            }
            Step::Answer(answer) => return answer.denial().expect("a refusal").code(),
            Step::Need(Need::Collect(ask)) => {
                let bytes = body.slice(..body.len().min(ask.question.limit));
                let complete = bytes.len() == body.len();
                ask.reply(Collected::Prefix { bytes, complete }).run(&view, &still())
            }
        };
    }
}

/// No randomness, and a clock that stands still.
fn still() -> Env<'static> {
    struct Zeros;
    impl Entropy for Zeros {
        fn fill(&self, out: &mut [u8]) {
            out.fill(0);
        }
    }
    let micros = 1_614_265_330_000_000;
    Env { now: Now { wall: WallMicros(micros), mono: MonoMicros(micros) }, entropy: &Zeros }
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

/// Every `%` with two hexadecimal digits behind it decoded once.
fn decode(path: &str) -> String {
    String::from_utf8(unescape(path.as_bytes())).expect("a decoded path is text")
}

/// The same, whatever comes out.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        let code = escaped.and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    bytes
}

/// The input as `N` texts, parted by the byte 0xff, which no text holds; those that are missing are empty.
fn texts<const N: usize>(data: &[u8]) -> [String; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0xff);
    std::array::from_fn(|_| String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned())
}
