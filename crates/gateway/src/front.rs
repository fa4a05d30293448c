//! What stands before HTTP on a connection: a proxy's word about the client, TLS, and the way from http to https.

use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::proxy_protocol;
use crate::tls::{Certificate, CertificateError};
use palisade_policy::Clients;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// What stands before HTTP; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Front {
    /// The gate speaks TLS, and nothing else, with this certificate. Its files are looked at every two seconds.
    pub certificate: Option<Certificate>,
    /// Told when the certificate's files changed: whether what they hold now is served, or why not.
    pub told: Option<fn(Result<(), &CertificateError>)>,
    /// Where plain http is answered with the way to https.
    pub redirect: Option<SocketAddr>,
    /// Connections begin with a PROXY header, and only trusted proxies may connect.
    pub proxy_protocol: bool,
}

/// How often the certificate's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl Front {
    /// Takes changed certificates as long as it is polled.
    pub(crate) async fn watch(&self) {
        let Some(certificate) = &self.certificate else { return pending().await };
        loop {
            sleep(LOOK_EVERY).await;
            let outcome = certificate.reload();
            if let (Some(told), Ok(true) | Err(_)) = (self.told, &outcome) {
                told(outcome.as_ref().map(|_| ()));
            }
        }
    }

    /// Whose connection it is: the peer's, or that of the client a trusted proxy names. `None` if the header is not
    /// one, or comes from somebody else.
    pub(crate) async fn client(&self, stream: &mut TcpStream, peer: IpAddr, clients: &Clients) -> Option<IpAddr> {
        if !self.proxy_protocol {
            return Some(peer);
        }
        let peer = peer.to_canonical();
        if !clients.trusted_proxies.iter().any(|net| net.contains(&peer)) {
            return None;
        }
        proxy_protocol::read(stream).await.map(|named| named.unwrap_or(peer))
    }
}
