//! Plain Rust and AWS-LC judge the same signatures alike: genuine, altered, and of another key.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
};
use palisade_backend::AwsLc;
use palisade_guard::{Alg, PublicKey, Verify as _};
use palisade_js::RustCrypto;

const MESSAGE: &[u8] = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ";

/// Both verdicts, which must be one.
fn verdict(alg: Alg, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let ours = RustCrypto.verify(alg, key, message, signature);
    assert_eq!(ours, AwsLc.verify(alg, key, message, signature), "{alg:?} {signature:02x?}");
    ours
}

fn judge(alg: Alg, key: &PublicKey, other: &PublicKey, signature: &[u8]) {
    assert!(verdict(alg, key, MESSAGE, signature), "{alg:?}: genuine");
    assert!(!verdict(alg, key, b"another message", signature), "{alg:?}: another message");
    assert!(!verdict(alg, other, MESSAGE, signature), "{alg:?}: another key");
    for at in [0, 1, signature.len() / 2, signature.len() - 1] {
        let mut altered = signature.to_vec();
        altered[at] ^= 1;
        assert!(!verdict(alg, key, MESSAGE, &altered), "{alg:?}: byte {at} altered");
    }
    let (short, long) = (&signature[1..], [&[0], signature].concat());
    let same = vec![0xff; signature.len()];
    let zeros = vec![0; signature.len()];
    for odd in [short, &long, &same, &zeros, &[]] {
        assert!(!verdict(alg, key, MESSAGE, odd), "{alg:?}: {} bytes", odd.len());
    }
    for wrong in Alg::ALL.into_iter().filter(|it| *it != alg) {
        assert!(!verdict(wrong, key, MESSAGE, signature), "{alg:?} taken for {wrong:?}");
    }
}

#[test]
fn rsa_signatures() {
    let random = SystemRandom::new();
    let pair = || RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    // PKCS#1: a sequence of the modulus, with one zero before its 256 bytes, and of the exponent.
    let public = |pair: &RsaKeyPair| {
        let der = pair.public_key().as_ref();
        assert_eq!((&der[4..9], &der[265..267]), (&[2, 0x82, 1, 1, 0][..], &[2, 3][..]));
        PublicKey::Rsa { n: der[9..265].to_vec(), e: der[267..].to_vec() }
    };
    let (signer, other) = (pair(), pair());
    for (alg, padding) in
        [(Alg::Rs256, &RSA_PKCS1_SHA256), (Alg::Rs384, &RSA_PKCS1_SHA384), (Alg::Rs512, &RSA_PKCS1_SHA512)]
    {
        let mut signature = vec![0; signer.public_modulus_len()];
        signer.sign(padding, &random, MESSAGE, &mut signature).expect("signs");
        judge(alg, &public(&signer), &public(&other), &signature);
    }
}

#[test]
fn curve_signatures() {
    let random = SystemRandom::new();
    let pair = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let point = |pair: &EcdsaKeyPair| PublicKey::P256(pair.public_key().as_ref().try_into().expect("a point"));
    let (signer, other) = (pair(), pair());
    let signature = signer.sign(&random, MESSAGE).expect("signs");
    judge(Alg::Es256, &point(&signer), &point(&other), signature.as_ref());

    let pair = || EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
    let point = |pair: &EcdsaKeyPair| PublicKey::P384(pair.public_key().as_ref().try_into().expect("a point"));
    let (signer, other) = (pair(), pair());
    let signature = signer.sign(&random, MESSAGE).expect("signs");
    judge(Alg::Es384, &point(&signer), &point(&other), signature.as_ref());

    let pair = || Ed25519KeyPair::generate().expect("a key");
    let point = |pair: &Ed25519KeyPair| PublicKey::Ed25519(pair.public_key().as_ref().try_into().expect("a point"));
    let (signer, other) = (pair(), pair());
    judge(Alg::EdDsa, &point(&signer), &point(&other), signer.sign(MESSAGE).as_ref());
}

#[test]
fn keys_that_are_none_verify_nothing() {
    let signature = [1; 256];
    for (n, e) in
        [(vec![0xff; 256], vec![1]), (vec![0xfe; 256], vec![1, 0, 1]), (vec![0xff; 64], vec![3]), (vec![], vec![])]
    {
        assert!(!verdict(Alg::Rs256, &PublicKey::Rsa { n, e }, MESSAGE, &signature));
    }
    assert!(!verdict(Alg::Es256, &PublicKey::P256([4; 65]), MESSAGE, &[1; 64]));
    assert!(!verdict(Alg::Es384, &PublicKey::P384([4; 97]), MESSAGE, &[1; 96]));
}
