//! What a gate starts with: a policy that was read already, and what lies around it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use palisade_diag::{Diagnostic, Diagnostics};
use palisade_event::Kind;
use palisade_guard::{Providers, Secrets, SigningSecret, signing_problems};
use palisade_policy::{
    Built, CsrfStrength, Draft, Environment, IdentityProvider, Limit, Method, Methods, Overrides, Policy, Route,
    Schema, Signature, SignatureScheme, Sources, dated_secrets, environment_problems, live_secrets, start_problems,
};

use crate::checked::Checked;
use crate::verify::RustCrypto;
use crate::wire::{Bad, Reader};

/// Everything outside of the program. Kept, so that a wrapper may add a route of its own later.
#[derive(Debug)]
pub(crate) struct Config {
    /// The policy's draft as bytes, which [`crate::compile`] wrote.
    draft: Vec<u8>,
    /// Whether the app has a client for the server that gates share.
    client: bool,
    around: Around,
}

/// What lies around a policy.
#[derive(Debug)]
pub(crate) struct Around {
    environment: String,
    manifest: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) seconds: i64,
}

/// What wrappers add to a policy.
pub(crate) enum More {
    Nothing,
    /// A route that the policy does not name.
    Route(Box<Route>),
    /// A schema for the input of one that it does.
    Input {
        method: String,
        path: String,
    },
}

/// A policy that may be enforced, with what it takes.
pub(crate) struct Ready {
    pub(crate) policy: Policy,
    pub(crate) secrets: Secrets,
    pub(crate) providers: Providers,
    pub(crate) warnings: Diagnostics,
}

/// More variables than any environment has.
const MAX_VARIABLES: u32 = 10_000;
/// More secrets than any webhook has.
const MAX_SECRETS: u32 = 8;

// === impl Around ===

impl Around {
    /// The environment's name or nothing, the manifest or nothing, then pairs of variables.
    pub(crate) fn read(message: &mut Reader<'_>, wall_seconds: u64) -> Result<Around, Bad> {
        let [environment, manifest] = [message.text()?, message.text()?].map(str::to_owned);
        let mut variables = BTreeMap::new();
        for _ in 0..message.length()?.min(MAX_VARIABLES) {
            variables.insert(message.text()?.to_owned(), message.text()?.to_owned());
        }
        let seconds = i64::try_from(wall_seconds).map_err(|_| Bad)?;
        Ok(Around { environment, manifest: Some(manifest).filter(|text| !text.is_empty()), variables, seconds })
    }

    /// What [`Draft::build`] wants to know.
    ///
    /// # Errors
    /// There is no such environment.
    pub(crate) fn sources(&self, draft: &Draft) -> Result<Sources, Diagnostics> {
        let flag = Some(self.environment.as_str()).filter(|name| !name.is_empty());
        let environment = Environment::choose(flag, &self.variables).map_err(Diagnostics::from)?;
        // Schemas are checked by the app's own: which those of the policy are does not matter here.
        let mut files = BTreeMap::new();
        files.extend(draft.schema_files().map(|path| (path, Ok("{}".to_owned()))));
        let listen = self.variables.get("PALISADE_LISTEN").cloned();
        Ok(Sources {
            variables: self.variables.clone(),
            manifest: self.manifest.clone(),
            files,
            overrides: Overrides { listen, ..Overrides::default() },
            ..Sources::new(environment)
        })
    }
}

// === impl Config ===

impl Config {
    /// The policy's draft as [`crate::compile`] wrote it, whether there is a client for shared state, then [`Around`].
    /// `None` for a draft of another version.
    pub(crate) fn read(message: &mut Reader<'_>, wall_seconds: u64) -> Result<Option<Config>, Bad> {
        let draft = message.bytes()?;
        let client = message.byte()? == 1;
        let around = Around::read(message, wall_seconds)?;
        Ok(Draft::from_bytes(draft).map(|_| Config { draft: draft.to_vec(), client, around }))
    }

    pub(crate) fn has_client(&self) -> bool {
        self.client
    }

    /// Judges policy and variables; `more` is what wrappers add.
    ///
    /// # Errors
    /// Every problem at once.
    pub(crate) fn examine(&self, more: More, checked: &Checked) -> Result<Ready, Diagnostics> {
        let Around { variables, seconds, .. } = &self.around;
        let (route, input) = match more {
            More::Nothing => (None, None),
            More::Route(route) => (Some(*route), None),
            More::Input { method, path } => (None, Some((method, path))),
        };
        let draft = Draft::from_bytes(&self.draft).ok_or_else(other_version)?;
        let draft = route.into_iter().fold(draft, Draft::with_route);
        // What the environment lacks is told beside what is wrong with the policy.
        let sources = self.around.sources(&draft)?;
        let Built { mut policy, mut warnings } = draft.build(&sources).map_err(|mut found| {
            found.append(environment_problems(&Policy::deny_all(), variables, *seconds));
            found
        })?;
        if let Some((method, path)) = input {
            policy.check_input(&method, &path);
        }
        warnings.append(environment_problems(&policy, variables, *seconds));
        // Which address the server listens at is not known here: nothing is said of it.
        warnings.append(start_problems(&policy, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let secrets = self.secrets(&policy);
        warnings.append(signing_problems(&policy, &secrets));
        warnings.sort();
        if warnings.has_errors() {
            return Err(warnings);
        }
        let providers = self.providers(&policy, checked);
        Ok(Ready { policy, secrets, providers, warnings })
    }

    fn secrets(&self, policy: &Policy) -> Secrets {
        let Around { variables, seconds, .. } = &self.around;
        let live = |name: &str| live_secrets(variables, name, *seconds);
        let dated = |(value, ends): (String, Option<i64>)| SigningSecret {
            value,
            until_seconds: ends.map(|end| u64::try_from(end).unwrap_or_default()),
        };
        let names = policy.routes().iter().filter_map(|route| route.signature.as_ref()).flat_map(|it| &it.secrets);
        let mut webhooks = BTreeMap::new();
        // Not collected: that would sort first.
        for name in names {
            webhooks.insert(name.clone(), dated_secrets(variables, name).into_iter().map(dated).collect());
        }
        Secrets { csrf: live("CSRF_SECRET"), session: live("SESSION_SECRET"), webhooks }
    }

    fn providers(&self, policy: &Policy, checked: &Checked) -> Providers {
        let clerk = policy.identity.as_ref().is_some_and(|identity| identity.provider == IdentityProvider::Clerk);
        let value = |name: &str| self.around.variables.get(name).filter(|value| clerk && !value.is_empty()).cloned();
        Providers {
            verify: Some(Arc::new(RustCrypto)),
            clerk_publishable_key: value("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"),
            jwt_key: value("CLERK_JWT_KEY"),
            schemas: Some(Arc::new(checked.clone())),
        }
    }
}

/// What a wrapper adds: 1 and method and path of a request whose input is to be checked, or 0 and a route.
pub(crate) fn more(message: &mut Reader<'_>) -> Result<Result<More, Diagnostics>, Bad> {
    if message.byte()? == 1 {
        let [method, path] = [message.text()?, message.text()?].map(str::to_owned);
        return Ok(Ok(More::Input { method, path }));
    }
    Ok(route(message)?.map(|route| More::Route(Box::new(route))))
}

/// A wrapper's own route: whether its input is checked, path, kind, method, limit or nothing, why the origin alone proves enough or nothing, the
/// scheme of its signature or nothing and the variables with its secrets.
///
/// # Errors
/// What is no kind, method, limit or scheme, for people.
fn route(message: &mut Reader<'_>) -> Result<Result<Route, Diagnostics>, Bad> {
    let checked = message.byte()? == 1;
    let [path, kind, method, limit, because, scheme] =
        [message.text()?, message.text()?, message.text()?, message.text()?, message.text()?, message.text()?];
    let mut secrets = Vec::new();
    for _ in 0..message.length()?.min(MAX_SECRETS) {
        secrets.push(message.text()?.to_owned());
    }
    let no = |code, what: &str| Diagnostics::from(Diagnostic::error(code, what.to_owned()));
    // The name that the matrix gives to `expensive` beside its own.
    let kind = Kind::ALL.into_iter().find(|it| it.id() == if kind == "ai" { "expensive" } else { kind });
    let (Some(kind), Some(method)) = (kind, Method::from_id(method)) else {
        return Ok(Err(no("kind-unknown", "there is no such kind, or no such method")));
    };
    let mut route = Route::new(path, kind);
    route.schema = checked.then(Schema::any);
    if kind != Kind::Webhook {
        route.methods = Methods::NONE.with(method);
    }
    if !limit.is_empty() {
        match Limit::parse(limit) {
            Ok(limit) => route.limit = Some(limit),
            Err(what) => return Ok(Err(no("limit-malformed", what))),
        }
    }
    if !because.is_empty() {
        (route.csrf, route.csrf_because) = (CsrfStrength::Origin, Some(because.to_owned()));
    }
    if !scheme.is_empty() {
        let Some(scheme) = SignatureScheme::from_id(scheme) else {
            return Ok(Err(no("scheme-unknown", "there is no such scheme of signatures")));
        };
        route.signature = Some(Signature { scheme, secrets });
    }
    Ok(Ok(route))
}

pub(crate) fn other_version() -> Diagnostics {
    let what = "the policy was compiled by another version of this package";
    Diagnostic::error("policy-version", what).fix("build the app again").into()
}
