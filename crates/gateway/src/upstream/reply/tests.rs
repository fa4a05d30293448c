use super::*;
use proptest::prelude::*;

/// What is made of an answer: its status and fields, its body, and whether it ended as it should.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    status: u16,
    fields: Vec<String>,
    body: Vec<u8>,
    ended: bool,
    kept: bool,
    /// What came beyond it.
    beyond: Vec<u8>,
}

/// Reads one answer that comes in pieces, as the gateway does; nothing, if the head is refused or never ends.
fn read(bytes: &[u8], cuts: &[usize], bare: bool) -> Option<Made> {
    let (mut search, mut read, mut head) = (Search::default(), BytesMut::new(), None::<Head>);
    let (mut body, mut rest) = (Vec::new(), bytes);
    let mut broken = false;
    for cut in cuts.iter().map(|cut| cut + 1).chain([usize::MAX]) {
        let (piece, more) = rest.split_at(cut.min(rest.len()));
        rest = more;
        read.extend_from_slice(piece);
        while head.is_none() {
            let Some(length) = search.look(&read).ok()? else { break };
            let status = Head::status(&read).ok()?;
            if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                read.advance(length);
                search = Search::default();
                if read.is_empty() {
                    break;
                }
                continue;
            }
            let bytes = read.split_to(length).freeze();
            head = Some(Head::read(&bytes, bare, HeaderMap::new()).ok()?);
        }
        let Some(head) = &mut head else { continue };
        loop {
            match head.follows.take(&mut read) {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => break,
                Err(Malformed) => broken = true,
            }
            if broken {
                break;
            }
        }
        if broken {
            break;
        }
    }
    let mut head = head?;
    let ended = !broken && head.follows.close().is_ok();
    let fields = head.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    let beyond = if broken { Vec::new() } else { read.to_vec() };
    Some(Made { status: head.status.as_u16(), fields, body, ended, kept: head.kept, beyond })
}

fn whole(text: &str) -> Option<Made> {
    read(text.as_bytes(), &[], false)
}

#[test]
fn answers_end_where_they_say() {
    for (text, body, kept, beyond) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", true, ""),
        ("HTTP/1.1 200\r\ncontent-length: \t3 \r\n\r\nabcHTTP/1.1 200 OK", "abc", true, "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 \r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "abc", true, ""),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\nX",
            "abcd",
            true,
            "X",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nSum: 1\r\n\r\n", "a", true, ""),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", false, ""),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "a", false, ""),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\na", "a", true, ""),
        (
            "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
            "a",
            false,
            "",
        ),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", "", true, "abc"),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "", true, ""),
        ("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\nframes", "", false, "frames"),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
            "a",
            true,
            "",
        ),
    ] {
        let made = whole(text).unwrap_or_else(|| panic!("{text:?}"));
        assert!(made.ended, "{text:?}");
        let got = (made.body.as_slice(), made.kept, made.beyond.as_slice());
        assert_eq!(got, (body.as_bytes(), kept, beyond.as_bytes()), "{text:?}");
    }
    let head = read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", &[], true).expect("an answer to HEAD");
    assert_eq!((head.body.as_slice(), head.beyond.as_slice()), (&b""[..], &b"abc"[..]));
    assert!(head.fields.iter().any(|field| field.starts_with("content-length")), "{head:?}");
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let with = |field: &str| format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    for text in [
        with("Content-Length: 3\r\nTransfer-Encoding: chunked"),
        with("Transfer-Encoding: chunked\r\nContent-Length: 3"),
        with("Content-Length: 3\r\nContent-Length: 4"),
        with("Content-Length: 3, 3"),
        with("Content-Length: +3"),
        with("Content-Length: 3 3"),
        with("Content-Length: 0x3"),
        with("Content-Length:"),
        with(&format!("Content-Length: {}", "9".repeat(19))),
        with("Transfer-Encoding: gzip, chunked"),
        with("Transfer-Encoding: chunked, chunked"),
        with("Transfer-Encoding: identity"),
        with("Transfer-Encoding: xchunked"),
        with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        with("Transfer-Encoding : chunked"),
        with("X: y\r\n folded: z"),
        with(" X: y"),
        with("X"),
        with(": y"),
        with("X y: z"),
        with("X: a\rb"),
        with("X: a\0b"),
        with("X: a\nTransfer-Encoding: chunked"),
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.2 200 OK\r\n\r\n".to_owned(),
        "HTTP/2.0 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1  200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 20 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 2000 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 +20 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 099 OK\r\n\r\n".to_owned(),
        "HTTP/1.1\r\n\r\n".to_owned(),
        "HTTP/1.1 200 O\rK\r\n\r\n".to_owned(),
        "http/1.1 200 OK\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101)),
        format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(MAX_HEAD)),
        format!("HTTP/1.1 200 {}", "y".repeat(MAX_HEAD)),
    ] {
        assert_eq!(whole(&text), None, "{text:.90?}");
    }
    let most = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(100));
    assert!(whole(&most).is_some_and(|made| made.fields.len() == 100));
}

#[test]
fn a_body_that_breaks_off_is_not_taken_for_whole() {
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc".to_owned(),
        chunked("3\r\nabc\r\n"),
        chunked("3\r\nabc\r\n0\r\n"),
        chunked("3\r\nabc\r\n0\r\n\n"),
        chunked("3\r\nabcd\r\n0\r\n\r\n"),
        chunked("3 \r\nabc\r\n0\r\n\r\n"),
        chunked("3\nabc\r\n0\r\n\r\n"),
        chunked("-3\r\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabc\r\n0\r\nContent-Length: 1\r\n\r\n"),
        chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"),
    ] {
        let made = whole(&text).unwrap_or_else(|| panic!("{text:?}"));
        assert!(!made.ended, "{text:?}: {made:?}");
    }
}

proptest! {
    /// However the bytes are cut, the same is made of them.
    #[test]
    fn cuts_change_nothing(
        parts in prop::collection::vec(prop::sample::select(PARTS), 1..12),
        cuts in prop::collection::vec(0_usize..30, 0..30),
        bare in any::<bool>(),
    ) {
        let bytes = parts.concat();
        prop_assert_eq!(read(bytes.as_bytes(), &[], bare), read(bytes.as_bytes(), &cuts, bare));
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), bare in any::<bool>()) {
        let _ = read(&bytes, &[3, 9, 1], bare);
        let _ = read(&[&b"HTTP/1.1 200 "[..], &bytes].concat(), &[3, 9, 1], bare);
    }
}

const PARTS: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 103 X\r\nLink: a\r\n\r\n",
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "3;x=y\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "\r\n",
    "\n",
    "X: y\r\n",
    "Content-Length: 3\r\n",
    "Connection: close\r\n",
];
