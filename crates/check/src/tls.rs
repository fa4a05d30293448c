//! What a server agrees to in handshakes, rated by the SSL Labs method (2009r), with the arithmetic and its caps.
//!
//! 30 % protocols, 30 % key exchange, 40 % ciphers; then caps. The protocol and cipher scores are the mean of the best and the
//! worst that is offered. Weaknesses of implementations (Heartbleed, ROBOT) are not looked for, nor client simulations.

mod rating;
mod suites;

pub use rating::{Cap, Rating, rate};
pub use suites::{Exchange, SUITES, Suite, suite};

use serde::{Deserialize, Serialize};

/// A protocol version, by the number that goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// SSL 3.0.
    Ssl3,
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// What was learned in a series of handshakes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Handshakes {
    /// The name that was asked for.
    pub host: String,
    /// Versions that the server agreed to.
    pub versions: Vec<Version>,
    /// Versions on which it could not be asked: no answer, which is no refusal.
    pub unknown: Vec<Version>,
    /// Cipher suites that it chose, in the order of its choice, for each version.
    pub suites: Vec<(Version, u16)>,
    /// Bits of the smallest finite-field group that it used.
    pub dh_bits: Option<u32>,
    /// The chain as it was sent, the server's own first.
    pub chain: Vec<Certificate>,
    /// Why the chain leads to no root that is trusted; empty where it does.
    pub untrusted: String,
    /// Whether the certificate names the host.
    pub named: bool,
    /// Whether an OCSP answer was stapled.
    pub stapled: bool,
    /// `Strict-Transport-Security` of the page.
    pub hsts: Option<String>,
    /// The time of the run, in seconds since 1970.
    pub now: i64,
}

/// A certificate, as far as it is judged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certificate {
    /// Whom it is for.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names in it.
    pub names: Vec<String>,
    /// Valid from, in seconds since 1970.
    pub not_before: i64,
    /// Valid until.
    pub not_after: i64,
    /// Its signature's algorithm: `sha256WithRSAEncryption`.
    pub signature: String,
    /// `RSA`, `EC`, `Ed25519`.
    pub key: String,
    /// The key's size in bits.
    pub key_bits: u32,
    /// Whether it wants its OCSP answer stapled.
    pub must_staple: bool,
}

// === impl Version ===

impl Version {
    /// Every version, the oldest first.
    pub const ALL: [Version; 5] = [Version::Ssl3, Version::Tls10, Version::Tls11, Version::Tls12, Version::Tls13];

    /// As in a hello.
    #[must_use]
    pub const fn wire(self) -> u16 {
        match self {
            Version::Ssl3 => 0x0300,
            Version::Tls10 => 0x0301,
            Version::Tls11 => 0x0302,
            Version::Tls12 => 0x0303,
            Version::Tls13 => 0x0304,
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Version::Ssl3 => "SSL 3.0",
            Version::Tls10 => "TLS 1.0",
            Version::Tls11 => "TLS 1.1",
            Version::Tls12 => "TLS 1.2",
            Version::Tls13 => "TLS 1.3",
        }
    }
}

// === impl Handshakes ===

impl Handshakes {
    /// The suites that the server chose, once each.
    pub fn chosen(&self) -> impl Iterator<Item = &'static Suite> + Clone {
        self.suites.iter().filter_map(|(_, id)| suite(*id))
    }

    /// Whether it agreed to a version.
    #[must_use]
    pub fn speaks(&self, version: Version) -> bool {
        self.versions.contains(&version)
    }

    /// The server's own certificate.
    #[must_use]
    pub fn leaf(&self) -> Option<&Certificate> {
        self.chain.first()
    }
}

// === impl Certificate ===

impl Certificate {
    /// Days until it runs out; negative once it has.
    #[must_use]
    pub fn days_left(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(86_400)
    }

    /// Whether it is for a host: a name of it, a wildcard for one label.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix("*.") {
                Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
                None => name == host,
            }
        })
    }

    /// The key's strength as bits of RSA (NIST SP 800-57).
    #[must_use]
    pub fn rsa_bits(&self) -> u32 {
        match (self.key.as_str(), self.key_bits) {
            ("RSA", bits) => bits,
            (_, 0..=223) => 1024,
            (_, 224..=255) => 2048,
            (_, 256..=383) => 3072,
            _ => 7680,
        }
    }
}

#[cfg(test)]
mod tests;
