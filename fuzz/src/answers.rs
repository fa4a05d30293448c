//! What an application answers.

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, StatusCode, header};

use crate::reply::{Head, Malformed, Search};

/// What is made of an answer: its status, its fields, its body, whether that ended as it should, and what came beyond.
type Made = (StatusCode, HeaderMap, Vec<u8>, bool, Vec<u8>);

/// A byte that says how, then an answer: however it is cut, the same is made of it. Its head is one that hyper's parser reads
/// as well, framed in one way at most, and nothing that is handed on holds a line's end.
pub fn response_framing(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let bare = how & 1 == 1;
    let whole = read(bytes, bytes.len().max(1), bare);
    assert_eq!(whole, read(bytes, usize::from(how >> 1) + 1, bare));
    let Some((status, fields, body, _, beyond)) = whole else { return };
    assert!(!fields.contains_key(header::TRANSFER_ENCODING));
    assert!(fields.get_all(header::CONTENT_LENGTH).iter().count() <= 1);
    for value in fields.values() {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
    assert!(!bare || body.is_empty());
    assert!(body.len() + beyond.len() <= bytes.len());
    let mut rest = bytes;
    loop {
        let mut lines = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Response::new(&mut lines);
        let Ok(httparse::Status::Complete(length)) = parsed.parse(rest) else { panic!("hyper would refuse it") };
        let code = parsed.code.expect("a code");
        rest = rest.get(length..).unwrap_or_default();
        if code >= 200 || code == 101 {
            assert_eq!(code, status.as_u16());
            let names = parsed.headers.iter().map(|field| field.name.to_ascii_lowercase());
            let named = names.filter(|name| !matches!(name.as_str(), "content-length" | "transfer-encoding")).count();
            assert_eq!(named, fields.len() - usize::from(fields.contains_key(header::CONTENT_LENGTH)));
            return;
        }
    }
}

/// Reads one answer in pieces of a length; nothing, if its head is refused or never ends.
fn read(bytes: &[u8], piece: usize, bare: bool) -> Option<Made> {
    let (mut search, mut read, mut body) = (Search::default(), BytesMut::new(), Vec::new());
    let mut pieces = bytes.chunks(piece);
    let mut head = loop {
        while !read.is_empty() {
            let Some(length) = search.look(&read).ok()? else { break };
            let status = Head::status(&read).ok()?;
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                break;
            }
            read.advance(length);
            search = Search::default();
        }
        // What was looked at whole is looked at from its beginning, which tells the same.
        if let Some(length) = Search::default().look(&read).ok().flatten() {
            break Head::read(&read.split_to(length).freeze(), bare, HeaderMap::new()).ok()?;
        }
        read.extend_from_slice(pieces.next()?);
    };
    let mut ended = true;
    loop {
        match head.follows.take(&mut read) {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => match pieces.next() {
                Some(piece) => read.extend_from_slice(piece),
                None => break,
            },
            Err(Malformed) => {
                ended = false;
                read.clear();
                break;
            }
        }
    }
    ended &= head.follows.close().is_ok();
    Some((head.status, head.headers, body, ended, read.to_vec()))
}
