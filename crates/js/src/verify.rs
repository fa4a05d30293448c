mod curve;
mod power;

use curve::{P256, P384};
use palisade_guard::{Alg, PublicKey, Verify};
use power::Modulus;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Signatures verified in plain Rust, for where no C library can be: inside WebAssembly. Only public keys, public
/// messages and public signatures pass here, so nothing needs to take constant time.
#[derive(Debug, Clone, Copy, Default)]
pub struct RustCrypto;

/// `DigestInfo` before the digest (RFC 8017 section 9.2, note 1).
const SHA256_INFO: &[u8] =
    &[0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];
const SHA384_INFO: &[u8] =
    &[0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30];
const SHA512_INFO: &[u8] =
    &[0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40];
/// What AWS-LC takes: 2048 to 8192 bits, and an exponent of at most 33.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
const MAX_EXPONENT: u64 = 1 << 33;

// === impl RustCrypto ===

impl Verify for RustCrypto {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let verified = match (alg, key) {
            (Alg::Rs256, PublicKey::Rsa { n, e }) => rsa(SHA256_INFO, &Sha256::digest(message), n, e, signature),
            (Alg::Rs384, PublicKey::Rsa { n, e }) => rsa(SHA384_INFO, &Sha384::digest(message), n, e, signature),
            (Alg::Rs512, PublicKey::Rsa { n, e }) => rsa(SHA512_INFO, &Sha512::digest(message), n, e, signature),
            (Alg::Es256, PublicKey::P256(point)) => P256.verify(point, &Sha256::digest(message), signature),
            (Alg::Es384, PublicKey::P384(point)) => P384.verify(point, &Sha384::digest(message), signature),
            (Alg::EdDsa, PublicKey::Ed25519(point)) => ed25519(point, message, signature),
            _ => None,
        };
        verified.is_some()
    }
}

/// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2): the encoding is made and compared whole, never taken apart, so there is
/// no padding to be read leniently.
fn rsa(info: &[u8], digest: &[u8], n: &[u8], e: &[u8], signature: &[u8]) -> Option<()> {
    if signature.len() != n.len() || !MODULUS_BYTES.contains(&n.len()) || e.len() > 8 {
        return None;
    }
    let exponent = e.iter().fold(0, |value: u64, byte| (value << 8) | u64::from(*byte));
    if exponent < 3 || exponent % 2 == 0 || exponent > MAX_EXPONENT {
        return None;
    }
    let encoded = Modulus::read(n)?.power(signature, exponent)?;
    let padding = n.len().checked_sub(info.len() + digest.len() + 3)?;
    let expected = [&[0, 1], vec![0xff; padding].as_slice(), &[0], info, digest].concat();
    (encoded == expected).then_some(())
}

fn ed25519(point: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).ok()?;
    key.verify_strict(message, &ed25519_dalek::Signature::from_slice(signature).ok()?).ok()
}
