//! Tells systemd how the service is (sd_notify(3)). Where nobody listens nothing is told.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Serves.
pub(crate) fn ready() {
    tell("READY=1");
}

/// Reads the policy anew; [`ready`] follows.
pub(crate) fn reloading() {
    tell("RELOADING=1");
}

/// Drains.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Some(place) = std::env::var_os("NOTIFY_SOCKET") else { return };
    // Who cannot be told has gone, and a service serves without its manager.
    let _ = address(&place).and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
}

/// A path, or a name in the abstract namespace behind an `@`.
fn address(place: &OsString) -> std::io::Result<SocketAddr> {
    match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(place),
    }
}
