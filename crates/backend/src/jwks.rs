//! The issuer's keys, fetched. One thread of its own fetches for all: one fetch at a time, however many ask.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use palisade_guard::{KeySet, Keys, Keyset, Providers, State};
use palisade_policy::Policy;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout};

use crate::fetch::{self, FetchError, Source};

/// Fetches the keys of one issuer and keeps them new: at start, every five minutes, and when a token names a key that
/// is not among them, then at most once in thirty seconds. While the issuer cannot be reached the last good keys
/// stay; if there never were any, it tries again every five seconds.
///
/// Cheap to clone. When the last clone goes, so does the thread.
#[derive(Clone)]
pub struct Jwks {
    /// Carries how many fetches had ended when somebody wanted another.
    wanted: mpsc::Sender<u64>,
    told: watch::Receiver<Told>,
    cooldown: Duration,
}

/// What the thread has to tell.
#[derive(Clone, Default)]
struct Told {
    keys: Option<Arc<KeySet>>,
    /// Fetches that have ended, well or not.
    ended: u64,
    /// When the last one that a question caused was begun.
    asked: Option<Instant>,
    last_error: Option<Arc<FetchError>>,
}

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
pub struct JwksTimes {
    /// Between two fetches that nobody asked for.
    pub refresh: Duration,
    /// Between two fetches because of unknown keys.
    pub cooldown: Duration,
    /// For one fetch.
    pub timeout: Duration,
}

/// As long as there are no keys at all, how soon to try again.
const RETRY: Duration = Duration::from_secs(5);

impl Default for JwksTimes {
    fn default() -> JwksTimes {
        JwksTimes {
            refresh: Duration::from_secs(300),
            cooldown: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
        }
    }
}

impl Jwks {
    /// Starts fetching from `url` at once, and puts what comes into `state`.
    ///
    /// # Errors
    /// When the URL is none this fetches from (https, or http on loopback), or no thread can be started.
    pub fn start(url: &str, state: &Arc<State>, times: JwksTimes) -> io::Result<Jwks> {
        let source = Source::parse(url).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (wanted, wants) = mpsc::channel(1);
        let (tell, told) = watch::channel(Told::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let state = Arc::clone(state);
        thread::Builder::new()
            .name("jwks".to_owned())
            .spawn(move || runtime.block_on(keep(&source, &state, times, wants, &tell)))?;
        Ok(Jwks { wanted, told, cooldown: times.cooldown })
    }

    /// Starts fetching where the policy says, unless nobody's tokens are believed or the one key is configured.
    ///
    /// # Errors
    /// As [`Jwks::start`].
    pub fn of(policy: &Policy, providers: &Providers, state: &Arc<State>) -> io::Result<Option<Jwks>> {
        let url = policy.identity.as_ref().and_then(|identity| identity.jwks.as_deref());
        let wanted = url.filter(|_| providers.verify.is_some() && providers.jwt_key.is_none());
        wanted.map(|url| Jwks::start(url, state, JwksTimes::default())).transpose()
    }

    /// Why the last fetch failed, if it did.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.told.borrow().last_error.as_ref().map(ToString::to_string)
    }

    /// The answer to the guard's question.
    pub(crate) async fn answer(mut self, question: Keyset) -> Keys {
        let now = self.told.borrow_and_update().clone();
        let changed = now.keys.as_ref().is_some_and(|keys| question.known != Some(keys.digest()));
        if changed || !self.may_fetch(&now) {
            return now.into();
        }
        // A full channel means that a fetch is already wanted.
        let _ = self.wanted.try_send(now.ended);
        let ended = self.told.wait_for(|told| told.ended > now.ended).await.map(|told| told.clone());
        ended.unwrap_or(now).into()
    }

    /// The very first fetch is worth waiting for. While none has ever succeeded nobody waits for the next: the thread
    /// tries again by itself, and an issuer that is down must not hold up every page.
    fn may_fetch(&self, told: &Told) -> bool {
        if told.keys.is_none() {
            return told.ended == 0;
        }
        told.asked.is_none_or(|asked| asked.elapsed() >= self.cooldown)
    }
}

/// Fetches at once, then whenever it is time or somebody wants it, until nobody is left who could.
async fn keep(
    source: &Source,
    state: &State,
    times: JwksTimes,
    mut wants: mpsc::Receiver<u64>,
    tell: &watch::Sender<Told>,
) {
    let mut asked = None;
    loop {
        let begun = Instant::now();
        let fetched = match timeout(times.timeout, fetch::jwks(source)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchError::Timeout),
        };
        tell.send_modify(|told| {
            told.ended += 1;
            told.asked = asked;
            match fetched {
                Ok(keys) => {
                    let keys = Arc::new(keys);
                    state.keyring.replace(Arc::clone(&keys));
                    told.keys = Some(keys);
                    told.last_error = None;
                }
                Err(error) => told.last_error = Some(Arc::new(error)),
            }
        });
        // Without keys everything waits for them: try again sooner.
        let pause = if tell.borrow().keys.is_some() { times.refresh } else { RETRY.min(times.refresh) };
        let ended = tell.borrow().ended;
        loop {
            tokio::select! {
                want = wants.recv() => match want {
                    Some(seen) if seen >= ended => {
                        asked = Some(Instant::now());
                        break;
                    }
                    // Whoever wanted it meanwhile has it already.
                    Some(_) => {}
                    None => return,
                },
                () = sleep_until((begun + pause).into()) => break,
            }
        }
    }
}

impl From<Told> for Keys {
    fn from(told: Told) -> Keys {
        told.keys.map_or(Keys::Unavailable, Keys::Are)
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.told.borrow();
        f.debug_struct("Jwks").field("keys", &told.keys.as_ref().map(|keys| keys.len())).finish_non_exhaustive()
    }
}
