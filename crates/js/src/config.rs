//! What a gate starts with: the policy's text, and what lies around it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use palisade_diag::{Diagnostics, FileId, Sources as Texts};
use palisade_guard::{Providers, Secrets, SigningSecret, signing_problems};
use palisade_policy::{
    Built, Environment, IdentityProvider, Overrides, Policy, Sources, dated_secrets, environment_problems,
    live_secrets, parse, start_problems,
};
use std::sync::Arc;

use crate::verify::RustCrypto;
use crate::wire::{Bad, Reader};

/// Everything outside of the program. Kept, so that a wrapper may add a route of its own later.
#[derive(Debug)]
pub(crate) struct Config {
    name: String,
    policy: String,
    environment: String,
    manifest: Option<String>,
    /// Whether the app has a client for the server that gates share.
    client: bool,
    variables: BTreeMap<String, String>,
    seconds: i64,
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

// === impl Config ===

impl Config {
    /// Name of the file, its text, the environment's name or nothing, the manifest or nothing, whether there
    /// is a client for shared state, then pairs of variables.
    pub(crate) fn read(message: &mut Reader<'_>, wall_seconds: u64) -> Result<Config, Bad> {
        let [name, policy, environment, manifest] =
            [message.text()?, message.text()?, message.text()?, message.text()?].map(str::to_owned);
        let client = message.byte()? == 1;
        let mut variables = BTreeMap::new();
        for _ in 0..message.length()?.min(MAX_VARIABLES) {
            variables.insert(message.text()?.to_owned(), message.text()?.to_owned());
        }
        let seconds = i64::try_from(wall_seconds).map_err(|_| Bad)?;
        let manifest = Some(manifest).filter(|text| !text.is_empty());
        Ok(Config { name, policy, environment, manifest, client, variables, seconds })
    }

    pub(crate) fn has_client(&self) -> bool {
        self.client
    }

    /// The texts that diagnostics point into.
    pub(crate) fn texts(&self, more: &str) -> Texts {
        Texts::new().with(FileId(0), self.name.clone(), self.policy.clone() + more)
    }

    /// Judges policy and variables; `more` is policy text after the file's own.
    ///
    /// # Errors
    /// Every problem at once.
    pub(crate) fn examine(&self, more: &str) -> Result<Ready, Diagnostics> {
        let flag = Some(self.environment.as_str()).filter(|name| !name.is_empty());
        let environment = Environment::choose(flag, &self.variables).map_err(Diagnostics::from)?;
        let (draft, _) = parse(FileId(0), &(self.policy.clone() + more));
        let listen = self.variables.get("PALISADE_LISTEN").cloned();
        let built = draft.build(&Sources {
            variables: self.variables.clone(),
            manifest: self.manifest.clone(),
            overrides: Overrides { listen, ..Overrides::default() },
            ..Sources::new(environment)
        });
        // What the environment lacks is told beside what is wrong with the file.
        let Built { policy, mut warnings } = built.map_err(|mut found| {
            found.append(environment_problems(&Policy::deny_all(), &self.variables, self.seconds));
            found
        })?;
        warnings.append(environment_problems(&policy, &self.variables, self.seconds));
        // Which address the server listens at is not known here: nothing is said of it.
        warnings.append(start_problems(&policy, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        let secrets = self.secrets(&policy);
        warnings.append(signing_problems(&policy, &secrets));
        warnings.sort();
        if warnings.has_errors() {
            return Err(warnings);
        }
        let providers = self.providers(&policy);
        Ok(Ready { policy, secrets, providers, warnings })
    }

    fn secrets(&self, policy: &Policy) -> Secrets {
        let live = |name: &str| live_secrets(&self.variables, name, self.seconds);
        let dated = |(value, ends): (String, Option<i64>)| SigningSecret {
            value,
            until_seconds: ends.map(|end| u64::try_from(end).unwrap_or_default()),
        };
        let names = policy.routes().iter().filter_map(|route| route.signature.as_ref()).flat_map(|it| &it.secrets);
        let values = |name: &String| dated_secrets(&self.variables, name).into_iter().map(dated).collect();
        Secrets {
            csrf: live("CSRF_SECRET"),
            session: live("SESSION_SECRET"),
            webhooks: names.map(|name| (name.clone(), values(name))).collect(),
        }
    }

    fn providers(&self, policy: &Policy) -> Providers {
        let clerk = policy.identity.as_ref().is_some_and(|identity| identity.provider == IdentityProvider::Clerk);
        let value = |name: &str| self.variables.get(name).filter(|value| clerk && !value.is_empty()).cloned();
        Providers {
            verify: Some(Arc::new(RustCrypto)),
            clerk_publishable_key: value("NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY"),
            jwt_key: value("CLERK_JWT_KEY"),
            schemas: None,
        }
    }
}
