//! Listening sockets: one a thread on one port, and nobody else's beside them.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel keeps while a thread is busy.
const BACKLOG: i32 = 1024;

/// Binds `count` listeners to one address; port 0 takes a free one.
///
/// `SO_REUSEPORT` lets any process of the same user join in silently, and a second gate would take half of the
/// requests. So the first socket is bound without it, which fails if anybody listens, and is opened to its siblings
/// only when the port is ours. A second gate's first socket then fails in turn.
pub(crate) fn listeners(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    let first = bind(address, false)?;
    first.set_reuse_port(true)?;
    first.listen(BACKLOG)?;
    let first = TcpListener::from(first);
    let address = first.local_addr()?;
    let mut all = vec![first];
    for _ in 1..count {
        let sibling = bind(address, true)?;
        sibling.listen(BACKLOG)?;
        all.push(TcpListener::from(sibling));
    }
    Ok(all)
}

/// One socket that listens, for `count` threads: they take connections from one queue. Whoever gave it keeps it too.
pub(crate) fn shared(listener: TcpListener, count: usize) -> io::Result<Vec<TcpListener>> {
    if !Socket::from(listener.try_clone()?).is_listener()? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the inherited socket does not listen"));
    }
    listener.set_nonblocking(true)?;
    let mut all = Vec::with_capacity(count);
    for _ in 1..count {
        all.push(listener.try_clone()?);
    }
    all.push(listener);
    Ok(all)
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Takes the port from connections that linger in TIME_WAIT, never from a listener.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_once_by_all_threads_of_one_gate() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = listeners(any, 3).expect("bind");
        let taken = first[0].local_addr().expect("address");
        assert!(first.iter().all(|listener| listener.local_addr().expect("address") == taken));
        let refused = listeners(taken, 2).expect_err("the port is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(listeners(taken, 2).is_ok());
    }
}
