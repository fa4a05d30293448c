//! The dashboard at the admin listener: the listener knows who asks, the pages know what is asked for.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use http::StatusCode;
use palisade_detect::Rules;
use palisade_gateway::{Asked, Content, Page, Pages, Visitor};
use palisade_watch::dashboard::{self, About, Dashboard, Insight, Reply, Request};
use palisade_watch::store::Place;

struct Board(Dashboard);

/// The pages over a store, and what the detector is to tell them.
pub(crate) fn pages(
    place: Place,
    app: &str,
    folder: PathBuf,
    rules: Arc<Rules>,
) -> anyhow::Result<(Arc<dyn Pages>, Arc<Insight>)> {
    let insight = Arc::<Insight>::default();
    let about = About { app: app.to_owned(), folder, rules, insight: Arc::clone(&insight) };
    let dashboard = Dashboard::start(place, about).context("the dashboard cannot be started")?;
    Ok((Arc::new(Board(dashboard)), insight))
}

/// Where the policy's reports lie: beside it.
pub(crate) fn folder(policy: &Path) -> PathBuf {
    policy.parent().map(Path::to_path_buf).unwrap_or_default()
}

impl Pages for Board {
    fn is_open(&self, path: &str) -> bool {
        Dashboard::is_open(path)
    }

    fn answer(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Page> + Send + '_>> {
        Box::pin(async move { page(self.0.answer(request(asked)).await) })
    }
}

fn request(asked: Asked) -> Request {
    let Asked { path, query, form, visitor } = asked;
    let posted = form.map(|form| form.field("note").unwrap_or_default().to_owned());
    let (visitor, refused) = match visitor {
        Visitor::Stranger(refused) => (None, refused),
        Visitor::SignedIn { name, csrf } => (Some(dashboard::Visitor { name, csrf }), None),
    };
    Request { path, query, visitor, refused, posted }
}

fn page(reply: Reply) -> Page {
    match reply {
        Reply::Page { status, media, content } => Page {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            media,
            content: Content::Whole(content),
            location: None,
        },
        Reply::Elsewhere(path) => Page::elsewhere(&path),
        Reply::Live(pieces) => Page {
            status: StatusCode::OK,
            media: "text/event-stream",
            content: Content::Pieces(pieces),
            location: None,
        },
    }
}
