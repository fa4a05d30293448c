//! Pages for operators: what happens now, what was found, what is normal, how the rules do. They are made on the server and
//! readable without a script; with one, the front page follows what happens.
//!
//! Who may see them is the listener's to say (SECURITY.md 20); the text of strangers leaves through
//! [`Untrusted`](palisade_event::Untrusted) alone (SECURITY.md 21). One thread reads the store, one question at a time;
//! [`WAITING`] may wait. What it does not do: change anything but the state of incidents.

pub(crate) mod chart;
mod events;
mod frame;
mod incidents;
mod insight;
mod live;
mod normal;
mod overview;
mod query;
mod reader;
mod readiness;
mod rules;
mod sign_in;
pub(crate) mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use maud::Markup;
use palisade_detect::Rules;
use palisade_event::EventTime;
use tokio::sync::mpsc;

use crate::store::{Place, Store, StoreFault};
use frame::{Frame, Tab};
pub use insight::Insight;
use live::Live;
pub(crate) use overview::ranked;
use query::Query;
use reader::Reader;
pub use reader::WAITING;
pub(crate) use readiness::{RECORD, read as small_file};

/// The pages of one gate, or of all that share its store.
pub struct Dashboard {
    reader: Arc<Reader>,
    live: Live,
    about: Arc<About>,
}

/// What the pages know beside the store.
#[derive(Debug)]
pub struct About {
    /// The application's name.
    pub app: String,
    /// Where `palisade.attest.toml`, reports of `check` and the state of maintenance may lie: the policy's folder.
    pub folder: PathBuf,
    /// The rules in force.
    pub rules: Arc<Rules>,
    /// What the detector holds in memory.
    pub insight: Arc<Insight>,
}

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// The path.
    pub path: String,
    /// The query.
    pub query: String,
    /// Who asks; none for what anybody may see.
    pub visitor: Option<Visitor>,
    /// Why nobody could sign in, where that was tried.
    pub refused: Option<&'static str>,
    /// The note of a form that was posted.
    pub posted: Option<String>,
}

/// Somebody who has signed in.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// How they call themselves.
    pub name: String,
    /// The field `csrf` of every form.
    pub csrf: String,
}

/// An answer.
#[derive(Debug)]
pub enum Reply {
    /// All of it.
    Page {
        /// The status.
        status: u16,
        /// The media type.
        media: &'static str,
        /// The content.
        content: Bytes,
    },
    /// Look there instead.
    Elsewhere(String),
    /// Server-sent events.
    Live(mpsc::Receiver<Bytes>),
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Missing {
    /// There is no such thing.
    NotFound,
    /// Too many ask at once.
    Busy,
    /// The store cannot be read.
    Fault(StoreFault),
}

const STYLE: &str = include_str!("dashboard/style.css");
const SCRIPT: &str = include_str!("dashboard/script.js");
const HTML: &str = "text/html; charset=utf-8";

// === impl Dashboard ===

impl Dashboard {
    /// The pages over a store. Starts the thread that reads it, which opens the store when it is first asked.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn start(place: Place, about: About) -> std::io::Result<Dashboard> {
        let (reader, about) = (Arc::new(Reader::start(place)?), Arc::new(about));
        let live = Live::new(Arc::clone(&reader), Arc::clone(&about));
        Ok(Dashboard { reader, live, about })
    }

    /// Whether a path may be seen without signing in.
    #[must_use]
    pub fn is_open(path: &str) -> bool {
        matches!(path, "/sign-in" | "/style.css" | "/script.js" | "/icon.svg")
    }

    /// How many statements the pages have asked of the store so far.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.reader.asked()
    }

    /// The answer. Must be asked on a tokio runtime; never blocks it.
    pub async fn answer(&self, request: Request) -> Reply {
        let asset = |media, text: &'static str| Reply::Page {
            status: 200,
            media,
            content: Bytes::from_static(text.as_bytes()),
        };
        match request.path.as_str() {
            "/style.css" => return asset("text/css; charset=utf-8", STYLE),
            "/script.js" => return asset("text/javascript; charset=utf-8", SCRIPT),
            "/icon.svg" => return asset("image/svg+xml", sign_in::ICON),
            "/sign-in" => return page(200, sign_in::page(&self.about.app, request.refused)),
            _ => {}
        }
        let Some(visitor) = request.visitor.clone() else { return self.sorry(&Missing::NotFound, None) };
        if request.path == "/live" {
            return self.live.follow().map_or_else(|| self.sorry(&Missing::Busy, Some(&visitor)), Reply::Live);
        }
        let about = Arc::clone(&self.about);
        let (asker, form) = (visitor.clone(), request.posted.is_some());
        let made = self.reader.ask(move |store| Ok(make(store, &about, &asker, &request)));
        match made.await.and_then(|made| made) {
            Ok(Made::Page(markup)) => page(200, markup),
            Ok(Made::Elsewhere(path)) if form => Reply::Elsewhere(path),
            Ok(Made::Elsewhere(_)) => self.sorry(&Missing::NotFound, Some(&visitor)),
            Err(missing) => self.sorry(&missing, Some(&visitor)),
        }
    }

    fn sorry(&self, missing: &Missing, visitor: Option<&Visitor>) -> Reply {
        let (status, title, text) = match missing {
            Missing::NotFound => (404, "Not found", "There is no such page.".to_owned()),
            Missing::Busy => (503, "Busy", "Too many ask at once. Try again in a moment.".to_owned()),
            Missing::Fault(fault) => (503, "The store cannot be read", fault.to_string()),
        };
        page(status, frame::sorry(&self.about.app, visitor, title, &text))
    }
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard").field("about", &self.about).finish_non_exhaustive()
    }
}

enum Made {
    Page(Markup),
    Elsewhere(String),
}

/// Makes a page, on the reader's thread.
fn make(store: &mut Store, about: &About, visitor: &Visitor, request: &Request) -> Result<Made, Missing> {
    let (query, now) = (Query::read(&request.query), now());
    if let Some(note) = &request.posted {
        return incidents::change(store, &request.path, visitor, note, now).map(Made::Elsewhere);
    }
    let (tab, title, main) = match request.path.as_str() {
        "/" => (Tab::Overview, "Overview", overview::page(store, about, now)?),
        "/events" => (Tab::Events, "Events", events::page(store, &query, now)?),
        "/incidents" => (Tab::Incidents, "Incidents", incidents::list(store, about, &query, now)?),
        "/normal" => (Tab::Normal, "What is normal", normal::page(store, now)?),
        "/rules" => (Tab::Rules, "Rules", rules::page(store, about, now)?),
        "/readiness" => (Tab::Readiness, "Readiness", readiness::page(about, now)),
        "/report" => (Tab::Report, "Weekly report", crate::report::section(store, &about.folder, now)?),
        path => {
            let key = path.strip_prefix("/incidents/").ok_or(Missing::NotFound)?;
            (Tab::Incidents, "Incident", incidents::one(store, about, visitor, key, now)?)
        }
    };
    let open = store.open_incidents()?;
    Ok(Made::Page(Frame { app: &about.app, visitor: Some(visitor), tab: Some(tab), open, title }.around(&main)))
}

fn page(status: u16, markup: Markup) -> Reply {
    Reply::Page { status, media: HTML, content: markup.into_string().into() }
}

impl From<StoreFault> for Missing {
    fn from(fault: StoreFault) -> Missing {
        Missing::Fault(fault)
    }
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime::from_micros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
