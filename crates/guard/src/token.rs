//! Session cookies and CSRF tokens: stateless, signed, dated, bound to each other.
//!
//! A session is `random 16 | identity 8 | mac 16`. A token is
//! `version 1 | issued 6 | random 16 | identity 8 | mac 32`, where the MAC covers the session and all that precedes it,
//! and `identity` is a keyed digest of the signed-in session that each was made for (zero: nobody). Both travel as
//! base64url without padding. See OWASP's CSRF Prevention Cheat Sheet, "Signed Double-Submit Cookie".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::env::{Env, WallMicros};
use crate::keys::Keys;

/// How long a token is good, in milliseconds.
pub const TOKEN_LIFE_MILLIS: u64 = 3_600_000;
/// How long a used token must be remembered: its life, and the lead its date may have.
pub(crate) const REMEMBERED_MILLIS: u64 = TOKEN_LIFE_MILLIS + SKEW_MILLIS;
/// How far a token's date may lie ahead of this clock: nodes disagree a little.
const SKEW_MILLIS: u64 = 60_000;

/// The characters of a session cookie.
pub const SESSION_CHARS: usize = 54;
/// The characters of a token.
pub const TOKEN_CHARS: usize = 84;

const VERSION: u8 = 1;
const TOKEN_BYTES: usize = 63;
const SIGNED_BYTES: usize = 31;

/// A visitor's session, proven by its cookie or fresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: [u8; 16],
    /// The identity it was made for; zero is nobody.
    pub(crate) identity: [u8; 8],
}

/// A genuine token, not yet spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// When it was made, in milliseconds since the epoch.
    pub(crate) issued_millis: u64,
    /// What tells it from the session's other tokens.
    pub(crate) nonce: u64,
    /// The identity it was made for; zero is nobody.
    pub(crate) identity: [u8; 8],
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// Not ours, or another session's.
    Invalid,
    /// Ours, and over.
    Expired,
}

// === impl Session ===

impl Session {
    pub(crate) fn fresh(env: &Env<'_>) -> Session {
        Session { id: env.random(), identity: [0; 8] }
    }

    pub(crate) fn read(cookie: &str, keys: &Keys) -> Option<Session> {
        let bytes: [u8; 40] = decode(cookie, SESSION_CHARS)?;
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (identity, tag) = rest.split_first_chunk::<8>()?;
        keys.session.verify(&[id, identity], tag).then_some(Session { id: *id, identity: *identity })
    }

    pub(crate) fn write(&self, keys: &Keys) -> String {
        let mac = keys.session.sign(&[&self.id, &self.identity]);
        let tag = mac.first_chunk::<16>().unwrap_or(&[0; 16]);
        URL_SAFE_NO_PAD.encode([self.id.as_slice(), &self.identity, tag].concat())
    }

    pub(crate) fn number(&self) -> u128 {
        u128::from_le_bytes(self.id)
    }

    /// The session as events show it: a keyed hash.
    pub(crate) fn in_events(&self, keys: &Keys) -> u64 {
        let mac = keys.event.mac(&[&self.id]);
        u64::from_be_bytes(*mac.first_chunk::<8>().unwrap_or(&[0; 8]))
    }
}

// === impl Token ===

impl Token {
    pub(crate) fn mint(session: &Session, identity: [u8; 8], keys: &Keys, env: &Env<'_>) -> String {
        let mut bytes = [0; TOKEN_BYTES];
        let issued = env.now.wall.millis().to_be_bytes();
        let fields: [&[u8]; 4] = [&[VERSION], issued.get(2..).unwrap_or_default(), &env.random::<16>(), &identity];
        let mut at = bytes.iter_mut();
        for byte in fields.into_iter().flatten() {
            if let Some(slot) = at.next() {
                *slot = *byte;
            }
        }
        let (signed, tag) = bytes.split_at_mut(SIGNED_BYTES);
        tag.copy_from_slice(&keys.token.sign(&[&session.id, signed]));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token of `session`. The MAC is checked before the date, so that only a genuine token learns its age.
    pub(crate) fn read(text: &str, session: &Session, keys: &Keys, now: WallMicros) -> Result<Token, BadToken> {
        let bytes: [u8; TOKEN_BYTES] = decode(text, TOKEN_CHARS).ok_or(BadToken::Invalid)?;
        let (signed, tag) = bytes.split_at(SIGNED_BYTES);
        if !keys.token.verify(&[&session.id, signed], tag) {
            return Err(BadToken::Invalid);
        }
        let [version, issued @ .., _, _, _, _, _, _, _, _] = signed else { return Err(BadToken::Invalid) };
        let (issued, nonce) = issued.split_first_chunk::<6>().ok_or(BadToken::Invalid)?;
        let mut millis = [0; 8];
        millis.iter_mut().skip(2).zip(issued).for_each(|(to, from)| *to = *from);
        let token = Token {
            issued_millis: u64::from_be_bytes(millis),
            nonce: nonce.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)),
            identity: signed.last_chunk().copied().unwrap_or_default(),
        };
        let now = now.millis();
        if *version != VERSION || token.issued_millis > now + SKEW_MILLIS {
            return Err(BadToken::Invalid);
        }
        if token.issued_millis + TOKEN_LIFE_MILLIS <= now {
            return Err(BadToken::Expired);
        }
        Ok(token)
    }
}

/// Base64url without padding, of exactly one length and one spelling; no allocation.
fn decode<const N: usize>(text: &str, chars: usize) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let exact = text.len() == chars;
    (exact && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == N).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::Secrets;
    use crate::testing::{Fixed, at};

    fn keys(csrf: &[&str]) -> Keys {
        let session = vec!["session secret, long enough to be one".to_owned()];
        Keys::derive(&Secrets { csrf: csrf.iter().map(|s| (*s).to_owned()).collect(), session, ..Secrets::default() })
            .expect("keys")
    }

    const ONE: &str = "first csrf secret, long enough to be one";
    const TWO: &str = "other csrf secret, long enough to be one";
    const HOUR: u64 = 3_600;

    #[test]
    fn a_session_reads_back_and_a_changed_one_does_not() {
        let keys = keys(&[ONE]);
        let session = Session::fresh(&at(1).env(&Fixed(7)));
        let cookie = session.write(&keys);
        assert_eq!(cookie.len(), SESSION_CHARS);
        assert_eq!(Session::read(&cookie, &keys), Some(session));
        for index in 0..cookie.len() {
            let mut changed = cookie.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(Session::read(std::str::from_utf8(&changed).expect("ascii"), &keys), None, "{index}");
        }
    }

    #[test]
    fn a_token_is_bound_to_its_session_its_secret_and_its_hour() {
        let (keys, others) = (keys(&[ONE]), keys(&[TWO]));
        let session = Session { id: [1; 16], identity: [0; 8] };
        let token = Token::mint(&session, [3; 8], &keys, &at(1000).env(&Fixed(9)));
        assert_eq!(token.len(), TOKEN_CHARS);
        let read = |session, keys, seconds| Token::read(&token, session, keys, at(seconds).0.wall);
        let good = read(&session, &keys, 1001).expect("good");
        assert_eq!((good.issued_millis, good.identity), (1_000_000, [3; 8]));
        assert_eq!(read(&Session { id: [2; 16], identity: [0; 8] }, &keys, 1001), Err(BadToken::Invalid));
        assert_eq!(read(&session, &others, 1001), Err(BadToken::Invalid));
        assert_eq!(read(&session, &keys, 1000 + HOUR), Err(BadToken::Expired));
        assert!(read(&session, &keys, 999 + HOUR).is_ok());
        assert!(read(&session, &keys, 970).is_ok(), "a clock half a minute behind");
        assert_eq!(read(&session, &keys, 900), Err(BadToken::Invalid), "from the future");
    }

    #[test]
    fn the_previous_secret_still_verifies_and_never_signs() {
        let session = Session { id: [1; 16], identity: [0; 8] };
        let old = Token::mint(&session, [0; 8], &keys(&[ONE]), &at(10).env(&Fixed(9)));
        let rotated = keys(&[TWO, ONE]);
        assert!(Token::read(&old, &session, &rotated, at(11).0.wall).is_ok());
        let new = Token::mint(&session, [0; 8], &rotated, &at(10).env(&Fixed(9)));
        assert_eq!(Token::read(&new, &session, &keys(&[ONE]), at(11).0.wall), Err(BadToken::Invalid));
    }

    #[test]
    fn secrets_of_less_than_32_characters_make_no_keys() {
        let weak = Secrets { csrf: vec!["short".to_owned()], session: vec![ONE.to_owned()], ..Secrets::default() };
        assert_eq!(Keys::derive(&weak).err(), Some(WeakSecretOf::CSRF));
        let none = Secrets { csrf: vec![ONE.to_owned()], ..Secrets::default() };
        assert_eq!(Keys::derive(&none).err(), Some(WeakSecretOf::SESSION));
    }

    struct WeakSecretOf;
    impl WeakSecretOf {
        const CSRF: crate::WeakSecret = crate::WeakSecret { name: "CSRF_SECRET" };
        const SESSION: crate::WeakSecret = crate::WeakSecret { name: "SESSION_SECRET" };
    }

    proptest! {
        #[test]
        fn no_text_but_the_minted_one_is_a_token(text in "[A-Za-z0-9_=-]{80,88}|\\PC*") {
            let session = Session { id: [1; 16], identity: [0; 8] };
            prop_assert_eq!(Token::read(&text, &session, &keys(&[ONE]), at(10).0.wall), Err(BadToken::Invalid));
        }
    }
}
