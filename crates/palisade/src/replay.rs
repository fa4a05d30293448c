//! `replay`: the same detection over old logs. Writes nothing unless told to, and notifies nobody.

mod written;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use palisade_detect::{Engine, Mode, Rules, Settings};
use palisade_event::{EventTime, Evidence, Incident, IncidentKey, Seen, Untrusted, rfc3339};
use palisade_policy::Overrides;
use palisade_watch::geo::Geo;
use palisade_watch::lines::{Country, Enrich, Format as LogFormat, MAX_LINE, Reader, Tally, detect};

use self::written::Written;
use crate::args::{GeoArgs, LogArgs, Replay};
use crate::output::{self, Exit, Format};
use crate::{load, rules};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// Bytes of a log that its format is told by.
const HEAD: u64 = 256 << 10;

/// How long a run may be silent at a terminal.
const SILENCE: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Replay, format: Format) -> anyhow::Result<Exit> {
    if args.write && args.log.files.iter().any(|path| path.as_os_str() == "-") {
        bail!(
            "--write wants files, as it keeps none of them twice; `palisade watch --log -` keeps what comes by a pipe"
        );
    }
    let loaded = rules::load(&args.rules)?;
    let mut logs = Logs::open(&args.log)?;
    logs.say_what_cannot_fire(&loaded.rules);
    let settings = Settings { lateness_seconds: args.lateness, shards: args.shards, ..Settings::default() };
    let mut engine = Engine::new(Arc::clone(&loaded.rules), settings);
    let mut written = if args.write { Written::open(&args.store, &args.log.files)? } else { None };
    let (mut out, mut found) = (Vec::new(), Found::default());
    logs.each(None, |seen| {
        engine.observe(seen, None, &mut out);
        found.take(&mut out);
        if let Some(written) = &mut written {
            written.add(seen);
        }
    })?;
    engine.finish(&mut out);
    found.take(&mut out);
    let incidents = found.sorted();
    if let Some(written) = written {
        written.finish(&incidents)?;
    }
    match format {
        Format::Json => output::result(&as_json(&logs.tally, &engine, &incidents)?),
        Format::Human => people(&logs.tally, &engine, &incidents, &loaded.rules),
    }
    let findings = incidents
        .iter()
        .any(|incident| loaded.rules.find(&incident.rule).is_none_or(|rule| rule.mode() == Mode::Alert));
    Ok(if findings { Exit::Findings } else { Exit::Fine })
}

/// The last that was told of each incident.
#[derive(Default)]
struct Found {
    incidents: HashMap<IncidentKey, Incident>,
}

impl Found {
    fn take(&mut self, out: &mut Vec<Incident>) {
        for incident in out.drain(..) {
            self.incidents.insert(incident.key, incident);
        }
    }

    fn sorted(self) -> Vec<Incident> {
        let mut all: Vec<_> = self.incidents.into_values().collect();
        all.sort_by(|a, b| (a.first_seen, &a.rule, a.key).cmp(&(b.first_seen, &b.rule, b.key)));
        all
    }
}

/// One or several logs, read as one in the order of time.
pub(crate) struct Logs {
    files: Vec<Log>,
    pub(crate) tally: Tally,
}

struct Log {
    name: String,
    input: Box<dyn BufRead>,
    reader: Reader,
    line: Vec<u8>,
    /// When the line that waits happened; lines without a time come at once.
    next: Option<EventTime>,
}

impl Logs {
    /// Opens every log and tells its format.
    pub(crate) fn open(args: &LogArgs) -> anyhow::Result<Logs> {
        let enrich = enrich(args)?;
        let named = args.log_format.as_deref().map(LogFormat::from_name).transpose();
        let named = named.map_err(|error| anyhow!("--log-format: {error}"))?;
        let files =
            args.files.iter().map(|path| Log::open(path, named.as_ref(), &enrich)).collect::<anyhow::Result<_>>()?;
        Ok(Logs { files, tally: Tally::default() })
    }

    /// Every event, in the order of lines, over several logs in that of time. Ends after `limit` lines, if there is one.
    pub(crate) fn each(&mut self, limit: Option<u64>, mut take: impl FnMut(&Seen<'_>)) -> anyhow::Result<()> {
        let mut progress = Progress::new();
        let alone = self.files.len() == 1;
        if !alone {
            for log in &mut self.files {
                log.advance()?;
            }
        }
        while limit.is_none_or(|limit| self.tally.lines() < limit) {
            let first = if alone { self.files.first_mut() } else { earliest(&mut self.files) };
            let Some(log) = first else { break };
            if alone && !log.read_line()? {
                break;
            }
            self.tally.line();
            let tally = &mut self.tally;
            log.reader.read(&log.line, |read| match read {
                Ok(seen) => {
                    tally.event();
                    take(&seen);
                }
                Err(bad) => tally.bad(bad, &log.line),
            });
            if !alone {
                log.advance()?;
            }
            progress.line(self.tally.lines());
        }
        progress.end();
        Ok(())
    }

    /// Rules that cannot fire on what these logs say, told once, as nobody should wait for them.
    fn say_what_cannot_fire(&self, rules: &Rules) {
        for log in &self.files {
            let never: Vec<_> =
                rules.never_fire(|field| log.reader.format().carries(field)).iter().map(|rule| rule.id()).collect();
            if !never.is_empty() {
                let (name, format) = (&log.name, log.reader.format().id());
                output::note(&format!("{name}: {format} logs cannot show: {}", never.join(", ")));
            }
        }
    }
}

/// The log whose next line is the earliest.
fn earliest(files: &mut [Log]) -> Option<&mut Log> {
    files.iter_mut().filter(|log| !log.line.is_empty()).min_by_key(|log| log.next)
}

impl Log {
    fn open(path: &Path, named: Option<&LogFormat>, enrich: &Enrich) -> anyhow::Result<Log> {
        let name = path.display().to_string();
        let mut input: Box<dyn std::io::Read> = match path.to_str() {
            Some("-") => Box::new(std::io::stdin()),
            _ => palisade_watch::tail::open(path).with_context(|| format!("{name} cannot be read"))?,
        };
        let mut head = Vec::new();
        input.by_ref().take(HEAD).read_to_end(&mut head).with_context(|| format!("{name} cannot be read"))?;
        let whole = head.iter().rposition(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
        let format =
            named.cloned().or_else(|| detect(head.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n')));
        let Some(format) = format else {
            if head.is_empty() {
                bail!("{name} is empty");
            }
            bail!("the format of {name} is not known: name it by --log-format, or give nginx's log_format");
        };
        let input = BufReader::with_capacity(CHUNK, std::io::Cursor::new(head).chain(input));
        let reader = Reader::new(format, enrich.clone());
        Ok(Log { name, input: Box::new(input), reader, line: Vec::new(), next: None })
    }

    /// The next line, without its line feed; no more of one than tells that it is too long. False at the end.
    fn read_line(&mut self) -> anyhow::Result<bool> {
        self.line.clear();
        loop {
            let chunk = self.input.fill_buf().with_context(|| format!("{} cannot be read", self.name))?;
            if chunk.is_empty() {
                return Ok(!self.line.is_empty());
            }
            let end = memchr::memchr(b'\n', chunk);
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            let room = (MAX_LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// The next line that is not empty, and when it happened. At the end the line stays empty.
    fn advance(&mut self) -> anyhow::Result<()> {
        while self.read_line()? {
            if self.line.is_empty() {
                continue;
            }
            let mut first = None;
            // What a drain told already is told again by the second reading, so the first is by a reader of its own.
            let mut reader = Reader::new(self.reader.format().clone(), Enrich::default());
            reader.read(&self.line, |read| first = first.or(read.ok().map(|seen| seen.time())));
            self.next = first;
            return Ok(());
        }
        self.line.clear();
        Ok(())
    }
}

/// What is known beside the lines: the policy's routes and proxies, sign-in paths.
pub(crate) fn enrich(args: &LogArgs) -> anyhow::Result<Enrich> {
    let enrich = match &args.policy {
        None => Enrich::default(),
        Some(path) => {
            let file = load::policy(path)?;
            let texts = file.texts.clone();
            let surroundings = load::without_environment(&file.draft);
            match file.build(&surroundings, Overrides::default()) {
                Ok(built) => Enrich::with_policy(Arc::new(built.policy)),
                Err(found) => {
                    output::diagnostics(&found, &texts);
                    bail!("the policy is not valid, so its routes are not known");
                }
            }
        }
    };
    let enrich = enrich.with_logins(args.login.iter().cloned());
    Ok(match country(&args.geo)? {
        Some(country) => enrich.with_country(country),
        None => enrich,
    })
}

/// The database of countries, if there is one.
pub(crate) fn country(args: &GeoArgs) -> anyhow::Result<Option<Arc<dyn Country>>> {
    let Some(path) = &args.geo else { return Ok(None) };
    let geo = Geo::open(path).with_context(|| format!("{} is no database of countries", path.display()))?;
    Ok(Some(Arc::new(geo)))
}

fn as_json(tally: &Tally, engine: &Engine, incidents: &[Incident]) -> anyhow::Result<String> {
    let counters = engine.counters();
    let mut all = Vec::new();
    for incident in incidents {
        let mut line = Vec::new();
        incident.encode(&mut line);
        all.push(serde_json::from_slice::<serde_json::Value>(&line)?);
    }
    Ok(serde_json::to_string_pretty(&serde_json::json!({
        "lines": tally.lines(), "events": tally.events(), "skipped": tally.skipped(), "late": counters.late,
        "held_back": counters.held_back, "evicted": evicted(engine), "incidents": all,
    }))?)
}

/// Groups whose state was given up, over all rules.
fn evicted(engine: &Engine) -> u64 {
    (0..engine.rules().rules().len())
        .map(|rule| engine.tables(rule))
        .map(|tables| tables.evicted + tables.refused)
        .sum()
}

fn people(tally: &Tally, engine: &Engine, incidents: &[Incident], rules: &Rules) {
    for incident in incidents {
        output::result(&shown(incident, rules));
    }
    let counters = engine.counters();
    let (lines, events, skipped) = (tally.lines(), tally.events(), tally.skipped());
    output::note(&format!("{lines} lines, {events} events, {skipped} lines skipped, {} incidents", incidents.len()));
    if counters.late > 0 {
        output::note(&format!("{} events came too late to be counted (see --lateness)", counters.late));
    }
    let evicted = evicted(engine);
    if evicted > 0 {
        output::note(&format!("{evicted} groups found no room in a table: counts of rare clients may be low"));
    }
    for sample in tally.samples() {
        output::note(&format!("line {}: {}: {}", sample.line, sample.bad, sample.text().terminal()));
    }
}

fn shown(incident: &Incident, rules: &Rules) -> String {
    let time = |at: EventTime| {
        let mut text = Vec::new();
        rfc3339(at.micros(), &mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        text.get(..19).unwrap_or_default().replace('T', " ")
    };
    let group: Vec<_> = incident
        .group
        .iter()
        .map(|(field, value)| format!("{}={}", field.name(), Untrusted::new(value).cut(60).terminal()))
        .collect();
    let (first, last) = (time(incident.first_seen), time(incident.last_seen));
    let mut text = format!(
        "{}  {}  {}\n    {} .. {}, {} events  {}",
        incident.priority.id(),
        incident.rule,
        incident.title,
        first,
        last,
        incident.count,
        group.join(" ")
    );
    let Evidence { paths, .. } = &incident.evidence;
    let top: Vec<_> = paths
        .iter()
        .take(3)
        .map(|(path, count)| format!("{} ({count})", Untrusted::new(path).cut(60).terminal()))
        .collect();
    if !top.is_empty() {
        text.push_str(&format!("\n    paths: {}", top.join(", ")));
    }
    if let Some(step) = rules.find(&incident.rule).and_then(|rule| rule.steps().first()) {
        text.push_str(&format!("\n    first: {step}"));
    }
    text
}

/// A line at the terminal, once a second.
struct Progress {
    shown: bool,
    last: Instant,
    terminal: bool,
}

impl Progress {
    fn new() -> Progress {
        Progress { shown: false, last: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    fn line(&mut self, lines: u64) {
        if self.terminal && lines.is_multiple_of(65_536) && self.last.elapsed() > SILENCE {
            self.shown = true;
            self.last = Instant::now();
            eprint!("\r{lines} lines");
        }
    }

    fn end(&self) {
        if self.shown {
            eprintln!();
        }
    }
}
