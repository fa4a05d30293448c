//! Opening connections to the application.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use palisade_guard::Fault;
use palisade_policy::Origin;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for a name to be looked up and one of its addresses to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
