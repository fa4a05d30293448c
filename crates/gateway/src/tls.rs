//! TLS for clients: certificate and key from files, taken anew when they change, while connections go on.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// Certificate chains and their keys, by the name that is asked for (RFC 6066 section 3). TLS 1.2 and 1.3; HTTP/2 and
/// HTTP/1.1 by ALPN. Whoever asks for no name, or for one that no certificate has, is served the first.
///
/// What it does not do: client certificates, OCSP stapling, early data.
#[derive(Clone)]
pub struct Certificate {
    served: Arc<Served>,
    config: Arc<ServerConfig>,
}

/// Why a certificate cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    File(PathBuf, std::io::Error),
    /// A file holds no certificate or no key in PEM.
    Pem(PathBuf),
    /// The two do not belong together, or the key is of a kind nobody can use.
    Pair(rustls::Error),
}

struct Served {
    pairs: Vec<Pair>,
}

/// One chain and its key, as they are served now.
struct Pair {
    chain: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    /// What the files looked like when they were last tried.
    stamp: Mutex<Option<Stamp>>,
}

/// Size and time of both files: an editor and `certbot` change one of them at least.
type Stamp = [(u64, SystemTime); 2];

// === impl Certificate ===

impl Certificate {
    /// Reads the certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// If a file cannot be read, holds none, or they do not belong together.
    pub fn load(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Certificate, CertificateError> {
        Certificate::load_all([(chain.into(), key.into())])
    }

    /// Reads several chains and their keys; the first serves whoever names none of the others.
    ///
    /// # Errors
    /// As [`Certificate::load`], for the first pair that cannot be served.
    pub fn load_all(pairs: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Result<Certificate, CertificateError> {
        let pairs = pairs.into_iter().map(|(chain, key)| Pair::load(chain, key)).collect::<Result<_, _>>()?;
        let served = Arc::new(Served { pairs });
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let resolver = Arc::clone(&served) as Arc<dyn ResolvesServerCert>;
        let mut config = builder.map_err(CertificateError::Pair)?.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Certificate { served, config: Arc::new(config) })
    }

    /// Reads the files again if they have changed since they were last tried: whether what is served now is new.
    /// Handshakes to come take it; connections that are open keep what they began with.
    ///
    /// # Errors
    /// As [`Certificate::load`]; what was served is served on.
    pub fn reload(&self) -> Result<bool, CertificateError> {
        // All of them, whichever cannot be read.
        let tried: Vec<_> = self.served.pairs.iter().map(Pair::reload).collect();
        tried.into_iter().try_fold(false, |any, fresh| Ok(any | fresh?))
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.served.fmt(f)
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chains: Vec<_> = self.pairs.iter().map(|pair| pair.chain.display().to_string()).collect();
        write!(f, "Certificate({})", chains.join(", "))
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let first = self.pairs.first()?;
        if self.pairs.len() == 1 {
            return Some(first.now());
        }
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = |name: ServerName<'_>| self.pairs.iter().map(Pair::now).find(|pair| is_for(pair, &name));
        Some(name.and_then(named).unwrap_or_else(|| first.now()))
    }
}

fn is_for(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = pair.end_entity_cert().and_then(ParsedCertificate::try_from);
    parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

// === impl Pair ===

impl Pair {
    fn load(chain: PathBuf, key: PathBuf) -> Result<Pair, CertificateError> {
        let stamp = Mutex::new(stamp(&chain, &key));
        let current = RwLock::new(read(&chain, &key)?);
        Ok(Pair { chain, key, current, stamp })
    }

    fn now(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reload(&self) -> Result<bool, CertificateError> {
        let now = stamp(&self.chain, &self.key);
        {
            let mut known = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
            if *known == now {
                return Ok(false);
            }
            *known = now;
        }
        let fresh = read(&self.chain, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

// === impl CertificateError ===

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateError::File(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            CertificateError::Pem(path) => write!(f, "{} holds no certificate or key in PEM", path.display()),
            CertificateError::Pair(error) => write!(f, "the certificate and its key cannot be used: {error}"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// `None` while one of them is not there, as in the middle of a change.
fn stamp(chain: &Path, key: &Path) -> Option<Stamp> {
    let of = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    Some([of(chain)?, of(key)?])
}

fn read(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, CertificateError> {
    let open = |path: &Path| fs::read(path).map_err(|error| CertificateError::File(path.to_owned(), error));
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&open(chain)?).collect();
    let certificates = certificates.ok().filter(|found| !found.is_empty());
    let certificates = certificates.ok_or_else(|| CertificateError::Pem(chain.to_owned()))?;
    let key = PrivateKeyDer::from_pem_slice(&open(key)?).map_err(|_| CertificateError::Pem(key.to_owned()))?;
    let certified = CertifiedKey::from_der(certificates, key, &aws_lc_rs::default_provider());
    certified.map(Arc::new).map_err(CertificateError::Pair)
}
