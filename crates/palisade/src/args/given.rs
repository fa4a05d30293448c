//! Values of options, as typed: each refusal says how the value is written.

use std::net::SocketAddr;

use palisade_event::Code;

/// An address to listen at.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

/// A number of things of which there must be one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "write a whole number, 1 or more".to_owned())
}

/// A path of a site.
pub(super) fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(format!("a path begins with /: write /{text}")) }
}

/// A code of refusal.
pub(super) fn code(text: &str) -> Result<String, String> {
    let known = Code::from_id(text).map(|code| code.id().to_owned());
    known.ok_or_else(|| "the gate answers no such code; `palisade policy answers` lists them".to_owned())
}

/// Where events and incidents are kept. Another kind of server is not taken for the name of a file.
pub(super) fn store(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("postgres" | "postgresql", _)) | None => Ok(text.to_owned()),
        Some((scheme, _)) => Err(format!("{scheme} is no store: name a file, or postgres://user@host/name")),
    }
}
