//! The arithmetic, and what caps it.

use super::{Certificate, Exchange, Handshakes, Version};

/// The grade, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// `A+` to `F`, `T` (not trusted), `M` (names another host).
    pub grade: &'static str,
    /// 0 to 100, before caps.
    pub score: u32,
    /// Protocols, key exchange, ciphers: 0 to 100 each.
    pub parts: [u32; 3],
    /// What caps it, or takes the plus away.
    pub caps: Vec<Cap>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// The best grade that is left. `A-` stands for a warning.
    pub grade: &'static str,
    /// Why.
    pub because: String,
}

/// Rates; `None` where no handshake came about.
#[must_use]
pub fn rate(seen: &Handshakes) -> Option<Rating> {
    let leaf = seen.leaf()?;
    let protocols = mean(seen.versions.iter().map(|version| protocol(*version)))?;
    let ciphers = mean(seen.chosen().map(|suite| cipher(suite.bits)))?;
    let weakest = seen.dh_bits.unwrap_or(u32::MAX).min(leaf.rsa_bits());
    let keys = if seen.chosen().any(|suite| suite.exchange == Exchange::Anonymous) { 0 } else { key(weakest) };
    let score = (30 * protocols + 30 * keys + 40 * ciphers) / 100;
    let caps = caps(seen, leaf);
    let plain = match score {
        80.. => "A",
        65..=79 => "B",
        50..=64 => "C",
        35..=49 => "D",
        20..=34 => "E",
        _ => "F",
    };
    let worst = caps.iter().map(|cap| cap.grade).chain([plain]).max_by_key(|grade| rank(grade)).unwrap_or(plain);
    let grade = if worst == "A" && caps.is_empty() { "A+" } else { worst };
    Some(Rating { grade, score, parts: [protocols, keys, ciphers], caps })
}

fn rank(grade: &str) -> Option<usize> {
    ["A+", "A", "A-", "B", "C", "D", "E", "F", "T", "M"].iter().position(|known| *known == grade)
}

/// The mean of the best and the worst.
fn mean(scores: impl Iterator<Item = u32> + Clone) -> Option<u32> {
    Some(scores.clone().max()?.midpoint(scores.min()?))
}

fn protocol(version: Version) -> u32 {
    match version {
        Version::Ssl3 => 80,
        Version::Tls10 => 90,
        Version::Tls11 => 95,
        Version::Tls12 | Version::Tls13 => 100,
    }
}

fn key(bits: u32) -> u32 {
    match bits {
        0 => 0,
        1..=511 => 20,
        512..=1023 => 40,
        1024..=2047 => 80,
        2048..=4095 => 90,
        _ => 100,
    }
}

fn cipher(bits: u32) -> u32 {
    match bits {
        0 => 0,
        1..=127 => 20,
        128..=255 => 80,
        _ => 100,
    }
}

fn caps(seen: &Handshakes, leaf: &Certificate) -> Vec<Cap> {
    let mut caps = Vec::new();
    let mut cap = |grade, when: bool, because: &str| {
        if when {
            caps.push(Cap { grade, because: because.to_owned() });
        }
    };
    cap("M", !seen.named, "the certificate names another host");
    cap("T", !seen.untrusted.is_empty(), &format!("the certificate is not trusted: {}", seen.untrusted));
    cap("T", leaf.not_after < seen.now, "the certificate has run out");
    cap("T", leaf.not_before > seen.now, "the certificate is not valid yet");
    cap(
        "T",
        leaf.signature.to_ascii_lowercase().contains("sha1") || leaf.signature.to_ascii_lowercase().contains("md5"),
        "the certificate is signed with SHA-1 or MD5",
    );
    cap("F", seen.chosen().any(|suite| suite.bits < 112), "a cipher of less than 112 bits");
    cap("F", seen.chosen().any(|suite| suite.exchange == Exchange::Anonymous), "a suite that proves nobody's identity");
    cap("F", leaf.rsa_bits() < 1024, "a key of less than 1,024 bits");
    cap(
        "B",
        leaf.rsa_bits() < 2048 || seen.dh_bits.is_some_and(|bits| bits < 2048),
        "a key or group of less than 2,048 bits",
    );
    cap("C", !seen.speaks(Version::Tls12) && !seen.speaks(Version::Tls13), "no TLS 1.2 or newer");
    cap("B", seen.speaks(Version::Ssl3), "SSL 3.0 is offered");
    cap("B", seen.speaks(Version::Tls10), "TLS 1.0 is offered");
    cap("B", seen.speaks(Version::Tls11), "TLS 1.1 is offered");
    cap("B", seen.chosen().any(|suite| suite.name.contains("RC4")), "RC4 is offered");
    cap("B", !seen.chosen().any(|suite| suite.aead), "no authenticated encryption (AEAD)");
    cap("B", !seen.chosen().any(super::Suite::forward_secret), "no forward secrecy");
    cap("A-", !seen.speaks(Version::Tls13), "no TLS 1.3");
    let age = seen.hsts.as_deref().and_then(crate::headers::max_age);
    cap("A", age.is_none_or(|age| age < 15_552_000), "no HSTS of six months or more");
    caps
}
