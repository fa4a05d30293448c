//! The admin listener: `/healthz`, `/readyz`, `/metrics`, and the pages it was given. Served by the main thread, so that it
//! answers however busy the others are. The gate never proxies to it.
//!
//! It listens on loopback, or anywhere by TLS.

mod access;
mod answer;
mod desk;
mod pages;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::control::Common;
use crate::tls::Certificate;
use access::Access;
use answer::Office;
use desk::Desk;
pub use pages::{Asked, Content, Form, Page, Pages, Visitor};

/// A port for operators.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    access: Access,
    desk: Desk,
    certificate: Option<Certificate>,
    pages: Option<Arc<dyn Pages>>,
}

/// Connections at a time; more wait in the kernel.
const CONNECTIONS: usize = 48;
/// Bytes of a request head.
const HEAD: usize = 16 << 10;
/// Time for a request head, or a handshake.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// The longest life of a connection: a scraper opens another, and so does a page that listens.
const LIFE: Duration = Duration::from_secs(300);
/// When accepting fails, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// === impl Admin ===

impl Admin {
    /// Takes the port. `token` opens `/metrics` and the pages; without one nothing does.
    ///
    /// # Errors
    /// If anybody listens there, or if other machines could reach it.
    pub fn bind(address: SocketAddr, token: Option<&str>) -> io::Result<Admin> {
        if !address.ip().to_canonical().is_loopback() {
            let text = "the admin listener has no TLS, and other machines could reach it there";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (listener, address) = take(address)?;
        Ok(Admin::on(listener, address, Access::new(address, token, &[], false), None))
    }

    /// As [`Admin::bind`], by TLS, so that other machines may reach it. `names` are those by which it may be asked for,
    /// beside its address; no other Host is served.
    ///
    /// # Errors
    /// If anybody listens there.
    pub fn bind_tls(
        address: SocketAddr,
        token: Option<&str>,
        certificate: Certificate,
        names: &[String],
    ) -> io::Result<Admin> {
        let (listener, address) = take(address)?;
        Ok(Admin::on(listener, address, Access::new(address, token, names, true), Some(certificate)))
    }

    fn on(listener: TcpListener, address: SocketAddr, access: Access, certificate: Option<Certificate>) -> Admin {
        Admin { listener, address, access, desk: Desk::default(), certificate, pages: None }
    }

    /// Shows these pages to who signs in.
    #[must_use]
    pub fn with_pages(self, pages: Option<Arc<dyn Pages>>) -> Admin {
        Admin { pages, ..self }
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A code that signs in once, within the hour, in place of the token. It is for the sign-in form, never for an address.
    #[must_use]
    pub fn code(&self) -> String {
        self.desk.code()
    }

    /// Serves until the runtime ends.
    pub(crate) async fn serve(self, common: Arc<Common>) {
        let Admin { listener, access, desk, certificate, pages, .. } = self;
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let office = Arc::new(Office { access, desk, pages, common });
        let tls = certificate.as_ref().map(acceptor);
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (office, tls) = (Arc::clone(&office), tls.clone());
            tokio::spawn(async move {
                let _ = timeout(LIFE, one(stream, tls, office)).await;
                drop(permit);
            });
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("address", &self.address).field("access", &self.access).finish_non_exhaustive()
    }
}

fn take(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The gate's certificate, for HTTP/1.1 alone.
fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let mut config = (*certificate.config()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn one(stream: TcpStream, tls: Option<TlsAcceptor>, office: Arc<Office>) {
    match tls {
        None => exchange(stream, office).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HEAD_TIME, tls.accept(stream)).await {
                exchange(stream, office).await;
            }
        }
    }
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, office: Arc<Office>) {
    let service = service_fn(move |request| {
        let office = Arc::clone(&office);
        async move { Ok::<_, Infallible>(office.respond(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
