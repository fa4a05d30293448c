//! A provider's secret as its scheme reads it.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit as _};
use palisade_diag::Diagnostic;
use palisade_policy::SignatureScheme;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::webhook::head::Sealed;

/// A key that signatures are checked by.
pub(crate) enum Key {
    /// HMAC-SHA256, its pads already hashed.
    Sha256(Hmac<Sha256>),
    /// HMAC-SHA1, which only Vercel uses. Collisions of SHA-1 do not help to forge its HMAC.
    Sha1(Hmac<Sha1>),
    /// Ed25519: the public half.
    Ed25519(Box<VerifyingKey>),
}

/// What is wrong with a secret. Says nothing of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadSecret {
    /// There is nothing to guess.
    Empty,
    /// It should be base64 behind its prefix, and is not.
    NotBase64,
    /// It decodes to less than [`MIN_BYTES`].
    Short,
    /// `whsk_`: the half that signs, which belongs to the sender alone.
    Private,
    /// `whpk_`: not a point of the curve, or one that anyone could sign for.
    NoPublicKey,
}

/// Bytes of a decoded secret at least. Standard Webhooks says 24 to 64; what providers made before it had 16.
const MIN_BYTES: usize = 16;

/// Providers show secrets with and without padding.
const SECRET_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

// === impl Key ===

impl Key {
    /// Svix and Standard Webhooks decode base64 behind `whsec_`; everybody else takes the whole text as it stands.
    pub(crate) fn parse(scheme: SignatureScheme, secret: &str) -> Result<Key, BadSecret> {
        match scheme {
            SignatureScheme::Standard | SignatureScheme::Svix => Key::standard(secret),
            SignatureScheme::Stripe | SignatureScheme::GitHub | SignatureScheme::Slack => {
                Key::sha256(secret.as_bytes())
            }
            SignatureScheme::Vercel if secret.is_empty() => Err(BadSecret::Empty),
            SignatureScheme::Vercel => {
                Hmac::new_from_slice(secret.as_bytes()).map(Key::Sha1).map_err(|_| BadSecret::Empty)
            }
        }
    }

    fn standard(secret: &str) -> Result<Key, BadSecret> {
        if secret.starts_with("whsk_") {
            return Err(BadSecret::Private);
        }
        if let Some(public) = secret.strip_prefix("whpk_") {
            return Key::ed25519(&decode(public)?);
        }
        let bytes = decode(secret.strip_prefix("whsec_").unwrap_or(secret))?;
        if (1..MIN_BYTES).contains(&bytes.len()) { Err(BadSecret::Short) } else { Key::sha256(&bytes) }
    }

    fn sha256(bytes: &[u8]) -> Result<Key, BadSecret> {
        if bytes.is_empty() {
            return Err(BadSecret::Empty);
        }
        // HMAC takes keys of any length; its error is that of other MACs.
        Hmac::new_from_slice(bytes).map(Key::Sha256).map_err(|_| BadSecret::Empty)
    }

    fn ed25519(bytes: &[u8]) -> Result<Key, BadSecret> {
        let key = VerifyingKey::try_from(bytes).map_err(|_| BadSecret::NoPublicKey)?;
        if key.is_weak() { Err(BadSecret::NoPublicKey) } else { Ok(Key::Ed25519(Box::new(key))) }
    }

    /// Whether the key made any of the signatures over the parts, one after the other. Constant-time in the MACs.
    pub(crate) fn made_any(&self, signatures: &[Sealed], parts: &[&[u8]]) -> bool {
        match self {
            Key::Sha256(key) => {
                let mac: [u8; 32] = over(key.clone(), parts);
                let same = |sealed: &Sealed| matches!(sealed, Sealed::Sha256(tag) if tag.ct_eq(&mac).into());
                signatures.iter().any(same)
            }
            Key::Sha1(key) => {
                let mac: [u8; 20] = over(key.clone(), parts);
                let same = |sealed: &Sealed| matches!(sealed, Sealed::Sha1(tag) if tag.ct_eq(&mac).into());
                signatures.iter().any(same)
            }
            Key::Ed25519(key) => {
                // Signed twice through, so it wants the message in one piece.
                let message = parts.concat();
                signatures.iter().any(|sealed| match sealed {
                    Sealed::Ed25519(bytes) => key.verify_strict(&message, &Signature::from_bytes(bytes)).is_ok(),
                    Sealed::Sha256(_) | Sealed::Sha1(_) => false,
                })
            }
        }
    }
}

fn over<M: hmac::Mac, const N: usize>(mut mac: M, parts: &[&[u8]]) -> [u8; N]
where
    [u8; N]: From<hmac::digest::Output<M>>,
{
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn decode(text: &str) -> Result<Vec<u8>, BadSecret> {
    SECRET_BASE64.decode(text).map_err(|_| BadSecret::NotBase64)
}

// === impl BadSecret ===

impl BadSecret {
    pub(crate) fn diagnostic(self, name: &str, scheme: SignatureScheme) -> Diagnostic {
        let (what, fix) = match self {
            BadSecret::Empty => ("is empty", "copy the signing secret from the provider's dashboard"),
            BadSecret::NotBase64 => ("is not base64", "copy the signing secret from the provider's dashboard, whole"),
            BadSecret::Short => ("decodes to fewer than 16 bytes", "have the provider make a longer secret"),
            BadSecret::Private => ("is the sender's private key", "put the public key there, which begins with whpk_"),
            BadSecret::NoPublicKey => ("is no Ed25519 public key", "copy the public key from the provider's dashboard"),
        };
        Diagnostic::error("signature-secret", format!("{name}, a secret for {}, {what}", scheme.id())).fix(fix)
    }
}

#[cfg(test)]
mod tests;
