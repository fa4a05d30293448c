//! What Clerk's SDK does with cookies and headers, so that gate and application look at the same token.
//!
//! Source: `@clerk/backend` 3.25 (`tokens/authenticateContext`), `@clerk/shared` 4.41 (`keys`).
//!
//! Not done: sessions are not refreshed, and a session without `__client_uat` counts as signed in until its token is
//! over (the SDK sends the browser through a handshake; that stays between application and browser).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::HeaderMap;
use serde_json::{Map, Value};
use sha1::{Digest as _, Sha1};

use crate::cookie::{Cookie, cookie};
use crate::env::WallMicros;
use crate::identity::issuer::seconds;
use crate::identity::jws::unverified;

/// A Clerk instance, as its publishable key tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clerk {
    /// The host of its frontend API: the issuer.
    pub(crate) host: String,
    production: bool,
    session: String,
    uat: String,
}

/// Two cookies of one name with different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tossed;

pub(crate) const SESSION: &str = "__session";
const CLIENT_UAT: &str = "__client_uat";

impl Clerk {
    /// Reads `pk_live_` or `pk_test_` and base64 of the host and a `$`.
    pub(crate) fn of(key: &str) -> Option<Clerk> {
        let production = key.starts_with("pk_live_");
        let encoded = key.strip_prefix("pk_live_").or_else(|| key.strip_prefix("pk_test_"))?;
        let decoded = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
        let host = String::from_utf8(decoded).ok()?.strip_suffix('$')?.to_owned();
        let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
        let suffix = suffix(key);
        (plain && host.contains('.')).then(|| Clerk {
            host,
            production,
            session: format!("{SESSION}_{suffix}"),
            uat: format!("{CLIENT_UAT}_{suffix}"),
        })
    }

    /// The session token among the cookies: the suffixed one or the plain one, as the SDK chooses.
    pub(crate) fn session<'a>(&self, headers: &'a HeaderMap, now: WallMicros) -> Result<Option<&'a str>, Tossed> {
        let plain = one(headers, SESSION)?;
        let suffixed = one(headers, &self.session)?;
        Ok(if self.prefers_suffixed(plain, suffixed, headers, now)? { suffixed } else { plain })
    }

    fn prefers_suffixed(
        &self,
        plain: Option<&str>,
        suffixed: Option<&str>,
        headers: &HeaderMap,
        now: WallMicros,
    ) -> Result<bool, Tossed> {
        let claims = plain.map(|token| unverified(token).unwrap_or_default());
        if let Some(claims) = &claims {
            match claims.get("iss").and_then(Value::as_str).filter(|iss| !iss.is_empty()) {
                None => return Ok(false),
                Some(iss) if iss.strip_prefix("https://").unwrap_or(iss) != self.host => return Ok(true),
                Some(_) => {}
            }
        }
        let (uat, suffixed_uat) = (one(headers, CLIENT_UAT)?, one(headers, &self.uat)?);
        if suffixed_uat.is_none() && suffixed.is_none() {
            return Ok(false);
        }
        let theirs = suffixed.and_then(unverified).unwrap_or_default();
        let issued = |claims: &Map<String, Value>| claims.get("iat").and_then(Value::as_f64).unwrap_or(0.0);
        let plain_issued = claims.as_ref().map_or(0.0, issued);
        let (out, suffixed_out) = (uat == Some("0"), suffixed_uat == Some("0"));
        if !suffixed_out && !out && plain_issued > issued(&theirs) {
            return Ok(false);
        }
        if suffixed_out && !out {
            return Ok(false);
        }
        let over = theirs.get("exp").and_then(Value::as_f64).is_some_and(|exp| exp <= seconds(now).floor());
        if !self.production && !suffixed_out && out && over {
            return Ok(false);
        }
        Ok(suffixed_uat.is_some())
    }
}

/// The first 8 characters of base64 of the key's SHA-1, made fit for a cookie's name.
fn suffix(key: &str) -> String {
    let hash = STANDARD.encode(Sha1::digest(key.as_bytes()));
    hash.chars()
        .take(8)
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect()
}

/// The cookie of that name; an empty one is none.
pub(crate) fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Tossed> {
    match cookie(headers, name) {
        Cookie::Absent => Ok(None),
        Cookie::One(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Cookie::Ambiguous => Err(Tossed),
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const LIVE: &str = "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k";
    const TEST: &str = "pk_test_aGFwcHktb3R0ZXItMTIuY2xlcmsuYWNjb3VudHMuZGV2JA";

    #[test]
    fn a7_clerks_host_and_cookie_suffix_follow_from_the_publishable_key() {
        for (key, host, suffix, production) in [
            (LIVE, "clerk.example.com", "naoXFJnI", true),
            (TEST, "happy-otter-12.clerk.accounts.dev", "1YzQInlU", false),
            (&format!("{TEST}=="), "happy-otter-12.clerk.accounts.dev", "GS7nYzmc", false),
        ] {
            let clerk = Clerk::of(key).expect(key);
            assert_eq!((clerk.host.as_str(), clerk.production), (host, production));
            assert_eq!(clerk.session, format!("__session_{suffix}"));
            assert_eq!(clerk.uat, format!("__client_uat_{suffix}"));
        }
        for key in
            ["", "pk_live_", "sk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "pk_live_Y2xlcms", "pk_live_eA", "pk_live_YSRiLmMk"]
        {
            assert_eq!(Clerk::of(key), None, "{key}");
        }
    }

    const NOW: u64 = 1_800_000_000;

    fn token(iss: &str, iat: u64, exp: u64) -> String {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let iss = if iss.is_empty() { String::new() } else { format!("\"iss\":\"https://{iss}\",") };
        format!("{}.{}.sig", part("{}".to_owned()), part(format!("{{{iss}\"iat\":{iat},\"exp\":{exp}}}")))
    }

    /// Which of the two wins: `p`lain, `s`uffixed.
    fn winner(key: &str, plain: Option<&str>, suffixed: Option<&str>, uat: &str, suffixed_uat: &str) -> char {
        let clerk = Clerk::of(key).expect("key");
        let mut line = String::from("x=1");
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                line.push_str(&format!("; {name}={value}"));
            }
        };
        add(SESSION, plain.unwrap_or_default());
        add(&clerk.session, suffixed.unwrap_or_default());
        add(CLIENT_UAT, uat);
        add(&clerk.uat, suffixed_uat);
        let mut headers = HeaderMap::new();
        headers.insert(http::header::COOKIE, line.parse().expect("cookie"));
        let suffixed_wins =
            clerk.prefers_suffixed(plain, suffixed, &headers, WallMicros(NOW * 1_000_000)).expect("no duplicates");
        if suffixed_wins { 's' } else { 'p' }
    }

    #[test]
    fn a7_the_cookie_that_clerks_sdk_would_choose_wins() {
        let ours = |iat| Some(token("clerk.example.com", iat, NOW + 60));
        let other = Some(token("clerk.other.com", NOW, NOW + 60));
        let nameless = Some(token("", NOW, NOW + 60));
        let (old, new) = (NOW - 50, NOW - 10);
        for (index, (plain, suffixed, uat, suffixed_uat, wins)) in [
            (nameless, ours(new), "5", "5", 'p'),
            (Some("garbage".to_owned()), ours(new), "5", "5", 'p'),
            (other.clone(), ours(new), "5", "5", 's'),
            (other, None, "", "", 's'),
            (ours(old), None, "5", "", 'p'),
            (ours(new), ours(old), "5", "5", 'p'),
            (ours(old), ours(new), "5", "5", 's'),
            (ours(new), ours(new), "5", "5", 's'),
            (ours(new), ours(old), "0", "5", 's'),
            (ours(old), ours(new), "5", "0", 'p'),
            (ours(old), ours(new), "0", "0", 's'),
            (ours(old), ours(new), "5", "", 'p'),
            (None, ours(new), "", "5", 's'),
            (None, ours(new), "", "", 'p'),
            (None, None, "5", "", 'p'),
            (None, None, "", "5", 's'),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(winner(LIVE, plain.as_deref(), suffixed.as_deref(), uat, suffixed_uat), wins, "row {index}");
        }
        // On a development instance alone: the suffixed session is over, and the plain side is signed out.
        let over = |host: &str| Some(token(host, old, NOW));
        assert_eq!(winner(TEST, None, over("happy-otter-12.clerk.accounts.dev").as_deref(), "0", "5"), 'p');
        assert_eq!(winner(LIVE, None, over("clerk.example.com").as_deref(), "0", "5"), 's');
    }

    #[test]
    fn a_tossed_cookie_is_told_apart_from_none() {
        let clerk = Clerk::of(LIVE).expect("key");
        let with = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::COOKIE, line.parse().expect("cookie"));
            clerk.session(&headers, WallMicros(0)).map(|found| found.map(str::to_owned))
        };
        assert_eq!(with("__session=a; __session=b"), Err(Tossed));
        assert_eq!(with("__session_naoXFJnI=a; x=1; __session_naoXFJnI=a"), Err(Tossed));
        assert_eq!(with("__session="), Ok(None));
        assert_eq!(with("__session=a.b.c"), Ok(Some("a.b.c".to_owned())));
    }
}
