//! Whose tokens are believed, and what a token must say: `[identity]` compiled.

use palisade_diag::{Diagnostic, Diagnostics};
use palisade_policy::{Identity as Declared, IdentityProvider, Policy};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

use crate::env::WallMicros;
use crate::identity::clerk::Clerk;
use crate::identity::fault::TokenFault;
use crate::identity::jws::Parts;
use crate::identity::key::{Alg, KeySet, Verify};
use crate::identity::verified::Identity;
use crate::plan::{claims, counted};
use crate::schema::Schemas;

/// What the guard takes from outside. Without `verify` nobody is ever verified; without `schemas` a policy that has some
/// does not compile.
#[derive(Clone, Default)]
pub struct Providers {
    /// Verifies signatures.
    pub verify: Option<Arc<dyn Verify>>,
    /// `NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY`, letter by letter: Clerk's suffixed cookies are named after it.
    pub clerk_publishable_key: Option<String>,
    /// `CLERK_JWT_KEY`, the issuer's public key in PEM: with it no key is ever fetched.
    pub jwt_key: Option<String>,
    /// The engine of JSON Schema.
    pub schemas: Option<Arc<dyn Schemas>>,
}

/// An issuer, and what its tokens must say.
pub(crate) struct Issuer {
    pub(crate) verify: Arc<dyn Verify>,
    pub(crate) clerk: Option<Clerk>,
    pub(crate) provider: IdentityProvider,
    /// The one key of the configuration; `None` asks for the issuer's set.
    pub(crate) fixed: Option<Arc<KeySet>>,
    pub(crate) declared: Declared,
    issuer: String,
    /// Changes with everything that decides about a token, so that a change empties the cache of verified ones.
    pub(crate) fingerprint: u64,
}

/// How far clocks may disagree, in seconds: Clerk's default.
pub(crate) const LEEWAY: f64 = 5.0;
/// The longest subject (OpenID Connect Core, section 2).
const MAX_SUBJECT: usize = 255;
/// Clerk's category of tokens that belong to machines.
const CLERK_M2M: &str = "cl_B7d4PD333AAA";

// === impl Issuer ===

impl Issuer {
    /// Compiles `[identity]`; nothing where there is none, or nobody to verify signatures.
    pub(crate) fn compile(policy: &Policy, providers: &Providers) -> Result<Option<Issuer>, Diagnostics> {
        let (Some(declared), Some(verify)) = (&policy.identity, &providers.verify) else { return Ok(None) };
        let is_clerk = declared.provider == IdentityProvider::Clerk;
        let wrong = |code, text: &str, fix| Diagnostics::from(Diagnostic::error(code, text.to_owned()).fix(fix));
        let clerk = match &providers.clerk_publishable_key {
            Some(key) if is_clerk => Some(Clerk::of(key).ok_or_else(|| {
                let fix = "copy it from Clerk's dashboard: pk_live_... or pk_test_...";
                wrong("clerk-key-malformed", "the publishable key is none of Clerk's", fix)
            })?),
            _ => None,
        };
        let from_key = clerk.as_ref().map(|clerk| format!("https://{}", clerk.host));
        let Some(issuer) = declared.issuer.clone().or(from_key) else {
            let fix = "set NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY, or name the issuer in [identity]";
            return Err(wrong("identity-issuer", "nothing says who signs the session tokens", fix));
        };
        let fixed = match &providers.jwt_key {
            Some(pem) => {
                let keys = KeySet::from_pem(pem).map_err(|bad| {
                    let fix = "copy it from the provider's dashboard; `\\n` may be written out";
                    wrong("jwt-key-malformed", &format!("the issuer's public key cannot be read: {bad}"), fix)
                })?;
                // A PEM does not say what its key signs with; Clerk's SDK takes it for RS256 alone, as Clerk publishes it.
                Some(Arc::new(if is_clerk { keys.pinned(Alg::Rs256) } else { keys }))
            }
            None => None,
        };
        let hash = Sha256::digest(written(declared, &issuer, providers.clerk_publishable_key.as_deref()));
        let fingerprint = u64::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 8]));
        let (verify, declared) = (Arc::clone(verify), declared.clone());
        Ok(Some(Issuer { verify, clerk, provider: declared.provider, fixed, declared, issuer, fingerprint }))
    }

    /// The algorithms the issuer may sign with.
    pub(crate) const fn algs(&self) -> &'static [Alg] {
        match self.provider {
            IdentityProvider::Clerk => &Alg::RSA,
            IdentityProvider::Oidc => &Alg::ALL,
        }
    }

    /// Takes a token apart and looks at what can be told without a key.
    pub(crate) fn read<'a>(&self, token: &'a str) -> Result<(Parts<'a>, Map<String, Value>), TokenFault> {
        let parts = Parts::of(token, self.algs())?;
        self.kind(&parts.header)?;
        let claims = palisade_policy::json::object(&parts.payload).ok_or(TokenFault::Claims)?;
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(TokenFault::Issuer);
        }
        Ok((parts, claims))
    }

    /// Verifies the signature, then everything the token claims.
    pub(crate) fn verify(
        &self,
        parts: &Parts<'_>,
        claims: Map<String, Value>,
        keys: &KeySet,
        now: WallMicros,
    ) -> Result<Identity, TokenFault> {
        let anonymous = self.provider == IdentityProvider::Oidc;
        parts.verify(keys, anonymous, self.verify.as_ref())?;
        let subject = text(&claims, "sub")?.ok_or(TokenFault::Subject)?;
        if subject.is_empty() || subject.len() > MAX_SUBJECT || !subject.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenFault::Subject);
        }
        if self.clerk_like() && subject.starts_with("mch_") {
            return Err(TokenFault::Machine);
        }
        let expires = time(&claims, now)?;
        self.addressed(&claims)?;
        if text(&claims, "sts")? == Some("pending") {
            return Err(TokenFault::Pending);
        }
        Identity::of(claims, expires, &self.declared)
    }

    /// Session tokens only: those of machines and other purposes are signed by the same keys.
    fn kind(&self, header: &Map<String, Value>) -> Result<(), TokenFault> {
        let typ = match header.get("typ") {
            None => None,
            Some(typ) => Some(typ.as_str().ok_or(TokenFault::Type)?),
        };
        let fits = match self.provider {
            IdentityProvider::Clerk => matches!(typ, None | Some("JWT")),
            // RFC 9068: what an authorization server of OAuth gives to be shown to an API.
            IdentityProvider::Oidc => typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT") || typ == "at+jwt"),
        };
        if !fits {
            return Err(TokenFault::Type);
        }
        match header.get("cat").map(Value::as_str) {
            Some(Some(CLERK_M2M)) if self.clerk_like() => Err(TokenFault::Machine),
            Some(None) if self.clerk_like() => Err(TokenFault::Type),
            _ => Ok(()),
        }
    }

    /// The token was made for this app.
    fn addressed(&self, claims: &Map<String, Value>) -> Result<(), TokenFault> {
        let Declared { audience, authorized_parties, .. } = &self.declared;
        let listed = |list: &[String], value: &str| list.iter().any(|known| known == value);
        if !audience.is_empty() {
            let named = match claims.get("aud") {
                Some(Value::String(aud)) => listed(audience, aud),
                Some(Value::Array(auds)) => {
                    auds.iter().all(Value::is_string)
                        && auds.iter().filter_map(Value::as_str).any(|aud| listed(audience, aud))
                }
                _ => false,
            };
            if !named {
                return Err(TokenFault::Audience);
            }
        }
        if !authorized_parties.is_empty() && !text(claims, "azp")?.is_some_and(|azp| listed(authorized_parties, azp)) {
            return Err(TokenFault::Party);
        }
        Ok(())
    }

    const fn clerk_like(&self) -> bool {
        matches!(self.provider, IdentityProvider::Clerk)
    }
}

/// The token's time, in seconds; when it is over, leeway included.
fn time(claims: &Map<String, Value>, now: WallMicros) -> Result<f64, TokenFault> {
    let now = seconds(now);
    let expires = number(claims, "exp")?.ok_or(TokenFault::Claims)?;
    if number(claims, "nbf")?.is_some_and(|from| from > now + LEEWAY) {
        return Err(TokenFault::NotYet);
    }
    if number(claims, "iat")?.is_some_and(|issued| issued > now + LEEWAY) {
        return Err(TokenFault::Future);
    }
    if expires + LEEWAY <= now { Err(TokenFault::Expired) } else { Ok(expires + LEEWAY) }
}

/// The wall clock as tokens count: exact to a microsecond for thousands of years.
#[expect(clippy::cast_precision_loss, reason = "2^53 microseconds are 285 years after 1970")]
pub(crate) fn seconds(now: WallMicros) -> f64 {
    now.0 as f64 / 1e6
}

/// A claim that is a text; its absence is fine, another type is not.
pub(crate) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, TokenFault> {
    claims.get(name).map(|value| value.as_str().ok_or(TokenFault::Claims)).transpose()
}

fn number(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, TokenFault> {
    claims.get(name).map(|value| value.as_f64().ok_or(TokenFault::Claims)).transpose()
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").field("verify", &self.verify.is_some()).finish_non_exhaustive()
    }
}

/// All of which the fingerprint is made.
fn written(declared: &Declared, issuer: &str, publishable_key: Option<&str>) -> String {
    let Declared { provider, issuer: named, jwks, audience, authorized_parties, sign_in_url, claims: _ } = declared;
    let maybe = [named.as_deref(), jwks.as_deref(), sign_in_url.as_deref(), publishable_key];
    let maybe = maybe.map(counted);
    let lists = [audience, authorized_parties].map(|list| counted(list.iter().map(String::as_str)));
    let claims = claims(declared);
    let parts = [provider.id(), issuer, &claims].into_iter();
    counted(parts.chain(maybe.iter().chain(&lists).map(String::as_str)))
}
