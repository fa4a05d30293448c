use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Where the kernel takes no port from when it may choose one itself: it would take ours between its choice and its use.
/// Linux chooses from 32,768 on; the ports 10,000 above, which a Redis cluster's nodes need too, end below that.
const NEVER_CHOSEN: std::ops::Range<u16> = 10_240..22_768;

/// A port of loopback for a program that takes no 0, or whose address must be known before it starts. It stays free until
/// somebody asks for it by its number, and so does the one 10,000 above.
///
/// # Panics
/// If none of a thousand is free.
#[must_use]
pub fn free_port() -> u16 {
    let random = RandomState::new();
    let ports = (0..1_000_u64).map(|attempt| {
        let range = u64::from(NEVER_CHOSEN.end - NEVER_CHOSEN.start);
        NEVER_CHOSEN.start + u16::try_from(random.hash_one(attempt) % range).expect("below the range")
    });
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    ports.into_iter().find(|port| free(*port) && free(port + 10_000)).expect("a free port")
}

/// The same with the address of loopback.
#[must_use]
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
