use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use palisade_event::EventTime;
use palisade_policy::{Datadog, Export, Otlp};

use super::{Origin, datadog, otlp};
use crate::notify::{Address, BadAddress, Client, Request};
use crate::store::Outcome;

/// The page of metrics as it is now.
pub type Page = Box<dyn Fn() -> String + Send>;

/// Sends lines and metrics on.
#[derive(Debug)]
pub struct Exporter {
    lines: Option<SyncSender<Vec<u8>>>,
    counts: Arc<Counts>,
    page: Arc<Mutex<Option<PageSlot>>>,
    thread: Option<JoinHandle<()>>,
}

struct PageSlot(Page);

#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    sent: AtomicU64,
}

/// Why nothing can be exported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadExport {
    /// A variable is not set.
    Missing(String),
    /// A variable holds no address that may be spoken to.
    Address(String, BadAddress),
    /// A variable holds no headers: `name=value,name=value`.
    Headers(String),
}

/// Where to, with its secrets.
struct Place {
    address: Address,
    metrics: Option<Address>,
    headers: Vec<(Cow<'static, str>, String)>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Otlp,
    Datadog,
}

/// Lines that wait; more are dropped.
const MAX_WAITING: usize = 20_000;
/// Lines in a request, and how long the first waits for others.
const BATCH: usize = 500;
const GATHER: Duration = Duration::from_secs(1);
const METRICS_EVERY: Duration = Duration::from_secs(30);
/// Attempts for a batch, and what is waited after the first.
const ATTEMPTS: u32 = 5;
const BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

// === impl Exporter ===

impl Exporter {
    /// Starts it, where the policy names a place; none where it names none.
    ///
    /// # Errors
    /// The first variable that is missing or unfit, whose value is not repeated.
    pub fn start(
        export: &Export,
        variables: &BTreeMap<String, String>,
        origin: Origin,
    ) -> Result<Option<Exporter>, BadExport> {
        let places = places(export, variables)?;
        if places.is_empty() {
            return Ok(None);
        }
        let (lines, taken) = sync_channel(MAX_WAITING);
        let counts = Arc::<Counts>::default();
        let page = Arc::<Mutex<Option<PageSlot>>>::default();
        let shipper = Shipper { places, origin, counts: Arc::clone(&counts), page: Arc::clone(&page), start: now() };
        let thread = thread::Builder::new().name("palisade-export".to_owned()).spawn(move || shipper.run(&taken));
        Ok(Some(Exporter { lines: Some(lines), counts, page, thread: thread.ok() }))
    }

    /// Whether it could be started.
    ///
    /// # Errors
    /// As [`Exporter::start`].
    pub fn check(export: &Export, variables: &BTreeMap<String, String>) -> Result<(), BadExport> {
        places(export, variables).map(drop)
    }

    /// Takes a line. Returns at once.
    pub fn line(&self, line: &[u8]) {
        let taken = self.lines.as_ref().is_some_and(|lines| lines.try_send(line.to_vec()).is_ok());
        if !taken {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// From where metrics come.
    pub fn with_page(&self, page: Page) {
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = Some(PageSlot(page));
    }

    /// Lines that were sent, and that were dropped.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.counts.sent.load(Relaxed), self.counts.dropped.load(Relaxed))
    }

    /// Sends what waits, but no longer than `patience`.
    pub fn finish(mut self, patience: Duration) {
        self.lines = None;
        let deadline = Instant::now() + patience;
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

fn places(export: &Export, variables: &BTreeMap<String, String>) -> Result<Vec<Place>, BadExport> {
    let value = |name: &str| {
        let value = variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
        value.map(str::to_owned).ok_or_else(|| BadExport::Missing(name.to_owned()))
    };
    let address = |name: &str, text: &str| Address::parse(text).map_err(|bad| BadExport::Address(name.to_owned(), bad));
    let mut places = Vec::new();
    if let Some(Otlp { endpoint, headers }) = &export.otlp {
        let base = value(endpoint)?;
        let base = base.trim_end_matches('/');
        let headers = match headers {
            Some(name) => pairs(&value(name)?).ok_or_else(|| BadExport::Headers(name.clone()))?,
            None => Vec::new(),
        };
        let metrics = Some(address(endpoint, &format!("{base}/v1/metrics"))?);
        places.push(Place {
            address: address(endpoint, &format!("{base}/v1/logs"))?,
            metrics,
            headers,
            kind: Kind::Otlp,
        });
    }
    if let Some(Datadog { key, site, url }) = &export.datadog {
        let usual = format!("https://http-intake.logs.{site}/api/v2/logs");
        let address = match url {
            Some(name) => address(name, &value(name)?)?,
            None => address(key, &usual)?,
        };
        let headers = vec![(Cow::Borrowed("dd-api-key"), value(key)?)];
        places.push(Place { address, metrics: None, headers, kind: Kind::Datadog });
    }
    Ok(places)
}

/// `name=value,name=value`, as OTEL_EXPORTER_OTLP_HEADERS is written.
fn pairs(text: &str) -> Option<Vec<(Cow<'static, str>, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((Cow::Owned(name.trim().to_ascii_lowercase()), value.trim().to_owned()))
    };
    text.split(',').filter(|text| !text.trim().is_empty()).map(pair).collect()
}

struct Shipper {
    places: Vec<Place>,
    origin: Origin,
    counts: Arc<Counts>,
    page: Arc<Mutex<Option<PageSlot>>>,
    start: EventTime,
}

impl Shipper {
    fn run(self, taken: &Receiver<Vec<u8>>) {
        let Ok(client) = Client::new() else { return };
        let mut told = Instant::now();
        loop {
            let (batch, ended) = gather(taken);
            if !batch.is_empty() {
                self.ship(&client, &batch);
            }
            if told.elapsed() >= METRICS_EVERY || ended {
                told = Instant::now();
                self.measure(&client);
            }
            if ended {
                return;
            }
        }
    }

    fn ship(&self, client: &Client, batch: &[Vec<u8>]) {
        for place in &self.places {
            let lines = batch.iter().map(Vec::as_slice);
            let body = match place.kind {
                Kind::Otlp => otlp::logs(lines, &self.origin, now()),
                Kind::Datadog => datadog::logs(lines, &self.origin),
            };
            let sent = post(client, &place.address, &place.headers, &body);
            let count = if sent { &self.counts.sent } else { &self.counts.dropped };
            count.fetch_add(batch.len() as u64, Relaxed);
        }
    }

    fn measure(&self, client: &Client) {
        let page = self.page.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|page| page.0());
        let Some(page) = page else { return };
        for place in &self.places {
            if let Some(address) = &place.metrics {
                let body = otlp::metrics(&page, &self.origin, self.start, now());
                // The next ones say the same and more: nothing is tried again.
                let request = Request { headers: &place.headers, body: &body };
                let _ = client.post(address, &request, || Ok(()));
            }
        }
    }
}

/// Lines that come within a second of the first; and whether no more will.
fn gather(taken: &Receiver<Vec<u8>>) -> (Vec<Vec<u8>>, bool) {
    let mut batch = Vec::new();
    let until = Instant::now() + GATHER;
    while batch.len() < BATCH {
        match taken.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => batch.push(line),
            Err(RecvTimeoutError::Timeout) => return (batch, false),
            Err(RecvTimeoutError::Disconnected) => return (batch, true),
        }
    }
    (batch, false)
}

/// Sends a batch, with patience. Meanwhile lines wait, and what finds no room is counted.
fn post(client: &Client, address: &Address, headers: &[(Cow<'static, str>, String)], body: &[u8]) -> bool {
    for attempt in 0..ATTEMPTS {
        let request = Request { headers, body };
        match client.post(address, &request, || Ok(())).into_outcome(LONGEST_WAIT) {
            Outcome::Delivered => return true,
            Outcome::Dead { .. } => return false,
            Outcome::Again { after, .. } if attempt + 1 < ATTEMPTS => {
                thread::sleep(after.max(BACKOFF.saturating_mul(1 << attempt)).min(LONGEST_WAIT));
            }
            Outcome::Again { .. } => {}
        }
    }
    false
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl fmt::Debug for PageSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageSlot(..)")
    }
}

// === impl BadExport ===

impl fmt::Display for BadExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadExport::Missing(name) => write!(f, "{name} is not set"),
            BadExport::Address(name, bad) => write!(f, "{name} holds no address that can be used: {bad}"),
            BadExport::Headers(name) => write!(f, "{name} holds no headers: write name=value,name=value"),
        }
    }
}

impl std::error::Error for BadExport {}
