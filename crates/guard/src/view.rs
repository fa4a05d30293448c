use std::net::IpAddr;

use http::{HeaderMap, Method, Uri, Version};

/// A request head as the guard sees it: borrowed, unchanged, no body.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The method, as sent.
    pub method: &'a Method,
    /// The target, as sent.
    pub uri: &'a Uri,
    /// The protocol version.
    pub version: Version,
    /// The headers, as sent.
    pub headers: &'a HeaderMap,
    /// Who is at the other end of the connection.
    pub peer: Peer,
    /// What is known of the body before a byte is read.
    pub body: BodyHint,
}

/// The other end of the connection: a client, or a proxy before it.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
}

/// What the framing says of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyHint {
    /// There is none.
    Empty,
    /// This many bytes are announced.
    Sized(u64),
    /// A body comes in chunks, its length unknown.
    Chunked,
}
