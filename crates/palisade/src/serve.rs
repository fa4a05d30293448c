//! `serve`: validates everything before it binds, then runs the gate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use palisade_backend::{Jwks, SystemEntropy, now};
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_gateway::{Certificate, CertificateError, Config, EventSink, Front, Gateway};
use palisade_guard::{Env, Plan, Secrets, SigningSecret, State, signing_problems};
use palisade_policy::{
    Built, Listen, Overrides, Policy, Tls, dated_secrets, environment_problems, live_secrets, start_problems,
};

use crate::args::Serve;
use crate::load::{self, Surroundings};
use crate::output::{self, Exit};
use crate::signals;

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

pub(crate) fn run(args: &Serve) -> anyhow::Result<Exit> {
    let surroundings = load::surroundings(&args.environment)?;
    let file = load::policy(&args.policy.policy)?;
    let texts = file.texts.clone();
    let overrides = Overrides {
        upstream: args.upstream.clone(),
        listen: args.listen.map(|address| address.to_string()),
        ..Overrides::default()
    };
    let environment = surroundings.environment;
    let folder = file.folder.clone();
    let mut found = match file.build(&surroundings, overrides) {
        Err(found) => return Ok(refuse(&found, &texts)),
        Ok(Built { policy, warnings }) => {
            let mut found = warnings;
            match examine(&policy, &surroundings, &folder, &mut found)? {
                Some(ready) if !found.has_errors() => {
                    output::diagnostics(&found, &texts);
                    if args.check {
                        output::note(&format!("policy and environment are fine for {}", environment.id()));
                        return Ok(Exit::Fine);
                    }
                    return start(&policy, ready, args.threads);
                }
                _ => found,
            }
        }
    };
    found.sort();
    Ok(refuse(&found, &texts))
}

/// What `start` needs beside the policy.
struct Ready {
    listen: SocketAddr,
    plan: Arc<Plan>,
    jwks: Option<Jwks>,
    front: Front,
}

/// Everything that would stop the gate, named at once.
fn examine(
    policy: &Policy,
    surroundings: &Surroundings,
    folder: &Path,
    found: &mut Diagnostics,
) -> anyhow::Result<Option<Ready>> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    found.append(environment_problems(policy, &surroundings.variables, seconds));
    let address = policy.listen.address.as_deref().unwrap_or(DEFAULT_LISTEN);
    let listen: SocketAddr = address.parse().with_context(|| format!("{address} is not an address to listen at"))?;
    found.append(start_problems(policy, listen));
    let live = |name: &str| live_secrets(&surroundings.variables, name, seconds);
    let secrets = Secrets {
        csrf: live("CSRF_SECRET"),
        session: live("SESSION_SECRET"),
        webhooks: signing_secrets(policy, &surroundings.variables),
    };
    found.append(signing_problems(policy, &secrets));
    let front = front(policy, folder, found)?;
    if found.has_errors() {
        return Ok(None);
    }
    let providers = load::providers(policy, &surroundings.variables);
    let state = State::new(&policy.limits, &Env { now: now(), entropy: &SystemEntropy });
    match Plan::compile_with(policy.clone(), &secrets, &state, &providers) {
        Ok(plan) => {
            let jwks = Jwks::of(policy, &providers, &state).context("the issuer's keys cannot be fetched")?;
            Ok(Some(Ready { listen, plan, jwks, front }))
        }
        Err(problems) => {
            found.append(problems);
            Ok(None)
        }
    }
}

/// What stands before HTTP: TLS by the files that the policy names, beside itself unless by an absolute path.
fn front(policy: &Policy, folder: &Path, found: &mut Diagnostics) -> anyhow::Result<Front> {
    let Listen { tls, redirect, proxy_protocol, .. } = &policy.listen;
    let parse = |text: &String| text.parse().with_context(|| format!("{text} is not an address to listen at"));
    let mut front = Front {
        told: Some(certificate_changed),
        redirect: redirect.as_ref().map(parse).transpose()?,
        proxy_protocol: *proxy_protocol,
        ..Front::default()
    };
    if let Some(Tls { cert, key }) = tls {
        match Certificate::load(folder.join(cert), folder.join(key)) {
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

fn refuse(found: &Diagnostics, texts: &palisade_diag::Sources) -> Exit {
    output::diagnostics(found, texts);
    output::problem("nothing was started; mend the above and run again");
    Exit::CouldNotRun
}

fn start(policy: &Policy, ready: Ready, threads: Option<usize>) -> anyhow::Result<Exit> {
    let upstream = policy.app.upstream.clone().context("no upstream: set [app].upstream, or give --upstream URL")?;
    let Ready { listen, plan, jwks, front } = ready;
    let scheme = if front.certificate.is_some() { "https" } else { "http" };
    let summary = format!("{} ({}, {} routes)", policy.app.name, policy.environment.id(), policy.routes().len());
    let gateway = bind(plan, listen, upstream.clone(), threads, EventSink::new(std::io::stdout()))?.with_jwks(jwks);
    let gateway = gateway.with_front(front).context("plain http cannot be redirected")?;
    let greeting = format!("palisade: {summary} at {scheme}://{} in front of {upstream}", gateway.local_addr());
    drain(gateway, &greeting)
}

/// Binds the gate. One thread a core unless told otherwise.
pub(crate) fn bind(
    plan: Arc<Plan>,
    listen: SocketAddr,
    upstream: palisade_policy::Origin,
    threads: Option<usize>,
    sink: EventSink,
) -> anyhow::Result<Gateway> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.unwrap_or(cores).max(1);
    Gateway::bind(Config { listen, upstream, threads, plan, sink })
        .with_context(|| format!("cannot listen at {listen}"))
}

/// Serves until a signal, and says how it ended. `greeting` is told once a signal would be heard.
pub(crate) fn drain(gateway: Gateway, greeting: &str) -> anyhow::Result<Exit> {
    let ended = gateway.run(signals::shutdown(|| output::note(greeting)))?;
    if ended.cut > 0 || ended.events_lost > 0 {
        output::note(&format!("palisade: cut {} connections, lost {} events", ended.cut, ended.events_lost));
    }
    Ok(Exit::Fine)
}
