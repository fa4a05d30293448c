use std::fmt;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::system::now;

/// A tiny issuer of session tokens for demos and tests: one Ed25519 key, made at its start and gone with the process.
///
/// It is no identity provider: it knows no passwords, and whoever holds it signs for anybody.
pub struct DemoIssuer {
    key: Ed25519KeyPair,
    issuer: String,
    audience: String,
}

impl DemoIssuer {
    /// An issuer of that name, for one audience. Neither may need escaping in JSON.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(issuer: &str, audience: &str) -> Result<DemoIssuer, Unspecified> {
        Ok(DemoIssuer { key: Ed25519KeyPair::generate()?, issuer: issuer.to_owned(), audience: audience.to_owned() })
    }

    /// The public key, for [`palisade_guard::Providers::jwt_key`].
    ///
    /// # Errors
    /// When the key cannot be written.
    pub fn pem(&self) -> Result<String, Unspecified> {
        let der: PublicKeyX509Der<'_> = self.key.public_key().as_der()?;
        let text = STANDARD.encode(der.as_ref());
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"))
    }

    /// A token for `subject`, good for a while from now. The subject may not need escaping in JSON.
    #[must_use]
    pub fn token(&self, subject: &str, life: Duration) -> String {
        let issued = now().wall.seconds();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","typ":"JWT"}"#);
        let claims = format!(
            r#"{{"iss":"{}","aud":"{}","sub":"{subject}","sid":"demo-{subject}","iat":{issued},"exp":{}}}"#,
            self.issuer,
            self.audience,
            issued + life.as_secs()
        );
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

impl fmt::Debug for DemoIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DemoIssuer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
