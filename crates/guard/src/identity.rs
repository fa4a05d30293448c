//! Who is asking: session tokens of one issuer, verified strictly, and what they say of the caller.
//!
//! The parser, the checks and the claims are ours; only the signature itself is verified outside, behind [`Verify`].
//! Every algorithm is asymmetric and pinned by the issuer, never chosen by the token.
//!
//! Not done: tokens are not asked back from their issuer, so a session revoked there is good until its token is over
//! (60 seconds with Clerk); there is one issuer a policy; encrypted tokens and RSA-PSS are refused; and a token that
//! is not a session's (an API key, a machine's) is refused, whoever signed it.

mod cache;
mod clerk;
mod fault;
mod issuer;
mod jws;
mod key;
mod verified;

pub use fault::TokenFault;
pub use issuer::Providers;
pub use jws::{MAX_TOKEN, open};
pub use key::{Alg, BadKeys, KeySet, MAX_JWKS, PublicKey, Verify};
pub use verified::Identity;

pub(crate) use cache::Verified;
pub(crate) use issuer::Issuer;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, header};
use palisade_policy::IdentityProvider;

use crate::env::WallMicros;
use crate::identity::clerk::{SESSION, Tossed};

/// The issuer's keys as they are known now. Written by whoever fetches them, read on every look-up: a key that is gone
/// is gone for tokens verified before, too.
#[derive(Default)]
pub struct Keyring {
    current: RwLock<Option<Arc<KeySet>>>,
}

// === impl Keyring ===

impl Keyring {
    /// The keys, once there are any.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over a set that was fetched.
    pub fn replace(&self, keys: Arc<KeySet>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.current().map_or(0, |keys| keys.len()))
    }
}

// === impl Issuer ===

impl Issuer {
    /// The token a request shows: `Authorization` first, then the session cookie.
    pub(crate) fn shown<'a>(&self, headers: &'a HeaderMap, now: WallMicros) -> Result<Option<&'a str>, Tossed> {
        if let Some(token) = self.authorization(headers)? {
            return Ok(Some(token));
        }
        match &self.clerk {
            Some(clerk) => clerk.session(headers, now),
            None => clerk::one(headers, SESSION),
        }
    }

    /// Clerk's SDK takes `Bearer TOKEN`, case and all, and a token without a scheme; other schemes are left alone.
    fn authorization<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Tossed> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(line), rest) = (lines.next(), lines.next()) else { return Ok(None) };
        if rest.is_some() {
            return Err(Tossed);
        }
        let Ok(line) = line.to_str() else { return Ok(None) };
        Ok(match line.split_once(' ') {
            Some(("Bearer", token)) => Some(token),
            Some(_) => None,
            None => (self.provider == IdentityProvider::Clerk && !line.is_empty()).then_some(line),
        })
    }

    /// The number under which verified tokens are remembered.
    pub(crate) fn epoch(&self, keys: &KeySet) -> u64 {
        self.fingerprint ^ keys.digest()
    }
}

/// Whether `Authorization` is exactly one line `Bearer TOKEN`: the only one no browser adds by itself.
pub(crate) fn is_bearer(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let token = line.to_str().ok().and_then(|line| line.strip_prefix("Bearer "));
    token.is_some_and(|token| !token.is_empty() && !token.contains(' '))
}
