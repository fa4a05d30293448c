//! `serve`: validates everything before it binds, then runs the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;
use palisade_backend::Notice;
use palisade_diag::Diagnostics;
use palisade_gateway::{Admin, Certificate, Config, Control, EventSink, Gateway, Pages};
use palisade_guard::Plan;
use palisade_policy::{Mode, Policy};
use palisade_watch::lines::Enrich;
use palisade_watch::notify::Target;

use crate::args::Serve;
use crate::detector::{Beside, Detector};
use crate::intake::Reports;
use crate::output::{self, Exit};
use crate::prepare::{AdminAt, Prepared, Refused, prepare};
use crate::reload::{Keeper, Watched};
use crate::stream::{self, Feed};
use crate::warden::Warden;
use crate::{alert, board, export, notify, replay, rules, signals, stored};

pub(crate) fn run(args: &Serve) -> anyhow::Result<Exit> {
    let inherited = inherited()?;
    let bound = inherited.as_ref().map(TcpListener::local_addr).transpose()?;
    let mut files = BTreeSet::new();
    match prepare(args, bound, None, &mut files) {
        Err(Refused::Found(found, texts)) => Ok(refuse(args, &found, &texts)),
        Err(Refused::Unread(error)) => Err(error),
        Ok(prepared) => {
            output::diagnostics(&prepared.found, &prepared.texts);
            if args.check {
                let problems = beside_problems(args, &prepared);
                if !problems.is_empty() {
                    problems.iter().for_each(|problem| output::problem(problem));
                    return Ok(Exit::CouldNotRun);
                }
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

/// What `--check` asks of the parts beside the gate, which starting them would find out: rules, countries, the store, the
/// intake, the stream. All at once; nothing is made, and nobody is called.
fn beside_problems(args: &Serve, prepared: &Prepared) -> Vec<String> {
    let policy = prepared.plan.policy();
    let mut problems = Vec::new();
    let mut note = |outcome: anyhow::Result<()>| problems.extend(outcome.err().map(|error| format!("{error:#}")));
    note(rules::load_with(&args.rules, policy, &args.policy.policy).map(drop));
    note(replay::country(&args.geo).map(drop));
    if let Some(name) = &args.stream {
        let variable = policy.state.redis.as_deref().unwrap_or("REDIS_URL");
        note(stream::open(name, variable, &prepared.variables).map(drop));
    }
    let place = args.store.place_if_any().filter(|_| args.stream.is_none());
    note(place.as_ref().map_or(Ok(()), stored::has_room));
    if let Some(address) = &policy.listen.intake {
        if place.is_none() && args.stream.is_none() {
            note(Err(anyhow::anyhow!("{NOBODY_HEARS}")));
        }
        note(intake_address(address).map(drop));
        note(crate::intake::secrets(&prepared.variables).map(drop));
    }
    problems
}

const NOBODY_HEARS: &str = "with --store off nobody would hear what the intake takes: leave one of the two out";

fn intake_address(text: &str) -> anyhow::Result<SocketAddr> {
    let address: SocketAddr = text.parse().with_context(|| format!("{text} is no address for the intake"))?;
    if !address.ip().to_canonical().is_loopback() {
        bail!(
            "{address}: the intake takes reports on this machine alone; write a loopback address, such as 127.0.0.1:9280"
        );
    }
    Ok(address)
}

fn refuse(args: &Serve, found: &Diagnostics, texts: &palisade_diag::Sources) -> Exit {
    output::diagnostics(found, texts);
    // Where `init` has put them; the gate reads no file that is not named.
    let missing = found.iter().any(|problem| problem.code == "variable-missing");
    if missing && args.environment.files.is_empty() && std::path::Path::new(".env.local").is_file() {
        output::note(
            "palisade: .env.local is here and was not read; to read it: --env development --env-file .env.local",
        );
    }
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
    let names = host_names(policy);
    let observes = policy.app.mode == Mode::Observe;
    let threads = args.threads.unwrap_or(0);
    let beside = beside(args, &plan, targets, &variables)?;
    let (notifier, warden) = (beside.notifier.clone(), beside.warden.clone());
    let exporter = beside.exporter.clone();
    let Watching { sink, hears, pages } = watching(args, policy, beside, &variables)?;
    let config = Config { listen, upstreams, threads, plan, sink };
    let gateway = match inherited {
        Some(listener) => Gateway::inherit(listener, config).context("cannot serve the inherited socket")?,
        None => Gateway::bind(config).with_context(|| format!("cannot listen at {listen}"))?,
    };
    let scheme = if front.certificate.is_some() { "https" } else { "http" };
    let tls = front.certificate.clone().map(|certificate| (certificate, names));
    let gateway = gateway.with_front(front).context("plain http cannot be redirected")?;
    let admin = bind_admin(admin, admin_token.as_deref(), tls)?.map(|admin| admin.with_pages(pages));
    let bound = gateway.local_addr();
    let operators = admin.as_ref().map_or("off".to_owned(), |admin| admin.local_addr().to_string());
    let greeting =
        format!("palisade: {summary} at {scheme}://{bound} in front of {}, admin {operators}", behind.join(", "));
    let greeting = if observes { format!("{greeting}\n{OBSERVES}") } else { greeting };
    let jwks = issuer.as_ref().map(|issuer| issuer.jwks.clone());
    let gateway = gateway.with_jwks(jwks).with_admin(admin).with_shared(shared, tell);
    let keep = |control: Control| {
        export::connect(&control, notifier.as_ref(), exporter.as_ref());
        Keeper { args, control, issuer, bound, watched, notifier: notifier.as_deref(), warden: warden.as_deref() }
            .keep()
    };
    let ended = drain(gateway, &greeting, keep);
    match hears {
        Hears::Detector(detector) => detector.finish(),
        Hears::Stream(feed) => feed.finish(),
        Hears::Nobody => {}
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

const OBSERVES: &str =
    "palisade: mode = \"observe\": every request passes; events say what would be refused (would-refuse)";

/// Who tells people, and who answers with blocks; nobody where nothing is kept here.
fn beside(
    args: &Serve,
    plan: &Plan,
    targets: Vec<Target>,
    variables: &BTreeMap<String, String>,
) -> anyhow::Result<Beside> {
    let Some(place) = args.store.place_if_any().filter(|_| args.stream.is_none()) else {
        return Ok(Beside::default());
    };
    let notifier = alert::start(plan.policy(), targets, &place)?;
    let warden = Warden::start(place, Arc::clone(plan.state()), plan.policy()).context("nobody could be shut out")?;
    let exporter = export::start(plan.policy(), variables)?;
    Ok(Beside { notifier, exporter, warden: Some(Arc::new(warden)), ..Beside::default() })
}

/// Who hears the gate's events, beside stdout.
enum Hears {
    Detector(Detector),
    Stream(Feed),
    Nobody,
}

/// Where events go: to stdout, and to the detector and the dashboard unless the store is off; or to the stream that
/// detectors read.
struct Watching {
    sink: EventSink,
    hears: Hears,
    pages: Option<Arc<dyn Pages>>,
}

fn watching(
    args: &Serve,
    policy: &Policy,
    beside: Beside,
    variables: &BTreeMap<String, String>,
) -> anyhow::Result<Watching> {
    let sink = EventSink::new(std::io::stdout());
    let country = replay::country(&args.geo)?;
    let reports = |address: &String| {
        let address = intake_address(address)?;
        let enrich = Enrich::with_policy(Arc::new(policy.clone()));
        let enrich = country.iter().fold(enrich, |enrich, country| enrich.with_country(Arc::clone(country)));
        Reports::start(address, enrich, variables)
    };
    if let Some(name) = &args.stream {
        let variable = policy.state.redis.as_deref().unwrap_or("REDIS_URL");
        let stream = stream::open(name, variable, variables)?;
        let reports = policy.listen.intake.as_ref().map(reports).transpose()?;
        let (sink, tap) = sink.tapped();
        return Ok(Watching { sink, hears: Hears::Stream(Feed::start(tap, stream, reports)?), pages: None });
    }
    let Some(place) = args.store.place_if_any() else {
        if policy.listen.intake.is_some() {
            bail!(NOBODY_HEARS);
        }
        return Ok(Watching { sink, hears: Hears::Nobody, pages: None });
    };
    let reports = policy.listen.intake.as_ref().map(reports).transpose()?;
    let rules = rules::load_with(&args.rules, policy, &args.policy.policy)?;
    let (sink, tap) = sink.tapped();
    let folder = board::folder(&args.policy.policy);
    let (pages, insight) = board::pages(place.clone(), &policy.app.name, folder, Arc::clone(&rules))?;
    let beside = Beside { insight, country, reports, windows: Some(place.clone()), ..beside };
    let detector = Detector::start(tap, &rules, place, beside).context("the detector cannot be started")?;
    Ok(Watching { sink, hears: Hears::Detector(detector), pages: Some(pages) })
}

/// By which names the gate's own certificate may be asked for.
fn host_names(policy: &Policy) -> Vec<String> {
    let authorities = policy.app.public_origins.iter().map(|origin| origin.authority.as_str());
    authorities.map(|authority| authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned()).collect()
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
/// Off loopback it speaks TLS, by the gate's certificate and names.
pub(crate) fn bind_admin(
    admin: AdminAt,
    token: Option<&str>,
    tls: Option<(Certificate, Vec<String>)>,
) -> anyhow::Result<Option<Admin>> {
    match admin {
        AdminAt::Off => Ok(None),
        AdminAt::Asked(address) => {
            let bound = match tls.filter(|_| !address.ip().to_canonical().is_loopback()) {
                Some((certificate, names)) => Admin::bind_tls(address, token, certificate, &names),
                None => Admin::bind(address, token),
            };
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
            // In this order: a reload that is asked for as soon as the greeting is out is heard.
            tokio::select! {
                biased;
                () = beside => {}
                () = signals::shutdown(listening, control) => notify::stopping(),
            }
        }
    })?;
    if ended.cut > 0 || ended.events_lost > 0 {
        output::note(&format!("palisade: cut {} connections, lost {} events", ended.cut, ended.events_lost));
    }
    Ok(Exit::Fine)
}
