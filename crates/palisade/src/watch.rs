//! `watch`: logs that exist already, followed as they grow, what others report, and what gates send, through the detector
//! into the store.

mod log;
mod piped;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use palisade_detect::{Rules, Settings};
use palisade_diag::{Diagnostics, Sources as Texts};
use palisade_watch::lines::Format as LogFormat;
use palisade_watch::notify::Notifier;
use palisade_watch::pipeline::Pipeline;
use palisade_watch::store::{Keeper, Place, Store};
use palisade_watch::tail::{Begin, Wake};
use tokio::signal::unix::{SignalKind, signal};

use self::log::Log;
use self::piped::Piped;
use crate::args::{EnvironmentArgs, LogArgs, Watch};
use crate::intake::Reports;
use crate::output::{self, Exit, Format};
use crate::stream::{self, Draw};
use crate::{alert, detector, incidents, replay, rules, stored};

/// How late a line of a log may be: servers write a request when it is over.
const LATENESS_SECONDS: u64 = 10;
/// How long it sleeps where nothing happens.
const NAP: Duration = Duration::from_millis(200);
/// How long the last commit may take.
const STORE_PATIENCE: Duration = Duration::from_secs(30);
pub(crate) fn run(args: &Watch, format: Format) -> anyhow::Result<Exit> {
    let stop = stop()?;
    let place = args.store.place();
    let (rules, told) = told(args, &place)?;
    let country = replay::country(&args.geo)?;
    let enrich = replay::enrich(&LogArgs {
        files: Vec::new(),
        log_format: args.log_format.clone(),
        login: args.login.clone(),
        policy: args.policy.clone(),
        geo: args.geo.clone(),
    })?;
    let named = args.log_format.as_deref().map(LogFormat::from_name).transpose();
    let named = named.map_err(|error| anyhow!("--log-format: {error}"))?;
    let mut store = Store::open(&place).with_context(|| format!("the store at {place} cannot be used"))?;
    let settings = settings(args);
    let mut pipeline = Pipeline::new(Arc::clone(&rules), settings).with_country(country);
    let mut sources = Sources { logs: Vec::new(), piped: None, reports: None, stream: None, told };
    for path in &args.logs {
        if path.as_os_str() == "-" {
            sources.piped = Some(Piped::start(named.clone(), &enrich)?);
            continue;
        }
        if args.once && !path.exists() {
            bail!("{} is not there, and --once does not wait for it", path.display());
        }
        let from = if args.from_end { Begin::End } else { Begin::Start };
        sources.logs.push(Log::open(path, named.clone(), &enrich, from, &mut store, &mut pipeline)?);
    }
    // What the windows found while they were filled again is in the store already.
    drop(pipeline.fresh());
    drop(store);
    let variables: BTreeMap<_, _> = std::env::vars().collect();
    if let Some(address) = args.intake {
        sources.reports = Some(Reports::start(address, enrich, &variables)?);
    }
    if let Some(name) = &args.stream {
        let opened = stream::open(name, &args.redis, &variables)?;
        sources.stream = Some(Draw::new(opened, name, place.clone(), settings));
    }
    let keeper = detector::keeper(place)?;
    let told = sources.told.clone();
    let ended = follow(args, format, &stop, sources, pipeline, keeper, &rules);
    if let Some(told) = &told {
        alert::finish(told);
    }
    ended
}

/// The rules, and who tells people what they find: nobody without a policy, nor where the end is near.
fn told(args: &Watch, place: &Place) -> anyhow::Result<(Arc<Rules>, Option<Arc<Notifier>>)> {
    let Some(path) = &args.policy else { return Ok((rules::load(&args.rules)?.rules, None)) };
    let environment = EnvironmentArgs { name: None, files: Vec::new() };
    let (policy, variables) = alert::policy(path, &environment)?;
    let rules = rules::load_with(&args.rules, &policy, path)?;
    if args.once {
        return Ok((rules, None));
    }
    let mut found = Diagnostics::new();
    let targets = alert::targets(&policy, &variables, &mut found);
    output::diagnostics(&found, &Texts::new());
    if found.has_errors() {
        bail!("nobody would be told; mend the above and run again");
    }
    Ok((rules, alert::start(&policy, targets, place)?))
}

/// Where events come from.
struct Sources {
    logs: Vec<Log>,
    piped: Option<Piped>,
    reports: Option<Reports>,
    stream: Option<Draw>,
    /// Wants to know that something comes.
    told: Option<Arc<Notifier>>,
}

/// Strangers choose what is counted, so nobody may know where it is put; but a log that is read twice is told alike.
fn settings(args: &Watch) -> Settings {
    if args.stream.is_some() {
        return stream::settings(detector::seed());
    }
    Settings { lateness_seconds: LATENESS_SECONDS, ..Settings::default() }
}

fn follow(
    args: &Watch,
    format: Format,
    stop: &AtomicBool,
    mut sources: Sources,
    mut pipeline: Pipeline,
    keeper: Keeper,
    rules: &Rules,
) -> anyhow::Result<Exit> {
    let wake = Wake::new(args.logs.iter().find(|log| log.as_os_str() != "-").map_or(Path::new("."), PathBuf::as_path));
    loop {
        let stopping = stop.load(Ordering::Relaxed);
        let more = sources.poll(&mut pipeline, &keeper, rules);
        let over = stopping || (!more && (args.once || sources.ended()));
        if over {
            pipeline.finish();
        } else if !more {
            pipeline.tick(stored::now());
        }
        tell(&mut pipeline, format);
        if over || pipeline.is_due() {
            pipeline.hand_over(&keeper, sources.logs.iter().flat_map(Log::marks).collect());
        }
        if over {
            return Ok(end(keeper, sources));
        }
        if !more {
            wake.wait(NAP);
        }
    }
}

impl Sources {
    /// Reads what is there; whether there may be more at once.
    fn poll(&mut self, pipeline: &mut Pipeline, keeper: &Keeper, rules: &Rules) -> bool {
        let mut more = false;
        for log in &mut self.logs {
            more |= log.poll(pipeline, rules);
        }
        if let Some(piped) = &mut self.piped {
            more |= piped.poll(pipeline, rules);
        }
        if let Some(reports) = &self.reports {
            let now = stored::now();
            more |= reports.each(|seen| pipeline.observe(seen, Some(now)));
        }
        if let Some(stream) = &mut self.stream {
            more |= stream.poll(pipeline, keeper);
        }
        if let Some(told) = self.told.as_ref().filter(|_| more) {
            told.heard(stored::now());
        }
        more
    }

    /// Whether nothing can come any more.
    fn ended(&self) -> bool {
        let others = self.logs.is_empty() && self.reports.is_none() && self.stream.is_none();
        others && self.piped.as_ref().is_some_and(Piped::ended)
    }
}

fn tell(pipeline: &mut Pipeline, format: Format) {
    for incident in pipeline.fresh() {
        match format {
            Format::Human => output::result(&incidents::line(&incident)),
            Format::Json => {
                let mut line = Vec::new();
                incident.encode(&mut line);
                output::result(String::from_utf8_lossy(&line).trim_end());
            }
        }
    }
}

fn end(keeper: Keeper, sources: Sources) -> Exit {
    let (last, patience) = (keeper.handed(), Instant::now() + STORE_PATIENCE);
    if let Some(stream) = sources.stream {
        // What is written must not come to the next reader again.
        while keeper.written() < last && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(20));
        }
        stream.leave(&keeper);
    }
    let left = keeper.finish(STORE_PATIENCE);
    detector::tell_left(&left);
    let logs = sources.logs.iter().map(|log| (log.path.display().to_string(), &log.tally, log.unknown()));
    let piped = sources.piped.as_ref().map(|piped| ("standard input".to_owned(), &piped.tally, piped.unknown()));
    let mut unknown = false;
    for (name, tally, format_unknown) in logs.chain(piped) {
        let (lines, events, skipped) = (tally.lines(), tally.events(), tally.skipped());
        output::note(&format!("{name}: {lines} lines, {events} events, {skipped} lines skipped"));
        for sample in tally.samples() {
            output::note(&format!("  line {}: {}: {}", sample.line, sample.bad, sample.text().terminal()));
        }
        if format_unknown {
            output::problem(&log::format_unknown(&name));
        }
        unknown |= format_unknown;
    }
    if unknown || left.events_waiting > 0 || left.incidents_waiting > 0 { Exit::CouldNotRun } else { Exit::Fine }
}

/// Becomes true at SIGTERM or SIGINT.
fn stop() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut term, mut int) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    thread::Builder::new().name("palisade-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        });
        told.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}
