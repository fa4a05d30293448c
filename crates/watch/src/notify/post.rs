//! One POST: https with this machine's and the public roots, plain http on loopback alone; no redirects, no cookies, no proxies,
//! little of the answer read, a bounded time.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::store::{Outcome, StoreFault};

/// Where to. It may be a secret, and is never shown.
#[derive(Clone)]
pub(crate) struct Address {
    tls: Option<ServerName<'static>>,
    host: String,
    port: u16,
    authority: HeaderValue,
    target: Uri,
}

/// Why a text is no address that is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadAddress {
    /// It is no URL.
    Unreadable,
    /// It is neither https nor http on this machine.
    Plain,
}

/// What is sent.
pub(crate) struct Request<'r> {
    pub(crate) headers: &'r [(Cow<'static, str>, String)],
    pub(crate) body: &'r [u8],
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub(crate) enum Answered {
    /// An answer, and how long it asks to wait.
    Status(u16, Option<Duration>),
    /// None: no connection, or one that broke.
    Nothing(&'static str),
    /// None in time.
    Late,
    /// The store could not be told that it begins.
    Unready,
}

/// Sends, one request at a time, from a thread that may block.
pub(crate) struct Client {
    runtime: Runtime,
    tls: Option<Arc<ClientConfig>>,
    patience: Duration,
}

/// For one request, name resolution to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read, so that the connection ends in order.
const MAX_ANSWER: usize = 16 << 10;

// === impl Address ===

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Address, BadAddress> {
        let url: Uri = text.parse().map_err(|_| BadAddress::Unreadable)?;
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return Err(BadAddress::Unreadable);
        };
        if authority.as_str().contains('@') {
            return Err(BadAddress::Unreadable);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let (tls, port) = match scheme {
            "https" => (Some(ServerName::try_from(host.clone()).map_err(|_| BadAddress::Unreadable)?), 443),
            "http" if here => (None, 80),
            _ => return Err(BadAddress::Plain),
        };
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        Ok(Address {
            tls,
            host,
            port: authority.port_u16().unwrap_or(port),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| BadAddress::Unreadable)?,
            target: target.parse().map_err(|_| BadAddress::Unreadable)?,
        })
    }
}

// === impl Client ===

impl Client {
    /// A client with a runtime of its own.
    pub(crate) fn new() -> std::io::Result<Client> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Client { runtime, tls: tls(), patience: PATIENCE })
    }

    #[cfg(test)]
    pub(crate) fn with_patience(patience: Duration) -> std::io::Result<Client> {
        Ok(Client { patience, ..Client::new()? })
    }

    /// Sends a JSON body. `begin` is called when the connection stands, right before the first byte of the request.
    pub(crate) fn post(
        &self,
        address: &Address,
        request: &Request<'_>,
        begin: impl FnOnce() -> Result<(), StoreFault>,
    ) -> Answered {
        let exchange = self.exchange(address, request, begin);
        self.runtime.block_on(async { timeout(self.patience, exchange).await }).unwrap_or(Answered::Late)
    }

    async fn exchange(
        &self,
        address: &Address,
        request: &Request<'_>,
        begin: impl FnOnce() -> Result<(), StoreFault>,
    ) -> Answered {
        let Ok(stream) = TcpStream::connect((address.host.as_str(), address.port)).await else {
            return Answered::Nothing("no connection");
        };
        let Some(name) = &address.tls else { return send(address, request, stream, begin).await };
        let Some(config) = self.tls.clone() else { return Answered::Nothing("no TLS in this build") };
        match TlsConnector::from(config).connect(name.clone(), stream).await {
            Ok(stream) => send(address, request, stream, begin).await,
            Err(_) => Answered::Nothing("TLS cannot be had: see the certificate"),
        }
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    address: &Address,
    wanted: &Request<'_>,
    stream: S,
    begin: impl FnOnce() -> Result<(), StoreFault>,
) -> Answered {
    const BROKEN: Answered = Answered::Nothing("the connection broke");
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else { return BROKEN };
    let mut request = http::Request::new(Full::new(Bytes::copy_from_slice(wanted.body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address.target.clone();
    let headers = request.headers_mut();
    headers.insert(header::HOST, address.authority.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("palisade"));
    for (name, value) in wanted.headers {
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name.as_ref()), HeaderValue::try_from(value)) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    if begin().is_err() {
        return Answered::Unready;
    }
    let exchange = async {
        let Ok(response) = sender.send_request(request).await else { return BROKEN };
        let status = response.status().as_u16();
        let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        drain(response.into_body()).await;
        Answered::Status(status, wait.map(Duration::from_secs))
    };
    // The connection must be driven while the answer is awaited, and has no further use.
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = &mut connection => timeout(Duration::from_millis(50), exchange).await.unwrap_or(BROKEN),
    }
}

async fn drain(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MAX_ANSWER {
            return;
        }
    }
}

fn tls() -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

// === impl Answered ===

impl Answered {
    /// What it means for a message: what will never be taken is given up, everything else is tried again.
    pub(crate) fn into_outcome(self, most: Duration) -> Outcome {
        let again = |why: String, after: Duration| Outcome::Again { why, after: after.min(most) };
        match self {
            Answered::Status(200..=299, _) => Outcome::Delivered,
            Answered::Status(status @ (408 | 425 | 429 | 500..=599), wait) => {
                again(format!("answered {status}"), wait.unwrap_or_default())
            }
            // A redirect is not followed: it would send a secret to somebody else.
            Answered::Status(status, _) => Outcome::Dead { why: format!("answered {status}") },
            Answered::Nothing(why) => again(why.to_owned(), Duration::ZERO),
            Answered::Late => again("no answer in time".to_owned(), Duration::ZERO),
            Answered::Unready => again("the store cannot be written".to_owned(), Duration::ZERO),
        }
    }
}

// === impl BadAddress ===

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadAddress::Unreadable => "it is no URL of a host",
            BadAddress::Plain => "write https://, or http:// on this machine",
        })
    }
}

impl std::error::Error for BadAddress {}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn secrets_go_over_tls_or_nowhere() {
        for fine in [
            "https://hooks.slack.com/services/T/B/x",
            "http://127.0.0.1:9/x?y=z",
            "http://[::1]:9/",
            "http://localhost/",
        ] {
            assert!(Address::parse(fine).is_ok(), "{fine}");
        }
        for (bad, why) in [
            ("http://hooks.slack.com/x", BadAddress::Plain),
            ("http://10.0.0.1/x", BadAddress::Plain),
            ("http://127.0.0.1.evil.example/", BadAddress::Plain),
            ("ftp://127.0.0.1/", BadAddress::Plain),
            ("https://user@host/", BadAddress::Unreadable),
            ("hooks.slack.com", BadAddress::Unreadable),
            ("", BadAddress::Unreadable),
        ] {
            assert_eq!(Address::parse(bad).err(), Some(why), "{bad}");
        }
    }

    #[test]
    fn what_an_answer_means() {
        let outcome = |status, wait: Option<u64>| {
            Answered::Status(status, wait.map(Duration::from_secs)).into_outcome(Duration::from_secs(60))
        };
        assert_eq!(outcome(202, None), Outcome::Delivered);
        for status in [500, 503, 429, 408] {
            assert!(
                matches!(outcome(status, Some(9)), Outcome::Again { after, .. } if after.as_secs() == 9),
                "{status}"
            );
        }
        assert!(matches!(outcome(429, Some(86_400)), Outcome::Again { after, .. } if after.as_secs() == 60));
        for status in [301, 307, 400, 401, 403, 404, 410] {
            assert!(matches!(outcome(status, None), Outcome::Dead { .. }), "{status}");
        }
    }

    #[test]
    fn a_receiver_that_hangs_breaks_or_is_not_there_is_tried_again() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let address = Address::parse(&format!("http://{at}/")).expect("an address");
        let client = Client::with_patience(Duration::from_millis(300)).expect("a client");
        let request = Request { headers: &[], body: b"{}" };
        let hanging = std::thread::spawn(move || {
            let (hung, _) = listener.accept().expect("a connection");
            let (mut broken, _) = listener.accept().expect("another");
            let _ = broken.read(&mut [0; 512]);
            let _ = broken.write_all(b"HTTP/1.1 2");
            drop((hung, broken));
        });
        assert_eq!(client.post(&address, &request, || Ok(())), Answered::Late);
        assert!(matches!(client.post(&address, &request, || Ok(())), Answered::Nothing(_)));
        hanging.join().expect("it ends");
        assert_eq!(client.post(&address, &request, || Ok(())), Answered::Nothing("no connection"));
    }
}
