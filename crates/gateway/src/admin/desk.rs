//! Who has signed in. In memory alone: a restart signs everybody out.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_backend::SystemEntropy;
use palisade_guard::Entropy as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::pages::Visitor;

/// Lets in by the token, or once by a code, and remembers who came in. Bounded: beyond [`SESSIONS`] the oldest is signed out.
#[derive(Default)]
pub(crate) struct Desk {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: VecDeque<Session>,
    /// When attempts failed, the latest last.
    failed: VecDeque<Instant>,
    /// The digest of a code that lets in once, and until when.
    code: Option<([u8; 32], Instant)>,
}

struct Session {
    /// The digest of what the cookie holds: who reads this memory cannot sign in by it.
    digest: [u8; 32],
    csrf: String,
    name: String,
    since: Instant,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Wrong, or over.
    Wrong,
    /// Too many attempts have failed; nothing was compared.
    Often,
}

const SESSIONS: usize = 64;
/// A working day and a bit; there is no renewal.
pub(crate) const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);
/// Failed attempts in [`ATTEMPT_WINDOW`], of everybody together: on loopback all clients are one address.
const ATTEMPTS: usize = 5;
pub(crate) const ATTEMPT_WINDOW: Duration = Duration::from_secs(60);
const CODE_LIFE: Duration = Duration::from_secs(3600);
/// Characters of a name.
const NAME: usize = 40;

// === impl Desk ===

impl Desk {
    /// Makes the code that lets in once, within the hour; one made before is worth nothing then.
    pub(crate) fn code(&self) -> String {
        let code = random();
        self.inner().code = Some((digest(&code), Instant::now() + CODE_LIFE));
        code
    }

    /// Signs in by the token or the code. Gives what the cookie is to hold.
    pub(crate) fn sign_in(&self, shown: &str, name: &str, token: Option<&[u8; 32]>) -> Result<String, Refused> {
        let (now, shown) = (Instant::now(), digest(shown));
        let mut inner = self.inner();
        while inner.failed.front().is_some_and(|at| now.duration_since(*at) > ATTEMPT_WINDOW) {
            inner.failed.pop_front();
        }
        if inner.failed.len() >= ATTEMPTS {
            return Err(Refused::Often);
        }
        let by_token = token.is_some_and(|token| same(token, &shown));
        let by_code = inner.code.is_some_and(|(code, until)| same(&code, &shown) && now < until);
        if !by_token && !by_code {
            inner.failed.push_back(now);
            return Err(Refused::Wrong);
        }
        if by_code {
            inner.code = None;
        }
        let key = random();
        let name: String = name.trim().chars().take(NAME).collect();
        let name = if name.is_empty() { "dashboard".to_owned() } else { name };
        inner.sessions.push_back(Session { digest: digest(&key), csrf: random(), name, since: now });
        if inner.sessions.len() > SESSIONS {
            inner.sessions.pop_front();
        }
        Ok(key)
    }

    /// Who holds that cookie.
    pub(crate) fn visitor(&self, key: &str) -> Option<Visitor> {
        let digest = digest(key);
        let mut inner = self.inner();
        inner.sessions.retain(|session| session.since.elapsed() < SESSION_LIFE);
        let found = inner.sessions.iter().find(|session| same(&session.digest, &digest));
        found.map(|Session { name, csrf, .. }| Visitor::SignedIn { name: name.clone(), csrf: csrf.clone() })
    }

    /// Signs out who holds that cookie.
    pub(crate) fn sign_out(&self, key: &str) {
        let digest = digest(key);
        self.inner().sessions.retain(|session| !same(&session.digest, &digest));
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("sessions", &self.inner().sessions.len()).finish_non_exhaustive()
    }
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
pub(crate) fn same_text(one: &str, other: &str) -> bool {
    same(&digest(one), &digest(other))
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    bool::from(one.as_slice().ct_eq(other.as_slice()))
}

fn random() -> String {
    let mut bytes = [0; 32];
    SystemEntropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_token_lets_in_and_a_code_does_so_once() {
        let (desk, token) = (Desk::default(), digest(TOKEN));
        let key = desk.sign_in(TOKEN, " Ann ", Some(&token)).expect("the token");
        assert!(matches!(desk.visitor(&key), Some(Visitor::SignedIn { name, .. }) if name == "Ann"));
        let code = desk.code();
        let second = desk.sign_in(&code, "", None).expect("the code");
        assert_eq!(desk.sign_in(&code, "", None), Err(Refused::Wrong));
        desk.sign_out(&key);
        assert!(desk.visitor(&key).is_none() && desk.visitor(&second).is_some() && desk.visitor("").is_none());
        assert!(!format!("{desk:?}").contains("Ann"));
    }

    #[test]
    fn guesses_end_after_five_even_with_the_right_one() {
        let (desk, token) = (Desk::default(), digest(TOKEN));
        for _ in 0..ATTEMPTS {
            assert_eq!(desk.sign_in("guess", "", Some(&token)), Err(Refused::Wrong));
        }
        assert_eq!(desk.sign_in(TOKEN, "", Some(&token)), Err(Refused::Often));
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes() {
        let (desk, token) = (Desk::default(), digest(TOKEN));
        let keys: Vec<_> = (0..=SESSIONS).map(|_| desk.sign_in(TOKEN, "", Some(&token)).expect("in")).collect();
        assert!(desk.visitor(&keys[0]).is_none() && desk.visitor(&keys[1]).is_some());
        assert_eq!(desk.inner().sessions.len(), SESSIONS);
    }
}
