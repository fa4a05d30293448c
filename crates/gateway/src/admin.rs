//! The admin listener: `/healthz`, `/readyz`, `/metrics`. Served by the main thread, so that it answers however busy the
//! others are. The gate never proxies to it.
//!
//! What it does not do: TLS. So it listens on loopback alone.

mod access;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::control::Common;
use access::Access;

/// A port for operators.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    access: Access,
}

/// A page, or why there is none.
type Answer = (StatusCode, String);

/// Connections at a time; more wait in the kernel.
const CONNECTIONS: usize = 32;
/// Bytes of a request head.
const HEAD: usize = 16 << 10;
/// Time for a request head.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// The longest life of a connection: a scraper opens another.
const LIFE: Duration = Duration::from_secs(300);
/// When accepting fails, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// === impl Admin ===

impl Admin {
    /// Takes the port. `token` opens `/metrics`; without one nothing does.
    ///
    /// # Errors
    /// If anybody listens there, or if other machines could reach it.
    pub fn bind(address: SocketAddr, token: Option<&str>) -> io::Result<Admin> {
        if !address.ip().to_canonical().is_loopback() {
            let text = "the admin listener has no TLS, and other machines could reach it there";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Admin { access: Access::new(address, token), listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the runtime ends.
    pub(crate) async fn serve(self, common: Arc<Common>) {
        let Admin { listener, access, .. } = self;
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let (room, access) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(access));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (common, access) = (Arc::clone(&common), Arc::clone(&access));
            let service = service_fn(move |request: Request<Incoming>| {
                let response = respond(&request, &access, &common);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
            tokio::spawn(async move {
                let _ = timeout(LIFE, http.serve_connection(TokioIo::new(stream), service)).await;
                drop(permit);
            });
        }
    }
}

/// An answer with the headers that every one has.
fn respond<B>(request: &Request<B>, access: &Access, common: &Common) -> Response<String> {
    let (status, text) = answer(request, access, common).unwrap_or_else(|refusal| refusal);
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let fields = [
        (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn answer<B>(request: &Request<B>, access: &Access, common: &Common) -> Result<Answer, Answer> {
    access.enter(request)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(said(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD"));
    }
    match request.uri().path() {
        "/healthz" => Ok(said(StatusCode::OK, "ok")),
        "/readyz" => match common.ready() {
            Ok(()) => Ok(said(StatusCode::OK, "ready")),
            Err(why) => Ok(said(StatusCode::SERVICE_UNAVAILABLE, why)),
        },
        // Who may not come in is not told what there is.
        path => {
            access.unlock(request)?;
            match path {
                "/metrics" => Ok((StatusCode::OK, common.metrics())),
                _ => Err(said(StatusCode::NOT_FOUND, "here are /healthz, /readyz and /metrics")),
            }
        }
    }
}

fn said(status: StatusCode, text: impl fmt::Display) -> Answer {
    (status, format!("{text}\n"))
}
