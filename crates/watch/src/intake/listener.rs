use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use palisade_event::EventTime;
use palisade_guard::MonoMicros;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::receive::{Intake, Reply};

/// The port for reports.
#[derive(Debug)]
pub struct IntakeListener {
    listener: TcpListener,
    address: SocketAddr,
}

/// Connections at a time; more wait in the kernel.
const CONNECTIONS: usize = 64;
/// Bytes of a request head.
const HEAD: usize = 16 << 10;
/// Time for a request head.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Time for a body.
const BODY_TIME: Duration = Duration::from_secs(20);
/// The longest life of a connection.
const LIFE: Duration = Duration::from_secs(300);
/// When accepting fails, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// === impl IntakeListener ===

impl IntakeListener {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// If somebody listens there, or other machines could reach it: it has no TLS, and would read the token in clear.
    pub fn bind(address: SocketAddr) -> io::Result<IntakeListener> {
        if !address.ip().to_canonical().is_loopback() {
            let text = "the intake has no TLS, and other machines could reach it there; put a proxy with TLS before it";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(IntakeListener { address: listener.local_addr()?, listener })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the future is dropped or the runtime ends. Needs tokio with network and time.
    ///
    /// # Errors
    ///
    /// If the runtime does not take the port.
    pub async fn serve(self, intake: Arc<Intake>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let (room, began) = (Arc::new(Semaphore::new(CONNECTIONS)), Instant::now());
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
            let Ok((stream, peer)) = listener.accept().await else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let intake = Arc::clone(&intake);
            tokio::spawn(async move {
                let service = service_fn(|request| answer(&intake, request, peer.ip(), began));
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
                let connection = http.serve_connection(TokioIo::new(stream), service);
                // A sender that goes away, or stays too long, is no news.
                let _ = timeout(LIFE, connection).await;
                drop(permit);
            });
        }
    }
}

async fn answer(
    intake: &Intake,
    request: Request<Incoming>,
    peer: IpAddr,
    began: Instant,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mono = MonoMicros(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_add(HEAD_START));
    let reply = match intake.admit(&head, peer, mono) {
        Err(reply) => reply,
        Ok((endpoint, cap)) => match timeout(BODY_TIME, read(body, cap)).await {
            Ok(Ok(body)) => intake.take(endpoint, &head.headers, &body, now()),
            Ok(Err(reply)) => reply,
            Err(_) => Reply::Refused(StatusCode::REQUEST_TIMEOUT, "too slow"),
        },
    };
    Ok(render(reply, intake.verify(head.uri.path())))
}

/// The body, up to `cap` bytes.
async fn read(mut body: Incoming, cap: u64) -> Result<Bytes, Reply> {
    let known = usize::try_from(body.size_hint().lower().min(cap)).unwrap_or_default();
    let mut whole = BytesMut::with_capacity(known);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Reply::Refused(StatusCode::BAD_REQUEST, "the body ends early")) };
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() as u64 + data.len() as u64 > cap {
            return Err(Reply::Refused(StatusCode::PAYLOAD_TOO_LARGE, "too long"));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn render(reply: Reply, verify: Option<&str>) -> Response<Full<Bytes>> {
    let (status, text) = match reply {
        Reply::Taken(_) => (StatusCode::NO_CONTENT, String::new()),
        Reply::Here => (StatusCode::OK, String::new()),
        Reply::Refused(status, error) => (status, format!("{{\"error\":\"{error}\"}}\n")),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Reply::Refused(..) = reply {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // What was not read of a body is not read as a request.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    }
    if let Some(verify) = verify.and_then(|code| HeaderValue::from_str(code).ok()) {
        headers.insert("x-vercel-verify", verify);
    }
    response
}

/// The limiter counts from here, so that a bucket that is full at the start has been filling for a while.
const HEAD_START: u64 = 3_600_000_000;

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(u64::try_from(since.as_micros()).unwrap_or_default())
}
