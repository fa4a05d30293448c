//! Raw requests, each with the section it speaks of or the name its trick is known by, and what the gate does.
//! Behind each of them the test sends one clean request over the same connection.

use palisade_testkit::HOST;

/// One case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// A section of RFC 9112, unless another RFC or a name stands there.
    pub(crate) section: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expect: Expect,
}

/// What becomes of a case and the clean request behind it.
#[derive(Clone, Copy)]
pub(crate) enum Expect {
    /// Refused with that status, and the connection closes: the application sees nothing, also not what follows.
    Refused(u16),
    /// The application sees exactly that target, then the clean request.
    Passes(&'static str),
    /// The gate answers by itself with that status, then the clean request is served.
    Answered(u16),
    /// The gate answers by itself with that status and closes: what follows is a body it does not read.
    Last(u16),
}

use Expect::{Answered, Last, Passes, Refused};

/// Every case.
pub(crate) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for group in [request_lines, targets, hosts, fields, lengths, codings, tricks, chunks, extensions, trailers, others]
    {
        group(&mut all);
    }
    all
}

fn add(all: &mut Vec<Case>, section: &'static str, name: &'static str, bytes: impl AsRef<[u8]>, expect: Expect) {
    all.push(Case { name, section, bytes: bytes.as_ref().to_vec(), expect });
}

fn start(line: &str) -> String {
    format!("{line}\r\nHost: {HOST}\r\n\r\n")
}

fn get(fields: &str) -> String {
    format!("GET /free/a HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /in/a HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// A body that is over at once by chunks, and holds a request by its length, or the other way round.
fn both(coding: &str) -> String {
    post(&format!("Content-Length: 5\r\n{coding}\r\n"), "0\r\n\r\n")
}

fn request_lines(all: &mut Vec<Case>) {
    let long = format!("GET /free/{} HTTP/1.1", "a".repeat(9000));
    for (name, line, expect) in [
        ("a plain request", "GET /free/a HTTP/1.1", Passes("/free/a")),
        ("lower-case method", "get /free/a HTTP/1.1", Refused(400)),
        ("mixed-case method", "Get /free/a HTTP/1.1", Refused(400)),
        ("method with a digit", "GET1 /free/a HTTP/1.1", Refused(400)),
        ("method with a control byte", "G\x01T /free/a HTTP/1.1", Refused(400)),
        ("method with a quote", "GE\"T /free/a HTTP/1.1", Refused(400)),
        ("unknown method", "FROBNICATE /free/a HTTP/1.1", Answered(405)),
        ("TRACE", "TRACE /free/a HTTP/1.1", Answered(405)),
        ("CONNECT in authority form", "CONNECT shop.example:443 HTTP/1.1", Refused(400)),
        ("CONNECT in origin form", "CONNECT /free/a HTTP/1.1", Refused(400)),
        ("no method", "/free/a HTTP/1.1", Refused(400)),
        ("space before the method", " GET /free/a HTTP/1.1", Refused(400)),
        ("two spaces after the method", "GET  /free/a HTTP/1.1", Refused(400)),
        ("tab after the method", "GET\t/free/a HTTP/1.1", Refused(400)),
        ("two spaces before the version", "GET /free/a  HTTP/1.1", Refused(400)),
        ("tab before the version", "GET /free/a\tHTTP/1.1", Refused(400)),
        ("space after the version", "GET /free/a HTTP/1.1 ", Refused(400)),
        ("space in the target", "GET /free/a b HTTP/1.1", Refused(400)),
        ("a second request line's worth", "GET /free/a HTTP/1.1 HTTP/1.1", Refused(400)),
        ("request line too long", &long, Refused(414)),
    ] {
        add(all, "3", name, start(line), expect);
    }
    for (name, line, expect) in [
        ("HTTP/0.9: no version", "GET /free/a", Refused(400)),
        ("HTTP/0.9 spelled", "GET /free/a HTTP/0.9", Refused(400)),
        ("HTTP/1.2", "GET /free/a HTTP/1.2", Refused(400)),
        ("HTTP/2.0", "GET /free/a HTTP/2.0", Refused(400)),
        ("HTTP/1", "GET /free/a HTTP/1", Refused(400)),
        ("HTTP/1.10", "GET /free/a HTTP/1.10", Refused(400)),
        ("HTTP/01.1", "GET /free/a HTTP/01.1", Refused(400)),
        ("lower-case http/1.1", "GET /free/a http/1.1", Refused(400)),
        ("HTTPS/1.1", "GET /free/a HTTPS/1.1", Refused(400)),
        ("HTTP 1.1 with a space", "GET /free/a HTTP /1.1", Refused(400)),
    ] {
        add(all, "2.3", name, start(line), expect);
    }
}

fn targets(all: &mut Vec<Case>) {
    for (section, name, target, expect) in [
        ("3.2.1", "query of raw brackets and bars", "/free/a?q=[x]|{y}", Passes("/free/a?q=[x]|{y}")),
        ("3.2.1", "no slash first", "free/a", Refused(400)),
        ("3.2.1", "two slashes first", "//evil.example/free/a", Refused(400)),
        ("3.2.1", "backslash first", "\\free\\a", Refused(400)),
        ("3.2.1", "two slashes within", "/free//a", Answered(400)),
        ("3.2.1", "dot segments", "/free/../admin", Answered(400)),
        ("3.2.1", "a fragment", "/free/a#b", Refused(400)),
        ("3.2.1", "a byte over 0x7f", "/free/\u{e9}", Refused(400)),
        ("3.2.1", "NUL in the target", "/free/\0a", Refused(400)),
        ("3.2.1", "DEL in the target", "/free/\x7fa", Refused(400)),
        ("3.2.1", "vertical tab in the target", "/free/\x0ba", Refused(400)),
        ("3.2.2", "absolute form, same authority", "http://shop.example/free/a", Passes("/free/a")),
        ("3.2.2", "absolute form, other authority", "http://evil.example/free/a", Refused(400)),
        ("3.2.2", "absolute form, other port", "http://shop.example:81/free/a", Refused(400)),
        ("3.2.2", "absolute form with a user", "http://shop.example@evil.example/free/a", Refused(400)),
        ("3.2.2", "absolute form without authority", "http:///free/a", Refused(400)),
        ("3.2.2", "absolute form of another scheme", "ftp://shop.example/free/a", Refused(400)),
        ("3.2.2", "absolute form, two slashes in the path", "http://shop.example//free/a", Refused(400)),
        ("3.2.3", "authority form of a GET", "shop.example:80", Refused(400)),
        ("3.2.4", "asterisk form of a GET", "*", Refused(400)),
    ] {
        add(all, section, name, start(&format!("GET {target} HTTP/1.1")), expect);
    }
}

fn hosts(all: &mut Vec<Case>) {
    let with = |fields: &str| format!("GET /free/a HTTP/1.1\r\n{fields}\r\n");
    for (name, fields, expect) in [
        ("Host missing", "", Refused(400)),
        ("Host twice, equal", "Host: shop.example\r\nHost: shop.example\r\n", Refused(400)),
        ("Host twice, second evil", "Host: shop.example\r\nHost: evil.example\r\n", Refused(400)),
        ("Host twice, first evil", "Host: evil.example\r\nHost: shop.example\r\n", Refused(400)),
        ("Host empty", "Host:\r\n", Refused(400)),
        ("Host a list", "Host: shop.example, evil.example\r\n", Refused(400)),
        ("Host with a space", "Host: shop.example evil.example\r\n", Refused(400)),
        ("Host with a user", "Host: evil.example@shop.example\r\n", Refused(400)),
        ("Host with a path", "Host: shop.example/x\r\n", Refused(400)),
        ("Host with a bad port", "Host: shop.example:8o\r\n", Refused(400)),
        ("Host with a huge port", "Host: shop.example:99999\r\n", Refused(400)),
        ("Host an open bracket", "Host: [::1\r\n", Refused(400)),
        ("Host with an escape", "Host: shop%2eexample\r\n", Refused(400)),
        ("Host of another site", "Host: evil.example\r\n", Answered(400)),
        ("Host in capitals", "HOST: SHOP.EXAMPLE\r\n", Passes("/free/a")),
        ("Host folded", "Host:\r\n shop.example\r\n", Refused(400)),
        ("Host with a space before the colon", "Host : shop.example\r\n", Refused(400)),
    ] {
        add(all, "3.2", name, with(fields), expect);
    }
    let old = with("").replace("1.1", "1.0");
    add(all, "3.2", "HTTP/1.0 without Host", old, Refused(400));
}

fn fields(all: &mut Vec<Case>) {
    let (many, large) = ("X: 1\r\n".repeat(120), format!("X: {}\r\n", "y".repeat(17 << 10)));
    let (name_long, large_sum) =
        (format!("{}: 1\r\n", "x".repeat(300)), format!("X: {}\r\n", "y".repeat(300)).repeat(60));
    for (section, name, fields, expect) in [
        ("5", "spaces around a value", "X: \t 1 \t\r\n", Passes("/free/a")),
        ("5", "an empty value", "X:\r\n", Passes("/free/a")),
        ("5", "bytes over 0x7f in a value", "X: caf\u{e9}\r\n", Passes("/free/a")),
        ("5.1", "space before the colon", "X : 1\r\n", Refused(400)),
        ("5.1", "tab before the colon", "X\t: 1\r\n", Refused(400)),
        ("5.1", "no colon", "X\r\n", Refused(400)),
        ("5.1", "no name", ": 1\r\n", Refused(400)),
        ("5.1", "a name in parentheses", "(X): 1\r\n", Refused(400)),
        ("5.1", "a name with a byte over 0x7f", "X\u{e9}: 1\r\n", Refused(400)),
        ("5.1", "a name with NUL", "X\0: 1\r\n", Refused(400)),
        ("5.1", "a name too long", &name_long, Refused(400)),
        ("5.2", "a folded line", "X: 1\r\n 2\r\n", Refused(400)),
        ("5.2", "a line folded by a tab", "X: 1\r\n\t2\r\n", Refused(400)),
        ("5.2", "an empty folded line", "X: 1\r\n \r\n", Refused(400)),
        ("2.2", "a line ended by LF", "X: 1\nY: 2\r\n", Refused(400)),
        ("2.2", "a line ended by CR", "X: 1\rY: 2\r\n", Refused(400)),
        ("2.2", "CR CR LF", "X: 1\r\r\n", Refused(400)),
        ("2.2", "LF CR", "X: 1\n\rY: 2\r\n", Refused(400)),
        ("9110, 5.5", "NUL in a value", "X: 1\x002\r\n", Refused(400)),
        ("9110, 5.5", "a control byte in a value", "X: 1\x012\r\n", Refused(400)),
        ("9110, 5.5", "DEL in a value", "X: 1\x7f2\r\n", Refused(400)),
        ("9110, 5.5", "escape sequence in a value", "X: \x1b]52;c\x07\r\n", Refused(400)),
        ("9110, 5.4", "120 fields", &many, Refused(431)),
        ("9110, 5.4", "a field of 17 KiB", &large, Refused(431)),
        ("9110, 5.4", "fields of 18 KiB together", &large_sum, Refused(431)),
    ] {
        add(all, section, name, get(fields), expect);
    }
    add(all, "2.2", "a head ended by LF LF", get("").replace("\r\n", "\n"), Refused(400));
    add(all, "2.2", "one empty line first", format!("\r\n{}", get("")), Passes("/free/a"));
    add(all, "2.2", "two empty lines first", format!("\r\n\r\n{}", get("")), Refused(400));
    add(all, "2.2", "LF first", format!("\n{}", get("")), Refused(400));
    let before = get("").replace("Host", " X: 1\r\nHost");
    add(all, "2.2", "whitespace before the first field", before, Refused(400));
}

fn lengths(all: &mut Vec<Case>) {
    for (section, name, fields, body, expect) in [
        ("6.2", "a body of three", "Content-Length: 3\r\n", "abc", Passes("/in/a")),
        ("6.2", "leading zeros", "Content-Length: 003\r\n", "abc", Passes("/in/a")),
        ("6.3", "twice, equal", "Content-Length: 3\r\nContent-Length: 3\r\n", "abc", Refused(400)),
        ("6.3", "CL.CL: twice, differing", "Content-Length: 3\r\nContent-Length: 0\r\n", "abc", Refused(400)),
        ("6.3", "a list, equal", "Content-Length: 3, 3\r\n", "abc", Refused(400)),
        ("6.3", "a list, differing", "Content-Length: 3, 0\r\n", "abc", Refused(400)),
        ("6.2", "a plus sign", "Content-Length: +3\r\n", "abc", Refused(400)),
        ("6.2", "a minus sign", "Content-Length: -3\r\n", "abc", Refused(400)),
        ("6.2", "hexadecimal", "Content-Length: 0x3\r\n", "abc", Refused(400)),
        ("6.2", "a fraction", "Content-Length: 3.0\r\n", "abc", Refused(400)),
        ("6.2", "a space within", "Content-Length: 3 0\r\n", "abc", Refused(400)),
        ("6.2", "a quoted number", "Content-Length: \"3\"\r\n", "abc", Refused(400)),
        ("6.2", "nothing", "Content-Length:\r\n", "", Refused(400)),
        ("6.2", "an underscore within", "Content-Length: 1_0\r\n", "abc", Refused(400)),
        ("6.2", "a trailing semicolon", "Content-Length: 3;\r\n", "abc", Refused(400)),
        ("6.2", "over 64 bits", "Content-Length: 18446744073709551619\r\n", "abc", Refused(400)),
        ("6.2", "over 32 bits", "Content-Length: 4294967299\r\n", "", Last(413)),
        ("5.1", "space before the colon", "Content-Length : 3\r\n", "abc", Refused(400)),
        ("5.1", "Content_Length", "Content_Length: 5\r\n", "", Passes("/in/a")),
        ("5.2", "folded", "Content-Length:\r\n 3\r\n", "abc", Refused(400)),
        (
            "9110, 8.6",
            "Connection names Content-Length",
            "Connection: Content-Length\r\nContent-Length: 3\r\n",
            "abc",
            Passes("/in/a"),
        ),
    ] {
        add(all, section, name, post(fields, body), expect);
    }
    add(all, "CL.0", "a GET with a body", get("Content-Length: 3\r\n") + "abc", Answered(413));
}

fn codings(all: &mut Vec<Case>) {
    for (section, name, coding, expect) in [
        ("6.1", "chunked", "Transfer-Encoding: chunked", Passes("/in/a")),
        ("6.1", "a tab before chunked", "Transfer-Encoding:\tchunked", Passes("/in/a")),
        ("7", "Chunked in capitals", "Transfer-Encoding: CHUNKED", Refused(400)),
        ("6.1", "chunked twice in a line", "Transfer-Encoding: chunked, chunked", Refused(400)),
        ("6.1", "chunked in two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Refused(400)),
        ("6.1", "identity", "Transfer-Encoding: identity", Refused(400)),
        ("6.1", "identity and chunked", "Transfer-Encoding: identity, chunked", Refused(400)),
        ("6.1", "chunked and identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Refused(400)),
        ("6.1", "gzip and chunked", "Transfer-Encoding: gzip, chunked", Refused(400)),
        ("6.1", "chunked is not last", "Transfer-Encoding: chunked, gzip", Refused(400)),
        ("7", "chunked with a parameter", "Transfer-Encoding: chunked;q=1", Refused(400)),
        ("6.1", "nothing", "Transfer-Encoding:", Refused(400)),
    ] {
        add(all, section, name, post(&format!("{coding}\r\n"), "0\r\n\r\n"), expect);
    }
    let old = chunked("0\r\n\r\n").replace("1.1", "1.0");
    add(all, "6.1", "chunked in HTTP/1.0", old, Refused(400));
    let reversed = "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n";
    add(all, "6.1", "CL.TE: both framings", both("Transfer-Encoding: chunked"), Refused(400));
    add(all, "6.1", "TE.CL: both framings", post(reversed, "0\r\n\r\n"), Refused(400));
    let zero = "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n";
    add(all, "0.CL", "both framings, length zero", post(zero, "0\r\n\r\n"), Refused(400));
    let of_get = get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n";
    add(all, "6.1", "both framings of a GET", of_get, Refused(400));
    let named = "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n";
    add(all, "9110, 7.6.1", "Connection names Transfer-Encoding", post(named, "0\r\n\r\n"), Passes("/in/a"));
}

/// Ways to hide the coding from one of two readers, as James Kettle and his readers have collected them.
fn tricks(all: &mut Vec<Case>) {
    for (name, coding, expect) in [
        ("space before the colon", "Transfer-Encoding : chunked", Refused(400)),
        ("tab before the colon", "Transfer-Encoding\t: chunked", Refused(400)),
        ("xchunked", "Transfer-Encoding: xchunked", Refused(400)),
        ("chunked-", "Transfer-Encoding: chunked-", Refused(400)),
        ("quoted", "Transfer-Encoding: \"chunked\"", Refused(400)),
        ("single-quoted", "Transfer-Encoding: 'chunked'", Refused(400)),
        ("vertical tab", "Transfer-Encoding: \x0bchunked", Refused(400)),
        ("form feed behind", "Transfer-Encoding: chunked\x0c", Refused(400)),
        ("NUL behind", "Transfer-Encoding: chunked\0", Refused(400)),
        ("0xff behind", "Transfer-Encoding: chunked\u{ff}", Refused(400)),
        ("space first", " Transfer-Encoding: chunked", Refused(400)),
        ("folded", "Transfer-Encoding:\r\n chunked", Refused(400)),
        ("behind a bare LF", "X: X\nTransfer-Encoding: chunked", Refused(400)),
        ("behind a bare CR", "X: X\rTransfer-Encoding: chunked", Refused(400)),
        ("LF before the colon", "Transfer-Encoding\n: chunked", Refused(400)),
        ("two colons", "Transfer-Encoding:: chunked", Refused(400)),
        ("comma first", "Transfer-Encoding: ,chunked", Refused(400)),
        ("comma behind", "Transfer-Encoding: chunked,", Refused(400)),
        ("cow", "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", Refused(400)),
        ("underscore", "Transfer_Encoding: chunked", Passes("/in/a")),
        ("a name in front", "Foo: bar\r\n\rTransfer-Encoding: chunked", Refused(400)),
        ("Unicode ſ", "Tran\u{17f}fer-Encoding: chunked", Refused(400)),
        ("Content-Encoding", "Content-Encoding: chunked", Passes("/in/a")),
    ] {
        add(all, "TE.TE", name, both(coding), expect);
    }
}

fn chunks(all: &mut Vec<Case>) {
    for (name, body, expect) in [
        ("two chunks", "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", Passes("/in/a")),
        ("leading zeros", "0003\r\nabc\r\n000\r\n\r\n", Passes("/in/a")),
        ("many leading zeros", "00000000000000003\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("no size", "\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("no digit", "x\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("0x before the size", "0x3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("a plus sign", "+3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("a minus sign", "-3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("an underscore", "0_3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("a space before the size", " 3\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("a space behind the size", "3 \r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("a tab behind the size", "3\t\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("over 64 bits", "10000000000000003\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("2^64 - 1", "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("size ended by LF", "3\nabc\r\n0\r\n\r\n", Refused(400)),
        ("size ended by CR", "3\rabc\r\n0\r\n\r\n", Refused(400)),
        ("size ended by CR CR LF", "3\r\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("data longer than its size", "3\r\nabcd\r\n0\r\n\r\n", Refused(400)),
        ("data ended by LF", "3\r\nabc\n0\r\n\r\n", Refused(400)),
        ("data ended by nothing", "3\r\nabc0\r\n\r\n", Refused(400)),
        ("data ended by CR", "3\r\nabc\r0\r\n\r\n", Refused(400)),
        ("any two bytes behind the data", "3\r\nabcXX0\r\n\r\n", Refused(400)),
        ("NUL in the size", "3\0\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("last chunk ended by LF", "0\n\n", Refused(400)),
    ] {
        add(all, "7.1", name, chunked(body), expect);
    }
}

fn extensions(all: &mut Vec<Case>) {
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "x".repeat(5000));
    for (section, name, body, expect) in [
        ("7.1.1", "an extension", "3;a=b;c=\"d\"\r\nabc\r\n0\r\n\r\n", Passes("/in/a")),
        ("7.1.1", "whitespace in an extension", "3 ; a = b\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("7.1.1", "an extension of 5,000 bytes", &long, Refused(400)),
        ("7.1.1", "a control byte in an extension", "3;a\x01\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("TERM.EXT", "LF in an extension", "3;\nabc\r\n0\r\n\r\n", Refused(400)),
        ("EXT.TERM", "LF in an extension, CR LF behind", "3;a\nx\r\nabc\r\n0\r\n\r\n", Refused(400)),
        ("TERM.EXT", "CR in an extension", "3;\rabc\r\n0\r\n\r\n", Refused(400)),
        ("SPILL", "a line's end and more behind the data", "3\r\nabc\r\r\n0\r\n\r\n", Refused(400)),
        ("ONE.TWO", "one byte for a line's end", "3\r\nabc\n0\n\n", Refused(400)),
    ] {
        add(all, section, name, chunked(body), expect);
    }
}

fn trailers(all: &mut Vec<Case>) {
    let many = format!("0\r\n{}\r\n", "X: 1\r\n".repeat(40));
    for (section, name, body, expect) in [
        ("7.1.2", "a trailer", "3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", Passes("/in/a")),
        ("7.1.2", "space before the colon", "0\r\nX : 1\r\n\r\n", Refused(400)),
        ("7.1.2", "folded", "0\r\nX: 1\r\n 2\r\n\r\n", Refused(400)),
        ("7.1.2", "a line ended by LF", "0\r\nX: 1\n\r\n", Refused(400)),
        ("7.1.2", "the last line ended by LF", "0\r\nX: 1\r\n\n", Refused(400)),
        ("7.1.2", "40 trailers", &many, Refused(400)),
        ("7.1.2", "a request among the trailers", "0\r\nGET /free/smuggled HTTP/1.1\r\n\r\n", Refused(400)),
        ("9110, 6.5.1", "Content-Length", "0\r\nContent-Length: 50\r\n\r\n", Refused(400)),
        ("9110, 6.5.1", "Transfer-Encoding", "0\r\ntransfer-encoding: chunked\r\n\r\n", Refused(400)),
        ("9110, 6.5.1", "Host", "0\r\nHost: evil.example\r\n\r\n", Passes("/in/a")),
    ] {
        add(all, section, name, chunked(body), expect);
    }
}

fn others(all: &mut Vec<Case>) {
    for (section, name, bytes, expect) in [
        ("9113, 3.4", "HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Refused(400)),
        (
            "h2c",
            "upgrade to h2c",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
            Passes("/free/a"),
        ),
        (
            "h2c",
            "upgrade to h2c with a body",
            post("Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n", "abc"),
            Passes("/in/a"),
        ),
        ("9110, 10.1.1", "another expectation", get("Expect: 200-ok\r\n"), Passes("/free/a")),
        ("TLS", "a TLS ClientHello", "\x16\x03\x01\x02\x01\n".to_owned(), Refused(400)),
        ("9110, 7.6.1", "Connection names Host", get("Connection: Host\r\n"), Passes("/free/a")),
        ("9110, 9.3.2", "HEAD of a refused kind", "HEAD //a HTTP/1.1\r\n\r\n".to_owned(), Refused(400)),
        ("2.2", "a message of zeros", "\0\0\0\0\r\n\r\n".to_owned(), Refused(400)),
        ("3.2.4", "asterisk form of OPTIONS", start("OPTIONS * HTTP/1.1"), Answered(400)),
    ] {
        add(all, section, name, bytes, expect);
    }
}
