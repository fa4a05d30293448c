//! What is read out of a certificate.

use std::net::IpAddr;

use palisade_check::tls::Certificate;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::{ObjectIdentifier, SubjectPublicKeyInfoOwned};

/// Reads one; `None` where it is none.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let parsed = x509_cert::Certificate::from_der(der).ok()?;
    let body = &parsed.tbs_certificate;
    let seconds = |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    let (key, key_bits) = key(&body.subject_public_key_info);
    let extensions = body.extensions.as_deref().unwrap_or_default();
    let of = |oid: &str| {
        extensions
            .iter()
            .find(|extension| extension.extn_id.to_string() == oid)
            .map(|extension| extension.extn_value.as_bytes())
    };
    Some(Certificate {
        subject: body.subject.to_string(),
        issuer: body.issuer.to_string(),
        names: of("2.5.29.17").map(names).unwrap_or_default(),
        not_before: seconds(&body.validity.not_before),
        not_after: seconds(&body.validity.not_after),
        signature: signature(&parsed.signature_algorithm.oid),
        key,
        key_bits,
        // RFC 7633: a list of TLS extensions, of which 5 is the stapled answer.
        must_staple: of("1.3.6.1.5.5.7.1.24").is_some_and(|list| list.ends_with(&[2, 1, 5])),
    })
}

fn names(der: &[u8]) -> Vec<String> {
    let Ok(SubjectAltName(names)) = SubjectAltName::from_der(der) else { return Vec::new() };
    let name = |name: GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
        }
        _ => None,
    };
    names.into_iter().filter_map(name).collect()
}

fn signature(oid: &ObjectIdentifier) -> String {
    let known = [
        ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
        ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
        ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
        ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
        ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
        ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
        ("1.2.840.10045.4.1", "ecdsa-with-sha1"),
        ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
        ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
        ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
        ("1.3.101.112", "Ed25519"),
    ];
    let text = oid.to_string();
    known.iter().find(|(oid, _)| *oid == text).map_or(text, |(_, name)| (*name).to_owned())
}

fn key(info: &SubjectPublicKeyInfoOwned) -> (String, u32) {
    match info.algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => ("RSA".to_owned(), modulus(info.subject_public_key.raw_bytes()).unwrap_or(0)),
        "1.2.840.10045.2.1" => {
            let curve = info.algorithm.parameters.as_ref().and_then(|any| any.to_der().ok());
            let curve = curve.and_then(|der| ObjectIdentifier::from_der(&der).ok()).map(|oid| oid.to_string());
            let bits = match curve.as_deref() {
                Some("1.2.840.10045.3.1.7" | "1.3.132.0.10") => 256,
                Some("1.3.132.0.34") => 384,
                Some("1.3.132.0.35") => 521,
                _ => 0,
            };
            ("EC".to_owned(), bits)
        }
        "1.3.101.112" => ("Ed25519".to_owned(), 256),
        other => (other.to_owned(), 0),
    }
}

/// Bits of an RSA key: `SEQUENCE { INTEGER modulus, .. }`.
fn modulus(der: &[u8]) -> Option<u32> {
    let (_, inner) = element(der)?;
    let (tag, number) = element(inner)?;
    let number = number.iter().position(|byte| *byte != 0).and_then(|start| number.get(start..))?;
    let bits = u32::try_from(number.len()).ok()? * 8 - number.first()?.leading_zeros();
    (tag == 2).then_some(bits)
}

/// The first element of some DER: its tag and its content.
fn element(der: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *length < 0x80 {
        return Some((*tag, rest.get(..usize::from(*length))?));
    }
    let digits = usize::from(*length & 0x7f);
    let size =
        rest.get(..digits)?.iter().try_fold(0_usize, |size, byte| Some(size.checked_mul(256)? + usize::from(*byte)))?;
    Some((*tag, rest.get(digits..digits.checked_add(size)?)?))
}
