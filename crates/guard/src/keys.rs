//! Secrets, and the keys made of them: one key a purpose, so that what one signs another never accepts.

use std::collections::BTreeMap;
use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::env::Env;
use crate::run;

/// The shortest secret, in characters.
pub const MIN_SECRET: usize = 32;

/// What keys are made of.
///
/// Each list holds the secret that signs first, and after it those that are still accepted (`NAME_PREVIOUS`).
#[derive(Clone, Default)]
pub struct Secrets {
    /// `CSRF_SECRET`.
    pub csrf: Vec<String>,
    /// `SESSION_SECRET`.
    pub session: Vec<String>,
    /// The webhooks' variables by their names, as the providers made them.
    pub webhooks: BTreeMap<String, Vec<SigningSecret>>,
}

/// A value of a webhook's variable: `NAME`, or `NAME_PREVIOUS` until its date.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret {
    /// The secret as the provider shows it.
    pub value: String,
    /// When it ceases to hold, in seconds since the epoch.
    pub until_seconds: Option<u64>,
}

/// A secret is missing or too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeakSecret {
    /// The variable.
    pub name: &'static str,
}

/// The keys of one plan.
pub(crate) struct Keys {
    pub(crate) token: KeyRing,
    pub(crate) session: KeyRing,
    /// Names verified sessions in tokens and cookies.
    pub(crate) identity: KeyRing,
    /// Vouches for a request towards the application.
    pub(crate) admitted: KeyRing,
    /// Knows requests of the owner's probes.
    pub(crate) run: KeyRing,
    /// Names the accounts that sign-ins are counted by.
    pub(crate) login: Key,
    /// Makes a browser known to an account.
    pub(crate) device: KeyRing,
    /// Makes session ids unlinkable in events.
    pub(crate) event: Key,
}

/// A key that signs, and older ones that are still accepted.
pub(crate) struct KeyRing {
    current: Key,
    previous: Vec<Key>,
}

/// An HMAC-SHA256 key, its pads already hashed.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

// === impl Secrets ===

impl Secrets {
    /// Fresh secrets for a process that needs none to survive it: the demo, tests.
    #[must_use]
    pub fn ephemeral(env: &Env<'_>) -> Secrets {
        let secret = || env.random::<32>().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Secrets { csrf: vec![secret()], session: vec![secret()], ..Secrets::default() }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Secrets { csrf, session, webhooks } = self;
        let webhooks: Vec<_> = webhooks.keys().collect();
        write!(f, "Secrets {{ csrf: {} set, session: {} set, webhooks: {webhooks:?} }}", csrf.len(), session.len())
    }
}

impl From<String> for SigningSecret {
    fn from(value: String) -> SigningSecret {
        SigningSecret { value, until_seconds: None }
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningSecret(until {:?})", self.until_seconds)
    }
}

impl fmt::Display for WeakSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be set and have at least {MIN_SECRET} characters", self.name)
    }
}

impl std::error::Error for WeakSecret {}

// === impl Keys ===

impl Keys {
    pub(crate) fn derive(secrets: &Secrets) -> Result<Keys, WeakSecret> {
        let session = secrets.session.first().filter(|secret| secret.len() >= MIN_SECRET);
        let event = session.ok_or(WeakSecret { name: "SESSION_SECRET" })?;
        Ok(Keys {
            token: KeyRing::derive("CSRF_SECRET", &secrets.csrf, "palisade csrf token v1")?,
            session: KeyRing::derive("SESSION_SECRET", &secrets.session, "palisade session cookie v1")?,
            identity: KeyRing::derive("SESSION_SECRET", &secrets.session, "palisade csrf identity v1")?,
            admitted: KeyRing::derive("SESSION_SECRET", &secrets.session, "palisade admitted v1")?,
            run: KeyRing::derive("SESSION_SECRET", &secrets.session, run::PURPOSE)?,
            login: Key::derive(event, "palisade login account v1"),
            device: KeyRing::derive("SESSION_SECRET", &secrets.session, "palisade device cookie v1")?,
            event: Key::derive(event, "palisade event session v1"),
        })
    }
}

impl KeyRing {
    pub(crate) fn derive(name: &'static str, secrets: &[String], purpose: &str) -> Result<KeyRing, WeakSecret> {
        if secrets.iter().any(|secret| secret.len() < MIN_SECRET) {
            return Err(WeakSecret { name });
        }
        let (current, previous) = secrets.split_first().ok_or(WeakSecret { name })?;
        let previous = previous.iter().map(|secret| Key::derive(secret, purpose)).collect();
        Ok(KeyRing { current: Key::derive(current, purpose), previous })
    }

    /// The MAC of the parts under the key that signs. The caller fixes the lengths of all parts.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.current.mac(parts)
    }

    /// The first 8 bytes of the MAC under each key, the one that signs first.
    pub(crate) fn prefixes(&self, parts: &[&[u8]]) -> impl Iterator<Item = [u8; 8]> {
        let keys = std::iter::once(&self.current).chain(&self.previous);
        keys.map(|key| *key.mac(parts).first_chunk().unwrap_or(&[0; 8]))
    }

    /// Whether `tag` is the MAC, or its first 16 bytes or more, under any accepted key. Constant-time in the tag.
    pub(crate) fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        keys.any(|key| key.verify(parts, tag))
    }
}

impl Key {
    pub(crate) fn derive(secret: &str, purpose: &str) -> Key {
        // The type's own key size, one hash block: HKDF expands to it, and no length can be wrong.
        let mut bytes = hmac::digest::Key::<Hmac<Sha256>>::default();
        let expanded = Hkdf::<Sha256>::new(None, secret.as_bytes()).expand(purpose.as_bytes(), &mut bytes);
        debug_assert!(expanded.is_ok(), "HKDF fails only above 255 blocks of output");
        Key(Hmac::new(&bytes))
    }

    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.over(parts).finalize().into_bytes().into()
    }

    /// The first 16 bytes of the MAC, as a number.
    pub(crate) fn number(&self, parts: &[&[u8]]) -> u128 {
        self.mac(parts).first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes))
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        tag.len() >= 16 && self.over(parts).verify_truncated_left(tag).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}
