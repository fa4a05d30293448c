//! One GET of a key set: https with the public roots, plain http on loopback alone; no redirects, no cookies, no
//! proxies, a bounded body.

use std::fmt;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use palisade_guard::{BadKeys, KeySet, MAX_JWKS};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where keys lie.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    tls: Option<ServerName<'static>>,
    host: String,
    port: u16,
    authority: HeaderValue,
    target: Uri,
}

/// Why no keys came.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The URL is not https, nor http on loopback.
    Url,
    /// No connection, or a broken one.
    Connection(Box<dyn std::error::Error + Send + Sync>),
    /// Not a 200; redirects are not followed.
    Status(u16),
    /// No key set.
    Keys(BadKeys),
    /// It took too long.
    Timeout,
}

/// No body at all.
struct Nothing;

static TLS: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
});

impl Source {
    pub(crate) fn parse(url: &str) -> Result<Source, FetchError> {
        let url: Uri = url.parse().map_err(|_| FetchError::Url)?;
        let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority()) else { return Err(FetchError::Url) };
        if authority.as_str().contains('@') {
            return Err(FetchError::Url);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let (tls, port) = match scheme {
            "https" => (Some(ServerName::try_from(host.clone()).map_err(|_| FetchError::Url)?), 443),
            "http" if loopback => (None, 80),
            _ => return Err(FetchError::Url),
        };
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        Ok(Source {
            tls,
            host,
            port: authority.port_u16().unwrap_or(port),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| FetchError::Url)?,
            target: target.parse().map_err(|_| FetchError::Url)?,
        })
    }
}

/// Fetches the key set. The caller bounds the time.
pub(crate) async fn jwks(source: &Source) -> Result<KeySet, FetchError> {
    let stream = TcpStream::connect((source.host.as_str(), source.port)).await.map_err(FetchError::connection)?;
    let text = match &source.tls {
        None => get(source, stream).await?,
        Some(name) => {
            let config = TLS.clone().ok_or_else(|| FetchError::connection("no TLS in this build"))?;
            let tls = TlsConnector::from(config);
            let stream = tls.connect(name.clone(), stream).await.map_err(FetchError::connection)?;
            get(source, stream).await?
        }
    };
    KeySet::from_jwks(&text).map_err(FetchError::Keys)
}

async fn get<S: AsyncRead + AsyncWrite + Unpin>(source: &Source, stream: S) -> Result<Vec<u8>, FetchError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(FetchError::connection)?;
    let mut request = Request::new(Nothing);
    *request.uri_mut() = source.target.clone();
    request.headers_mut().insert(header::HOST, source.authority.clone());
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("palisade"));
    let exchange = async {
        let response = sender.send_request(request).await.map_err(FetchError::connection)?;
        if response.status() != 200 {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        read(response.into_body()).await
    };
    // The connection must be driven while the answer is awaited, and has no further use.
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => Err(FetchError::connection(error)),
    }
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, FetchError> {
    let mut text = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame.map_err(FetchError::connection)?.into_data() {
            text.extend_from_slice(&data);
        }
        if text.len() > MAX_JWKS {
            return Err(FetchError::Keys(BadKeys::TooLong));
        }
    }
    Ok(text)
}

impl FetchError {
    fn connection(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> FetchError {
        FetchError::Connection(error.into())
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::Url => f.write_str("keys are fetched over https, or over http on loopback"),
            FetchError::Connection(error) => write!(f, "the issuer cannot be reached: {error}"),
            FetchError::Status(status) => write!(f, "the issuer answered {status} instead of its keys"),
            FetchError::Keys(bad) => bad.fmt(f),
            FetchError::Timeout => f.write_str("the issuer did not answer in time"),
        }
    }
}

impl std::error::Error for FetchError {}

impl Body for Nothing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}
