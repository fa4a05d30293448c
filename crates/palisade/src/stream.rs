//! Gates and detectors on several machines: `serve --stream` sends what the gate tells, `watch --stream` takes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use palisade_detect::Settings;
use palisade_gateway::{Heard, Tap};
use palisade_watch::pipeline::Pipeline;
use palisade_watch::store::{Keeper, Place, Store};
use palisade_watch::streams::{BatchId, Drawer, Feeder, KEEP, Stream};

use crate::intake::Reports;
use crate::output;
use crate::stored;

/// How long the feeder waits for lines before it looks for reports.
const LISTEN: Duration = Duration::from_millis(100);
/// Between two attempts to send.
const PAUSE: Duration = Duration::from_millis(500);
/// Attempts after the gate has ended.
const LAST_ATTEMPTS: u32 = 10;
/// How long a detector that died keeps its turn.
const LEASE: Duration = Duration::from_secs(10);
/// How far back a detector that takes over reads, so that its windows are what the other's were.
const LOOK_BACK: Duration = Duration::from_secs(3600);

/// The stream of that name on the server whose URL stands in a variable.
pub(crate) fn open(name: &str, variable: &str, variables: &BTreeMap<String, String>) -> anyhow::Result<Stream> {
    let url = variables.get(variable).map(|url| url.trim()).filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| anyhow!("{variable} is not set: it says where the stream {name} is (redis://...)"))?;
    // The URL may hold a password, so what is wrong with it is not shown.
    Stream::new(url, name, KEEP).map_err(|_| anyhow!("{variable} is no redis:// or rediss:// URL"))
}

/// Sends a gate's lines to a stream, from a thread of its own. While the server is out, what it hears waits in the tap,
/// bounded; what finds no room there is counted, and told as `dropped`.
pub(crate) struct Feed {
    thread: JoinHandle<()>,
}

// === impl Feed ===

impl Feed {
    pub(crate) fn start(tap: Tap, stream: Stream, reports: Option<Reports>) -> std::io::Result<Feed> {
        let feeder = Feeder::new(stream, &own_name());
        let run = move || feed(&tap, feeder, reports.as_ref());
        Ok(Feed { thread: thread::Builder::new().name("palisade-feeder".to_owned()).spawn(run)? })
    }

    /// Waits until everything was sent; the gate has ended before.
    pub(crate) fn finish(self) {
        let _ = self.thread.join();
    }
}

fn feed(tap: &Tap, mut feeder: Feeder, reports: Option<&Reports>) {
    let mut batch = Vec::new();
    loop {
        let heard = tap.next(LISTEN);
        if let Heard::Lines(told) = &heard {
            for line in told.lines() {
                batch.extend_from_slice(line);
                batch.push(b'\n');
            }
        }
        if let Some(reports) = reports {
            reports.each(|seen| seen.encode(&mut batch));
        }
        let over = matches!(heard, Heard::End);
        if !batch.is_empty() && !send(&mut feeder, &batch, over) {
            output::problem("the last events could not be sent to the stream");
        }
        batch.clear();
        if over {
            return;
        }
    }
}

/// Sends a batch, again and again; after the end only a few times. Says whether it was taken.
fn send(feeder: &mut Feeder, batch: &[u8], over: bool) -> bool {
    let mut failed = 0;
    while let Err(error) = feeder.send(batch) {
        failed += 1;
        if failed == 1 {
            output::problem(&format!(
                "the stream cannot be written: {error}; events wait, then are dropped and counted"
            ));
        }
        if over && failed >= LAST_ATTEMPTS {
            return false;
        }
        thread::sleep(PAUSE);
    }
    if failed > 0 {
        output::note("palisade: the stream is written again");
    }
    true
}

/// A detector's end of a stream.
pub(crate) struct Draw {
    drawer: Drawer,
    name: String,
    place: Place,
    settings: Settings,
    /// Whether it is our turn.
    turn: bool,
    /// The last batch of which everything is committed, or waits to be.
    last: Option<BatchId>,
    /// Batches to acknowledge once the commit of that number is written.
    owed: Option<(u64, Vec<BatchId>)>,
    troubled: bool,
}

// === impl Draw ===

impl Draw {
    pub(crate) fn new(stream: Stream, name: &str, place: Place, settings: Settings) -> Draw {
        let drawer = Drawer::new(stream, &own_name(), LEASE);
        Draw { drawer, name: name.to_owned(), place, settings, turn: false, last: None, owed: None, troubled: false }
    }

    /// Takes the next batches, if it is our turn; says whether there may be more at once.
    pub(crate) fn poll(&mut self, pipeline: &mut Pipeline, keeper: &Keeper) -> bool {
        match self.step(pipeline, keeper) {
            Ok(more) => {
                if std::mem::take(&mut self.troubled) {
                    output::note("palisade: the stream is read again");
                }
                more
            }
            Err(error) => {
                if !std::mem::replace(&mut self.troubled, true) {
                    output::problem(&format!("the stream cannot be read: {error:#}"));
                }
                false
            }
        }
    }

    fn step(&mut self, pipeline: &mut Pipeline, keeper: &Keeper) -> anyhow::Result<bool> {
        if let Some((ticket, batches)) = &self.owed {
            if keeper.written() < *ticket {
                return Ok(false);
            }
            self.drawer.acknowledge(batches)?;
            self.owed = None;
        }
        let Some(batches) = self.drawer.draw()? else {
            self.turn = false;
            return Ok(false);
        };
        if !self.turn {
            self.take_over(pipeline)?;
        }
        let now = stored::now();
        for batch in batches.iter().filter(|batch| self.last.is_none_or(|last| batch.id > last)) {
            batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| {
                pipeline.line(line, now);
            });
        }
        let Some(newest) = batches.iter().map(|batch| batch.id).max() else { return Ok(false) };
        self.last = self.last.max(Some(newest));
        let mark = self.last.map(|last| last.to_string().into_bytes()).unwrap_or_default();
        let ticket = pipeline.hand_over(keeper, vec![(mark_of(&self.name), mark)]);
        self.owed = Some((ticket, batches.iter().map(|batch| batch.id).collect()));
        Ok(true)
    }

    /// Begins where the last reader's commits end. What it counted within the hour before fills the windows again; so a batch
    /// that was sent twice is known too.
    fn take_over(&mut self, pipeline: &mut Pipeline) -> anyhow::Result<()> {
        let mut store = Store::open(&self.place).with_context(|| format!("the store at {}", self.place))?;
        let mark = store.mark(&mark_of(&self.name))?;
        self.last = mark.and_then(|mark| BatchId::from_text(str::from_utf8(&mark).ok()?));
        *pipeline = Pipeline::new(std::sync::Arc::clone(pipeline.engine().rules()), self.settings);
        if let Some(last) = self.last {
            self.drawer.history(last, LOOK_BACK, |batch| {
                for line in batch.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    pipeline.line_again(line);
                }
            })?;
            // In the store already.
            drop(pipeline.fresh());
        }
        self.turn = true;
        output::note(&format!("palisade: this detector reads the stream {}", self.name));
        Ok(())
    }

    /// Lets another detector read at once. What is not acknowledged comes to it.
    pub(crate) fn leave(mut self, keeper: &Keeper) {
        if let Some((ticket, batches)) = self.owed.take()
            && keeper.written() >= ticket
        {
            let _ = self.drawer.acknowledge(&batches);
        }
        let _ = self.drawer.leave();
    }
}

fn mark_of(stream: &str) -> String {
    format!("stream:{stream}")
}

/// A name of this process alone, on whichever machine.
fn own_name() -> String {
    let host = std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    format!("{}-{}-{:08x}", host.trim(), std::process::id(), rand::random::<u32>())
}

/// The rules that a detector of a stream runs are as late as a gate's lines on their way.
pub(crate) fn settings(seed: u64) -> Settings {
    Settings { seed, lateness_seconds: 5, ..Settings::default() }
}
