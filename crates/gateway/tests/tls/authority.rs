//! A certificate authority of the test's own, and clients that trust it and nobody else.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use palisade_testkit::{HOST, PATIENCE};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SerialNumber};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::ServerName;

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    serial: AtomicU64,
}

/// A certificate and its key in files; gone with the value.
pub(crate) struct Folder(PathBuf);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("self-signed");
        Authority { issuer, serial: AtomicU64::new(1) }
    }

    /// Issues a certificate for the host of the tests.
    pub(crate) fn issue(&self, name: &str) -> Folder {
        let folder = Folder(std::env::temp_dir().join(format!("palisade-tls-{name}-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).expect("a folder");
        self.issue_into(&folder);
        folder
    }

    pub(crate) fn issue_into(&self, folder: &Folder) {
        let mut params = CertificateParams::new(vec![HOST.to_owned()]).expect("parameters");
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        std::fs::write(folder.chain(), certificate.pem()).expect("written");
        std::fs::write(folder.key(), key.serialize_pem()).expect("written");
    }

    fn config(&self, protocols: &[&str]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }

    /// A handshake, done.
    pub(crate) fn connect(
        &self,
        gate: SocketAddr,
        protocols: &[&str],
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let name = ServerName::try_from(HOST).expect("a name");
        let mut connection = ClientConnection::new(self.config(protocols), name).map_err(io::Error::other)?;
        let mut stream = TcpStream::connect(gate)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }

    pub(crate) async fn connect_async(
        &self,
        gate: SocketAddr,
        protocols: &[&str],
    ) -> io::Result<tokio_rustls::client::TlsStream<tokio::net::TcpStream>> {
        let stream = tokio::net::TcpStream::connect(gate).await?;
        let name = ServerName::try_from(HOST).expect("a name");
        tokio_rustls::TlsConnector::from(self.config(protocols)).connect(name, stream).await
    }

    /// What a handshake shows now, as far as it tells one certificate from another.
    pub(crate) fn serial(&self, gate: SocketAddr) -> Vec<u8> {
        let stream = self.connect(gate, &["http/1.1"]).expect("handshake");
        stream.conn.peer_certificates().and_then(|all| all.first()).expect("a certificate").to_vec()
    }
}

impl Folder {
    pub(crate) fn chain(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
