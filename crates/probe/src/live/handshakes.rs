//! Handshakes with a server: what it agrees to, its chain, whether that is trusted.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use palisade_check::Unknown;
use palisade_check::tls::{Handshakes, Version};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use super::budget::Caps;
use super::client::{Anybody, provider, roots};
use super::hello::{Reply, hello, offered, reply};
use super::target::Target;
use super::{certificate, now};

/// Connections of one run.
const MOST: usize = 120;

pub(super) fn collect(target: &Target, more: &[u8], hsts: Option<String>, caps: Caps) -> Result<Handshakes, Unknown> {
    if !target.https {
        return Err(Unknown::new("it is served over plain http", "ask over https"));
    }
    let host = target.host.trim_matches(['[', ']']).to_owned();
    let mut seen = Handshakes { host: host.clone(), hsts, now: now(), ..Handshakes::default() };
    let mut left = MOST;
    let mut shown = Vec::new();
    for version in Version::ALL {
        let chain = suites(target, version, &host, caps, &mut left, &mut seen);
        shown = if chain.is_empty() { shown } else { chain };
    }
    if seen.versions.is_empty() {
        let why = if seen.unknown.is_empty() { "every version was refused" } else { "no answer to any hello" };
        return Err(Unknown::new(why, "ask a server that speaks TLS"));
    }
    chain(target, &host, more, caps, shown, &mut seen).map_err(|why| Unknown::new(why, "ask again"))?;
    Ok(seen)
}

/// Offers a version with every suite, then with those that were not chosen yet, until it is refused. Gives the chain that
/// was shown in the clear.
fn suites(
    target: &Target,
    version: Version,
    host: &str,
    caps: Caps,
    left: &mut usize,
    seen: &mut Handshakes,
) -> Vec<Vec<u8>> {
    let (mut offer, mut shown) = (offered(version), Vec::new());
    while !offer.is_empty() && *left > 0 {
        *left -= 1;
        match ask(target, version, &offer, host, caps) {
            Some(Reply::Chose { suite, dh_bits, chain }) if offer.contains(&suite) => {
                if !seen.versions.contains(&version) {
                    seen.versions.push(version);
                    shown = chain;
                }
                seen.suites.push((version, suite));
                seen.dh_bits = [seen.dh_bits, dh_bits].into_iter().flatten().min();
                offer.retain(|other| *other != suite);
            }
            Some(_) => break,
            None => {
                if !seen.versions.contains(&version) {
                    seen.unknown.push(version);
                }
                break;
            }
        }
    }
    shown
}

/// One hello. A connection that is closed without a word is a refusal; one that says nothing in time is no answer.
fn ask(target: &Target, version: Version, suites: &[u16], host: &str, caps: Caps) -> Option<Reply> {
    let mut random = [0; 64];
    getrandom::fill(&mut random).ok()?;
    let mut stream = TcpStream::connect_timeout(&target.address, caps.request).ok()?;
    stream.write_all(&hello(version, suites, host, &random)).ok()?;
    let ends = Instant::now() + caps.request;
    let mut bytes = Vec::new();
    loop {
        if let Some(reply) = reply(&bytes, version, false) {
            return Some(reply);
        }
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > 64 << 10 {
            return None;
        }
        stream.set_read_timeout(Some(left)).ok()?;
        let mut piece = [0; 8 << 10];
        match stream.read(&mut piece) {
            Ok(0) => return reply(&bytes, version, true),
            Ok(read) => bytes.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return reply(&bytes, version, true),
            Err(_) => return None,
        }
    }
}

/// What one real handshake shows of the certificate.
#[derive(Debug, Default)]
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    stapled: bool,
}

/// The chain, by a real handshake where rustls speaks what the server does, else as it was shown to a hello.
fn chain(
    target: &Target,
    host: &str,
    more: &[u8],
    caps: Caps,
    clear: Vec<Vec<u8>>,
    seen: &mut Handshakes,
) -> Result<(), String> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(more)?), provider()).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let clear = Shown { chain: clear.into_iter().map(CertificateDer::from).collect(), stapled: false };
    let shown = show(target, &name, caps).ok().filter(|shown| !shown.chain.is_empty()).unwrap_or(clear);
    let Some((leaf, others)) = shown.chain.split_first() else { return Err("no certificate was shown".to_owned()) };
    seen.chain = shown.chain.iter().filter_map(|der| certificate::read(der)).collect();
    seen.stapled = shown.stapled;
    let untrusted = match verifier.verify_server_cert(leaf, others, &name, &[], UnixTime::now()) {
        Ok(_) => String::new(),
        Err(Error::InvalidCertificate(error)) => reason(&error),
        Err(error) => error.to_string(),
    };
    seen.untrusted = untrusted;
    // A chain that is not trusted is given up before its names are looked at.
    seen.named = seen.leaf().is_some_and(|leaf| leaf.is_for(host));
    Ok(())
}

/// Why a chain is not trusted; empty where something else is wrong with it, which is judged by itself: names and dates.
fn reason(error: &CertificateError) -> String {
    use CertificateError as Wrong;
    match error {
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => String::new(),
        Wrong::Expired | Wrong::ExpiredContext { .. } | Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            String::new()
        }
        Wrong::UnknownIssuer => "no trusted authority signed it".to_owned(),
        other => other.to_string(),
    }
}

fn show(target: &Target, name: &ServerName<'static>, caps: Caps) -> Result<Shown, Error> {
    let watching = Arc::new(Watching { anybody: Anybody(provider()), shown: Mutex::default() });
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(&watching) as _;
    let config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let mut session = ClientConnection::new(Arc::new(config), name.clone())?;
    let gone = |error: std::io::Error| Error::General(error.to_string());
    let mut stream = TcpStream::connect_timeout(&target.address, caps.request).map_err(gone)?;
    stream.set_read_timeout(Some(caps.request)).map_err(gone)?;
    // A handshake that fails after the certificate has shown it all the same.
    while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
    Ok(std::mem::take(&mut *watching.shown.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// Writes down what is shown, and takes it: the connection ends right after, and nothing was sent on it.
#[derive(Debug)]
struct Watching {
    anybody: Anybody,
    shown: Mutex<Shown>,
}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(intermediates).map(|one| one.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Shown { chain, stapled: !ocsp.is_empty() };
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.anybody.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.anybody.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.anybody.supported_verify_schemes()
    }
}
