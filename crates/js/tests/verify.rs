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

/// Of project Wycheproof (`ecdsa_secp256r1_sha256_p1363`, `ecdsa_secp384r1_sha384_p1363`): the point's x is above the order, `r`
/// is so far above it that adding the order leaves the field, both points add up to nothing. Random signatures never meet these.
#[test]
fn curves_at_their_edges() {
    for (alg, point, signature, genuine) in [
        (
            Alg::Es256,
            "040ad99500288d466940031d72a9f5445a4d43784640855bf0a69874d2de5fe103\
             c5011e6ef2c42dcd50d5d3d29f99ae6eba2c80c9244f4c5422f0979ff0c3ba5e",
            "000000000000000000000000000000004319055358e8617b0c46353d039cdaab\
             ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254e",
            true,
        ),
        (
            Alg::Es256,
            "040ad99500288d466940031d72a9f5445a4d43784640855bf0a69874d2de5fe103\
             c5011e6ef2c42dcd50d5d3d29f99ae6eba2c80c9244f4c5422f0979ff0c3ba5e",
            "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc\
             ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254e",
            false,
        ),
        (
            Alg::Es256,
            "04b533d4695dd5b8c5e07757e55e6e516f7e2c88fa0239e23f60e8ec07dd70f287\
             1b134ee58cc583278456863f33c3a85d881f7d4a39850143e29d4eaf009afe47",
            "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8\
             555555550000000055555555555555553ef7a8e48d07df81a693439654210c70",
            false,
        ),
        (
            Alg::Es384,
            "044bf4e52f958427ebb5915fb8c9595551b4d3a3fdab67badd9d6c3093f425ba43630df71f42f0eb7ceaa94d9f6448a85d\
             d30331588249fd2fdc0b309ec7ed8481bc16f27800c13d7db700fc82e1b1c8545aa0c0d3b56e3bfe789fc18a916887c2",
            "000000000000000000000000000000000000000000000000389cb27e0bc8d21fa7e5f24cb74f58851313e696333ad68b\
             ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52970",
            true,
        ),
        (
            Alg::Es384,
            "044bf4e52f958427ebb5915fb8c9595551b4d3a3fdab67badd9d6c3093f425ba43630df71f42f0eb7ceaa94d9f6448a85d\
             d30331588249fd2fdc0b309ec7ed8481bc16f27800c13d7db700fc82e1b1c8545aa0c0d3b56e3bfe789fc18a916887c2",
            "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000fffffffe\
             ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52970",
            false,
        ),
        (
            Alg::Es384,
            "04f896353cc3a8afdd543ec3aef062ca97bc32ed1724ea38b940b8c0ea0e23b34187afbe70daf8dbaa5b511557e5d2bdda\
             c4bd265da67ceeafca636f6f4c0472f22a9d02e2289184f73bbb700ae8fc921eff4920f290bfcb49fbb232cc13a21028",
            "7fffffffffffffffffffffffffffffffffffffffffffffffe3b1a6c0fa1b96efac0d06d9245853bd76760cb5666294b9\
             55555555555555555555555555555555555555555555555542766f2b5167b9f51d5e0490c2e58d28f9a40878eeec6326",
            false,
        ),
    ] {
        let key = match alg {
            Alg::Es256 => PublicKey::P256(hex(point).try_into().expect("a point")),
            _ => PublicKey::P384(hex(point).try_into().expect("a point")),
        };
        assert_eq!(verdict(alg, &key, b"123400", &hex(signature)), genuine, "{alg:?} {signature}");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}
