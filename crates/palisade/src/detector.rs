//! The detector inside the gate's process. It hears what the gate writes, from a thread of its own; no request waits for it.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use palisade_detect::{Engine, Rules, Settings};
use palisade_event::{EventTime, Incident, Seen};
use palisade_gateway::{Heard, Tap};
use palisade_watch::dashboard::Insight;
use palisade_watch::export::Exporter;
use palisade_watch::lines::Country;
use palisade_watch::notify::Notifier;
use palisade_watch::pipeline::Pipeline;
use palisade_watch::store::{Health, Keeper, Place, Retention, Told};
use palisade_watch::windows::Windows;

use crate::intake::Reports;
use crate::output;
use crate::warden::{Case, Warden};
use crate::{incidents, stored};

/// A detector at work.
pub(crate) struct Detector {
    thread: JoinHandle<Health>,
}

/// What a detector has beside the gate's lines, and who else hears what it finds.
#[derive(Default)]
pub(crate) struct Beside {
    /// Tells people; wants to know that something comes.
    pub(crate) notifier: Option<Arc<Notifier>>,
    /// Sends everything on.
    pub(crate) exporter: Option<Arc<Exporter>>,
    /// Answers with blocks.
    pub(crate) warden: Option<Arc<Warden>>,
    /// How it stands, for the dashboard.
    pub(crate) insight: Arc<Insight>,
    pub(crate) country: Option<Arc<dyn Country>>,
    pub(crate) reports: Option<Reports>,
    /// The store beside which it keeps what it remembers.
    pub(crate) windows: Option<Place>,
}

/// How long it waits for lines before it looks at the clock.
const LISTEN: Duration = Duration::from_millis(200);
/// How late lines of a gate may be: refusals are counted for a second, then told.
const LATENESS_SECONDS: u64 = 2;
/// How often its numbers are copied for the dashboard.
const NOTE_EVERY: Duration = Duration::from_secs(2);
/// A detector that is killed remembers what it did so long ago at most.
const REMEMBER_EVERY: Duration = Duration::from_secs(300);
/// How long the last commit may take.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

// === impl Detector ===

impl Detector {
    /// Starts it. Incidents are told to people on stderr, as they open.
    pub(crate) fn start(tap: Tap, rules: &Arc<Rules>, place: Place, beside: Beside) -> std::io::Result<Detector> {
        let keeper = keeper(place)?;
        // Strangers choose what is counted, so nobody may know where it is put.
        let settings = Settings { seed: seed(), lateness_seconds: LATENESS_SECONDS, ..Settings::default() };
        let windows = beside.windows.as_ref().and_then(|place| Windows::beside(place, "gate"));
        let mut pipeline = Pipeline::new(Arc::clone(rules), settings).with_country(beside.country.clone());
        if let Some(engine) = windows.as_ref().and_then(|windows| remembered(windows, rules, settings)) {
            pipeline = pipeline.with_engine(engine);
        }
        let run = move || listen(&tap, pipeline, keeper, &beside, windows.as_ref());
        Ok(Detector { thread: thread::Builder::new().name("palisade-detector".to_owned()).spawn(run)? })
    }

    /// Waits until everything that the gate wrote is counted and kept; the gate has ended before.
    pub(crate) fn finish(self) {
        match self.thread.join() {
            Ok(left) => tell_left(&left),
            Err(_) => output::problem("the detector ended by a panic; the gate was not touched by it"),
        }
    }
}

// === impl Beside ===

impl Beside {
    fn heard(&self, now: EventTime) {
        if let Some(notifier) = &self.notifier {
            notifier.heard(now);
        }
    }

    /// What an application reported goes where the gate's lines go.
    fn report(&self, seen: &Seen<'_>) {
        if let Some(exporter) = &self.exporter {
            let mut line = Vec::new();
            seen.encode(&mut line);
            exporter.line(line.trim_ascii_end());
        }
    }

    fn line(&self, line: &[u8]) {
        if let Some(exporter) = &self.exporter {
            exporter.line(line);
        }
    }

    fn found(&self, incident: Incident, pipeline: &Pipeline, now: EventTime) {
        if let Some(exporter) = &self.exporter {
            let mut line = Vec::new();
            incident.encode(&mut line);
            exporter.line(line.trim_ascii_end());
        }
        if let Some(warden) = &self.warden {
            let block = pipeline.engine().rules().find(&incident.rule).and_then(palisade_detect::Rule::block);
            warden.hear(Case { incident, block, hour: pipeline.clients(now) });
        }
    }
}

/// The store's writer; what becomes of it is told to people.
pub(crate) fn keeper(place: Place) -> std::io::Result<Keeper> {
    let named = place.to_string();
    Keeper::start(place, Retention::default(), move |told| match told {
        Told::Trouble(fault) => {
            output::problem(&format!("the store at {named} cannot be written: {fault}; what is found waits in memory"));
        }
        Told::Recovered => output::note(&format!("palisade: the store at {named} is written again")),
    })
}

/// Says what could not be written at the end.
pub(crate) fn tell_left(left: &Health) {
    let Health { trouble, events_waiting, incidents_waiting, incidents_lost, .. } = left;
    if *events_waiting > 0 || *incidents_waiting > 0 || *incidents_lost > 0 {
        let why = trouble.as_deref().unwrap_or("there was no time");
        let incidents = *incidents_waiting as u64 + incidents_lost;
        output::problem(&format!("not kept: {events_waiting} events, {incidents} incidents: {why}"));
    }
}

fn listen(tap: &Tap, mut pipeline: Pipeline, keeper: Keeper, beside: &Beside, windows: Option<&Windows>) -> Health {
    let (mut noted, mut kept) = (None::<Instant>, Instant::now());
    // Silence is counted from the start on.
    beside.heard(stored::now());
    loop {
        let heard = tap.next(LISTEN);
        let now = stored::now();
        match &heard {
            Heard::Lines(told) => {
                told.lines().for_each(|line| {
                    pipeline.line(line, now);
                    beside.line(line);
                });
                beside.heard(now);
            }
            Heard::Nothing | Heard::End => {}
        }
        if let Some(reports) = &beside.reports
            && reports.each(|seen| {
                pipeline.observe(seen, Some(now));
                beside.report(seen);
            })
        {
            beside.heard(now);
        }
        if matches!(heard, Heard::End) {
            pipeline.finish();
        }
        if !matches!(heard, Heard::End) {
            pipeline.tick(now);
        }
        if noted.is_none_or(|at| at.elapsed() >= NOTE_EVERY) {
            beside.insight.note(pipeline.engine(), now);
            noted = Some(Instant::now());
        }
        for incident in pipeline.fresh() {
            output::note(&format!("palisade: incident  {}", incidents::line(&incident)));
            beside.found(incident, &pipeline, now);
        }
        if matches!(heard, Heard::End) {
            pipeline.hand_over(&keeper, Vec::new());
            remember(windows, &pipeline);
            return keeper.finish(STORE_PATIENCE);
        }
        if kept.elapsed() >= REMEMBER_EVERY {
            kept = Instant::now();
            remember(windows, &pipeline);
        }
        if pipeline.is_due() {
            pipeline.hand_over(&keeper, Vec::new());
        }
    }
}

/// What the detector before this one remembered; what cannot be used is said.
fn remembered(windows: &Windows, rules: &Arc<Rules>, settings: Settings) -> Option<Engine> {
    windows.read(rules, settings, stored::now()).unwrap_or_else(|why| {
        output::note(&format!("palisade: what the detector remembered cannot be used, so it begins anew: {why}"));
        None
    })
}

fn remember(windows: Option<&Windows>, pipeline: &Pipeline) {
    if let Some(Err(error)) = windows.map(|windows| windows.write(pipeline.engine())) {
        output::problem(&format!("what the detector remembers cannot be kept over a restart: {error}"));
    }
}

/// Drawn anew by the standard library for each process.
pub(crate) fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}
