//! `serve`: validates everything before it binds, then runs the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;
use palisade_backend::Notice;
use palisade_diag::Diagnostics;
use palisade_gateway::{Admin, Config, Control, EventSink, Gateway};
use palisade_guard::Plan;
use palisade_policy::Policy;
use palisade_watch::notify::Target;

use crate::args::Serve;
use crate::detector::{Beside, Detector};
use crate::output::{self, Exit};
use crate::prepare::{AdminAt, Prepared, Refused, prepare};
use crate::reload::{Keeper, Watched};
use crate::warden::Warden;
use crate::{alert, export, notify, rules, signals};

pub(crate) fn run(args: &Serve) -> anyhow::Result<Exit> {
    let inherited = inherited()?;
    let bound = inherited.as_ref().map(TcpListener::local_addr).transpose()?;
    let mut files = BTreeSet::new();
    match prepare(args, bound, None, &mut files) {
        Err(Refused::Found(found, texts)) => Ok(refuse(&found, &texts)),
        Err(Refused::Unread(error)) => Err(error),
        Ok(prepared) => {
            output::diagnostics(&prepared.found, &prepared.texts);
            if args.check {
                output::note(&format!("policy and environment are fine for {}", prepared.environment.id()));
                return Ok(Exit::Fine);
            }
            start(args, prepared, inherited, Watched::new(files))
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

fn refuse(found: &Diagnostics, texts: &palisade_diag::Sources) -> Exit {
    output::diagnostics(found, texts);
    output::problem("nothing was started; mend the above and run again");
    Exit::CouldNotRun
}

fn start(args: &Serve, prepared: Prepared, inherited: Option<TcpListener>, watched: Watched) -> anyhow::Result<Exit> {
    let Prepared { plan, issuer, environment, listen, front, shared, admin, admin_token, targets, variables, .. } =
        prepared;
    let policy = plan.policy();
    let (name, routes, upstreams) = (&policy.app.name, policy.routes().len(), policy.app.upstreams.clone());
    let summary = format!("{name} ({}, {routes} routes)", environment.id());
    let behind: Vec<String> = upstreams.iter().map(|upstream| upstream.origin.to_string()).collect();
    let threads = args.threads.unwrap_or(0);
    let beside = beside(args, &plan, targets, &variables)?;
    let (notifier, warden) = (beside.notifier.clone(), beside.warden.clone());
    let exporter = beside.exporter.clone();
    let (sink, detector) = detector(args, policy, beside)?;
    let config = Config { listen, upstreams, threads, plan, sink };
    let gateway = match inherited {
        Some(listener) => Gateway::inherit(listener, config).context("cannot serve the inherited socket")?,
        None => Gateway::bind(config).with_context(|| format!("cannot listen at {listen}"))?,
    };
    let scheme = if front.certificate.is_some() { "https" } else { "http" };
    let gateway = gateway.with_front(front).context("plain http cannot be redirected")?;
    let admin = bind_admin(admin, admin_token.as_deref())?;
    let bound = gateway.local_addr();
    let operators = admin.as_ref().map_or("off".to_owned(), |admin| admin.local_addr().to_string());
    let greeting =
        format!("palisade: {summary} at {scheme}://{bound} in front of {}, admin {operators}", behind.join(", "));
    let jwks = issuer.as_ref().map(|issuer| issuer.jwks.clone());
    let gateway = gateway.with_jwks(jwks).with_admin(admin).with_shared(shared, tell);
    let keep = |control: Control| {
        export::connect(&control, notifier.as_ref(), exporter.as_ref());
        Keeper { args, control, issuer, bound, watched, notifier: notifier.as_deref(), warden: warden.as_deref() }
            .keep()
    };
    let ended = drain(gateway, &greeting, keep);
    if let Some(detector) = detector {
        detector.finish();
    }
    drop(warden);
    if let Some(exporter) = exporter.and_then(Arc::into_inner) {
        export::finish(exporter);
    }
    if let Some(notifier) = &notifier {
        alert::finish(notifier);
    }
    ended
}

/// Who tells people, and who answers with blocks; nobody where nothing is kept.
fn beside(
    args: &Serve,
    plan: &Plan,
    targets: Vec<Target>,
    variables: &BTreeMap<String, String>,
) -> anyhow::Result<Beside> {
    let Some(place) = args.store.place_if_any() else { return Ok(Beside::default()) };
    let notifier = alert::start(plan.policy(), targets, &place)?;
    let warden = Warden::start(place, Arc::clone(plan.state()), plan.policy()).context("nobody could be shut out")?;
    let exporter = export::start(plan.policy(), variables)?;
    Ok(Beside { notifier, exporter, warden: Some(Arc::new(warden)) })
}

/// Where events go: to stdout, and to the detector unless the store is off.
fn detector(args: &Serve, policy: &Policy, beside: Beside) -> anyhow::Result<(EventSink, Option<Detector>)> {
    let sink = EventSink::new(std::io::stdout());
    let Some(place) = args.store.place_if_any() else { return Ok((sink, None)) };
    let rules = rules::load_with(&args.rules, policy, &args.policy.policy)?;
    let (sink, tap) = sink.tapped();
    Ok((sink, Some(Detector::start(tap, rules, place, beside).context("the detector cannot be started")?)))
}

/// The socket that systemd or another supervisor passed, if it did (sd_listen_fds(3)).
fn inherited() -> anyhow::Result<Option<TcpListener>> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        bail!("{} sockets were passed, and the gate takes one: keep one ListenStream", passed.len());
    }
    if passed.len() == 0 {
        return Ok(None);
    }
    passed.take_tcp_listener(0).context("the socket that was passed is not one of TCP")
}

/// Takes the port for operators. The usual one may be taken by another gate of this machine; then any will do, and the
/// greeting says which. One that was asked for must be had.
pub(crate) fn bind_admin(admin: AdminAt, token: Option<&str>) -> anyhow::Result<Option<Admin>> {
    match admin {
        AdminAt::Off => Ok(None),
        AdminAt::Asked(address) => {
            let bound = Admin::bind(address, token);
            Ok(Some(bound.with_context(|| format!("cannot answer operators at {address}; see --admin"))?))
        }
        AdminAt::Usual(address) => match Admin::bind(address, token) {
            Ok(admin) => Ok(Some(admin)),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                output::note(&format!("palisade: {address} is taken; operators are answered elsewhere (see --admin)"));
                let any = SocketAddr::new(address.ip(), 0);
                Ok(Some(Admin::bind(any, token).context("cannot answer operators anywhere")?))
            }
            Err(error) => Err(error).with_context(|| format!("cannot answer operators at {address}; see --admin")),
        },
    }
}

/// Serves until a signal, and says how it ended. `greeting` is told once a signal would be heard; `beside` goes on as
/// long as the gate serves.
pub(crate) fn drain<F: Future<Output = ()>>(
    gateway: Gateway,
    greeting: &str,
    beside: impl FnOnce(Control) -> F,
) -> anyhow::Result<Exit> {
    let ended = gateway.run(|control| {
        let beside = beside(control.clone());
        let listening = || {
            output::note(greeting);
            notify::ready();
        };
        async move {
            tokio::select! {
                () = signals::shutdown(listening, control) => notify::stopping(),
                () = beside => {}
            }
        }
    })?;
    if ended.cut > 0 || ended.events_lost > 0 {
        output::note(&format!("palisade: cut {} connections, lost {} events", ended.cut, ended.events_lost));
    }
    Ok(Exit::Fine)
}
