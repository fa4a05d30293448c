//! `serve`: validates everything before it binds, then runs the gate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use palisade_backend::{SystemEntropy, now, providers};
use palisade_diag::Diagnostics;
use palisade_gateway::{Config, EventSink, Gateway};
use palisade_guard::{Env, Plan, Secrets, State};
use palisade_policy::{Built, Overrides, Policy, environment_problems, live_secrets, start_problems};

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
    let secrets = Secrets { csrf: live("CSRF_SECRET"), session: live("SESSION_SECRET") };
    if found.has_errors() {
        return Ok(None);
    }
    let state = State::new(&policy.limits, &Env { now: now(), entropy: &SystemEntropy });
    match Plan::compile(policy.clone(), &secrets, &state, &providers()) {
        Ok(plan) => Ok(Some(Ready { listen, plan })),
        Err(problems) => {
            found.append(problems);
            Ok(None)
        }
    }
}

fn refuse(found: &Diagnostics, texts: &palisade_diag::Sources) -> Exit {
    output::diagnostics(found, texts);
    output::problem("nothing was started; mend the above and run again");
    Exit::CouldNotRun
}

fn start(policy: &Policy, ready: Ready, threads: Option<usize>) -> anyhow::Result<Exit> {
    let upstream = policy.app.upstream.clone().context("no upstream: set [app].upstream, or give --upstream URL")?;
    let Ready { listen, plan } = ready;
    let summary = format!("{} ({}, {} routes)", policy.app.name, policy.environment.id(), policy.routes().len());
    let gateway = bind(plan, listen, upstream.clone(), threads, EventSink::new(std::io::stdout()))?;
    output::note(&format!("palisade: {summary} at http://{} in front of {upstream}", gateway.local_addr()));
    drain(gateway)
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

/// Serves until a signal, and says how it ended.
pub(crate) fn drain(gateway: Gateway) -> anyhow::Result<Exit> {
    let ended = gateway.run(signals::shutdown())?;
    if ended.cut > 0 || ended.events_lost > 0 {
        output::note(&format!("palisade: cut {} connections, lost {} events", ended.cut, ended.events_lost));
    }
    Ok(Exit::Fine)
}
