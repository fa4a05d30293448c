//! Opening connections to the application.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use palisade_guard::Fault;
use palisade_policy::Origin;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::body::Sent;
use super::pool::Connection;

/// Time for a name to be looked up and one of its addresses to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of a response that wait in the gate for the client to take those before; its head must fit too.
const BUFFER: usize = 64 << 10;

/// Knows where the application is.
#[derive(Debug)]
pub(crate) struct Connector {
    place: Place,
}

#[derive(Debug)]
enum Place {
    Address(SocketAddr),
    Name { host: String, port: u16 },
}

// === impl Connector ===

impl Connector {
    pub(crate) fn new(origin: &Origin) -> Connector {
        let (host, port) = (origin.host(), origin.port());
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let place = match bare.parse::<IpAddr>() {
            Ok(address) => Place::Address(SocketAddr::new(address, port)),
            Err(_) => Place::Name { host: host.to_owned(), port },
        };
        Connector { place }
    }

    /// Opens a connection for any number of requests.
    pub(crate) async fn connect(&self) -> Result<Connection, Fault> {
        let io = TokioIo::new(self.open().await?);
        let handshake = builder().handshake::<_, Sent>(io).await;
        let (sender, connection) = handshake.map_err(|_| Fault::Unreachable)?;
        let task = spawn_local(async move {
            // Its error has reached the request it happened to; an idle connection's end is no error.
            let _ = connection.await;
        });
        Ok(Connection::new(sender, task.abort_handle()))
    }

    /// Opens a connection for one request, which may turn it into a tunnel.
    pub(crate) async fn connect_upgradeable(&self) -> Result<Connection, Fault> {
        let io = TokioIo::new(self.open().await?);
        let handshake = builder().handshake::<_, Sent>(io).await;
        let (sender, connection) = handshake.map_err(|_| Fault::Unreachable)?;
        let task = spawn_local(async move {
            let _ = connection.with_upgrades().await;
        });
        Ok(Connection::new(sender, task.abort_handle()))
    }

    /// Opens the socket.
    pub(super) async fn open(&self) -> Result<TcpStream, Fault> {
        let opened = timeout(CONNECT_TIMEOUT, async {
            match &self.place {
                Place::Address(address) => TcpStream::connect(*address).await,
                Place::Name { host, port } => by_name(host, *port).await,
            }
        });
        let stream = opened.await.map_err(|_| Fault::Unreachable)?.map_err(|_| Fault::Unreachable)?;
        stream.set_nodelay(true).map_err(|_| Fault::Unreachable)?;
        Ok(stream)
    }
}

/// Tries every address of a name: `localhost` is two, and an application listens on one of them.
async fn by_name(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    builder
}
