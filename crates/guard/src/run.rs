//! `X-Palisade-Run`: a probe's word that the owner of the site sends this very request to test it.
//!
//! `v1.EXPIRY.RUN.MAC`: the second until which it is good, the run as 16 hexadecimal digits, and an HMAC over both with
//! method, host and target, under a key of its own derived from `SESSION_SECRET`. Good for a minute. Nothing is decided
//! otherwise for it: limits count, refusals refuse. Its event names the run, and the detector makes no incident of it.
//!
//! Not done: a copy of a request passes for the same test again within the minute, for whoever can read what goes to the
//! gate. A proxy that changes the host or the target before the gate makes it no word at all.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header;

use crate::keys::{Key, KeyRing, MIN_SECRET, WeakSecret};
use crate::view::View;

/// Signs the requests of one run of probes.
#[derive(Clone)]
pub struct Run {
    key: Key,
    id: u64,
}

/// The field that carries the word.
pub const X_PALISADE_RUN: &str = "x-palisade-run";
pub(crate) const PURPOSE: &str = "palisade probe run v1";
/// How long a request may take to reach the gate, in seconds.
const LIFE: u64 = 60;

// === impl Run ===

impl Run {
    /// A run with that id under `SESSION_SECRET`.
    ///
    /// # Errors
    /// [`WeakSecret`], if the secret has fewer than [`MIN_SECRET`] characters: no gate would take it.
    pub fn new(session_secret: &str, id: u64) -> Result<Run, WeakSecret> {
        if session_secret.len() < MIN_SECRET {
            return Err(WeakSecret { name: "SESSION_SECRET" });
        }
        Ok(Run { key: Key::derive(session_secret, PURPOSE), id })
    }

    /// The run as events name it.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:016x}", self.id)
    }

    /// The word for one request, as it is sent; `now` in seconds since 1970.
    #[must_use]
    pub fn word(&self, method: &str, host: &str, target: &str, now: u64) -> String {
        let signed = format!("v1.{}.{}", now + LIFE, self.name());
        let mac = fields(&signed, method, host, target, |parts| self.key.mac(parts));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
    }
}

/// The run that a request belongs to: the word is genuine, of this very request, and not too old.
pub(crate) fn of(view: &View<'_>, keys: &KeyRing, now: u64) -> Option<u64> {
    let mut words = view.headers.get_all(X_PALISADE_RUN).iter();
    let (word, None) = (words.next()?.to_str().ok()?, words.next()) else { return None };
    let (signed, mac) = word.rsplit_once('.')?;
    let (expiry, id) = signed.strip_prefix("v1.")?.split_once('.')?;
    let expiry: u64 = expiry.parse().ok()?;
    let id = u64::from_str_radix(id, 16).ok().filter(|_| id.len() == 16)?;
    let host = match view.uri.authority() {
        Some(authority) => authority.as_str(),
        None => view.headers.get(header::HOST)?.to_str().ok()?,
    };
    let target = view.uri.path_and_query().map_or("/", |target| target.as_str());
    let mac = URL_SAFE_NO_PAD.decode(mac).ok().filter(|mac| mac.len() == 32)?;
    let genuine = fields(signed, view.method.as_str(), host, target, |parts| keys.verify(parts, &mac));
    // A clock that is a little ahead signs for a little longer.
    (genuine && (now..=now + 2 * LIFE).contains(&expiry)).then_some(id)
}

/// What the MAC covers: each field after its length, so that no two requests spell the same bytes.
fn fields<T>(signed: &str, method: &str, host: &str, target: &str, work: impl FnOnce(&[&[u8]]) -> T) -> T {
    let texts = [signed, method, host, target].map(str::as_bytes);
    let lengths = texts.map(|text| u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    let [a, b, c, d] = texts;
    let [la, lb, lc, ld] = &lengths;
    work(&[la, a, lb, b, lc, c, ld, d])
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method, Uri, Version};
    use proptest::prelude::*;

    use super::*;
    use crate::view::{BodyHint, Peer};

    const SECRET: &str = "a session secret of more than thirty-two characters";
    const NOW: u64 = 1_795_358_400;

    fn read(method: &str, host: &str, target: &str, words: &[&str], secret: &str, now: u64) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).expect("host"));
        for word in words {
            headers.append(X_PALISADE_RUN, HeaderValue::from_str(word).expect("word"));
        }
        let (method, uri): (Method, Uri) = (method.parse().expect("method"), target.parse().expect("target"));
        let peer = Peer { address: "127.0.0.1".parse().expect("address") };
        let view = View {
            method: &method,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &headers,
            peer,
            body: BodyHint::Empty,
        };
        let keys = KeyRing::derive("SESSION_SECRET", &[secret.to_owned()], PURPOSE).expect("a good secret");
        of(&view, &keys, now)
    }

    #[test]
    fn a_word_is_good_for_its_own_request_and_a_minute() {
        let run = Run::new(SECRET, 0xfeed).expect("a good secret");
        let word = run.word("POST", "shop.example", "/api/contact?a=1", NOW);
        let ask = |method, host, target, secret, now| read(method, host, target, &[&word], secret, now);
        assert_eq!(ask("POST", "shop.example", "/api/contact?a=1", SECRET, NOW), Some(0xfeed));
        assert_eq!(ask("POST", "shop.example", "/api/contact?a=1", SECRET, NOW + 60), Some(0xfeed));
        assert_eq!(ask("POST", "shop.example", "/api/contact?a=1", SECRET, NOW + 61), None, "too late");
        assert_eq!(ask("POST", "shop.example", "/api/contact?a=1", SECRET, NOW - 61), None, "far ahead");
        assert_eq!(ask("PUT", "shop.example", "/api/contact?a=1", SECRET, NOW), None, "another method");
        assert_eq!(ask("POST", "shop.example:81", "/api/contact?a=1", SECRET, NOW), None, "another host");
        assert_eq!(ask("POST", "shop.example", "/api/contact?a=2", SECRET, NOW), None, "another target");
        let other = "another secret of more than thirty-two characters!!";
        assert_eq!(ask("POST", "shop.example", "/api/contact?a=1", other, NOW), None, "another secret");
        assert_eq!(read("POST", "shop.example", "/api/contact?a=1", &[&word, &word], SECRET, NOW), None, "two words");
    }

    #[test]
    fn no_part_of_a_word_can_be_changed() {
        let word = Run::new(SECRET, 7).expect("a good secret").word("GET", "h", "/", NOW);
        // The last character holds bits that decode to nothing.
        for at in 0..word.len() - 1 {
            let mut bytes = word.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).expect("ascii");
            assert_eq!(read("GET", "h", "/", &[&changed], SECRET, NOW), None, "{changed}");
        }
        assert_eq!(read("GET", "h", "/", &[&word], SECRET, NOW), Some(7));
    }

    #[test]
    fn a_short_secret_signs_nothing() {
        assert_eq!(Run::new("short", 1).err().map(|weak| weak.name), Some("SESSION_SECRET"));
    }

    proptest! {
        #[test]
        fn what_strangers_write_is_no_word(word in "[ -~]{0,120}") {
            prop_assert_eq!(read("GET", "h", "/", &[&word], SECRET, NOW), None);
        }
    }
}
