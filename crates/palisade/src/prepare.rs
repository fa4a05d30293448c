//! Everything `serve` needs, read and judged before anything is started or changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use palisade_backend::{Address, Jwks, SystemEntropy, now};
use palisade_diag::{Diagnostic, Diagnostics, Sources as Texts};
use palisade_gateway::{Certificate, CertificateError, Front};
use palisade_guard::{Env, Plan, Providers, Secrets, SigningSecret, State, signing_problems};
use palisade_policy::{
    ADMIN_TOKEN, Built, Environment, Listen, Overrides, Policy, Tls, admin_problems, dated_secrets,
    environment_problems, live_secrets, start_problems,
};
use palisade_watch::notify::Target;

use crate::args::Serve;
use crate::load::{self, Surroundings};
use crate::output;

/// A plan, and what the gate must know beside it.
pub(crate) struct Prepared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) issuer: Option<Fetched>,
    pub(crate) environment: Environment,
    pub(crate) listen: SocketAddr,
    /// What stands before HTTP. Taken at the start; a changed certificate is taken up by itself.
    pub(crate) front: Front,
    /// Where the state is that gates share.
    pub(crate) shared: Option<Address>,
    pub(crate) admin: AdminAt,
    pub(crate) admin_token: Option<String>,
    /// Every variable, for what is started beside the gate.
    pub(crate) variables: BTreeMap<String, String>,
    /// Who is told.
    pub(crate) targets: Vec<Target>,
    /// Warnings only.
    pub(crate) found: Diagnostics,
    pub(crate) texts: Texts,
}

/// Why nothing came of it.
pub(crate) enum Refused {
    /// Something is wrong with what was read.
    Found(Diagnostics, Texts),
    /// It could not be read.
    Unread(anyhow::Error),
}

/// Where operators are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AdminAt {
    Off,
    /// There, or not at all.
    Asked(SocketAddr),
    /// Nobody has said where: the usual place, or another if it is taken.
    Usual(SocketAddr),
}

/// The issuer's keys, and where they come from. Once there is one it stays for the life of the process: the state holds
/// its keys, and those of another issuer must not be believed beside them.
#[derive(Clone)]
pub(crate) struct Fetched {
    pub(crate) url: String,
    pub(crate) jwks: Jwks,
}

/// What is in force, when something else is prepared to take its place.
pub(crate) struct Before<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) issuer: Option<&'a Fetched>,
}

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_ADMIN: &str = "127.0.0.1:9180";

/// Reads and judges everything. `bound` is where the gate listens already, if it does. The files that were read, or
/// would have been, are added to `files`.
pub(crate) fn prepare(
    args: &Serve,
    bound: Option<SocketAddr>,
    before: Option<&Before<'_>>,
    files: &mut BTreeSet<PathBuf>,
) -> Result<Prepared, Refused> {
    files.insert(args.policy.policy.clone());
    files.extend(args.environment.files.iter().cloned());
    let surroundings = load::surroundings(&args.environment)?;
    let file = load::policy(&args.policy.policy)?;
    files.extend(file.files());
    let (texts, folder) = (file.texts.clone(), file.folder.clone());
    let overrides = Overrides {
        upstream: args.upstream.clone(),
        listen: args.listen.map(|address| address.to_string()),
        admin: args.admin.clone(),
        intake: args.intake.clone(),
    };
    match file.build(&surroundings, overrides) {
        Err(found) => Err(Refused::Found(found, texts)),
        Ok(Built { policy, mut warnings }) => {
            let front = front(&policy, &folder, &mut warnings)?;
            examine(policy, front, warnings, &surroundings, bound, before, texts)
        }
    }
}

/// Where operators are answered, and what lets them in.
fn operators(
    policy: &Policy,
    variables: &BTreeMap<String, String>,
    found: &mut Diagnostics,
) -> anyhow::Result<(AdminAt, Option<String>)> {
    let admin = AdminAt::of(policy)?;
    let token = variables.get(ADMIN_TOKEN).map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
    if let Some(address) = admin.address() {
        found.append(admin_problems(policy, address, token.as_deref()));
    }
    Ok((admin, token))
}

/// Everything that would stop the gate, named at once.
fn examine(
    policy: Policy,
    front: Front,
    mut found: Diagnostics,
    surroundings: &Surroundings,
    bound: Option<SocketAddr>,
    before: Option<&Before<'_>>,
    texts: Texts,
) -> Result<Prepared, Refused> {
    let variables = &surroundings.variables;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    found.append(environment_problems(&policy, variables, seconds));
    let listen = match bound {
        Some(bound) => bound,
        None => address(policy.listen.address.as_deref().unwrap_or(DEFAULT_LISTEN))?,
    };
    found.append(start_problems(&policy, listen));
    let (admin, admin_token) = operators(&policy, variables, &mut found)?;
    if policy.app.upstreams.is_empty() {
        let fix = "set [app] upstream, or give --upstream URL";
        found.push(Diagnostic::error("upstream-missing", "nothing says where the app is").fix(fix));
    }
    let secrets = secrets(&policy, variables, seconds);
    found.append(signing_problems(&policy, &secrets));
    let shared = shared(&policy, variables, &mut found);
    let targets = crate::alert::targets(&policy, variables, &mut found);
    crate::export::problems(&policy, variables, &mut found);
    if let Some(before) = before {
        let issuer = before.issuer.map(|issuer| issuer.url.as_str());
        found.append(crate::reload::frozen(before.plan.policy(), issuer, &policy));
    }
    if found.has_errors() {
        found.sort();
        return Err(Refused::Found(found, texts));
    }
    let providers = load::providers(&policy, variables);
    let state = match before {
        Some(before) => Arc::clone(before.plan.state()),
        None => State::new(&policy.limits, &Env { now: now(), entropy: &SystemEntropy }),
    };
    state.forget_unused_limits();
    let plan = match Plan::compile_with(policy, &secrets, &state, &providers) {
        Ok(plan) => plan,
        Err(problems) => {
            found.append(problems);
            found.sort();
            return Err(Refused::Found(found, texts));
        }
    };
    let issuer = match before.and_then(|before| before.issuer) {
        Some(kept) => Some(kept.clone()),
        None => fetched(&plan, &providers).context("the issuer's keys cannot be fetched")?,
    };
    let environment = surroundings.environment;
    Ok(Prepared {
        plan,
        issuer,
        environment,
        listen,
        front,
        shared,
        admin,
        admin_token,
        variables: variables.clone(),
        targets,
        found,
        texts,
    })
}

/// What stands before HTTP: TLS by the files that the policy names, beside itself unless by an absolute path.
fn front(policy: &Policy, folder: &Path, found: &mut Diagnostics) -> anyhow::Result<Front> {
    let Listen { tls, redirect, proxy_protocol, .. } = &policy.listen;
    let mut front = Front {
        told: Some(certificate_changed),
        redirect: redirect.as_deref().map(address).transpose()?,
        proxy_protocol: *proxy_protocol,
        ..Front::default()
    };
    if !tls.is_empty() {
        let pairs = tls.iter().map(|Tls { cert, key }| (folder.join(cert), folder.join(key)));
        match Certificate::load_all(pairs) {
            Ok(certificate) => front.certificate = Some(certificate),
            Err(error) => found.push(
                Diagnostic::error("tls-unusable", error.to_string())
                    .fix("name a certificate chain and its private key, both PEM, in [listen] tls"),
            ),
        }
    }
    Ok(front)
}

fn certificate_changed(outcome: Result<(), &CertificateError>) {
    match outcome {
        Ok(()) => output::note("palisade: the certificate changed, and is served from now on"),
        Err(error) => output::problem(&format!("{error}; the certificate before it is served on")),
    }
}

/// Begins to fetch the issuer's keys, where the policy wants any.
fn fetched(plan: &Plan, providers: &Providers) -> std::io::Result<Option<Fetched>> {
    let url = plan.policy().identity.as_ref().and_then(|identity| identity.jwks.clone());
    let jwks = Jwks::of(plan.policy(), providers, plan.state())?;
    Ok(url.zip(jwks).map(|(url, jwks)| Fetched { url, jwks }))
}

/// Where the state is that gates share. The text may hold a password, and is not repeated.
fn shared(policy: &Policy, variables: &BTreeMap<String, String>, found: &mut Diagnostics) -> Option<Address> {
    let name = policy.state.redis.as_ref()?;
    // That it is missing is said elsewhere.
    let text = variables.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(bad) => {
            let what = format!("{name} is not the address of a server for shared state: {bad}");
            let fix = "write redis://host:6379, redis+sentinel://host,host/master or redis+cluster://host,host";
            found.push(Diagnostic::error("state-address", what).fix(fix));
            None
        }
    }
}

fn secrets(policy: &Policy, variables: &BTreeMap<String, String>, seconds: i64) -> Secrets {
    let live = |name: &str| live_secrets(variables, name, seconds);
    Secrets { csrf: live("CSRF_SECRET"), session: live("SESSION_SECRET"), webhooks: signing_secrets(policy, variables) }
}

/// The webhooks' secrets, each with its date, so that an old one ends while the gate runs.
fn signing_secrets(policy: &Policy, variables: &BTreeMap<String, String>) -> BTreeMap<String, Vec<SigningSecret>> {
    let names = policy.routes().iter().filter_map(|route| route.signature.as_ref()).flat_map(|it| &it.secrets);
    let dated = |(value, ends): (String, Option<i64>)| SigningSecret {
        value,
        until_seconds: ends.map(|end| u64::try_from(end).unwrap_or_default()),
    };
    let values = |name: &String| dated_secrets(variables, name).into_iter().map(dated).collect();
    names.map(|name| (name.clone(), values(name))).collect()
}

/// An address by number, or by a name of this machine.
fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let named = || text.to_socket_addrs().ok().and_then(|mut found| found.next());
    text.parse().ok().or_else(named).with_context(|| format!("{text} is not an address to listen at"))
}

// === impl AdminAt ===

impl AdminAt {
    /// What `--admin`, `PALISADE_ADMIN` or `[listen] admin` says.
    fn of(policy: &Policy) -> anyhow::Result<AdminAt> {
        Ok(match policy.listen.admin.as_deref() {
            None => AdminAt::Usual(address(DEFAULT_ADMIN)?),
            Some("off") => AdminAt::Off,
            Some(text) => AdminAt::Asked(address(text)?),
        })
    }

    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            AdminAt::Off => None,
            AdminAt::Asked(address) | AdminAt::Usual(address) => Some(address),
        }
    }
}

// === impl Refused ===

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Refused {
        Refused::Unread(error)
    }
}
