//! What the policy, the operator and a database of addresses know of a request beside its line.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use palisade_event::{Kind, Outcome, Seen, Source, redact_query, redact_referrer};
use palisade_guard::{signals_of_path, signals_of_query};
use palisade_policy::{Clients, Found, Policy};
use sha2::{Digest, Sha256};

/// Knows the country of an address.
pub trait Country: Send + Sync {
    /// ISO 3166-1 alpha-2, upper case.
    fn country(&self, address: IpAddr) -> Option<[u8; 2]>;
}

/// Completes events: route and kind, attack signals, country. And takes away what a log may not claim.
#[derive(Clone, Default)]
pub struct Enrich {
    policy: Option<Arc<Policy>>,
    clients: Clients,
    logins: Arc<[String]>,
    country: Option<Arc<dyn Country>>,
}

// === impl Enrich ===

impl Enrich {
    /// With what a policy says: its routes, and its trusted proxies.
    #[must_use]
    pub fn with_policy(policy: Arc<Policy>) -> Enrich {
        Enrich { clients: policy.clients.clone(), policy: Some(policy), ..Enrich::default() }
    }

    /// Without a policy: whose forwarding headers are believed.
    #[must_use]
    pub fn with_clients(mut self, clients: Clients) -> Enrich {
        self.clients = clients;
        self
    }

    /// Paths to which sign-ins are sent, where no policy says so.
    #[must_use]
    pub fn with_logins(mut self, paths: impl IntoIterator<Item = String>) -> Enrich {
        self.logins = paths.into_iter().collect();
        self
    }

    /// A database that knows countries.
    #[must_use]
    pub fn with_country(mut self, country: Arc<dyn Country>) -> Enrich {
        self.country = Some(country);
        self
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Completes an event that was read from a line.
    ///
    /// Signals are looked for before the query is redacted; a session's id that no gate wrote becomes a hash.
    pub fn settle(&self, seen: &mut Seen<'_>) {
        seen.attributable = false;
        if seen.source != Source::Gate {
            self.name_route(seen);
            if let Some(path) = &seen.path {
                seen.signals |= signals_of_path(path);
            }
            if let Some(query) = &seen.query {
                seen.signals |= signals_of_query(query);
            }
            if let Some(session) = seen.session.take() {
                seen.session = Some(Cow::Owned(hashed(&session)));
            }
        }
        seen.query = seen.query.take().map(redact_query);
        seen.referrer = seen.referrer.take().map(redact_referrer);
        if seen.country.is_none()
            && let Some(country) = self.country_of(seen)
        {
            seen.country = Some(Cow::Owned(country));
        }
    }

    fn country_of(&self, seen: &Seen<'_>) -> Option<String> {
        let code = self.country.as_ref()?.country(seen.client_address?)?;
        String::from_utf8(code.to_vec()).ok()
    }

    /// The route and its kind, as the policy or the operator declares them, and how a sign-in ended as far as its
    /// status tells.
    fn name_route(&self, seen: &mut Seen<'_>) {
        let (Some(method), Some(path)) = (seen.method.as_deref(), seen.path.as_deref()) else { return };
        if seen.kind.is_none() {
            if let Some(policy) = &self.policy
                && let Found::Route(_, route) = policy.find(method, path)
            {
                seen.kind = Some(route.kind);
                seen.route = Some(Cow::Owned(route.path.clone()));
            } else if self.logins.iter().any(|login| login == path) {
                seen.kind = Some(Kind::Login);
            }
        }
        let tried =
            seen.kind == Some(Kind::Login) && !matches!(seen.method.as_deref(), Some("GET" | "HEAD" | "OPTIONS"));
        if tried && seen.outcome.is_none() {
            seen.outcome = match seen.status {
                Some(200..=399) => Some(Outcome::Success),
                Some(400 | 401 | 403 | 422) => Some(Outcome::Failure),
                _ => None,
            };
        }
    }
}

impl fmt::Debug for Enrich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrich")
            .field("policy", &self.policy.is_some())
            .field("logins", &self.logins)
            .finish_non_exhaustive()
    }
}

/// Sessions' ids are long and random, so a hash without a key cannot be turned back by trying.
fn hashed(session: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"palisade session of a log\0");
    hash.update(session.as_bytes());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
