//! HTTP/1.1 to one address: what is sent is written as it is, what comes back is bounded in bytes and time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade_check::facts::live::{Received, Sent};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};

use super::budget::Caps;
use super::target::Target;
use super::{Plan, Signs};

/// Which certificates are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those that lead to a root and name the host.
    Roots,
    /// Any: only for looking at headers, and nothing secret is ever sent so.
    Anything,
}

/// How to talk to one target.
#[derive(Debug)]
pub(super) struct Client<'p> {
    target: Target,
    signs: Option<&'p dyn Signs>,
    config: Arc<ClientConfig>,
    caps: Caps,
}

/// One connection at a time, kept open as long as the server keeps it.
pub(super) struct Connection<'a> {
    client: &'a Client<'a>,
    open: Option<Box<dyn Stream>>,
}

pub(super) trait Stream: Read + Write {
    /// How long one read or write may take.
    fn patience(&self, time: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn patience(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }
}

impl Stream for StreamOwned<ClientConnection, TcpStream> {
    fn patience(&self, time: Duration) -> io::Result<()> {
        self.sock.patience(time)
    }
}

/// Whether anybody listens.
pub(super) fn reachable(target: &Target, within: Duration) -> Result<(), String> {
    TcpStream::connect_timeout(&target.address, within).map(drop).map_err(|error| error.to_string())
}

/// The roots of browsers, and those of a file.
pub(super) fn roots(more: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(more) {
        let certificate = certificate.map_err(|error| format!("the file of roots cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("the file of roots holds no root: {error}"))?;
    }
    Ok(roots)
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

// === impl Client ===

impl<'p> Client<'p> {
    pub(super) fn new(target: &Target, trust: Trust, plan: &'p Plan, caps: Caps) -> Result<Client<'p>, String> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| error.to_string())?;
        let mut config = match trust {
            Trust::Roots => builder.with_root_certificates(roots(&plan.roots)?).with_no_client_auth(),
            Trust::Anything => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider())))
                .with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A stranger in the middle gets no signature.
        let signs = plan.signs.as_deref().filter(|_| trust == Trust::Roots);
        Ok(Client { target: target.clone(), signs, config: Arc::new(config), caps })
    }

    pub(super) fn connection(&self) -> Connection<'_> {
        Connection { client: self, open: None }
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect_timeout(&self.target.address, self.caps.request)?;
        stream.set_nodelay(true)?;
        if !self.target.https {
            return Ok(Box::new(stream));
        }
        stream.patience(self.caps.request)?;
        let host = self.target.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Box::new(stream))
    }

    /// The request as bytes. Line breaks that an experiment wants to smuggle are percent-encoded in its target; in a field
    /// they would be our own mistake, and are taken out.
    fn written(&self, sent: &Sent) -> Vec<u8> {
        let clean = |text: &str| text.replace(['\r', '\n', '\0'], "");
        let (method, target, host) = (clean(&sent.method), clean(&sent.target), self.target.authority());
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n");
        if let Some((name, value)) = self.signs.map(|signs| signs.field(&method, &host, &target)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let named = |name: &str| sent.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !named("user-agent") {
            head.push_str(concat!("user-agent: palisade-probe/", env!("CARGO_PKG_VERSION"), "\r\n"));
        }
        for (name, value) in &sent.headers {
            head.push_str(&format!("{}: {}\r\n", clean(name), clean(value)));
        }
        if !sent.body.is_empty() || !matches!(sent.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE") {
            head.push_str(&format!("content-length: {}\r\n", sent.body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), sent.body.as_bytes()].concat()
    }
}

// === impl Connection ===

impl Connection<'_> {
    /// Sends, and reads the answer. A connection that was kept and is gone is opened once more.
    pub(super) fn send(&mut self, sent: &Sent) -> Result<Received, String> {
        if let Some(stream) = self.open.take()
            && let Ok(received) = self.over(stream, sent)
        {
            return Ok(received);
        }
        let stream = self.client.connect().map_err(|error| error.to_string())?;
        self.over(stream, sent).map_err(|error| error.to_string())
    }

    fn over(&mut self, mut stream: Box<dyn Stream>, sent: &Sent) -> io::Result<Received> {
        let caps = self.client.caps;
        stream.patience(caps.request)?;
        let written = stream.write_all(&self.client.written(sent)).and_then(|()| stream.flush());
        let mut reader = Reader { stream, buffer: Vec::new(), ends: Instant::now() + caps.request };
        // A server may refuse a body before it has read all of it, and close.
        let read = reader.answer(&sent.method, caps.body);
        let (received, keeps) = match (read, written) {
            (Ok(read), _) => read,
            (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
        };
        if keeps {
            self.open = Some(reader.stream);
        }
        Ok(received)
    }
}

struct Reader {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    ends: Instant,
}

impl Reader {
    /// Reads more; whether there was any.
    fn more(&mut self) -> io::Result<bool> {
        let left = self.ends.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.patience(left)?;
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(read) => {
                self.buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
                Ok(read > 0)
            }
            // TLS peers that close without saying so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The final answer, and whether the connection may be used again.
    fn answer(&mut self, method: &str, cap: usize) -> io::Result<(Received, bool)> {
        let received = loop {
            let received = self.head()?;
            // 1xx come before the answer; an upgrade is one.
            if !matches!(received.status, 100 | 102..=199) {
                break received;
            }
        };
        let all = |name: &str| {
            received
                .headers
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.to_ascii_lowercase())
                .collect::<Vec<_>>()
        };
        let bare = method == "HEAD" || matches!(received.status, 101 | 204 | 304);
        let lengths = all("content-length");
        let length = lengths.first().and_then(|length| length.trim().parse::<usize>().ok());
        let (body, whole) = if bare {
            (Vec::new(), received.status != 101)
        } else if all("transfer-encoding").iter().any(|coding| coding.contains("chunked")) {
            self.chunks(cap)?
        } else if let Some(length) = length {
            self.exactly(length, cap)?
        } else {
            while self.buffer.len() < cap && self.more()? {}
            self.buffer.truncate(cap);
            (std::mem::take(&mut self.buffer), false)
        };
        let closes = all("connection").iter().any(|value| value.contains("close"));
        let keeps = whole && !closes && self.buffer.is_empty() && lengths.len() <= 1;
        Ok((Received { body: String::from_utf8_lossy(&body).into_owned(), ..received }, keeps))
    }

    fn head(&mut self) -> io::Result<Received> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 128];
            let mut answer = httparse::Response::new(&mut fields);
            let parsed = answer.parse(&self.buffer).map_err(|error| io::Error::other(format!("no HTTP: {error}")))?;
            if let httparse::Status::Complete(length) = parsed {
                let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
                let headers =
                    answer.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect();
                let received = Received { status: answer.code.unwrap_or_default(), headers, body: String::new() };
                self.buffer.drain(..length);
                return Ok(received);
            }
            if self.buffer.len() > HEAD {
                return Err(io::Error::other("a head of more than 256 KiB"));
            }
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn exactly(&mut self, length: usize, cap: usize) -> io::Result<(Vec<u8>, bool)> {
        let wanted = length.min(cap);
        while self.buffer.len() < wanted {
            if !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok((self.buffer.drain(..wanted).collect(), wanted == length))
    }

    fn chunks(&mut self, cap: usize) -> io::Result<(Vec<u8>, bool)> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(|_| io::Error::other("a chunk without a size"))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok((body, true));
            }
            if body.len() + size > cap {
                let (piece, _) = self.exactly(size, cap - body.len())?;
                body.extend(piece);
                return Ok((body, false));
            }
            body.extend(self.exactly(size, size)?.0);
            self.line()?;
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<_> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > 8 << 10 || !self.more()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Bytes of a head.
const HEAD: usize = 256 << 10;

/// Takes any certificate, so that a site without a good one can be looked at. Signatures of the handshake are checked still.
#[derive(Debug)]
pub(super) struct Anybody(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
