//! Cipher suites: those that servers of today and yesterday offer (IANA's registry of TLS parameters).

/// A cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Its number.
    pub id: u16,
    /// IANA's name, without `TLS_`.
    pub name: &'static str,
    /// How keys are agreed on.
    pub exchange: Exchange,
    /// The cipher's strength in bits.
    pub bits: u32,
    /// Whether it is authenticated encryption.
    pub aead: bool,
}

/// How keys are agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// Encrypted to the server's key: no forward secrecy.
    Rsa,
    /// Finite-field Diffie-Hellman, fresh each time.
    Dhe,
    /// The same over a curve.
    Ecdhe,
    /// With nobody in particular.
    Anonymous,
}

const fn suite_of(id: u16, name: &'static str, exchange: Exchange, bits: u32, aead: bool) -> Suite {
    Suite { id, name, exchange, bits, aead }
}

use Exchange::{Anonymous, Dhe, Ecdhe, Rsa};

/// Every suite that is offered in a probe; those of TLS 1.3 first.
pub static SUITES: [Suite; 49] = [
    suite_of(0x1301, "AES_128_GCM_SHA256", Ecdhe, 128, true),
    suite_of(0x1302, "AES_256_GCM_SHA384", Ecdhe, 256, true),
    suite_of(0x1303, "CHACHA20_POLY1305_SHA256", Ecdhe, 256, true),
    suite_of(0xc02b, "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Ecdhe, 128, true),
    suite_of(0xc02c, "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Ecdhe, 256, true),
    suite_of(0xc02f, "ECDHE_RSA_WITH_AES_128_GCM_SHA256", Ecdhe, 128, true),
    suite_of(0xc030, "ECDHE_RSA_WITH_AES_256_GCM_SHA384", Ecdhe, 256, true),
    suite_of(0xcca8, "ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Ecdhe, 256, true),
    suite_of(0xcca9, "ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", Ecdhe, 256, true),
    suite_of(0xccaa, "DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Dhe, 256, true),
    suite_of(0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256", Dhe, 128, true),
    suite_of(0x009f, "DHE_RSA_WITH_AES_256_GCM_SHA384", Dhe, 256, true),
    suite_of(0xc0ac, "ECDHE_ECDSA_WITH_AES_128_CCM", Ecdhe, 128, true),
    suite_of(0xc0ad, "ECDHE_ECDSA_WITH_AES_256_CCM", Ecdhe, 256, true),
    suite_of(0xc09e, "DHE_RSA_WITH_AES_128_CCM", Dhe, 128, true),
    suite_of(0xc09f, "DHE_RSA_WITH_AES_256_CCM", Dhe, 256, true),
    suite_of(0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", Ecdhe, 128, false),
    suite_of(0xc024, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", Ecdhe, 256, false),
    suite_of(0xc027, "ECDHE_RSA_WITH_AES_128_CBC_SHA256", Ecdhe, 128, false),
    suite_of(0xc028, "ECDHE_RSA_WITH_AES_256_CBC_SHA384", Ecdhe, 256, false),
    suite_of(0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA", Ecdhe, 128, false),
    suite_of(0xc00a, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA", Ecdhe, 256, false),
    suite_of(0xc013, "ECDHE_RSA_WITH_AES_128_CBC_SHA", Ecdhe, 128, false),
    suite_of(0xc014, "ECDHE_RSA_WITH_AES_256_CBC_SHA", Ecdhe, 256, false),
    suite_of(0x0067, "DHE_RSA_WITH_AES_128_CBC_SHA256", Dhe, 128, false),
    suite_of(0x006b, "DHE_RSA_WITH_AES_256_CBC_SHA256", Dhe, 256, false),
    suite_of(0x0033, "DHE_RSA_WITH_AES_128_CBC_SHA", Dhe, 128, false),
    suite_of(0x0039, "DHE_RSA_WITH_AES_256_CBC_SHA", Dhe, 256, false),
    suite_of(0x009c, "RSA_WITH_AES_128_GCM_SHA256", Rsa, 128, true),
    suite_of(0x009d, "RSA_WITH_AES_256_GCM_SHA384", Rsa, 256, true),
    suite_of(0xc09c, "RSA_WITH_AES_128_CCM", Rsa, 128, true),
    suite_of(0xc09d, "RSA_WITH_AES_256_CCM", Rsa, 256, true),
    suite_of(0x003c, "RSA_WITH_AES_128_CBC_SHA256", Rsa, 128, false),
    suite_of(0x003d, "RSA_WITH_AES_256_CBC_SHA256", Rsa, 256, false),
    suite_of(0x002f, "RSA_WITH_AES_128_CBC_SHA", Rsa, 128, false),
    suite_of(0x0035, "RSA_WITH_AES_256_CBC_SHA", Rsa, 256, false),
    suite_of(0x0041, "RSA_WITH_CAMELLIA_128_CBC_SHA", Rsa, 128, false),
    suite_of(0x0084, "RSA_WITH_CAMELLIA_256_CBC_SHA", Rsa, 256, false),
    suite_of(0x000a, "RSA_WITH_3DES_EDE_CBC_SHA", Rsa, 112, false),
    suite_of(0xc012, "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", Ecdhe, 112, false),
    suite_of(0xc008, "ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA", Ecdhe, 112, false),
    suite_of(0x0005, "RSA_WITH_RC4_128_SHA", Rsa, 128, false),
    suite_of(0x0004, "RSA_WITH_RC4_128_MD5", Rsa, 128, false),
    suite_of(0xc011, "ECDHE_RSA_WITH_RC4_128_SHA", Ecdhe, 128, false),
    suite_of(0xc018, "ECDH_anon_WITH_AES_128_CBC_SHA", Anonymous, 128, false),
    suite_of(0x0034, "DH_anon_WITH_AES_128_CBC_SHA", Anonymous, 128, false),
    suite_of(0x0009, "RSA_WITH_DES_CBC_SHA", Rsa, 56, false),
    suite_of(0x003b, "RSA_WITH_NULL_SHA256", Rsa, 0, false),
    suite_of(0x0002, "RSA_WITH_NULL_SHA", Rsa, 0, false),
];

/// The suite of that number, where it is one of [`SUITES`].
#[must_use]
pub fn suite(id: u16) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.id == id)
}

// === impl Suite ===

impl Suite {
    /// Whether it belongs to TLS 1.3.
    #[must_use]
    pub const fn is_13(&self) -> bool {
        self.id >> 8 == 0x13
    }

    /// Whether what was recorded stays secret when the server's key is lost.
    #[must_use]
    pub const fn forward_secret(&self) -> bool {
        matches!(self.exchange, Exchange::Dhe | Exchange::Ecdhe)
    }
}
