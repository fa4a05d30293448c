use proptest::prelude::*;

use super::*;

const BOUNDS: Bounds = Bounds { bytes: 16 << 10 };

fn scan(text: &str) -> Found {
    Scanner::new(BOUNDS).scan(text.as_bytes())
}

fn flaw(text: &str) -> Option<Flaw> {
    match scan(text) {
        Found::All | Found::Until(_) => None,
        Found::Refused(at, flaw) => {
            assert_eq!(at, 0, "{text:?}");
            Some(flaw)
        }
        Found::Broken(..) => panic!("{text:?} was let through before"),
    }
}

fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n")
}

fn chunked(body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

#[test]
fn messages_of_one_meaning_pass() {
    for text in [
        get(""),
        get("").replace("GET", "\r\nGET"),
        get("X:\r\nY: \t v \t\r\nX-8-Bit: caf\u{e9}\r\n"),
        get("").replace("1.1", "1.0"),
        get("").replace("/a", "/?q={}|^`\\&r=%zz"),
        get("").replace("/a", "HTTP://A.example/x?y"),
        get("").replace("/a", "*").replace("GET", "OPTIONS"),
        get("").replace("a.example", "[::1]:8080"),
        get("").replace("GET", "M-SEARCH"),
        get("Content-Length: 0\r\n"),
        get("Content-Length: \t3 \r\n") + "abc" + &get(""),
        chunked("0\r\n\r\n") + &get(""),
        chunked("3\r\nabc\r\n00A;a=b;c=\"d\"\r\n0123456789\r\n0\r\n\r\n"),
        chunked("1\r\na\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n") + &get(""),
    ] {
        assert_eq!(scan(&text), Found::All, "{text:?}");
    }
}

#[test]
fn every_other_request_line_and_host_is_refused_with_its_reason() {
    let host = |host: &str| get("").replace("Host: a.example", host);
    let target = |target: &str| get("").replace("/a ", &format!("{target} "));
    let start = |line: &str| get("").replace("GET /a HTTP/1.1", line);
    for (text, expect) in [
        (start("get /a HTTP/1.1"), Flaw::Method),
        (start("Get /a HTTP/1.1"), Flaw::Method),
        (start("CONNECT a.example:443 HTTP/1.1"), Flaw::Method),
        (start("GET\t/a HTTP/1.1"), Flaw::Version),
        (start("GET  /a HTTP/1.1"), Flaw::RequestLine),
        (start("GET /a  HTTP/1.1"), Flaw::RequestLine),
        (start("GET /a HTTP/1.1 "), Flaw::RequestLine),
        (start(" GET /a HTTP/1.1"), Flaw::RequestLine),
        (start("GET /a"), Flaw::Version),
        (start("GET /a HTTP/1.2"), Flaw::Version),
        (start("GET /a http/1.1"), Flaw::Version),
        (start("PRI * HTTP/2.0"), Flaw::Target),
        (target("a"), Flaw::Target),
        (target("//a"), Flaw::Target),
        (target("/a#b"), Flaw::Target),
        (target("/\u{e9}"), Flaw::Target),
        (target("*"), Flaw::Target),
        (target("ftp://a.example/"), Flaw::Target),
        (target("http://a.example"), Flaw::Target),
        (target("http://b.example/"), Flaw::Host),
        (target("http://u@a.example/"), Flaw::Host),
        (target(&"/".repeat(9 << 10)), Flaw::LineTooLong),
        (host("X: 1"), Flaw::Host),
        (host("Host: a.example\r\nHost: a.example"), Flaw::Host),
        (host("Host:"), Flaw::Host),
        (host("Host: a, b"), Flaw::Host),
        (host("Host: a:b"), Flaw::Host),
        (host("Host: a:65536"), Flaw::Host),
        (host("Host: [::1"), Flaw::Host),
        (host("Host: [x]"), Flaw::Host),
        (host("Host: a/b"), Flaw::Host),
        ("\r\n\r\n".to_owned() + &get(""), Flaw::RequestLine),
        ("\n".to_owned() + &get(""), Flaw::BareLf),
        ("\x16\x03\x01\x02".to_owned(), Flaw::RequestLine),
    ] {
        assert_eq!(flaw(&text), Some(expect), "{text:?}");
    }
}

#[test]
fn every_other_field_is_refused_with_its_reason() {
    for (text, expect) in [
        (get("X: 1\n"), Flaw::BareLf),
        (get("").replace("\r\n", "\n"), Flaw::BareLf),
        (get("X: 1\r2\r\n"), Flaw::Control),
        (get("X: 1\0\r\n"), Flaw::Control),
        (get("X: 1\x7f\r\n"), Flaw::Control),
        (get("X\0: 1\r\n"), Flaw::Control),
        (get("X : 1\r\n"), Flaw::FieldName),
        (get(": 1\r\n"), Flaw::FieldName),
        (get("X\r\n"), Flaw::FieldName),
        (get("X(: 1\r\n"), Flaw::FieldName),
        (get("X: 1\r\n 2\r\n"), Flaw::Fold),
        (get("\tX: 1\r\n"), Flaw::Fold),
        (get("Content-Length: 3\r\nContent-Length: 3\r\n") + "abc", Flaw::Length),
        (get("Content-Length: 3, 3\r\n") + "abc", Flaw::Length),
        (get("Content-Length: +3\r\n") + "abc", Flaw::Length),
        (get("Content-Length: -1\r\n"), Flaw::Length),
        (get("Content-Length: 0x3\r\n"), Flaw::Length),
        (get("Content-Length: 3 3\r\n"), Flaw::Length),
        (get("Content-Length:\r\n"), Flaw::Length),
        (get("Content-Length: 18446744073709551616\r\n"), Flaw::Length),
        (get("Transfer-Encoding: identity\r\n"), Flaw::Coding),
        (get("Transfer-Encoding: gzip, chunked\r\n"), Flaw::Coding),
        (get("Transfer-Encoding: chunked, chunked\r\n"), Flaw::Coding),
        (get("Transfer-Encoding: Chunked\r\n"), Flaw::Coding),
        (get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Flaw::Coding),
        (get("Transfer-Encoding: chunked\r\n").replace("1.1", "1.0"), Flaw::Coding),
        (get("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), Flaw::BothFramings),
        (get("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"), Flaw::BothFramings),
        (get(&"X: 1\r\n".repeat(100)), Flaw::HeadTooLarge),
        (get(&format!("X: {}\r\n", "y".repeat(16 << 10))), Flaw::HeadTooLarge),
    ] {
        assert_eq!(flaw(&text), Some(expect), "{text:?}");
    }
}

#[test]
fn every_other_chunk_is_refused_with_its_request() {
    for (text, expect) in [
        (chunked("x\r\n"), Flaw::ChunkSize),
        (chunked("\r\n"), Flaw::ChunkSize),
        (chunked("3 \r\nabc\r\n"), Flaw::ChunkSize),
        (chunked("+3\r\nabc\r\n"), Flaw::ChunkSize),
        (chunked("0x3\r\nabc\r\n"), Flaw::ChunkSize),
        (chunked("3\nabc\r\n"), Flaw::ChunkSize),
        (chunked("3\rabc\r\n"), Flaw::ChunkSize),
        (chunked("0000000000000003\r\nabc\r\n"), Flaw::ChunkSize),
        (chunked("fffffffffffffffff\r\n"), Flaw::ChunkSize),
        (chunked("3;a\nabc\r\n"), Flaw::ChunkExtension),
        (chunked("3;a b\r\nabc\r\n"), Flaw::ChunkExtension),
        (chunked(&format!("3;{}\r\nabc\r\n", "a".repeat(9 << 10))), Flaw::ChunkExtension),
        (chunked("3\r\nabcd\r\n"), Flaw::ChunkEnd),
        (chunked("3\r\nabc\n0\r\n\r\n"), Flaw::ChunkEnd),
        (chunked("3\r\nabc\r\r\n"), Flaw::ChunkEnd),
        (chunked("0\r\n\n"), Flaw::Trailer),
        (chunked("0\r\nX : 1\r\n\r\n"), Flaw::Trailer),
        (chunked("0\r\n X: 1\r\n\r\n"), Flaw::Trailer),
        (chunked("0\r\nX: 1\n\r\n"), Flaw::Trailer),
        (chunked("0\r\nX: 1\r\n 2\r\n\r\n"), Flaw::Trailer),
        (chunked("0\r\nContent-Length: 1\r\n\r\n"), Flaw::Trailer),
        (chunked("0\r\nTRANSFER-encoding: chunked\r\n\r\n"), Flaw::Trailer),
        (chunked("0\r\nGET /smuggled HTTP/1.1\r\n\r\n"), Flaw::Trailer),
        (chunked(&format!("0\r\n{}\r\n", "X: 1\r\n".repeat(33))), Flaw::Trailer),
    ] {
        assert_eq!(flaw(&text), Some(expect), "{text:?}");
    }
}

#[test]
fn what_was_let_through_breaks_and_what_follows_is_refused() {
    let mut scanner = Scanner::new(BOUNDS);
    assert_eq!(scanner.scan(chunked("3\r\n").as_bytes()), Found::All);
    assert_eq!(scanner.scan(b"abcX\r\n"), Found::Broken(3, Flaw::ChunkEnd));
    assert_eq!(scanner.scan(b"GET / HTTP/1.1\r\n"), Found::Until(0), "nothing is looked at any more");

    let (first, second) = (get(""), "GET /b HTTP/1.1\r\n\r\n");
    let mut scanner = Scanner::new(BOUNDS);
    assert_eq!(scanner.scan((first.clone() + second).as_bytes()), Found::Refused(first.len(), Flaw::Host));
    assert_eq!(scanner.heads(), 1);
    let mut scanner = Scanner::new(BOUNDS);
    assert_eq!(scanner.scan((first.clone() + &chunked("x")).as_bytes()), Found::Refused(first.len(), Flaw::ChunkSize));
    assert_eq!(scanner.heads(), 1, "a request that is refused for its body is not counted");
}

#[test]
fn what_follows_a_request_for_another_protocol_waits() {
    let upgrade = get("Upgrade: websocket\r\n");
    let mut scanner = Scanner::new(BOUNDS);
    let both = upgrade.clone() + &get("");
    assert_eq!(scanner.scan(both.as_bytes()), Found::Until(upgrade.len()));
    assert!(scanner.waits());
    scanner.resume();
    assert_eq!(scanner.scan(get("").as_bytes()), Found::All);
    let mut scanner = Scanner::new(BOUNDS);
    assert_eq!(scanner.scan((get("Upgrade: h2c\r\nContent-Length: 1\r\n") + "a" + &get("")).as_bytes()), Found::All);
}

#[test]
fn the_quick_look_at_values_is_the_tables() {
    for byte in 0..=255 {
        assert_eq!(table::all_value(&[b'a', byte]), table::is(byte, table::VALUE), "{byte:#x}");
    }
}

#[test]
fn a_stand_in_says_what_may_be_said() {
    for (refused, expect) in [
        ("POST /a?b HTTP/1.1\r\nX : 1\r\n", "POST /a?b"),
        ("\r\nHEAD /a HTTP/1.1\nX", "HEAD /a"),
        ("get /a HTTP/1.1\r\n", "- /a"),
        ("HEAD //evil HTTP/1.1\r\n", "HEAD *"),
        ("GET http://evil.example/ HTTP/1.1\r\n", "GET *"),
        ("\x16\x03", "- *"),
        ("", "- *"),
    ] {
        let expect = format!("{expect} HTTP/1.1\r\nconnection: close\r\n\r\n");
        assert_eq!(String::from_utf8_lossy(&stand_in(refused.as_bytes())), expect);
    }
}

/// All of the bytes at once, and the same in pieces: what is handed on, and how it ends.
fn pieces(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Flaw>) {
    let mut scanner = Scanner::new(BOUNDS);
    let (mut held, mut given) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    for cut in cuts.iter().map(|cut| cut + 1).chain([usize::MAX]) {
        let (piece, more) = rest.split_at(cut.min(rest.len()));
        rest = more;
        held.extend_from_slice(piece);
        let (until, flaw) = match scanner.scan(&held) {
            Found::All => (held.len(), None),
            Found::Until(at) => (at, None),
            Found::Refused(at, flaw) | Found::Broken(at, flaw) => (at, Some(flaw)),
        };
        given.extend(held.drain(..until));
        if flaw.is_some() {
            return (given, flaw);
        }
    }
    (given, None)
}

proptest! {
    /// However the bytes are cut, the same flaw is found, and never more is handed on than if all came at once, but for
    /// bodies whose head was let through before they broke.
    #[test]
    fn cuts_change_nothing(
        parts in prop::collection::vec(prop::sample::select(PARTS), 1..12),
        cuts in prop::collection::vec(0_usize..40, 0..20),
    ) {
        let bytes = parts.concat();
        let (whole, flaw) = pieces(bytes.as_bytes(), &[]);
        let (given, cut_flaw) = pieces(bytes.as_bytes(), &cuts);
        prop_assert_eq!(flaw, cut_flaw);
        prop_assert!(given.starts_with(&whole));
        if flaw.is_none() {
            prop_assert_eq!(given, whole);
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = pieces(&bytes, &[3, 9, 1]);
    }
}

const PARTS: &[&str] = &[
    "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "5\r\nhello\r\n",
    "3;x=y\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "\r\n",
    "\n",
    "X: y\r\n",
    "Content-Length: 3\r\n",
];
