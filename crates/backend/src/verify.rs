use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
};
use palisade_guard::{Alg, PublicKey, Verify};

/// Signatures verified by AWS-LC.
#[derive(Debug, Clone, Copy, Default)]
pub struct AwsLc;

impl Verify for AwsLc {
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        match (alg, key) {
            (Alg::Rs256, PublicKey::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA256, n, e, message, signature),
            (Alg::Rs384, PublicKey::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA384, n, e, message, signature),
            (Alg::Rs512, PublicKey::Rsa { n, e }) => rsa(&RSA_PKCS1_2048_8192_SHA512, n, e, message, signature),
            (Alg::Es256, PublicKey::P256(point)) => plain(&ECDSA_P256_SHA256_FIXED, point, message, signature),
            (Alg::Es384, PublicKey::P384(point)) => plain(&ECDSA_P384_SHA384_FIXED, point, message, signature),
            (Alg::EdDsa, PublicKey::Ed25519(point)) => plain(&ED25519, point, message, signature),
            _ => false,
        }
    }
}

fn rsa(how: &'static signature::RsaParameters, n: &[u8], e: &[u8], message: &[u8], signature: &[u8]) -> bool {
    RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok()
}

fn plain(how: &'static dyn signature::VerificationAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(how, key).verify(message, signature).is_ok()
}
