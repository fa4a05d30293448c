//! Keys that sign tokens, as issuers publish them: JWKS (RFC 7517) and PEM (RFC 7468).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::ordered::Ordered;
use crate::plan::counted;
use palisade_policy::json;

/// A signature algorithm (RFC 7518, RFC 8037). Asymmetric ones alone: with an HMAC the published key would sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alg {
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256; the signature is `r | s`.
    Es256,
    /// ECDSA on P-384 with SHA-384; the signature is `r | s`.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// A public key of a size and shape that is worth trying.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Modulus and exponent, big-endian, no leading zeros; 2048 to 8192 bits, exponent odd and above 2.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// An uncompressed point: `4 | x | y`. Whether it lies on the curve is for [`Verify`] to see.
    P256([u8; 65]),
    /// An uncompressed point: `4 | x | y`. Whether it lies on the curve is for [`Verify`] to see.
    P384([u8; 97]),
    /// A compressed point.
    Ed25519([u8; 32]),
}

/// Verifies signatures: the one piece of asymmetric cryptography the guard needs, from outside.
pub trait Verify: Send + Sync {
    /// Whether `signature` is `key`'s over `message`. A key that does not fit the algorithm verifies nothing.
    fn verify(&self, alg: Alg, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;
}

/// The keys of an issuer, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Jwk>,
    digest: u64,
}

/// A key with what its issuer says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Jwk {
    kid: Option<String>,
    alg: Option<Alg>,
    key: PublicKey,
}

/// Why a text is not a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadKeys {
    /// Longer than [`MAX_JWKS`].
    TooLong,
    /// No JSON object with a list `keys`, or one with a doubled key.
    Jwks,
    /// No PEM of a public key of 2048 bits and more.
    Pem,
}

/// The longest key set that is read, in bytes.
pub const MAX_JWKS: usize = 256 << 10;
/// The most keys of a set that are looked at.
const MAX_KEYS: usize = 64;
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

// === impl Alg ===

impl Alg {
    /// Every algorithm.
    pub const ALL: [Alg; 6] = [Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Es256, Alg::Es384, Alg::EdDsa];
    /// What Clerk signs with.
    pub const RSA: [Alg; 3] = [Alg::Rs256, Alg::Rs384, Alg::Rs512];

    /// The name in a token's header.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Alg::Rs256 => "RS256",
            Alg::Rs384 => "RS384",
            Alg::Rs512 => "RS512",
            Alg::Es256 => "ES256",
            Alg::Es384 => "ES384",
            Alg::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Alg> {
        Alg::ALL.into_iter().find(|alg| alg.id() == id)
    }

    /// Whether keys of that kind sign with it.
    #[must_use]
    pub const fn fits(self, key: &PublicKey) -> bool {
        matches!(
            (self, key),
            (Alg::Rs256 | Alg::Rs384 | Alg::Rs512, PublicKey::Rsa { .. })
                | (Alg::Es256, PublicKey::P256(_))
                | (Alg::Es384, PublicKey::P384(_))
                | (Alg::EdDsa, PublicKey::Ed25519(_))
        )
    }
}

// === impl KeySet ===

impl KeySet {
    /// Reads a JWKS. Keys for other uses, of other kinds, too small, private, or with an id that stands twice are left
    /// out; unknown members are ignored, as RFC 7517 section 5 has it.
    ///
    /// # Errors
    /// When the text is too long or no key set at all.
    pub fn from_jwks(text: &[u8]) -> Result<KeySet, BadKeys> {
        if text.len() > MAX_JWKS {
            return Err(BadKeys::TooLong);
        }
        let object = json::object(text).ok_or(BadKeys::Jwks)?;
        let Some(Value::Array(list)) = object.get("keys") else { return Err(BadKeys::Jwks) };
        // How often each name stands there.
        let mut seen: Ordered<&str, u32> = Ordered::default();
        for kid in list.iter().filter_map(|key| key.get("kid")?.as_str()) {
            let before = seen.get(kid).copied().unwrap_or_default();
            seen.insert(kid, before + 1);
        }
        let keys = list.iter().take(MAX_KEYS).filter_map(|key| Jwk::read(key.as_object()?));
        let alone = |key: &Jwk| key.kid.as_deref().is_none_or(|kid| seen.get(kid) == Some(&1));
        Ok(KeySet::of(keys.filter(alone).collect()))
    }

    /// Reads one public key in PEM (`SubjectPublicKeyInfo`), with or without its frame; `\n` may be written out, as in
    /// one-line variables. It answers for every `kid`.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn from_pem(text: &str) -> Result<KeySet, BadKeys> {
        let text = text.trim().replace("\\n", "\n");
        let body = text.trim_start_matches("-----BEGIN PUBLIC KEY-----").trim_end();
        let body = body.trim_end_matches("-----END PUBLIC KEY-----");
        let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let der = STANDARD_NO_PAD.decode(body.trim_end_matches('=')).map_err(|_| BadKeys::Pem)?;
        let key = spki(&der).ok_or(BadKeys::Pem)?;
        Ok(KeySet::of(vec![Jwk { kid: None, alg: None, key }]))
    }

    fn of(keys: Vec<Jwk>) -> KeySet {
        let alone = |Jwk { kid, alg, key }: &Jwk| {
            let (kid, alg) = (counted(kid.as_deref()), alg.map_or("", Alg::id));
            let (kind, numbers) = key.parts();
            let [one, other] = numbers.map(|number| URL_SAFE_NO_PAD.encode(number));
            counted([&*kid, alg, kind, &one, &other])
        };
        let hash = Sha256::digest(keys.iter().map(alone).collect::<String>());
        KeySet { keys, digest: u64::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 8])) }
    }

    /// The same keys, good for one algorithm alone.
    pub(crate) fn pinned(self, alg: Alg) -> KeySet {
        KeySet::of(self.keys.into_iter().map(|key| Jwk { alg: Some(alg), ..key }).collect())
    }

    /// The key a token's header names, for that algorithm. Without a `kid` only a set of one key answers, and only
    /// where `anonymous` allows it.
    pub(crate) fn find(&self, kid: Option<&str>, alg: Alg, anonymous: bool) -> Option<&PublicKey> {
        let fits = |key: &&Jwk| alg.fits(&key.key) && key.alg.is_none_or(|only| only == alg);
        let named = kid.and_then(|kid| self.keys.iter().find(|key| key.kid.as_deref() == Some(kid)));
        let only = match self.keys.as_slice() {
            [only] if only.kid.is_none() || (kid.is_none() && anonymous) => Some(only),
            _ => None,
        };
        named.or(only).filter(fits).map(|key| &key.key)
    }

    /// Whether the set names the key at all, whatever it is good for.
    pub(crate) fn knows(&self, kid: Option<&str>) -> bool {
        let nameless = matches!(self.keys.as_slice(), [only] if only.kid.is_none());
        nameless || kid.is_none() || self.keys.iter().any(|key| key.kid.as_deref() == kid)
    }

    /// A number that changes whenever any key does.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has none: every token is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl Jwk {
    fn read(jwk: &Map<String, Value>) -> Option<Jwk> {
        let text = |name: &str| jwk.get(name).map(Value::as_str);
        let absent_or = |name: &str, wanted: &str| text(name).is_none_or(|value| value == Some(wanted));
        let ops = match jwk.get("key_ops") {
            None => true,
            Some(Value::Array(ops)) => ops.iter().any(|op| op == "verify"),
            Some(_) => false,
        };
        // A key published with its private half is everybody's.
        if !absent_or("use", "sig") || !ops || jwk.contains_key("d") || jwk.contains_key("k") {
            return None;
        }
        let alg = match text("alg") {
            None => None,
            Some(name) => Some(Alg::from_id(name?)?),
        };
        let kid = match text("kid") {
            None => None,
            Some(kid) => Some(kid?.to_owned()),
        };
        let key = match (text("kty")??, text("crv")) {
            ("RSA", _) => rsa(&bytes(text("n")??)?, &bytes(text("e")??)?)?,
            ("EC", Some(Some("P-256"))) => PublicKey::P256(point(&bytes(text("x")??)?, &bytes(text("y")??)?)?),
            ("EC", Some(Some("P-384"))) => PublicKey::P384(point(&bytes(text("x")??)?, &bytes(text("y")??)?)?),
            ("OKP", Some(Some("Ed25519"))) => PublicKey::Ed25519(bytes(text("x")??)?.try_into().ok()?),
            _ => return None,
        };
        alg.is_none_or(|alg| alg.fits(&key)).then_some(Jwk { kid, alg, key })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Refuses sizes nobody should sign with, and exponents under which a forged signature is easy (1) or impossible to
/// have come from a real key (even). Larger exponents than 32 bits only cost time.
fn rsa(n: &[u8], e: &[u8]) -> Option<PublicKey> {
    let trim = |number: &[u8]| -> Vec<u8> { number.iter().copied().skip_while(|byte| *byte == 0).collect() };
    let (n, e) = (trim(n), trim(e));
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let sound = RSA_BYTES.contains(&n.len()) && odd(&n) && odd(&e) && e.len() <= 4 && e != [1];
    (sound && !roca(&n)).then_some(PublicKey::Rsa { n, e })
}

/// Whether the modulus bears the mark of Infineon's broken generator (CVE-2017-15361): modulo each of these primes it
/// lies in the group that 65537 generates, which a random modulus practically never does.
fn roca(n: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [3, 5, 7, 11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109];
    PRIMES.into_iter().all(|prime| {
        let rest = n.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            let hit = power == rest;
            power = power * 65537 % prime;
            hit
        })
    })
}

fn point<const N: usize>(x: &[u8], y: &[u8]) -> Option<[u8; N]> {
    (x.len() == y.len()).then(|| [&[4], x, y].concat().try_into().ok()).flatten()
}

/// A `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in DER.
fn spki(der: &[u8]) -> Option<PublicKey> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    const P384: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    let (info, []) = element(der, 0x30)? else { return None };
    let (algorithm, info) = element(info, 0x30)?;
    let (bits, []) = element(info, 3)? else { return None };
    let (0, bits) = bits.split_first()? else { return None };
    let (kind, parameters) = element(algorithm, 6)?;
    match kind {
        RSA => {
            let (numbers, []) = element(bits, 0x30)? else { return None };
            let (n, numbers) = element(numbers, 2)?;
            let (e, []) = element(numbers, 2)? else { return None };
            rsa(n, e)
        }
        EC => match element(parameters, 6)?.0 {
            P256 if bits.first() == Some(&4) => Some(PublicKey::P256(bits.try_into().ok()?)),
            P384 if bits.first() == Some(&4) => Some(PublicKey::P384(bits.try_into().ok()?)),
            _ => None,
        },
        ED25519 => Some(PublicKey::Ed25519(bits.try_into().ok()?)),
        _ => None,
    }
}

/// The content of a DER element with that tag, and what follows it. Lengths up to 64 KiB.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = match rest.split_first()? {
        (short @ 0..=0x7f, rest) => (usize::from(*short), rest),
        (0x81, rest) => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        (0x82, rest) => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length)).flatten()
}

impl PublicKey {
    /// Its kind, and the numbers that it is made of.
    fn parts(&self) -> (&'static str, [&[u8]; 2]) {
        match self {
            PublicKey::Rsa { n, e } => ("rsa", [n, e]),
            PublicKey::P256(point) => ("p256", [point, b""]),
            PublicKey::P384(point) => ("p384", [point, b""]),
            PublicKey::Ed25519(point) => ("ed25519", [point, b""]),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            PublicKey::Rsa { n, e } => write!(f, "Rsa({}, {})", hex(n), hex(e)),
            PublicKey::P256(point) => write!(f, "P256({})", hex(point)),
            PublicKey::P384(point) => write!(f, "P384({})", hex(point)),
            PublicKey::Ed25519(point) => write!(f, "Ed25519({})", hex(point)),
        }
    }
}

impl fmt::Display for BadKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadKeys::TooLong => write!(f, "the key set is longer than {} KiB", MAX_JWKS >> 10),
            BadKeys::Jwks => f.write_str("this is no JSON Web Key Set"),
            BadKeys::Pem => f.write_str("this is no public key in PEM, or one that is too small"),
        }
    }
}

impl std::error::Error for BadKeys {}
