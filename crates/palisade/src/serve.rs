//! `serve`: validates everything before it binds, then runs the gate.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use palisade_backend::{Address, Jwks, Notice, SystemEntropy, now};
use palisade_diag::{Diagnostic, Diagnostics};
use palisade_gateway::{Config, EventSink, Gateway};
use palisade_guard::{Env, Plan, Secrets, SigningSecret, State, signing_problems};
use palisade_policy::{Built, Overrides, Policy, dated_secrets, environment_problems, live_secrets, start_problems};

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
    let mut found = match file.build(&surroundings, overrides) {
        Err(found) => return Ok(refuse(&found, &texts)),
        Ok(Built { policy, warnings }) => {
            let mut found = warnings;
            match examine(&policy, &surroundings, &mut found)? {
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
    shared: Option<Address>,
}

/// Everything that would stop the gate, named at once.
fn examine(policy: &Policy, surroundings: &Surroundings, found: &mut Diagnostics) -> anyhow::Result<Option<Ready>> {
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
    let shared = shared(policy, &surroundings.variables, found);
    if found.has_errors() {
        return Ok(None);
    }
    let providers = load::providers(policy, &surroundings.variables);
    let state = State::new(&policy.limits, &Env { now: now(), entropy: &SystemEntropy });
    match Plan::compile_with(policy.clone(), &secrets, &state, &providers) {
        Ok(plan) => {
            let jwks = Jwks::of(policy, &providers, &state).context("the issuer's keys cannot be fetched")?;
            Ok(Some(Ready { listen, plan, jwks, shared }))
        }
        Err(problems) => {
            found.append(problems);
            Ok(None)
        }
    }
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

/// What the shared state does, for people; for machines it is an event.
fn tell(notice: &Notice) {
    match notice {
        Notice::Outage { why, .. } => output::note(&format!("palisade: the shared state is out: {why}")),
        Notice::Recovered { alone, replayed, .. } => output::note(&format!(
            "palisade: the shared state is back; {alone} tokens were taken without it, {replayed} of them twice"
        )),
        Notice::Evicts { policy } => output::note(&format!(
            "palisade: warning: the server of the shared state has maxmemory-policy {policy}: it may forget limits and \
             used tokens; set it to noeviction"
        )),
        _ => {}
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
    let Ready { listen, plan, jwks, shared } = ready;
    let summary = format!("{} ({}, {} routes)", policy.app.name, policy.environment.id(), policy.routes().len());
    let gateway = bind(plan, listen, upstream.clone(), threads, EventSink::new(std::io::stdout()))?;
    let gateway = gateway.with_jwks(jwks).with_shared(shared, tell);
    let greeting = format!("palisade: {summary} at http://{} in front of {upstream}", gateway.local_addr());
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
