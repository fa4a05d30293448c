//! The cookie of a browser that signed in to an account before: `number 16 | expiry 8 | mac 16` as base64url, where the
//! MAC covers the account as well: the name as it was spelled, the route and the host, since the same name may be
//! another's elsewhere. It proves nothing else, and signs nobody in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use memchr::memmem;
use palisade_policy::SIGN_IN;

use crate::cookie::{Cookie, cookie};
use crate::env::Env;
use crate::exchange::Exchange;
use crate::login::{LoginPlan, Name};

/// Where an account is one person's.
pub(super) struct Account<'a> {
    spelled: &'a [u8; 32],
    scope: [u8; 4],
    host: &'a str,
}

/// A browser that is known to an account.
pub(super) struct Device {
    pub(super) id: [u8; 16],
    expiry: u64,
}

const SECURE_NAME: &str = "__Host-palisade-device";
const NAME: &str = "palisade-device";

impl<'a> Account<'a> {
    pub(super) fn of(name: &'a Name, login: &LoginPlan, exchange: &'a Exchange) -> Account<'a> {
        let host = exchange.origin().map_or("", |origin| &origin.authority);
        Account { spelled: &name.spelled, scope: login.scope.to_be_bytes(), host }
    }
}

impl Device {
    pub(super) fn fresh(env: &Env<'_>) -> Device {
        Device { id: env.random(), expiry: env.now.wall.seconds() + SIGN_IN.remembered.as_secs() }
    }

    /// The browser a request comes from, if it is known to that account. A cookie that is another account's, over or
    /// forged makes it a stranger, and nothing worse.
    pub(super) fn shown(
        headers: &HeaderMap,
        exchange: &Exchange,
        account: &Account<'_>,
        env: &Env<'_>,
    ) -> Option<Device> {
        let Cookie::One(text) = cookie(headers, cookie_name(exchange)) else { return None };
        let mut bytes = [0; 40];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (expiry, mac) = rest.split_first_chunk::<8>()?;
        let Account { spelled, scope, host } = account;
        let parts: [&[u8]; 5] = [id, expiry, *spelled, scope, host.as_bytes()];
        let genuine = length == bytes.len() && exchange.plan.keys.device.verify(&parts, mac);
        let expiry = u64::from_be_bytes(*expiry);
        (genuine && env.now.wall.seconds() < expiry).then_some(Device { id: *id, expiry })
    }

    /// The cookie that makes the browser known.
    pub(super) fn cookie(&self, exchange: &Exchange, account: &Account<'_>) -> Option<HeaderValue> {
        let expiry = self.expiry.to_be_bytes();
        let Account { spelled, scope, host } = account;
        let mac = exchange.plan.keys.device.sign(&[&self.id, &expiry, *spelled, scope, host.as_bytes()]);
        let text = URL_SAFE_NO_PAD.encode([&self.id, &expiry[..], mac.get(..16)?].concat());
        let secure = if is_https(exchange) { "; Secure" } else { "" };
        let age = SIGN_IN.remembered.as_secs();
        let name = cookie_name(exchange);
        HeaderValue::from_str(&format!("{name}={text}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}")).ok()
    }
}

fn is_https(exchange: &Exchange) -> bool {
    exchange.origin().is_none_or(|origin| origin.https)
}

fn cookie_name(exchange: &Exchange) -> &'static str {
    if is_https(exchange) { SECURE_NAME } else { NAME }
}

/// Takes the cookie out of a request: it is the gate's business alone.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let has = |line: &HeaderValue| memmem::find(line.as_bytes(), NAME.as_bytes()).is_some();
    if !headers.get_all(header::COOKIE).iter().any(has) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().filter_map(without).collect();
    headers.remove(header::COOKIE);
    for line in lines {
        headers.append(header::COOKIE, line);
    }
}

fn without(line: &HeaderValue) -> Option<HeaderValue> {
    let ours = |pair: &&[u8]| {
        let key = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        key == NAME.as_bytes() || key == SECURE_NAME.as_bytes()
    };
    let kept: Vec<&[u8]> = line.as_bytes().split(|byte| *byte == b';').filter(|pair| !ours(pair)).collect();
    HeaderValue::from_bytes(kept.join(&b';').trim_ascii()).ok().filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_taken_out_and_the_others_stay_as_they_were() {
        for (lines, expect) in [
            (&["a=1; __Host-palisade-device=x; b=\"2\""][..], &["a=1; b=\"2\""][..]),
            (&["palisade-device=x"], &[]),
            (&["palisade-device=x;c=3", " __Host-palisade-device=y", "d=4"], &["c=3", "d=4"]),
            (&["not-palisade-device=x; a=1"], &["not-palisade-device=x; a=1"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, line.parse().expect("value"));
            }
            strip(&mut headers);
            let left: Vec<&str> = headers.get_all(header::COOKIE).iter().map(|v| v.to_str().expect("text")).collect();
            assert_eq!(left, expect, "{lines:?}");
        }
    }
}
