//! Signed tokens (RFC 7515, compact form), opened strictly: one spelling, one algorithm family, a key of the issuer's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::identity::fault::TokenFault;
use crate::identity::key::{Alg, KeySet, Verify};
use palisade_policy::json;

/// The longest token that is read, in characters.
pub const MAX_TOKEN: usize = 16 << 10;

/// A token taken apart, nothing of it believed yet.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) alg: Alg,
    pub(crate) kid: Option<String>,
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Vec<u8>,
    signed: &'a str,
    signature: Vec<u8>,
}

/// Header members by which a token would bring its own key, or change how it is read.
const FOREIGN_KEYS: [&str; 4] = ["jku", "jwk", "x5u", "x5c"];

impl<'a> Parts<'a> {
    /// Takes a token apart. `algs` are the only algorithms it may name.
    pub(crate) fn of(token: &'a str, algs: &[Alg]) -> Result<Parts<'a>, TokenFault> {
        if token.len() > MAX_TOKEN {
            return Err(TokenFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Shape)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenFault::Shape)?;
        if payload.contains('.') || header.is_empty() || signature.is_empty() {
            return Err(TokenFault::Shape);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenFault::Encoding);
        let header = json::object(&decode(header)?).ok_or(TokenFault::Header)?;
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(TokenFault::Critical);
        }
        if FOREIGN_KEYS.iter().any(|name| header.contains_key(*name)) {
            return Err(TokenFault::ForeignKey);
        }
        let alg = header.get("alg").and_then(Value::as_str).and_then(Alg::from_id).ok_or(TokenFault::Algorithm)?;
        if !algs.contains(&alg) {
            return Err(TokenFault::Algorithm);
        }
        let kid = match header.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().ok_or(TokenFault::Header)?.to_owned()),
        };
        Ok(Parts { alg, kid, header, payload, signed, signature })
    }

    /// Whether the signature is one of the issuer's keys.
    pub(crate) fn verify(&self, keys: &KeySet, anonymous: bool, verify: &dyn Verify) -> Result<(), TokenFault> {
        let key = keys.find(self.kid.as_deref(), self.alg, anonymous).ok_or(TokenFault::Key)?;
        let good = verify.verify(self.alg, key, self.signed.as_bytes(), &self.signature);
        if good { Ok(()) } else { Err(TokenFault::Signature) }
    }
}

/// Opens a signed token and returns its payload, of which nothing is checked here.
///
/// # Errors
/// What is wrong with the token.
pub fn open(token: &str, keys: &KeySet, algs: &[Alg], verify: &dyn Verify) -> Result<Vec<u8>, TokenFault> {
    let parts = Parts::of(token, algs)?;
    parts.verify(keys, true, verify)?;
    Ok(parts.payload)
}

/// The claims of a token that nobody has verified: to choose between cookies, never to believe.
pub(crate) fn unverified(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    (token.len() <= MAX_TOKEN).then(|| json::object(&URL_SAFE_NO_PAD.decode(payload).ok()?)).flatten()
}
